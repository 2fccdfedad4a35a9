//! The values of a page's context parameters, and the matching context claim.
//!
//! Source: Atlassian, "Context parameters" of Jira and of Confluence, "Understanding JWT for Connect apps".

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::modules::{ModulePlace, PageModule};
use super::user::User;
use atlassian_connect_actix::config::Product;

/// The characters that `encodeURIComponent` does not encode.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Context parameters by name: `issue.key`.
pub(super) type Values = BTreeMap<String, String>;

/// The values of a site, which its fake REST API also knows, and those of a module. `overrides` take precedence.
pub(super) fn values(
    product: Product,
    user: User,
    module: Option<&PageModule>,
    overrides: &[(String, String)],
) -> Values {
    let of_jira: &[(&str, &str)] = &[
        ("project.id", "10000"),
        ("project.key", "JRA"),
        ("issue.id", "10001"),
        ("issue.key", "JRA-1"),
        ("issuetype.id", "10100"),
        ("version.id", "10200"),
        ("component.id", "10300"),
        ("board.id", "1"),
        ("board.type", "scrum"),
        ("board.mode", "work"),
        ("sprint.id", "1"),
        ("sprint.state", "active"),
        ("dashboard.id", "10400"),
        ("dashboardItem.id", "10401"),
        ("dashboardItem.key", module.map_or("", |module| &module.key)),
        ("dashboardItem.viewType", "default"),
        ("mode", "work"),
        ("rapidview.id", "1"),
        ("search.filter", "10500"),
        ("postFunction.id", "10600"),
        ("postFunction.config", ""),
        ("validator.id", "10601"),
        ("validator.config", ""),
        ("condition.id", "10602"),
        ("condition.config", ""),
        ("servicedesk.requestId", "10001"),
        ("servicedesk.serviceDeskId", "1"),
        ("servicedesk.portalId", "1"),
        ("servicedesk.requestTypeId", "11"),
        ("comment.id", "10700"),
        ("attachment.id", "10800"),
        ("worklog.id", "10900"),
        ("filter.id", "10500"),
        ("servicedesk.organizationId", "1"),
        ("organization.id", "1"),
    ];
    let of_confluence: &[(&str, &str)] = &[
        ("space.id", "98304"),
        ("space.key", "DOCS"),
        ("content.id", "98305"),
        ("content.type", "page"),
        ("content.version", "1"),
        ("content.plugin", ""),
        ("page.id", "98305"),
        ("page.title", "Welcome"),
        ("page.type", "page"),
        ("page.version", "1"),
        ("macro.id", "3f0c8b5e-0000-4000-8000-000000000001"),
        ("macro.hash", "3f0c8b5e-0000-4000-8000-000000000001"),
        ("macro.body", ""),
        ("macro.truncated", "false"),
        ("macro.fragmentLocalId", ""),
        ("output.type", "display"),
        ("comment.id", "98306"),
        ("attachment.id", "98307"),
        ("attachment.title", "notes.txt"),
        ("label.id", "98308"),
    ];
    let of_product = if product == Product::Confluence { of_confluence } else { of_jira };
    let of_user = [
        ("user.id", user.account_id),
        ("user.accountId", user.account_id),
        ("profileUser.accountId", user.account_id),
        ("profileUser.key", user.account_id),
        ("profileUser.name", user.display_name),
        ("user.isExternalCollaborator", "false"),
    ];
    let mut values: Values = of_product.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    values.extend(of_user.map(|(name, value)| (name.to_owned(), value.to_owned())));
    values.extend(module.into_iter().flat_map(|module| module.parameters.iter().cloned()));
    values.extend(overrides.iter().cloned());
    values
}

/// Replaces `{issue.key}` and `${issue.key}` in a URL by their encoded values. An unknown parameter becomes empty, as
/// at a real host.
pub(super) fn fill(url: &str, values: &Values) -> String {
    let mut filled = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, further)) = after.split_once('}') else { break };
        filled.push_str(before.strip_suffix('$').unwrap_or(before));
        let value = values.get(name).map(String::as_str).unwrap_or_default();
        filled.extend(utf8_percent_encode(value, COMPONENT));
        rest = further;
    }
    filled.push_str(rest);
    filled
}

/// Encodes a value for a query.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, COMPONENT).to_string()
}

/// What a page is about, as `AP.context.getContext` returns it, inside the product's name as in the claim `context`.
pub(super) fn claim(product: Product, module: &PageModule, values: &Values) -> Value {
    let value = |name: &str| values.get(name).map(String::as_str).unwrap_or_default();
    let pair = |of: &str| json!({ "id": value(&format!("{of}.id")), "key": value(&format!("{of}.key")) });
    if product == Product::Confluence {
        let mut about = json!({});
        if matches!(module.place, ModulePlace::Space | ModulePlace::Content) {
            about["space"] = pair("space");
        }
        if module.place == ModulePlace::Content {
            about["content"] = json!({ "id": value("content.id"), "type": value("content.type"), "version": value("content.version") });
        }
        if module.kind == "dynamicContentMacros" {
            about["macro"] =
                json!({ "id": value("macro.id"), "hash": value("macro.hash"), "outputType": value("output.type") });
        }
        return json!({ "confluence": about });
    }
    let mut about = json!({});
    if matches!(module.place, ModulePlace::Project | ModulePlace::Issue) {
        about["project"] = pair("project");
    }
    if module.place == ModulePlace::Issue {
        about["issue"] =
            json!({ "id": value("issue.id"), "key": value("issue.key"), "issuetype": { "id": value("issuetype.id") } });
    }
    if module.place == ModulePlace::Dashboard {
        about["dashboard"] = json!({ "id": value("dashboard.id") });
        about["dashboardItem"] = json!({ "id": value("dashboardItem.id"), "key": value("dashboardItem.key"), "viewType": value("dashboardItem.viewType") });
    }
    json!({ "jira": about })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::pages;
    use crate::user::USERS;

    fn module(kind: &str, url: &str) -> PageModule {
        pages(&json!({ "modules": { kind: [{ "key": "k", "url": url }] } })).remove(0)
    }

    #[test]
    fn parameters_are_filled_and_encoded() {
        let values = Values::from([("issue.key".into(), "JRA-1".into()), ("a".into(), "x y&z=ü/{b}".into())]);
        for (url, filled) in [
            ("/p?i={issue.key}&j=${issue.key}", "/p?i=JRA-1&j=JRA-1"),
            ("/p/{a}", "/p/x%20y%26z%3D%C3%BC%2F%7Bb%7D"),
            ("/p?u={nobody.knows}&v=1", "/p?u=&v=1"),
            ("/p?open={x", "/p?open={x"),
            ("/p?price=$5", "/p?price=$5"),
        ] {
            assert_eq!(fill(url, &values), filled);
        }
    }

    #[test]
    fn both_products_have_values_for_attachments_and_similar_parameters() {
        for (product, names) in [
            (Product::Jira, ["attachment.id", "comment.id", "worklog.id", "filter.id"]),
            (Product::Confluence, ["attachment.id", "comment.id", "attachment.title", "label.id"]),
        ] {
            let values = values(product, USERS[0], None, &[]);
            for name in names {
                assert!(!fill(&format!("{{{name}}}"), &values).is_empty(), "{name} of {product:?}");
            }
        }
    }

    #[test]
    fn overrides_and_a_macros_own_parameters_count() {
        let mut module = module("dynamicContentMacros", "/m?p={page.id}&c={colour}&o={output.type}");
        module.parameters = vec![("colour".into(), "red".into())];
        let values = values(Product::Confluence, USERS[0], Some(&module), &[("page.id".into(), "7".into())]);
        assert_eq!(fill(&module.url, &values), "/m?p=7&c=red&o=display");
        let claim = claim(Product::Confluence, &module, &values);
        assert_eq!(claim["confluence"]["space"]["key"], "DOCS");
        assert_eq!(claim["confluence"]["macro"]["outputType"], "display");
    }

    #[test]
    fn the_claim_describes_the_pages_context() {
        let about = |kind| {
            let module = module(kind, "/x");
            claim(Product::Jira, &module, &values(Product::Jira, USERS[0], Some(&module), &[]))["jira"].clone()
        };
        assert_eq!(about("generalPages"), json!({}));
        assert_eq!(about("jiraProjectPages"), json!({ "project": { "id": "10000", "key": "JRA" } }));
        assert_eq!(
            about("jiraIssueGlances")["issue"],
            json!({ "id": "10001", "key": "JRA-1", "issuetype": { "id": "10100" } })
        );
        assert_eq!(about("jiraDashboardItems")["dashboardItem"]["id"], "10401");
    }
}
