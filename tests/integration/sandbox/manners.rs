//! What the sandbox's sites do as real ones do.

use super::attacks::user_token;
use super::*;

#[actix_web::test]
async fn a_secret_is_told_at_the_install_alone() {
    let tenant = TestTenant::new();
    for event in ["installed", "enabled", "disabled", "uninstalled"] {
        let has_secret = tenant.payload("a", event).get("sharedSecret").is_some();
        assert_eq!(has_secret, event == "installed", "{event}");
    }
}

#[actix_web::test]
async fn nothing_is_sent_for_a_site_that_has_not_installed() {
    let sandbox = Sandbox::open().await;
    let store = sandbox.host.addon().state().tenants.store().clone();
    let stored = store.installations("sandbox-jira").await.unwrap().remove(0);
    assert_eq!(user_token(&sandbox, &stored, "READ").await.status, 200);
    sandbox.post("/jira/lifecycle/uninstalled", &[]).await;
    assert_eq!(user_token(&sandbox, &stored, "READ").await.status, 400, "after the uninstall");
    let before = sandbox.journal().await.len();
    for action in ["enabled", "disabled", "uninstalled"] {
        sandbox.post(&format!("/jira/lifecycle/{action}"), &[]).await;
        assert!(sandbox.news("jira").await.contains("has not installed"), "{action}");
    }
    let form = [("event", "jira:issue_created"), ("url", "/hook?i={issue.key}"), ("body", "{}")];
    sandbox.post("/jira/webhooks", &form).await;
    assert!(sandbox.news("jira").await.contains("has not installed"));
    assert_eq!(sandbox.journal().await.len(), before);
}

#[actix_web::test]
async fn a_disabled_addon_shows_no_page_until_it_is_enabled() {
    let sandbox = Sandbox::open().await;
    let path = "/jira/modules/generalPages/hello";
    sandbox.post("/jira/lifecycle/disabled", &[]).await;
    assert!(sandbox.facts(path).await["frame"].is_null());
    assert!(!sandbox.get(path).await.body.contains("<iframe"));
    let headers = [("x-sandbox", "1")];
    assert_eq!(sandbox.ask(Method::GET, "/jira/frames/hello", &headers, String::new()).await.status, 404);
    let back = sandbox.post("/jira/lifecycle/enabled?user=mia&module=generalPages%2Fhello", &[]).await;
    assert_eq!(back.header("location"), format!("{path}?user=mia&theme=system&license=active"));
    assert!(sandbox.get(path).await.body.contains("<iframe"));
}

#[actix_web::test]
async fn a_cacheable_page_has_no_query_and_a_fragment_stays_last() {
    let modules = r#""generalPages": [
        { "key": "kept", "url": "/kept?i={issue.key}", "cacheable": true },
        { "key": "routed", "url": "/hello-world?a=1#/route?i={issue.key}" },"#;
    let text = DESCRIPTOR.replace("SCOPES", "[]").replace(r#""generalPages": ["#, modules);
    let sandbox = Sandbox::of(&text).await;
    let url = |facts: Value| facts["frame"]["url"].as_str().unwrap().to_owned();
    let kept = url(sandbox.facts("/jira/modules/generalPages/kept").await);
    assert_eq!(kept, format!("{}/kept", sandbox.host.base_url()));
    let routed = url(sandbox.facts("/jira/modules/generalPages/routed").await);
    let (asked, fragment) = routed.split_once('#').unwrap();
    assert!(asked.contains("/hello-world?a=1&xdm_e=") && fragment == "/route?i=JRA-1", "{routed}");
    assert_eq!(sandbox.get(asked).await.status, 200, "its token is of the query alone");
}

#[actix_web::test]
async fn a_webhook_says_which_it_is() {
    let sandbox = Sandbox::open().await;
    let form = [("event", "jira:issue_created"), ("url", "/hook?i={issue.key}"), ("body", "{}")];
    let mut identifiers = Vec::new();
    for _ in 0..2 {
        sandbox.post("/jira/webhooks", &form).await;
        let page = sandbox.get("/jira").await.body;
        let (_, rest) = page.split_once("<dt>x-atlassian-webhook-identifier</dt><dd>").unwrap();
        identifiers.push(rest.split('<').next().unwrap().to_owned());
        assert!(page.contains("<dt>x-atlassian-webhook-flow</dt><dd>Primary</dd>"));
    }
    assert!(!identifiers[0].is_empty() && identifiers[0] != identifiers[1], "{identifiers:?}");
    assert!(sandbox.get("/jira").await.body.contains("name=\"event\""));
    assert!(!sandbox.get("/confluence").await.body.contains("name=\"event\""), "no event of Confluence's");
}

#[actix_web::test]
async fn an_install_is_taken_with_200_or_204() {
    for (status, expected) in [(200, "Installed"), (202, "Not installed: the add-on answered 202")] {
        let builder = TestHost::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", "0");
        let builder = builder.config(r#"{ "setupInstallRoute": false }"#);
        let answer = move |cfg: &mut ServiceConfig| {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap();
            cfg.route("/installed", web::post().to(move || async move { HttpResponse::new(status) }));
        };
        let host = builder.start(answer).await;
        let running = host.addon().sandbox().await.unwrap();
        let begun = std::time::Instant::now();
        loop {
            let request = Client::new().get(format!("{}/jira", running.url()));
            let page = host.send(request, Vec::new()).await.body;
            if page.contains(expected) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{status}: {page}");
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[actix_web::test]
async fn the_rest_api_is_strict_and_bounded() {
    const ADA: &str = "557058:sandbox-ada";
    let sandbox = Sandbox::open().await;
    let property = "/jira/rest/api/3/issue/JRA-1/properties/p";
    let value = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    assert_eq!(sandbox.by_bridge(Method::PUT, property, ADA, &value(32_768)).await.status, 201);
    assert_eq!(sandbox.by_bridge(Method::PUT, property, ADA, &value(32_769)).await.status, 400);
    let headers = [("x-sandbox", "1"), ("x-sandbox-user", ADA), ("content-type", "application/x-www-form-urlencoded")];
    let form = sandbox.ask(Method::PUT, property, &headers, "1".into()).await;
    assert_eq!(form.status, 415, "{}", form.body);
    let asked = "/jira/rest/api/3/mypermissions";
    assert_eq!(sandbox.by_bridge(Method::GET, asked, ADA, "").await.status, 400);
    let granted = sandbox.by_bridge(Method::GET, &format!("{asked}?permissions=ADMINISTER"), ADA, "").await.json();
    assert_eq!(granted["permissions"]["ADMINISTER"]["havePermission"], true);
}
