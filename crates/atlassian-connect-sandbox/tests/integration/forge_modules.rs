//! Which modules are shown through Forge: their further pages, those that the manifest of the Forge app alone has, and an
//! app that has no Connect descriptor.

use std::path::Path;
use std::time::Duration;

use actix_web::http::Method;
use awc::Client;
use serde_json::{Value, json};

use super::forge_pages::app_folder;
use super::{DESCRIPTOR, Sandbox, opened_by, routes, support};

const MANIFEST: &str = "\
app:
  id: ari:cloud:ecosystem::app/11111111-1111-4111-8111-111111111111
  connect:
    key: com.example.forge
modules:
  jira:issuePanel:
    - key: notes
      title: Notes
      resource: shell
  jira:issueAction:
    - key: act
      title: Act
  confluence:spacePage:
    - key: space
      title: Space
  jira:globalPage:
    - key: no-page
    - key: hello
      title: Of the manifest
  jira:customField:
    - key: field
  endpoint:
    - key: open
permissions:
  scopes:
    - read:jira-work
    - read:jira-user
    - read:app-user-token
";
const PAGES: &str = r#"{ "forge": { "pages": {
    "notes": "/hello-world?issue={issue.key}", "act": "/content?i={issue.id}", "space": "/hello-world?space={space.key}",
    "field": "/hello-world", "elsewhere": "/hello-world" } } }"#;

/// With the manifest, and with the descriptor if there is one.
async fn open(folder: &Path, descriptor: Option<&str>) -> Sandbox {
    std::fs::write(folder.join("forge/manifest.yml"), MANIFEST).unwrap();
    let file = folder.join("atlassian-connect.json");
    if let Some(text) = descriptor {
        std::fs::write(&file, text).unwrap();
    }
    let builder = support::fixture::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", "0").config(PAGES);
    let root = folder.to_owned();
    let start = move |addon: &_| atlassian_connect_sandbox::internal::start_in(addon, root);
    let (host, running) = opened_by(builder.addon(move |addon| addon.descriptor_file(file)), routes, start).await;
    let client = Client::builder().disable_redirects().timeout(Duration::from_secs(60)).finish();
    Sandbox { host, running: running.unwrap(), client, _descriptor: tempfile::NamedTempFile::new().unwrap() }
}

#[actix_web::test]
async fn a_module_of_the_manifest_alone_is_listed_and_shown_through_forge() {
    let folder = app_folder();
    let sandbox = open(folder.path(), Some(&DESCRIPTOR.replace("SCOPES", "[\"READ\"]"))).await;
    let list = sandbox.get("/jira").await.body;
    let product = format!("http://{}", sandbox.host_of("product.localhost"));
    let url = format!("href=\"{product}/jira/modules/jira%3AissuePanel/notes?");
    assert!(list.contains(&url) && list.contains("only through Forge"), "{list}");
    for (key, why) in [
        ("/no-page?", "forge.pages does not name it"),
        ("/field?", "it shows no page"),
        ("/elsewhere?", "the manifest does not have it"),
        ("Of the manifest", "the descriptor has it"),
    ] {
        assert!(!list.contains(key), "{key}: {why}");
    }
    // through Connect there is no way to it
    let led = sandbox.get("/jira/modules/jira%3AissuePanel/notes").await;
    assert_eq!(led.status, 302);
    assert!(led.header("location").starts_with(&product), "{}", led.header("location"));
    let page = sandbox.on_product("/jira/modules/jira%3AissuePanel/notes").await;
    assert!(!page.body.contains("through Connect"), "{}", page.body);
    let module = sandbox.shown("/jira/modules/jira%3AissuePanel/notes?issue.key=JRA-2").await["modules"][0].clone();
    assert_eq!(module["context"]["extension"]["type"], "jira:issuePanel");
    assert_eq!(module["context"]["extension"]["issue"]["key"], "JRA-2");
    let act = sandbox.shown("/jira/modules/jira%3AissueAction/act").await["modules"][0].clone();
    assert_eq!((&act["dialog"], &act["title"]), (&json!("medium"), &json!("Act")));
    // it stands beside the descriptor's
    let place = sandbox.shown("/jira/places/issue").await;
    let keys: Vec<&Value> =
        place["modules"].as_array().unwrap().iter().map(|module| &module["context"]["moduleKey"]).collect();
    assert_eq!(keys, ["panel", "content", "notes"]);
    let space = sandbox.shown("/confluence/modules/confluence%3AspacePage/space").await["modules"][0].clone();
    assert_eq!(space["context"]["extension"]["space"]["key"], "DOCS");
}

#[actix_web::test]
async fn an_app_without_a_descriptor_is_seen_through_forge() {
    let folder = app_folder();
    let sandbox = open(folder.path(), None).await;
    let list = sandbox.get("/jira").await.body;
    assert!(list.contains("com.example.forge") && list.contains(">on Forge<"), "{list}");
    for part in ["lifecycle/", "its descriptor", "Webhooks", "through Connect"] {
        assert!(!list.contains(part), "{part}: {list}");
    }
    assert_eq!(sandbox.host.get("/atlassian-connect.json").await.status, 404);
    assert!(sandbox.journal().await.iter().all(|entry| !entry.contains("/installed")), "nobody installs it");

    let path = "/jira/modules/jira%3AissuePanel/notes?user=mia";
    let local_id = sandbox.local_id(path).await;
    let shell = format!("http://{}", sandbox.host_of("jira.cdn.localhost"));
    let call = json!({ "localId": local_id, "path": "/forge/open", "method": "POST", "body": { "shell": shell },
        "headers": {}, "invokeType": "ui-remote-fetch" });
    let opened = sandbox.gateway("invoke", &call).await.json();
    let url = opened["payload"]["body"]["url"].as_str().unwrap_or_else(|| panic!("{opened}")).to_owned();
    assert!(url.contains("/hello-world?issue=JRA-1&"), "{url}");
    let page = sandbox.ask(Method::GET, &url, &[], String::new()).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let page = page.json();
    assert_eq!(
        (&page["user"], &page["context"]["jira"]["issue"]["key"]),
        (&json!("557058:sandbox-mia"), &json!("JRA-1"))
    );
    // its calls reach the product
    let token = page["token"].as_str().unwrap();
    let me = sandbox.host.call(Method::GET, "/api/me", token, None).await;
    assert_eq!((me.status, &me.json()["displayName"]), (200, &json!("Mia Member")), "{}", me.body);
}

/// Modules with several pages, and one in a dialog.
const SEVERAL: &str = r#"{
    "key": "several", "name": "Several", "baseUrl": "{{localBaseUrl}}", "authentication": { "type": "jwt" },
    "lifecycle": { "installed": "/installed" }, "scopes": ["READ"],
    "modules": {
        "dynamicContentMacros": [{ "key": "macro", "name": { "value": "Macro" }, "url": "/macro", "editor": { "url": "/editor?s={space.key}" },
            "parameters": [{ "identifier": "colour", "defaultValue": "red" }] }],
        "jiraWorkflowConditions": [{ "key": "rule", "name": { "value": "Rule" },
            "create": { "url": "/create" }, "edit": { "url": "/edit" }, "view": { "url": "/view" } }],
        "webItems": [{ "key": "item", "name": { "value": "Item" }, "location": "operations-work", "url": "/item",
            "target": { "type": "dialog", "options": { "size": "x-large" } } }]
    } }"#;

#[actix_web::test]
async fn a_further_page_of_a_module_is_shown_by_a_shell_of_its_own() {
    let folder = app_folder();
    let root = folder.path().to_owned();
    let sandbox =
        Sandbox::started(SEVERAL, |_| {}, move |addon| atlassian_connect_sandbox::internal::start_in(addon, root));
    let sandbox = sandbox.await;
    let shell = format!("http://{}", sandbox.host_of("confluence.cdn.localhost"));
    let editor = "/confluence/modules/dynamicContentMacros/macro-editor";
    let shown = sandbox.shown(editor).await;
    let module = &shown["modules"][0];
    assert_eq!(module["shell"], format!("{shell}/shell-editor/index.html"));
    assert_eq!((&module["dialog"], &module["hasHistory"]), (&json!("medium"), &json!(false)));
    assert_eq!(module["context"]["moduleKey"], "macro");
    let extension = &module["context"]["extension"];
    assert_eq!((&extension["type"], &extension["isEditing"]), (&json!("macro"), &json!(true)));
    assert_eq!(extension["config"], json!({ "colour": "red" }));
    // links of the app lead to the first page
    assert!(shown["pages"]["macro"].as_str().unwrap().contains("/dynamicContentMacros/macro?"), "{shown}");
    // the add-on opens it as it opens the macro
    for (path, page, expected) in [
        (editor, Some("editor"), "/editor?s=DOCS&"),
        ("/confluence/modules/dynamicContentMacros/macro", None, "/macro?"),
        ("/jira/modules/jiraWorkflowConditions/rule-create", Some("create"), "/create?"),
        ("/jira/modules/jiraWorkflowConditions/rule-edit", Some("edit"), "/edit?"),
        ("/jira/modules/jiraWorkflowConditions/rule-view", Some("view"), "/view?"),
    ] {
        let local_id = sandbox.local_id(path).await;
        let site = path.split('/').nth(1).unwrap();
        let origin = format!("http://{}", sandbox.host_of(&format!("{site}.cdn.localhost")));
        let opened = sandbox.invoked(&local_id, "/forge/open", json!({ "shell": origin, "page": page })).await;
        let url = opened["payload"]["body"]["url"].as_str().unwrap_or_else(|| panic!("{path}: {opened}"));
        assert!(url.contains(expected), "{path}: {url}");
    }
    let rule = sandbox.shown("/jira/modules/jiraWorkflowConditions/rule-create").await["modules"][0].clone();
    assert_eq!((rule.get("dialog"), rule["context"]["extension"].get("conditionConfig")), (None, None));
    let rule =
        sandbox.shown("/jira/modules/jiraWorkflowConditions/rule-edit?condition.config=x").await["modules"][0].clone();
    assert_eq!(rule["context"]["extension"]["conditionConfig"], "x");
    let item = sandbox.shown("/jira/modules/webItems/item").await["modules"][0].clone();
    assert_eq!((&item["dialog"], item.get("shell")), (&json!("xlarge"), None));
    assert_eq!(item["context"]["extension"]["type"], "jira:issueAction");

    // it is the same shell, which says which page it wants
    let page = sandbox.by_name("confluence.cdn.localhost", "/shell-editor/index.html").await;
    assert!(page.body.contains(r#""page":"editor"}</script>"#), "{}", page.body);
    assert_eq!(sandbox.by_name("confluence.cdn.localhost", "/shell-editor/shell.js").await.body, "shell();");
    assert!(!sandbox.on_cdn("/index.html").await.body.contains("\"page\""));
}
