//! What Forge says of the place where a module stands: the invocation token's claim `context`, and what `view.getContext`
//! answers the shell.

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use crate::context::Values;
use crate::modules::PageModule;
use crate::selection::Selection;
use atlassian_connect_actix::internal::forge_pages::places::Thing;
use atlassian_connect_testing::TestTenant;

/// As Forge names it in the context of a page.
const ENVIRONMENT: (&str, &str) = ("5a4db0e0-0000-4000-8000-000000000001", "DEVELOPMENT");

/// What the sandbox knows of a module that is shown; nothing of it comes from a browser's body.
pub(super) struct Shown<'a> {
    pub(super) module: &'a PageModule,
    pub(super) kind: Kind,
    pub(super) local_id: &'a str,
    /// Values of context parameters.
    pub(super) values: &'a Values,
    /// The origin of the product.
    pub(super) site_url: &'a str,
    /// The product's page.
    pub(super) location: &'a str,
}

/// What the module is about.
///
/// Source: Atlassian's reference of each module, "Extension context".
pub(super) fn extension(shown: &Shown<'_>) -> Value {
    let value = |name: &str| shown.values.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| value(name).parse::<u64>().map_or_else(|_| json!(value(name)), |number| json!(number));
    let mut extension =
        Map::from_iter([("type".to_owned(), json!(shown.kind.name)), ("location".to_owned(), json!(shown.location))]);
    let mut add = |name: &str, of: Value| drop(extension.insert(name.to_owned(), of));
    for thing in shown.kind.things {
        match thing {
            Thing::Issue => add(
                "issue",
                json!({ "id": value("issue.id"), "key": value("issue.key"), "type": "Task", "typeId": value("issuetype.id") }),
            ),
            Thing::Project => {
                add("project", json!({ "id": value("project.id"), "key": value("project.key"), "type": "software" }));
            }
            Thing::Board => add("board", json!({ "id": value("board.id"), "type": value("board.type") })),
            Thing::Gadget => {
                add("dashboard", json!({ "id": value("dashboard.id") }));
                add("gadget", json!({ "id": value("dashboardItem.id") }));
                add("gadgetConfiguration", json!({}));
                add("entryPoint", json!("view"));
            }
            Thing::Portal => {
                add("portal", json!({ "id": number("servicedesk.serviceDeskId") }));
                add("page", json!("view_request"));
            }
            Thing::Request => {
                add("request", json!({ "key": value("issue.key"), "typeId": number("servicedesk.requestTypeId") }));
            }
            Thing::Content => add("content", json!({ "id": value("content.id"), "type": value("content.type") })),
            Thing::Space => add("space", json!({ "id": value("space.id"), "key": value("space.key") })),
        }
    }
    match shown.kind.name {
        "jira:issuePanel" => add("isNewToIssue", json!(false)),
        "macro" => {
            let parameters = shown.module.parameters.iter().map(|(name, _)| (name.clone(), json!(value(name))));
            add("config", Value::Object(parameters.collect()));
            add("isEditing", json!(shown.module.page == Some("editor")));
        }
        // a rule that is being made has no configuration yet
        _ if shown.module.page == Some("create") => {}
        "jira:workflowCondition" => add("conditionConfig", json!(value("condition.config"))),
        "jira:workflowValidator" => add("validatorConfig", json!(value("validator.config"))),
        "jira:workflowPostFunction" => add("postFunctionConfig", json!(value("postFunction.config"))),
        _ => {}
    }
    Value::Object(extension)
}

/// The claim `context` of the invocation token.
pub(super) fn claim(shown: &Shown<'_>, tenant: &TestTenant) -> Value {
    json!({
        "cloudId": tenant.cloud_id,
        "siteUrl": shown.site_url,
        "moduleKey": shown.module.module_key,
        "localId": shown.local_id,
        "environmentId": ENVIRONMENT.0,
        "environmentType": ENVIRONMENT.1,
        "extension": extension(shown),
    })
}

/// The same as the shell's own bridge tells it, with the user.
pub(super) fn of_bridge(shown: &Shown<'_>, tenant: &TestTenant, selection: &Selection) -> Value {
    let user = selection.user;
    let mut context = claim(shown, tenant);
    context["license"] = json!({ "active": selection.license == "active", "type": "COMMERCIAL" });
    // Forge writes it as browsers do
    context["locale"] = user.locale.replace('_', "-").into();
    context["timezone"] = user.time_zone.into();
    if let Some(account) = user.account() {
        context["accountId"] = account.into();
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::values;
    use crate::modules::pages;
    use crate::user::USERS;
    use atlassian_connect_actix::config::Product;

    fn of(product: Product, kind: &str, overrides: &[(String, String)]) -> Value {
        let parameters = json!([{ "identifier": "colour", "defaultValue": "red" }]);
        let module = json!({ "modules": { kind: [{ "key": "k", "url": "/k", "parameters": parameters }] } });
        let module = pages(&module).remove(0);
        let values = values(product, USERS[0], Some(&module), overrides);
        let shown = Shown {
            module: &module,
            kind: Kind::of(&module, product),
            local_id: "l",
            values: &values,
            site_url: "http://product.localhost:1",
            location: "http://product.localhost:1/x",
        };
        extension(&shown)
    }

    #[test]
    fn an_extension_has_what_its_module_stands_on() {
        let location = "http://product.localhost:1/x";
        let other = [("issue.key".to_owned(), "JRA-2".to_owned())];
        for (extension, expected) in [
            (
                of(Product::Jira, "jiraIssueContents", &other),
                json!({ "type": "jira:issuePanel", "location": location,
                        "issue": { "id": "10001", "key": "JRA-2", "type": "Task", "typeId": "10100" },
                        "project": { "id": "10000", "key": "JRA", "type": "software" }, "isNewToIssue": false }),
            ),
            (of(Product::Jira, "generalPages", &[]), json!({ "type": "jira:globalPage", "location": location })),
            (
                of(Product::Confluence, "dynamicContentMacros", &[]),
                json!({ "type": "macro", "location": location, "content": { "id": "98305", "type": "page" },
                        "space": { "id": "98304", "key": "DOCS" }, "config": { "colour": "red" }, "isEditing": false }),
            ),
            (
                of(Product::Jira, "jiraDashboardItems", &[]),
                json!({ "type": "jira:dashboardGadget", "location": location, "dashboard": { "id": "10400" },
                        "gadget": { "id": "10401" }, "gadgetConfiguration": {}, "entryPoint": "view" }),
            ),
            (
                of(Product::Jira, "serviceDeskPortalRequestViewPanels", &[]),
                json!({ "type": "jiraServiceManagement:portalRequestDetailPanel", "location": location,
                        "portal": { "id": 1 }, "page": "view_request", "request": { "key": "JRA-1", "typeId": 11 } }),
            ),
            (
                of(Product::Jira, "jiraProjectAdminTabPanels", &[]),
                json!({ "type": "jira:projectSettingsPage", "location": location,
                        "project": { "id": "10000", "key": "JRA", "type": "software" } }),
            ),
        ] {
            assert_eq!(extension, expected);
        }
    }
}
