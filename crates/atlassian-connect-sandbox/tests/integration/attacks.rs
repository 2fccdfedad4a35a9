//! What a web page, the framed page or another program may try against the sandbox.

use super::*;
use atlassian_connect_actix::store::Place;

#[actix_web::test]
async fn a_webhook_goes_only_to_a_url_of_the_descriptor() {
    let hooks = r#"{ "event": "odd", "url": "@127.0.0.1:9/x" }, { "event": "jira:issue_created""#;
    let text = DESCRIPTOR.replace("SCOPES", "[]").replace(r#"{ "event": "jira:issue_created""#, hooks);
    let sandbox = Sandbox::of(&text).await;
    for (event, url, expected) in [
        ("jira:issue_created", "@127.0.0.1:9/steal", "Not sent: the descriptor has no webhook"),
        ("jira:issue_created", "/other", "Not sent: the descriptor has no webhook"),
        ("jira:issue_deleted", "/hook?i={issue.key}", "Not sent: the descriptor has no webhook"),
        ("odd", "@127.0.0.1:9/x", "@127.0.0.1:9/x does not begin with /"),
    ] {
        sandbox.post("/jira/webhooks", &[("event", event), ("url", url), ("body", "{}")]).await;
        let news = sandbox.news("jira").await;
        assert!(news.contains(expected), "{event} {url}: {news}");
    }
}

#[actix_web::test]
async fn scopes_apply_to_the_bridge_and_to_users_tokens() {
    let sandbox = Sandbox::with_scopes(r#"["READ", "ACT_AS_USER"]"#).await;
    let (ada, body) = ("557058:sandbox-ada", r#"{"a":1}"#);
    let path = "/jira/rest/api/3/issue/JRA-1/properties/x";
    let refused = sandbox.by_bridge(Method::PUT, path, ada, body).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("scopes lack WRITE"), "{}", refused.body);
    assert_eq!(sandbox.by_bridge(Method::GET, "/jira/rest/api/3/myself", ada, "").await.status, 200);

    let sandbox = Sandbox::open().await;
    assert_eq!(sandbox.by_bridge(Method::PUT, path, ada, body).await.status, 201);
    let store = sandbox.host.addon().state().tenants.store();
    let stored = store.installations("sandbox-jira").await.unwrap().remove(0);
    for (scope, status) in [("READ", 403), ("WRITE", 200), ("WRITE READ", 200)] {
        let token = user_token(&sandbox, &stored, scope).await.json()["access_token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        assert_eq!(sandbox.ask(Method::PUT, path, &headers, body.into()).await.status, status, "{scope}");
        assert_eq!(sandbox.ask(Method::GET, path, &headers, String::new()).await.status, 200, "{scope}");
    }
}

/// Requests a token for Ada from the sandbox's token server, as the stored installation.
pub(super) async fn user_token(sandbox: &Sandbox, stored: &Value, scope: &str) -> Reply {
    let mut tenant = TestTenant::new();
    tenant.shared_secret = stored["sharedSecret"].as_str().unwrap().to_owned();
    let server = sandbox.running.url().replace("localhost", "127.0.0.1");
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let assertion = tenant.sign(&json!({
        "iss": format!("urn:atlassian:connect:clientid:{}", stored["oauthClientId"].as_str().unwrap()),
        "sub": "urn:atlassian:connect:useraccountid:557058:sandbox-ada",
        "tnt": stored["baseUrl"], "aud": server, "iat": now, "exp": now + 60,
    }));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion.as_str()),
        ("scope", scope),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    sandbox.ask(Method::POST, "/oauth2/token", &headers, body).await
}

#[actix_web::test]
async fn the_highest_number_is_not_an_issue() {
    let sandbox = Sandbox::open().await;
    let path = format!("/jira/rest/api/3/issue/JRA-{}", u64::MAX);
    let reply = sandbox.by_bridge(Method::GET, &path, "557058:sandbox-ada", "").await;
    assert_eq!(reply.status, 404);
    let path = format!("{path}/properties/x");
    let reply = sandbox.by_bridge(Method::GET, &path, "557058:sandbox-ada", "").await;
    assert_eq!(reply.status, 404);
}

#[actix_web::test]
async fn a_port_is_free_if_it_is_free_on_both_addresses() {
    let Ok(taken) = std::net::TcpListener::bind(("::1", 0)) else { return };
    let port = taken.local_addr().unwrap().port();
    let builder = support::fixture::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", port.to_string());
    let (_host, running) = with_sandbox(builder, routes).await;
    let running = running.unwrap();
    assert_ne!(running.url(), format!("http://localhost:{port}"), "a browser would ask the other server first");
    for name in ["127.0.0.1", "[::1]"] {
        let answer = Client::new().get(running.url().replace("localhost", name)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
    }
}

#[actix_web::test]
async fn tests_open_no_sandbox() {
    let (_host, refused) = with_sandbox(support::fixture::builder().var("NODE_ENV", "test"), routes).await;
    let refused = refused.unwrap_err().to_string();
    assert_eq!(refused, "the sandbox is only for development, and this is test");
}

#[actix_web::test]
async fn its_key_does_not_replace_tenants_of_other_hosts() {
    let sandbox = Sandbox::open().await;
    let store = sandbox.host.addon().state().tenants.store().clone();
    let mut stored = store.installations("sandbox-jira").await.unwrap().remove(0);
    stored["clientKey"] = "sandbox-globex".into();
    for (base_url, expected) in [
        ("https://acme.atlassian.net", "Not installed: the add-on answered 401"),
        ("http://localhost:1/globex", "Installed and enabled."),
    ] {
        stored["baseUrl"] = base_url.into();
        store.set(Place::of_tenant("sandbox-globex", "clientInfo"), &stored).await.unwrap();
        sandbox.post("/globex/lifecycle/installed", &[]).await;
        let news = sandbox.news("globex").await;
        assert!(news.starts_with(expected), "{base_url}: {news}");
    }
}

#[actix_web::test]
async fn pages_of_other_origins_can_only_navigate_to_it() {
    let sandbox = Sandbox::open().await;
    for (method, path, site, mode, allowed) in [
        (Method::GET, "/jira", "same-origin", "navigate", true),
        (Method::GET, "/jira", "none", "navigate", true),
        (Method::GET, "/jira", "cross-site", "navigate", true),
        (Method::GET, "/jira", "same-site", "navigate", true),
        (Method::GET, "/jira", "cross-site", "no-cors", false),
        (Method::GET, "/jira", "same-site", "cors", false),
        (Method::GET, "/jira/rest/atlassian-connect/1/addons/x", "same-site", "no-cors", false),
        (Method::GET, "/jira/atlassian-connect/all.css", "same-site", "no-cors", true),
        (Method::POST, "/jira/lifecycle/uninstalled", "same-site", "navigate", false),
        (Method::POST, "/jira/lifecycle/uninstalled", "cross-site", "no-cors", false),
    ] {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        let reply = sandbox.ask(method, path, &headers, String::new()).await;
        assert_eq!(reply.status != 403, allowed, "{path} {site} {mode}");
    }
    let own = sandbox.running.url().to_owned();
    let twice = [("origin", own.as_str()), ("origin", "https://evil.example")];
    let mut request = sandbox.client.post(format!("{own}/jira/lifecycle/uninstalled"));
    for (name, value) in twice {
        request = request.append_header((name, value));
    }
    assert_eq!(sandbox.host.send(request, Vec::new()).await.status, 403, "two origins");
    let odd = sandbox.ask(Method::GET, "/jira", &[("host", "localhost:@evil")], String::new()).await;
    assert!(matches!(odd.status, 400 | 403), "{}", odd.status);
    let page = sandbox.get("/jira").await;
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin-allow-popups");
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    let styles = sandbox.get("/jira/atlassian-connect/all.css").await;
    assert_eq!(styles.header("cross-origin-resource-policy"), "cross-origin");
    let policy = page.header("content-security-policy");
    let cdn = "script-src 'self' https://cdn.jsdelivr.net/npm/atlassian-connect-js@";
    assert!(policy.contains(cdn) || policy.contains("script-src 'self';"), "{policy}");
    assert!(!policy.contains("jsdelivr.net;"), "{policy}");
}

#[actix_web::test]
async fn the_journal_keeps_no_token_from_any_place() {
    let sandbox = Sandbox::open().await;
    let token = TestTenant::new().context_token();
    let referer = format!("http://localhost/x?acpt=secret-1&jwt={token}");
    let odd = format!("a {token} b");
    let body = json!({ "deep": [{ "sharedSecret": "secret-2" }], "text": odd }).to_string();
    let headers = [
        ("x-sandbox", "1"),
        ("x-sandbox-user", "557058:sandbox-ada"),
        ("content-type", "application/json"),
        ("proxy-authorization", "Basic secret-3"),
        ("referer", referer.as_str()),
        ("x-odd", odd.as_str()),
    ];
    sandbox.ask(Method::PUT, "/jira/rest/api/3/issue/JRA-1/properties/x", &headers, body).await;
    sandbox.ask(Method::PUT, "/jira/rest/api/3/issue/JRA-1/properties/y", &headers, format!("not JSON {token}")).await;
    let long = "x".repeat(6000);
    sandbox.ask(Method::GET, &format!("/jira/rest/api/3/myself?a={long}"), &[("x-long", &long)], String::new()).await;
    let page = sandbox.get("/jira").await.body;
    assert!(page.contains("properties/y"));
    for hidden in [token.as_str(), "secret-1", "secret-2", "secret-3", &"x".repeat(4200)] {
        assert!(!page.contains(hidden), "{hidden}");
    }
}
