//! Tables of keys.

use serde_json::{Value, json};

use super::*;

const ID: &str = "ari:cloud:ecosystem::installation/i";

fn claims(app: &Value, context: &Value) -> ForgeClaims {
    let mut claims = json!({ "exp": 1, "app": app, "context": context });
    claims["app"]["installationId"] = ID.into();
    ForgeClaims::read(&claims.to_string()).unwrap()
}

fn keys(product: Product, app: &Value, context: &Value) -> Vec<String> {
    site_keys(&claims(app, context), Installed { product, other_app: None })
}

fn api(product: &str, id: &str) -> String {
    format!("https://api.atlassian.com/ex/{product}/{id}")
}

fn on(contexts: &Value) -> Value {
    json!({ "installation": { "contexts": contexts } })
}

#[test]
fn a_site_has_a_resource_identifier() {
    for (api, ari) in [
        ("https://api.atlassian.com/ex/jira/c-1", Some("ari:cloud:jira::site/c-1")),
        ("https://api.atlassian.com/ex/confluence/c/wiki", Some("ari:cloud:confluence::site/c")),
        ("https://api.atlassian.com/ex/jira", None),
        ("https://api.atlassian.com/ex/jira/", None),
        ("https://api.atlassian.com/jira/c", None),
        ("https://api.atlassian.com/ex/jira/a%2Fb", None),
        ("", None),
    ] {
        assert_eq!(site_ari(api).as_deref(), ari, "{api}");
    }
}

#[test]
fn an_installation_with_one_product_has_the_key_of_its_site() {
    let jira = api("jira", "c");
    for (what, app) in [
        ("no contexts", json!({ "apiBaseUrl": jira })),
        ("a context", json!({ "apiBaseUrl": jira, "installation": { "contexts": [{ "apiBaseUrl": jira }] } })),
        (
            "a slash",
            json!({ "apiBaseUrl": format!("{jira}/"), "installation": { "contexts": [{ "apiBaseUrl": jira }] } }),
        ),
        ("contexts alone", on(&json!([{ "name": "jira", "apiBaseUrl": jira }]))),
        ("a name and an id", on(&json!([{ "name": "Jira", "cloudId": "c" }]))),
        ("the URL counts", on(&json!([{ "name": "confluence", "apiBaseUrl": jira, "cloudId": "d" }]))),
        ("odd contexts", json!({ "apiBaseUrl": jira, "installation": { "contexts": "all" } })),
    ] {
        for product in [Product::Jira, Product::Confluence, Product::Bitbucket] {
            assert_eq!(keys(product, &app, &Value::Null), ["ari:cloud:jira::site/c"], "{what} {product:?}");
        }
    }
}

#[test]
fn an_installation_with_several_products_has_the_key_of_the_configured_one() {
    let contexts = |names: &[&str]| {
        let contexts: Vec<_> = names.iter().map(|name| json!({ "name": name, "apiBaseUrl": api(name, "c") })).collect();
        on(&contexts.into())
    };
    for (names, product, expected) in [
        (&["jira", "confluence"][..], Product::Jira, ["jira", "confluence"]),
        (&["confluence", "jira"], Product::Jira, ["jira", "confluence"]),
        (&["jira", "confluence"], Product::Confluence, ["confluence", "jira"]),
        (&["jira", "confluence"], Product::Bitbucket, ["confluence", "jira"]),
        (&["jira", "compass"], Product::Confluence, ["compass", "jira"]),
        (&["jira", "jira", "compass"], Product::Jira, ["jira", "compass"]),
    ] {
        let expected = expected.map(|product| format!("ari:cloud:{product}::site/c"));
        // whichever of them calls
        for calling in names.iter().map(|name| json!(api(name, "c"))).chain([Value::Null]) {
            let mut app = contexts(names);
            app["apiBaseUrl"] = calling;
            assert_eq!(keys(product, &app, &Value::Null), expected, "{app} {product:?}");
        }
    }
    let two_sites = on(&json!([{ "apiBaseUrl": api("jira", "d") }, { "apiBaseUrl": api("jira", "c") }]));
    let expected = ["ari:cloud:jira::site/c", "ari:cloud:jira::site/d"];
    assert_eq!(keys(Product::Jira, &two_sites, &Value::Null), expected);
}

#[test]
fn bitbucket_has_the_key_of_its_workspace() {
    let url = "https://api.bitbucket.org/2.0";
    for (what, app, context) in [
        ("the context", on(&json!([{ "name": "bitbucket", "apiBaseUrl": url, "workspaceId": "w-1" }])), json!({})),
        ("braces", on(&json!([{ "name": "Bitbucket", "workspaceId": "{w-1}" }])), json!({})),
        ("an ARI", on(&json!([{ "workspaceId": "ari:cloud:bitbucket::workspace/w-1" }])), json!({})),
        ("the page", on(&json!([{ "name": "bitbucket" }])), json!({ "workspaceId": "w-1" })),
        ("the page alone", json!({ "apiBaseUrl": url }), json!({ "workspaceId": "w-1" })),
        ("its API", json!({ "apiBaseUrl": api("bitbucket", "x") }), json!({ "workspaceId": "w-1" })),
        (
            "its context counts",
            on(&json!([{ "name": "bitbucket", "workspaceId": "w-1" }])),
            json!({ "workspaceId": "w-2" }),
        ),
    ] {
        for calling in [app["apiBaseUrl"].clone(), json!(url)] {
            let mut app = app.clone();
            app["apiBaseUrl"] = calling;
            assert_eq!(keys(Product::Bitbucket, &app, &context)[0], "ari:cloud:bitbucket::workspace/w-1", "{what}");
        }
    }
    let both = on(&json!([{ "name": "bitbucket", "workspaceId": "w" }, { "apiBaseUrl": api("jira", "c") }]));
    let expected = ["ari:cloud:jira::site/c", "ari:cloud:bitbucket::workspace/w"];
    assert_eq!(keys(Product::Jira, &both, &Value::Null), expected);
}

#[test]
fn an_installation_without_a_site_has_its_own_key() {
    for (app, context) in [
        (json!({}), json!({})),
        (json!({ "apiBaseUrl": "https://api.example.com" }), json!({})),
        (json!({ "apiBaseUrl": api("jira", &"c".repeat(101)) }), json!({})),
        (on(&json!([{ "name": "jira" }])), json!({})),
        (on(&json!([{ "cloudId": "c" }])), json!({})),
        (on(&json!([{ "name": "ji:ra", "cloudId": "c" }])), json!({})),
        (on(&json!([{ "name": "jira", "cloudId": "a/b" }])), json!({})),
        (on(&json!([{ "name": "bitbucket", "workspaceId": "a b" }])), json!({})),
        (on(&json!([{ "name": "bitbucket", "workspaceId": "" }])), json!({})),
        // a workspace of something else than Bitbucket
        (json!({}), json!({ "cloudId": "c", "workspaceId": "w" })),
    ] {
        let mut app = app;
        for environment in [Value::Null, json!({ "type": "STAGING", "id": "s" })] {
            app["environment"] = environment;
            assert_eq!(keys(Product::Jira, &app, &context), [ID], "{app} {context}");
        }
    }
}

#[test]
fn environments_and_apps_have_keys_of_their_own() {
    let environment = |id: &str| format!("ari:cloud:ecosystem::environment/a/{id}");
    for (what, value, expected) in [
        ("production", json!({ "type": "PRODUCTION", "id": environment("p") }), ""),
        ("in lower case", json!({ "type": "production" }), ""),
        ("no type", json!({ "id": environment("p") }), ""),
        ("nothing", json!({}), ""),
        ("no environment", Value::Null, ""),
        ("staging", json!({ "type": "STAGING", "id": environment("s-1") }), "/environment/s-1"),
        ("a bare id", json!({ "type": "DEVELOPMENT", "id": "d-1" }), "/environment/d-1"),
        ("no id", json!({ "type": "DEVELOPMENT" }), "/environment/development"),
        ("an empty id", json!({ "type": "DEVELOPMENT", "id": "" }), "/environment/development"),
        ("an odd id", json!({ "type": "X", "id": "a b" }), "/environment/c8687a08aa5d6ed2044328fa6a697ab8"),
        ("an odd type", json!({ "type": "ÄX" }), "/environment/6acee3cde8887d62a7d5f39a6f036154"),
    ] {
        let app = json!({ "apiBaseUrl": api("jira", "c"), "environment": value });
        let of = |other_app| site_keys(&claims(&app, &Value::Null), Installed { product: Product::Jira, other_app });
        assert_eq!(of(None), [format!("ari:cloud:jira::site/c{expected}")], "{what}");
        assert_eq!(of(Some("b-2")), [format!("ari:cloud:jira::site/c/app/b-2{expected}")], "{what}");
    }
}

#[test]
fn a_key_has_plain_characters_and_a_bounded_length() {
    let product = "p".repeat(LONGEST_PRODUCT);
    for id in ["c".repeat(LONGEST_ID), "1".to_owned()] {
        for odd in ["x".repeat(500), "/".repeat(40), "ä\u{0}\n".repeat(30), "x".repeat(36), String::new()] {
            let context = json!([
                { "apiBaseUrl": api(&product, &id) },
                { "name": "bitbucket", "workspaceId": id },
                { "name": odd, "cloudId": odd, "workspaceId": odd },
            ]);
            let mut app = on(&context);
            app["environment"] = json!({ "type": "STAGING", "id": odd });
            let installed = Installed { product: Product::Jira, other_app: Some(&odd) };
            let keys = site_keys(&claims(&app, &Value::Null), installed);
            assert!(keys.len() >= 2, "{keys:?}");
            for key in keys {
                assert!(key.len() <= 255, "{key}");
                assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b":-/".contains(&b)), "{key}");
            }
        }
    }
    let two = ["a/".repeat(30), "b/".repeat(30)].map(|id| part(&id));
    assert_ne!(two[0], two[1]);
}

#[test]
fn only_plain_characters_become_a_key() {
    for good in ["c", "11111111-2222-3333-4444-555555555555", &"a".repeat(100)] {
        assert!(is_cloud_id(good), "{good}");
    }
    for bad in ["", " ", "a/b", "a b", "ä", "a:b", "a%2Fb", "a\n", &"a".repeat(101)] {
        assert!(!is_cloud_id(bad), "{bad:?}");
        assert_eq!(site_key(Product::Jira, bad), None, "{bad:?}");
    }
    assert_eq!(site_key(Product::Confluence, "c-1").as_deref(), Some("ari:cloud:confluence::site/c-1"));
}

#[test]
fn sites_are_told_from_installations() {
    for site in
        ["ari:cloud:jira::site/c", "ari:cloud:confluence::site/c/environment/e", "ari:cloud:bitbucket::workspace/w"]
    {
        assert!(is_site_key(site), "{site}");
    }
    for installation in ["ari:cloud:ecosystem::installation/1", "1b2c", "", "site/c"] {
        assert!(!is_site_key(installation), "{installation}");
    }
}

#[test]
fn a_key_is_read_as_it_is_made() {
    let site = "ari:cloud:jira::site/c";
    for (key, product, plain, ari) in [
        (site, Some("jira"), None, site),
        ("ari:cloud:jira::site/c/environment/e", Some("jira"), Some(site), site),
        ("ari:cloud:jira::site/c/app/b/environment/e", Some("jira"), Some(site), site),
        ("ari:cloud:ecosystem::installation/1", Some("ecosystem"), None, "ari:cloud:ecosystem::installation/1"),
        ("odd", None, None, "odd"),
        ("", None, None, ""),
    ] {
        assert_eq!((product_of_key(key), plain_of(key), ari_of_key(key)), (product, plain, ari), "{key}");
    }
}
