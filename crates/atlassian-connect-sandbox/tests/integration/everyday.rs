//! What a developer does with the sandbox, and what it shows.

use super::*;

#[actix_web::test]
async fn a_page_is_opened_for_its_user_with_its_context() {
    let sandbox = Sandbox::open().await;
    for (user, account, license) in [
        ("ada", Some("557058:sandbox-ada"), "active"),
        ("mia", Some("557058:sandbox-mia"), "none"),
        ("anonymous", None, "active"),
    ] {
        let path = format!("/jira/modules/generalPages/hello?user={user}&license={license}");
        let page = sandbox.open_frame(&path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        assert_eq!(page["user"], json!(account));
        assert_eq!(page["page"]["license"], license);
        assert_eq!(page["page"]["base"], format!("{}/jira", sandbox.running.url()));
    }
    let panel = sandbox.open_frame("/jira/modules/webPanels/panel?issue.key=JRA-7%20%26").await;
    assert_eq!(panel.json()["jira"]["issue"]["key"], "JRA-7 &");
    let token =
        sandbox.ask(Method::GET, "/jira/context-token?module=webPanels/panel", &[("x-sandbox", "1")], String::new());
    let token = token.await.json()["token"].as_str().unwrap().to_owned();
    let session = sandbox.host.call(Method::GET, "/api/me", &token, None).await;
    assert_eq!(session.json()["displayName"], "Ada Admin");
    assert_eq!(
        sandbox.get("/jira/context-token?module=webPanels/panel").await.status,
        404,
        "not sent by the sandbox's own scripts"
    );
}

#[actix_web::test]
async fn every_page_module_is_listed_with_its_url_filled() {
    let sandbox = Sandbox::open().await;
    let page = sandbox.get("/jira").await.body;
    for target in [
        "/hello-world",
        "/panel?i=JRA-1&#38;p=10000",
        "/content?i=10001",
        "/item?d=10400&#38;v=default",
        "/new?x=",
        "/macro?p=98305&#38;s=DOCS",
    ] {
        assert!(page.contains(&format!("<code>{target}</code>")), "{target}: {page}");
    }
    assert!(page.contains("/confluence/modules/dynamicContentMacros/macro"), "a macro opens in Confluence: {page}");
    for heading in ["General pages", "Web panels", "Jira issue contents", "Something new"] {
        assert!(page.contains(&format!("<h3>{heading}</h3>")), "{heading}: {page}");
    }
    assert!(page.contains("Hello &#60;i&#62;") && !page.contains("Hello <i>"), "{page}");
    let confluence = sandbox.get("/confluence").await.body;
    assert!(confluence.contains("/jira/modules/jiraIssueContents/content"), "{confluence}");
    let missing = sandbox.get("/jira/modules/webPanels/%3Cscript%3E").await;
    assert!(missing.status == 404 && !missing.body.contains("<script>a"), "{}", missing.body);
}

#[actix_web::test]
async fn an_uninstall_locks_the_pages_and_a_new_secret_ends_the_old_tokens() {
    let sandbox = Sandbox::open().await;
    let page = "/jira/modules/generalPages/hello";
    let old = sandbox.session("ada").await;
    assert_eq!(sandbox.host.call(Method::GET, "/api/me", &old, None).await.status, 200);

    sandbox.post("/jira/lifecycle/reinstalled", &[]).await;
    assert_eq!(sandbox.host.call(Method::GET, "/api/me", &old, None).await.status, 401, "signed with the old secret");
    assert_eq!(sandbox.open_frame(page).await.status, 200);

    sandbox.post("/jira/lifecycle/uninstalled", &[]).await;
    assert!(sandbox.get("/jira").await.body.contains("not installed"));
    assert_eq!(sandbox.open_frame(page).await.status, 401);
    assert!(sandbox.journal().await[0].contains("not authenticated: no tenant sandbox-jira is installed"));

    sandbox.post("/jira/lifecycle/installed", &[]).await;
    assert_eq!(sandbox.open_frame(page).await.status, 200);
    sandbox.post("/jira/lifecycle/disabled", &[]).await;
    sandbox.post("/jira/lifecycle/enabled", &[]).await;
    let lines = sandbox.journal().await;
    assert!(lines[0].contains("POST /enabled 204") && lines[1].contains("POST /disabled 204"), "{lines:?}");
}

#[actix_web::test]
async fn sites_are_tenants_of_their_own() {
    let sandbox = Sandbox::open().await;
    sandbox.post("/globex/lifecycle/installed", &[]).await;
    sandbox.post("/confluence/lifecycle/installed", &[]).await;
    let globex = sandbox.open_frame("/globex/modules/generalPages/hello").await;
    assert_eq!(globex.json()["page"]["base"], format!("{}/globex", sandbox.running.url()));
    let policy = globex.header("content-security-policy");
    assert!(policy.is_empty(), "only HTML is framed: {policy}");
    let tenant = sandbox.host.addon().state().tenants.store().installations("sandbox-globex").await.unwrap();
    assert_eq!(tenant[0]["displayUrl"], sandbox.running.url().replace("localhost", "127.0.0.1") + "/globex");
    let macro_page = sandbox.facts("/confluence/modules/dynamicContentMacros/macro").await;
    let url = macro_page["frame"]["url"].as_str().unwrap();
    assert!(url.contains("cp=%2Fconfluence%2Fwiki"), "{url}");
    assert_eq!(macro_page["frame"]["productContext"]["confluence"]["content"]["id"], "98305");
    // a token of one site is not valid at another
    sandbox.post("/globex/lifecycle/uninstalled", &[]).await;
    assert_eq!(sandbox.open_frame("/globex/modules/generalPages/hello").await.status, 401);
    assert_eq!(sandbox.open_frame("/jira/modules/generalPages/hello").await.status, 200);
}

#[actix_web::test]
async fn the_rest_api_verifies_the_caller() {
    let sandbox = Sandbox::open().await;
    for (user, name) in [("ada", "Ada Admin"), ("mia", "Mia Member")] {
        let token = sandbox.session(user).await;
        let me = sandbox.host.call(Method::GET, "/api/me", &token, None).await;
        assert_eq!(me.json()["displayName"], name, "as the user, with a token of the token server");
        let (_, status) = [("ada", 200), ("mia", 403)].into_iter().find(|(key, _)| *key == user).unwrap();
        assert_eq!(sandbox.host.call(Method::GET, "/admin", &token, None).await.status, status, "{user} and /admin");
    }
    let created = sandbox
        .call(json!({ "method": "POST", "url": "/rest/api/3/issue", "json": { "fields": { "summary": "Zoë" } } }))
        .await;
    assert_eq!((created["status"].as_u64(), created["body"]["key"].as_str()), (Some(201), Some("JRA-4")));
    let read = sandbox.call(json!({ "url": "/rest/api/3/issue/JRA-4" })).await;
    assert_eq!(read["body"]["fields"]["summary"], "Zoë");
    let nowhere = sandbox.call(json!({ "url": "/rest/api/3/nowhere" })).await;
    assert!(
        nowhere["status"] == 404 && nowhere["body"]["message"].as_str().unwrap().contains("does not support"),
        "{nowhere}"
    );

    for (what, authorization) in [("made up", "Bearer made-up"), ("no JWT", "Basic YTpi"), ("another's", "JWT a.b.c")] {
        let headers = [("authorization", authorization)];
        let reply = sandbox.ask(Method::GET, "/jira/rest/api/3/myself", &headers, String::new()).await;
        assert_eq!(reply.status, 401, "{what}");
    }
    assert_eq!(sandbox.get("/jira/rest/api/3/myself").await.status, 401, "nobody is logged in");
    let mia = sandbox.by_bridge(Method::GET, "/jira/rest/api/3/myself", "557058:sandbox-mia", "").await;
    assert_eq!(mia.json()["displayName"], "Mia Member");
    let spoofed =
        sandbox.ask(Method::GET, "/jira/rest/api/3/myself", &[("x-sandbox-user", "557058:sandbox-mia")], String::new());
    assert_eq!(spoofed.await.status, 401, "only the sandbox's own script speaks for its user");
}

#[actix_web::test]
async fn the_rest_api_knows_the_descriptors_scopes() {
    let sandbox = Sandbox::with_scopes(r#"["read"]"#).await;
    let wish = json!({ "method": "POST", "url": "/rest/api/3/issue", "json": { "fields": { "summary": "x" } } });
    let created = sandbox.call(wish).await;
    assert_eq!(
        (&created["status"], &created["body"]["message"]),
        (&json!(403), &json!("The descriptor's scopes lack WRITE."))
    );
    assert_eq!(sandbox.call(json!({ "url": "/rest/api/3/serverInfo" })).await["status"], 200);
    let token = sandbox.session("ada").await;
    let me = sandbox.host.call(Method::GET, "/api/me", &token, None).await;
    assert_ne!(me.status, 200, "{}", me.body);
    assert!(sandbox.journal().await.iter().any(|line| line.contains("scopes lack ACT_AS_USER")));
}

#[actix_web::test]
async fn properties_and_attachments_are_kept() {
    let sandbox = Sandbox::open().await;
    let put = json!({ "method": "PUT", "url": "/rest/api/3/issue/JRA-1/properties/mine", "json": { "a": 1 } });
    assert_eq!(sandbox.call(put.clone()).await["status"], 201);
    assert_eq!(sandbox.call(put).await["status"], 200);
    let by_id = sandbox.call(json!({ "url": "/rest/api/3/issue/10001/properties/mine" })).await;
    assert_eq!(by_id["body"]["value"]["a"], 1);
    let own = "/rest/atlassian-connect/1/addons/com.example.sandboxed/properties/p";
    assert_eq!(sandbox.call(json!({ "method": "PUT", "url": own, "json": [1] })).await["status"], 201);
    assert_eq!(sandbox.call(json!({ "url": own })).await["body"]["value"], json!([1]));
    let user = sandbox.by_bridge(Method::GET, &format!("/jira{own}"), "557058:sandbox-ada", "").await;
    assert_eq!(user.status, 403, "an add-on's properties are its own");
    let foreign = own.replace("com.example.sandboxed", "com.example.other");
    assert_eq!(sandbox.call(json!({ "url": foreign })).await["status"], 403);

    let upload = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n";
    let headers = |check: &'static str| {
        [
            ("x-sandbox", "1"),
            ("x-sandbox-user", "557058:sandbox-ada"),
            ("content-type", "multipart/form-data; boundary=b"),
            ("x-atlassian-token", check),
        ]
    };
    let path = "/jira/rest/api/3/issue/JRA-1/attachments";
    assert_eq!(sandbox.ask(Method::POST, path, &headers("x"), upload.into()).await.status, 403);
    let attached = sandbox.ask(Method::POST, path, &headers("no-check"), upload.into()).await.json();
    assert_eq!((&attached[0]["filename"], &attached[0]["size"]), (&json!("a.txt"), &json!(5)));
    let broken = sandbox.ask(Method::POST, path, &headers("no-check"), "--b\r\n".into()).await;
    assert_eq!(broken.status, 400);
}

#[actix_web::test]
async fn a_webhook_is_sent_with_the_body_that_was_written() {
    let sandbox = Sandbox::open().await;
    let body = r#"{"webhookEvent":"jira:issue_created","issue":{"key":"JRA-1"}}"#;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let events = std::sync::Arc::clone(&seen);
    sandbox.host.addon().on("jira:issue_created", move |webhook| {
        events.lock().unwrap().push(webhook.body.to_string());
        std::future::ready(Ok(()))
    });
    let form = [("event", "jira:issue_created"), ("url", "/hook?i={issue.key}"), ("body", body)];
    sandbox.post("/jira/webhooks?issue.key=JRA-2", &form).await;
    assert_eq!(*seen.lock().unwrap(), [body]);
    assert!(sandbox.journal().await[0].starts_with("to the add-on POST /hook?i=JRA-2 204"));
    assert!(sandbox.get("/jira").await.body.contains("The add-on accepted jira:issue_created."));
    let broken = [("event", "jira:issue_created"), ("url", "/hook?i={issue.key}"), ("body", "{")];
    sandbox.post("/jira/webhooks", &broken).await;
    assert!(sandbox.get("/jira").await.body.contains("did not accept jira:issue_created: the add-on answered 400"));
}

#[actix_web::test]
async fn the_journal_shows_what_panicked() {
    let sandbox = Sandbox::open().await;
    sandbox.host.addon().on("jira:issue_created", |webhook| async move {
        assert!(webhook.body["panic"] != true, "in the listener");
        Ok(())
    });
    assert_eq!(sandbox.host.get("/panic?jwt=a.b.c").await.status, 500);
    let lines = sandbox.journal().await;
    assert!(lines[0].starts_with("to the add-on GET /panic?jwt=*** 500"), "{}", lines[0]);
    assert!(lines[0].contains("panicked: in the handler"), "{}", lines[0]);
    let body = r#"{"webhookEvent":"jira:issue_created","panic":true}"#;
    let form = [("event", "jira:issue_created"), ("url", "/hook?i={issue.key}"), ("body", body)];
    sandbox.post("/jira/webhooks", &form).await;
    let lines = sandbox.journal().await;
    assert!(lines[0].starts_with("to the add-on POST /hook?i=JRA-1 500"), "{}", lines[0]);
    assert!(lines[0].contains("panicked: in the listener"), "{}", lines[0]);
    assert!(sandbox.get("/jira").await.body.contains("did not accept jira:issue_created: the add-on answered 500"));
}

#[actix_web::test]
async fn the_journal_shows_reasons_and_no_credentials() {
    let sandbox = Sandbox::open().await;
    let token = sandbox.session("ada").await;
    assert_eq!(sandbox.host.call(Method::GET, "/api/me", &token, None).await.status, 200);
    assert_eq!(sandbox.host.get("/panel?jwt=a.b.c").await.status, 401);
    let lines = sandbox.journal().await;
    assert!(lines[0].contains("/panel?jwt=***") && lines[0].contains("not authenticated:"), "{lines:?}");
    for expected in ["to the host POST /oauth2/token 200 for Ada Admin", "to the host GET /install-keys/sandbox 200"] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected}: {lines:?}");
    }
    let page = sandbox.get("/jira").await.body;
    assert!(page.contains("&#34;iss&#34;: &#34;sandbox-jira&#34;"), "claims are decoded");
    let secret = sandbox.host.addon().state().tenants.store().installations("sandbox-jira").await.unwrap();
    for hidden in [&token, secret[0]["sharedSecret"].as_str().unwrap(), "sandbox-user-token-"] {
        assert!(!page.contains(hidden), "{hidden} is in the journal");
    }
}

#[actix_web::test]
async fn its_services_are_only_for_its_own_sites() {
    let sandbox = Sandbox::open().await;
    // the key of another fake host must not install at a site of the sandbox
    let mut stranger = TestTenant::new();
    stranger.base_url = format!("{}/jira", sandbox.running.url());
    assert_eq!(
        sandbox.host.try_install(&stranger).await.status,
        401,
        "the sandbox's key server does not know that key"
    );
    // all other sites still use the configured services
    sandbox.host.install(&sandbox.host.tenant()).await;
    assert_eq!(sandbox.host.keys().fetches(), 1);
    let page = sandbox.host.open_iframe("/hello-world").await;
    assert_eq!(page.json()["page"]["script"], "https://connect-cdn.atl-paas.net/all.js");
    // the sandbox's key cannot install for other hosts: its id is unknown there
    let token = KeyServer::sign_as("sandbox", &claims_for(&TestTenant::new(), sandbox.host.base_url(), "/installed"));
    let reply = sandbox.host.call(Method::POST, "/installed", &token, Some(&json!({}))).await;
    assert!(matches!(reply.status, 400 | 401), "{}", reply.status);
}

#[actix_web::test]
async fn the_web_cannot_reach_it() {
    let sandbox = Sandbox::open().await;
    for host in ["evil.example", "localhost.evil.example:80"] {
        assert_eq!(sandbox.ask(Method::GET, "/jira", &[("host", host)], String::new()).await.status, 403, "{host}");
    }
    for origin in ["https://evil.example", "null"] {
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        let reply = sandbox.ask(Method::POST, "/jira/lifecycle/uninstalled", &headers, String::new()).await;
        assert_eq!(reply.status, 403, "{origin}");
    }
    let page = sandbox.get("/jira").await;
    assert!(page.header("content-security-policy").contains("frame-ancestors 'self'"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.header("access-control-allow-origin").is_empty());
    assert_eq!(sandbox.get("/assets/..%2F..%2Fpackage.json").await.status, 404);
}

#[actix_web::test]
async fn it_is_for_development_on_this_machine() {
    let (_production, refused) = with_sandbox(support::fixture::builder(), routes).await;
    let refused = refused.unwrap_err().to_string();
    assert_eq!(refused, "the sandbox is only for development, and this is production");
    let open = support::fixture::builder().var("NODE_ENV", "development").var("AC_BIND", "0.0.0.0");
    let (_open, refused) = with_sandbox(open, routes).await;
    let refused = refused.unwrap_err().to_string();
    assert_eq!(refused, "the add-on accepts connections from other machines (bind, AC_BIND)");
}

#[actix_web::test]
async fn a_taken_port_is_skipped() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let builder = support::fixture::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", port.to_string());
    let (host, sandbox) = with_sandbox(builder, routes).await;
    let sandbox = sandbox.unwrap();
    assert_ne!(sandbox.url(), format!("http://localhost:{port}"));
    let answer = Client::new().get(sandbox.url()).send().await.unwrap();
    assert_eq!(answer.status(), 200, "redirected to its first site");
    assert!(sandbox::start(host.addon()).is_err(), "there is already one, and the add-on is mounted");
}

#[actix_web::test]
async fn a_page_waits_for_the_first_install() {
    let builder = support::fixture::builder().var("NODE_ENV", "development").var("AC_SANDBOX_PORT", "0");
    let (host, running) = with_sandbox(builder, routes).await;
    let page = host.send(Client::new().get(format!("{}/jira", running.unwrap().url())), Vec::new()).await;
    assert!(page.body.contains("Installed and enabled."), "{}", page.body);
}
