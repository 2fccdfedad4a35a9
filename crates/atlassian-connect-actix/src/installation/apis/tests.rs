//! Which product calls, and where the others are.

use serde_json::{Value, json};

use super::*;

fn api(product: &str, id: &str) -> String {
    format!("https://api.atlassian.com/ex/{product}/{id}")
}

fn of(app: &Value, home: Product) -> Apis {
    let mut claims = json!({ "exp": 1, "app": app });
    claims["app"]["installationId"] = "i".into();
    Apis::of(&ForgeClaims::read(&claims.to_string()).unwrap(), home)
}

fn both() -> Value {
    json!({ "installation": { "contexts": [
        { "name": "jira", "apiBaseUrl": api("jira", "c") },
        { "name": "confluence", "apiBaseUrl": api("confluence", "c") },
    ] } })
}

#[test]
fn the_product_that_calls_is_the_modules_or_that_of_the_url() {
    let (jira, confluence) = (api("jira", "c"), api("confluence", "c"));
    for (url, module, home, expected) in [
        (Some(&jira), "core:endpoint", Product::Confluence, &jira),
        (Some(&confluence), "core:trigger", Product::Jira, &confluence),
        (Some(&jira), "confluence:globalPage", Product::Jira, &confluence),
        (Some(&jira), "xen:macro", Product::Jira, &confluence),
        (Some(&jira), "macro", Product::Jira, &confluence),
        (Some(&confluence), "jira:issuePanel", Product::Confluence, &jira),
        (Some(&confluence), "jiraServiceManagement:queuePage", Product::Confluence, &jira),
        // the installation does not have it
        (Some(&confluence), "bitbucket:repoPage", Product::Confluence, &confluence),
        (Some(&jira), "confluence", Product::Jira, &confluence),
        (Some(&jira), "Confluence:globalPage", Product::Jira, &jira),
        (None, "core:endpoint", Product::Confluence, &confluence),
        (None, "core:endpoint", Product::Jira, &jira),
        (None, "core:endpoint", Product::Bitbucket, &confluence),
        (None, "jira:issuePanel", Product::Confluence, &jira),
    ] {
        let mut app = both();
        (app["apiBaseUrl"], app["module"]) = (json!(url), json!({ "type": module }));
        let apis = of(&app, home);
        assert_eq!(apis.first().unwrap().url(), expected, "{url:?} {module} {home:?}");
        assert_eq!(apis.products(), ["confluence", "jira"], "{url:?} {module}");
        assert_eq!(apis.0.len(), 2);
    }
}

#[test]
fn a_product_is_known_by_its_url_or_else_by_its_name() {
    for (app, product, expected) in [
        (both(), "jira", Some(api("jira", "c"))),
        (both(), "confluence", Some(api("confluence", "c"))),
        (both(), "bitbucket", None),
        (json!({ "apiBaseUrl": api("jira", "c") }), "jira", Some(api("jira", "c"))),
        (json!({ "apiBaseUrl": api("jira", "c") }), "confluence", None),
        (json!({ "apiBaseUrl": "https://x.example" }), "jira", None),
        (json!({ "apiBaseUrl": "https://x.example" }), "", Some("https://x.example".to_owned())),
        (
            json!({ "installation": { "contexts": [{ "name": "Jira", "apiBaseUrl": "https://x.example/" }] } }),
            "jira",
            Some("https://x.example".to_owned()),
        ),
        // a wrong name does not lead a path of Jira to Confluence
        (
            json!({ "installation": { "contexts": [{ "name": "jira", "apiBaseUrl": api("confluence", "c") }] } }),
            "jira",
            None,
        ),
        (
            json!({ "apiBaseUrl": "https://x.example",
                    "installation": { "contexts": [{ "name": "bitbucket", "apiBaseUrl": "https://x.example/" }] } }),
            "bitbucket",
            Some("https://x.example".to_owned()),
        ),
        (json!({ "installation": { "contexts": [{ "name": "jira" }] } }), "jira", None),
        (json!({}), "jira", None),
    ] {
        let found = of(&app, Product::Jira).find(product).map(|api| api.url().to_owned());
        assert_eq!(found, expected, "{app} {product}");
    }
}

#[test]
fn of_several_sites_it_is_the_one_that_calls() {
    let contexts: Vec<_> = ["a", "b"]
        .into_iter()
        .flat_map(|id| [("jira", id), ("confluence", id)])
        .map(|(name, id)| json!({ "name": name, "apiBaseUrl": api(name, id) }))
        .collect();
    for (product, id) in [("jira", "a"), ("jira", "b"), ("confluence", "a"), ("confluence", "b")] {
        let apis =
            of(&json!({ "apiBaseUrl": api(product, id), "installation": { "contexts": contexts } }), Product::Jira);
        for other in ["jira", "confluence"] {
            assert_eq!(apis.find(other).unwrap().url(), api(other, id), "{product} {id}");
        }
        assert_eq!(apis.at_home(Product::Jira).first().unwrap().url(), api("jira", "a"));
    }
}

#[test]
fn confluence_is_below_wiki() {
    for url in [api("confluence", "c"), api("confluence", "c/"), api("confluence", "c/wiki/")] {
        assert_eq!(Api::new(&url, None).base_url(), api("confluence", "c/wiki"), "{url}");
    }
    assert_eq!(Api::new(&api("jira", "c"), None).base_url(), api("jira", "c"));
    assert_eq!(Api::new("https://x.example", Some("Confluence")).base_url(), "https://x.example/wiki");
}

#[test]
fn a_list_keeps_what_the_url_does_not_say() {
    let one = of(&json!({ "apiBaseUrl": api("jira", "c") }), Product::Jira);
    assert_eq!(one.to_list(8, 255), []);
    assert_eq!(Apis::from_list(&[], Some(&api("jira", "c"))), one);
    assert_eq!(Apis::from_list(&[], None), Apis::default());
    let several = of(&both(), Product::Confluence);
    let list = several.to_list(8, 255);
    assert_eq!(Apis::from_list(&list, None), several);
    let stored = serde_json::to_value(&list).unwrap();
    assert_eq!(stored, json!([["confluence", api("confluence", "c")], ["jira", api("jira", "c")]]));
    assert_eq!(serde_json::from_value::<Vec<Api>>(stored).unwrap(), list);
    assert_eq!(several.to_list(1, 255).len(), 1);
    assert_eq!(several.to_list(8, api("jira", "c").len()), [Api::new(&api("jira", "c"), None)]);
}
