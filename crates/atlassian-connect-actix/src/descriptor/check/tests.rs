use serde_json::{Value, json};

use crate::descriptor::Descriptor;
use crate::descriptor::tests::config;

/// The findings about a valid descriptor with `changes` merged in; null removes a member.
fn findings(changes: &Value) -> String {
    findings_for(&[], changes)
}

fn findings_for(vars: &[(&str, &str)], changes: &Value) -> String {
    let mut good = json!({
        "key": "a", "name": "A", "baseUrl": "{{localBaseUrl}}",
        "authentication": { "type": "jwt" },
        "apiMigrations": { "signed-install": true, "context-qsh": true },
        "lifecycle": { "installed": "/installed" }
    });
    for (name, value) in changes.as_object().unwrap() {
        good[name] = value.clone();
    }
    good.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    check(vars, &good.to_string())
}

fn check(vars: &[(&str, &str)], text: &str) -> String {
    let config = config(vars);
    let descriptor = Descriptor::parse("d.json", text, &config, None).unwrap();
    let findings = descriptor.check(&config);
    // all of it is on the first line, so the lines say nothing
    let shown = |finding: &super::Finding| format!("{}: {} {}", finding.severity, finding.path, finding.text);
    findings.iter().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_descriptor_has_no_findings() {
    insta::assert_snapshot!(findings(&json!({})), @"");
    let complete = include_str!("complete.json");
    insta::assert_snapshot!(check(&[], complete), @"");
}

#[test]
fn unknown_members() {
    insta::assert_snapshot!(findings(&json!({
        "apiMigration": {}, "version": "0.1", "versoin": 1,
        "lifecycle": { "installed": "/i", "instaled": "/i", "upgraded": "/u" },
        "vendor": { "name": "V", "_links": {} },
        "links": { "homePage": "x", "mine": "y" }
    })), @"
    warning: $.lifecycle.instaled is not known; did you mean installed?
    warning: $.lifecycle.upgraded is not known; $.lifecycle has installed, uninstalled, enabled, disabled, dare-migration
    warning: $.apiMigration is not known; did you mean apiMigrations?
    warning: $.versoin is not known; did you mean version?
    warning: $.vendor._links is not known; $.vendor has name, url
    hint: $.links.homePage has no meaning to a host; did you mean homepage?
    ");
}

#[test]
fn identity_and_address_of_the_add_on() {
    insta::assert_snapshot!(findings(&json!({
        "key": "a".repeat(81), "baseUrl": "http://addon.example.com:3000",
        "authentication": { "type": "none" }, "apiMigrations": { "signed-install": false }, "lifecycle": null
    })), @r#"
    warning: $ names no lifecycle.installed: no site can install the add-on
    error: $.key is longer than the 80 characters that a host accepts
    warning: $.baseUrl is "http://addon.example.com:3000", but the configured localBaseUrl is http://localhost:3000: write {{localBaseUrl}} instead
    warning: $.baseUrl is http, but hosts call add-ons over https only
    hint: $.baseUrl has port 3000, but hosts call add-ons on the ports 80, 443 and 8080 only
    error: $.authentication.type is "none", but must be "jwt": otherwise hosts sign nothing, and every page answers 401
    warning: $.apiMigrations has no context-qsh: write true, since context tokens without "qsh": "context-qsh" are refused
    warning: $.apiMigrations.signed-install is not true, but installs that are not signed are refused
    "#);
    insta::assert_snapshot!(findings(&json!({
        "baseUrl": "ftp://x", "authentication": null, "apiMigrations": null, "lifecycle": { "enabled": "/e" }
    })), @r#"
    error: $ has no authentication: write "authentication": { "type": "jwt" }
    warning: $ has no apiMigrations.signed-install: write true, since installs that are not signed are refused
    warning: $ has no apiMigrations.context-qsh: write true, since context tokens without "qsh": "context-qsh" are refused
    warning: $.baseUrl is "ftp://x", but the configured localBaseUrl is http://localhost:3000: write {{localBaseUrl}} instead
    error: $.baseUrl is not an http(s) URL
    warning: $.lifecycle names no lifecycle.installed: no site can install the add-on
    "#);
    let reached = [("AC_LOCAL_BASE_URL", "https://addon.example.com:8080/base")];
    insta::assert_snapshot!(findings_for(&reached, &json!({})), @"");
    insta::assert_snapshot!(findings(&json!({ "vendor": "me", "scopes": "READ", "modules": [] })), @"
    error: $.vendor must be an object
    error: $.scopes must be a list of strings
    error: $.modules must be an object
    ");
}

#[test]
fn scopes_in_either_case() {
    insta::assert_snapshot!(findings(&json!({
        "scopes": ["read", "WRITE", "act_as_user", "ACT_AS_USR", "something", 1]
    })), @r#"
    warning: $.scopes[3] "ACT_AS_USR" is not known; did you mean ACT_AS_USER?
    warning: $.scopes[4] "something" is not known; the scopes are NONE, READ, WRITE, DELETE, PROJECT_ADMIN, SPACE_ADMIN, ADMIN, ACT_AS_USER, ACCESS_EMAIL_ADDRESSES
    error: $.scopes[5] must be a string
    "#);
}

#[test]
fn paths_that_two_callbacks_share() {
    insta::assert_snapshot!(findings(&json!({
        "lifecycle": { "installed": "/in", "enabled": "/switched", "disabled": "/switched?off" },
        "modules": { "webhooks": [{ "event": "issuelink_created", "url": "/in?e" }, { "event": "issuelink_deleted", "url": "/other" }] }
    })), @"
    error: $.lifecycle.disabled is also the path of enabled: only one of them is served
    error: $.modules.webhooks[0].url is also the path of lifecycle.installed: it is not served
    ");
}

#[test]
fn kinds_of_modules() {
    let modules = json!({ "modules": {
        "generalPage": [], "somethingNew": [{ "key": "any thing" }], "staticContentMacros": [],
        "jiraIssueGlances": [{ "key": "g", "name": { "value": "G" } }]
    }});
    insta::assert_snapshot!(findings(&modules), @r#"
    hint: $.modules.generalPage is not a known module type; did you mean generalPages?
    hint: $.modules.somethingNew is not a known module type; it may be newer than this release
    error: $.modules.somethingNew[0].key is "any thing": only letters, digits and '-' are allowed
    warning: $.modules.staticContentMacros is not a module type of jira, the configured product
    "#);
    insta::assert_snapshot!(findings_for(&[("AC_PRODUCT", "confluence")], &modules), @r#"
    hint: $.modules.generalPage is not a known module type; did you mean generalPages?
    hint: $.modules.somethingNew is not a known module type; it may be newer than this release
    error: $.modules.somethingNew[0].key is "any thing": only letters, digits and '-' are allowed
    warning: $.modules.jiraIssueGlances is not a module type of confluence, the configured product
    "#);
    insta::assert_snapshot!(findings_for(&[("AC_PRODUCT", "bitbucket")], &modules), @r#"error: $.modules.somethingNew[0].key is "any thing": only letters, digits and '-' are allowed"#);
}

#[test]
fn what_a_module_must_have() {
    insta::assert_snapshot!(findings(&json!({ "modules": {
        "configurePage": { "key": "one", "name": "One", "url": "" },
        "generalPages": [{}, 1, { "key": "a_b", "name": { "value": "" }, "url": "page" }],
        "webItems": [{ "key": "one", "name": { "value": "W" }, "url": "https://other.example/" }],
        "webhooks": [{ "event": "issuelink_created" }, { "event": "issuelink_created", "url": "https://other.example/" }]
    }})), @r#"
    error: $.modules.configurePage.name must be an object with a string: { "value": … }
    error: $.modules.configurePage.url must be a non-empty string
    error: $.modules.generalPages[0] has no key
    error: $.modules.generalPages[0] has no name
    error: $.modules.generalPages[0] has no url
    error: $.modules.generalPages[1] must be an object
    warning: $.modules.generalPages[2].key is "a_b": Atlassian's schema allows only letters, digits and '-'
    error: $.modules.generalPages[2].name must be an object with a string: { "value": … }
    warning: $.modules.generalPages[2].url is "page": a URL of the add-on starts with /
    error: $.modules.webItems[0].key is "one", like $.modules.configurePage.key: a key must be unique in the whole descriptor
    error: $.modules.webhooks[0] has no url
    warning: $.modules.webhooks[1].url is not a URL of the add-on: the webhook is not served
    "#);
}

#[test]
fn findings_have_positions_in_the_order_of_the_file() {
    let config = config(&[]);
    let text =
        "{\n  \"kye\": 1, // note\n  \"key\": \"a\",\n  \"key\": \"b\",\n  \"baseUrl\": \"http://localhost:3000\",\n}";
    let add: crate::descriptor::Transformer = std::sync::Arc::new(|mut value: Value, _: &_| {
        value["lifecycle"] = json!({ "installed": "/i", "odd": 1 });
        value
    });
    let descriptor = Descriptor::parse("d.json", text, &config, Some(&add)).unwrap();
    let findings: Vec<String> = descriptor.check(&config).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(findings.join("\n"), @r#"
    d.json, line 1, column 1: $ has no authentication: write "authentication": { "type": "jwt" }
    d.json, line 1, column 1: $ has no apiMigrations.signed-install: write true, since installs that are not signed are refused
    d.json, line 1, column 1: $ has no apiMigrations.context-qsh: write true, since context tokens without "qsh": "context-qsh" are refused
    d.json, line 2, column 3: $.kye is not known; did you mean key?
    d.json, line 2, column 13: $ is not strict JSON (key must be a string): read as JSON5, as atlassian-connect-express does, and served as JSON
    d.json, line 4, column 3: $.key appears twice in its object: the last one counts
    d.json: $.lifecycle.odd is not known; $.lifecycle has installed, uninstalled, enabled, disabled, dare-migration
    "#);
}

/// Findings about these web items, beside a page and a dialog.
fn items(items: &Value) -> String {
    let named = |key: &str, url: &str| json!({ "key": key, "name": { "value": "N" }, "url": url });
    findings(&json!({ "modules": {
        "generalPages": [named("hello-page", "/hello")], "dialogs": [named("a-dialog", "/dialog")], "webItems": items
    }}))
}

#[test]
fn what_a_web_item_opens() {
    let item =
        |context: &str, url: &str| json!([{ "key": "w", "name": { "value": "W" }, "context": context, "url": url }]);
    for (context, url) in [
        ("page", "hello-page"),
        ("page", "a-dialog"),
        ("page", "/hello"),
        ("page", "https://other.example/"),
        ("page", "{issue.key}"),
        ("product", "browse/JRA-1"),
        ("product", "/browse/JRA-1"),
        ("addon", "/hello"),
    ] {
        assert_eq!(items(&item(context, url)), "", "{context} {url}");
    }
    insta::assert_snapshot!(items(&item("page", "helo-page")), @r#"warning: $.modules.webItems[0].url is "helo-page", but the context "page" requires the key of a page or a URL; did you mean hello-page?"#);
    insta::assert_snapshot!(items(&item("page", "something")), @r#"warning: $.modules.webItems[0].url is "something", but the context "page" requires the key of a page or a URL; the pages are hello-page, a-dialog"#);
    insta::assert_snapshot!(items(&item("addon", "hello-page")), @r#"warning: $.modules.webItems[0].url is "hello-page": a URL of the add-on starts with /"#);
}

#[test]
fn unknown_events() {
    let of = |product: &str, event: &str| {
        let modules = json!({ "modules": { "webhooks": [{ "event": event, "url": "/hook" }] } });
        findings_for(&[("AC_PRODUCT", product)], &modules)
    };
    for (product, event) in [
        ("jira", "jira:issue_created"),
        ("jira", "comment_created"),
        ("confluence", "comment_created"),
        ("confluence", "page_created"),
        ("bitbucket", "repo:push"),
    ] {
        assert_eq!(of(product, event), "", "{product} {event}");
    }
    insta::assert_snapshot!(of("jira", "jira:issue_create"), @r#"warning: $.modules.webhooks[0].event is "jira:issue_create", which is not a known event; did you mean jira:issue_created?"#);
    insta::assert_snapshot!(of("jira", "issue_created"), @r#"warning: $.modules.webhooks[0].event is "issue_created", which is not a known event; did you mean jira:issue_created?"#);
    insta::assert_snapshot!(of("jira", "page_created"), @r#"warning: $.modules.webhooks[0].event is "page_created", which is not a known event; it is an event of Confluence"#);
    insta::assert_snapshot!(of("confluence", "page_create"), @r#"warning: $.modules.webhooks[0].event is "page_create", which is not a known event; did you mean page_created?"#);
    insta::assert_snapshot!(of("confluence", "xyz"), @r#"warning: $.modules.webhooks[0].event is "xyz", which is not a known event; it may be newer than this release"#);
}
