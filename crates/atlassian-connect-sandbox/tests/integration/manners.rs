//! The sandbox's sites behave like real ones.

use super::attacks::user_token;
use super::*;

#[actix_web::test]
async fn a_secret_is_sent_only_at_the_install() {
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
    assert_eq!(sandbox.get(asked).await.status, 200, "its token only covers the query");
}

#[actix_web::test]
async fn a_webhook_has_an_identifier() {
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
async fn an_install_succeeds_with_200_or_204() {
    for (status, expected) in [(200, "Installed"), (202, "Not installed: the add-on answered 202")] {
        let builder = support::fixture::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", "0");
        let builder = builder.config(r#"{ "setupInstallRoute": false }"#);
        let answer = move |cfg: &mut ServiceConfig| {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap();
            cfg.route("/installed", web::post().to(move || async move { HttpResponse::new(status) }));
        };
        let (host, running) = with_sandbox(builder, answer).await;
        let running = running.unwrap();
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

#[actix_web::test]
async fn confluence_answers_attachments_users_and_macro_bodies() {
    const MIA: &str = "557058:sandbox-mia";
    let sandbox = Sandbox::open().await;
    let ask = async |method, path: &str, body: &str| {
        sandbox.by_bridge(method, &format!("/confluence/wiki{path}"), MIA, body).await
    };
    for path in ["/api/v2/attachments", "/api/v2/pages/98305/attachments", "/rest/api/content/98305/child/attachment"] {
        let reply = ask(Method::GET, path, "").await;
        assert_eq!((reply.status, &reply.json()["results"][0]["title"]), (200, &json!("notes.txt")), "{path}");
    }
    for path in ["/api/v2/attachments/98307", "/api/v2/attachments/att98307"] {
        let reply = ask(Method::GET, path, "").await;
        assert_eq!(
            (reply.status, &reply.json()["id"]),
            (200, &json!("att98307")),
            "what {{attachment.id}} names: {path}"
        );
    }
    for path in ["/api/v2/attachments/1", "/api/v2/pages/1/attachments", "/rest/api/content/1/history/1/macro/id/x"] {
        assert_eq!(ask(Method::GET, path, "").await.status, 404, "{path}");
    }
    let body = json!({ "accountIds": [MIA, "557058:sandbox-ada", "557058:nobody", 1] }).to_string();
    let users = ask(Method::POST, "/api/v2/users-bulk", &body).await.json();
    let names: Vec<&str> =
        users["results"].as_array().unwrap().iter().filter_map(|user| user["displayName"].as_str()).collect();
    assert_eq!(names, ["Mia Member", "Ada Admin"]);
    assert_eq!(ask(Method::POST, "/api/v2/users-bulk", "{}").await.status, 400);
    for named in ["id/3f0c8b5e-0000-4000-8000-000000000001", "hash/3f0c8b5e"] {
        let reply = ask(Method::GET, &format!("/rest/api/content/98305/history/1/macro/{named}"), "").await;
        assert!(reply.status == 200 && reply.json()["body"].is_string(), "{named}: {}", reply.body);
    }
    let of_jira = sandbox.by_bridge(Method::GET, "/jira/rest/api/3/attachment/10800", MIA, "").await;
    assert_eq!((of_jira.status, &of_jira.json()["filename"]), (200, &json!("notes.txt")));
}

#[actix_web::test]
async fn the_journal_continues_after_it_is_cleared() {
    let sandbox = Sandbox::open().await;
    assert!(!sandbox.journal().await.is_empty());
    sandbox.post("/jira/journal/clear", &[]).await;
    assert_eq!(sandbox.journal().await, [""; 0]);
    assert_eq!(sandbox.host.get("/panel?jwt=a.b.c").await.status, 401);
    let lines = sandbox.journal().await;
    assert!(lines.len() == 1 && lines[0].starts_with("to the add-on GET /panel?jwt=*** 401"), "{lines:?}");
    let headers = [("origin", "https://evil.example")];
    let foreign = sandbox.ask(Method::POST, "/jira/journal/clear", &headers, String::new()).await;
    assert_eq!((foreign.status, sandbox.journal().await.len()), (403, 1));
}

#[actix_web::test]
async fn forge_is_offered_if_the_add_on_has_routes_for_it() {
    let answer = |has_forge: bool| {
        move |cfg: &mut ServiceConfig| {
            if has_forge {
                cfg.configure(forge::routes);
            }
        }
    };
    for has_forge in [true, false] {
        let builder =
            support::fixture::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", "0").var("AC_APP_ID", "");
        let (host, running) = with_sandbox(builder, answer(has_forge)).await;
        let running = running.unwrap();
        let begun = std::time::Instant::now();
        let page = loop {
            let page = host.send(Client::new().get(format!("{}/jira", running.url())), Vec::new()).await.body;
            if page.contains("Installed and enabled.") {
                break page;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{page}");
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(page.contains("forge-heading"), has_forge, "{page}");
    }
}

#[actix_web::test]
async fn a_refused_permission_is_a_sentence() {
    let sandbox = Sandbox::open().await;
    let token = sandbox.session("mia").await;
    assert_eq!(sandbox.host.call(Method::GET, "/admin", &token, None).await.status, 403);
    let lines = sandbox.journal().await;
    let sentence = "not permitted: the user needs ADMINISTER on the site, but the host does not grant all of it";
    assert!(lines.iter().any(|line| line.contains(sentence)), "{lines:?}");
}
