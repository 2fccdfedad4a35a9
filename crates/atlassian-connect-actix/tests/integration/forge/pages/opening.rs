//! What the shell is answered, and what the page shows.

use super::*;

#[actix_web::test]
async fn the_page_is_the_same_as_in_connect() {
    let host = started().await;
    let invocation = looking_at(&host, at_issue()).claim("/app/license", json!({ "active": true }));
    let page = host.open_forge_by(&invocation, "panel").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let site = host.tenant().base_url;
    let context = page.connect_context();
    assert_eq!(context["hostBaseUrl"], site.as_str());
    assert_eq!(context["hostScriptUrl"], format!("{}/forge/ap.js", host.base_url()));
    assert_eq!(context["userAccountId"], host.tenant().account_id.as_str());
    let expected = json!({ "jira": {
        "issue": { "id": "11", "key": "A-1", "issuetype": { "id": "3" } }, "project": { "id": "10", "key": "A" },
    } });
    assert_eq!(context["context"], expected);
    let described = [&context["license"], &context["locale"], &context["timezone"]];
    assert_eq!(described.map(|text| text.as_str().unwrap()), ["active", "en-US", "Europe/Berlin"]);
    assert_eq!(page.header("content-security-policy"), format!("frame-ancestors {} {site}", TestHost::SHELL));
    assert_eq!([page.header("cache-control"), page.header("referrer-policy")], ["no-store", "no-referrer"]);
    assert_eq!(page.header("x-frame-options"), "");

    let seen = call(&host, "/api/seen", page.session_token()).await.json();
    assert_eq!((seen["via"].as_str(), &seen["context"]), (Some("forge"), &expected));
    let fresh = page.header("x-acpt");
    assert_eq!(call(&host, "/api/seen", fresh).await.status, 200);
}

#[actix_web::test]
async fn the_url_has_what_connects_urls_have_and_the_ids_of_the_token() {
    let host = started().await;
    let url = url_of(&host, &looking_at(&host, at_issue()), "panel").await;
    assert!(url.starts_with("/panel?issue=A-1&xdm_e="), "{url}");
    for (name, value) in [
        ("xdm_e", Some(host.tenant().base_url)),
        ("cp", Some(String::new())),
        ("lic", Some("none".to_owned())),
        ("xdm_shell", Some(TestHost::SHELL.to_owned())),
        ("loc", Some("en-US".to_owned())),
    ] {
        assert_eq!(parameter(&url, name), value, "{name}");
    }
    let confluence = host.invocation().claim("/context/extension", json!({ "type": "confluence:globalPage" }));
    assert_eq!(parameter(&url_of(&host, &confluence, "panel").await, "cp").as_deref(), Some("/wiki"));
    // outside of production nothing is sold
    let staging = builder().var("AC_FORGE_ENVIRONMENTS", "STAGING").start(routes).await;
    let trial = staging.invocation().environment("STAGING");
    assert_eq!(parameter(&url_of(&staging, &trial, "panel").await, "lic").as_deref(), Some("active"));
    // what the browser says of the issue does not count
    let body = json!({ "moduleKey": "panel", "shell": TestHost::SHELL, "issue": "B-9", "context": { "issue": { "key": "B-9" } } });
    let answer = host.invoke("/forge/open", &looking_at(&host, at_issue()).body(body)).await;
    assert!(!answer.body.contains("B-9"), "{}", answer.body);
}

#[actix_web::test]
async fn a_route_for_connect_alone_takes_no_page_of_forge() {
    let host = started().await;
    host.install(&host.tenant()).await;
    assert_eq!(host.open_iframe("/old").await.status, 200);
    assert_eq!(host.open_forge("old", json!({ "type": "jira:globalPage" })).await.status, UNAUTHORIZED);
    assert_eq!(host.open_iframe("/forge/open").await.status, 404, "it takes a POST");
}

#[actix_web::test]
async fn only_a_page_of_the_app_opens_a_page() {
    let host = started().await;
    let open = async |invocation: TestInvocation| host.forge_page_url(&invocation, "panel", TestHost::SHELL).await;
    for (what, invocation, status) in [
        ("a user", host.invocation(), 200),
        ("nobody who is logged in", host.invocation().without("/principal"), 200),
        ("the same in words", host.invocation().claim("/principal", "unidentified"), 200),
        ("any type of module", host.invocation().claim("/app/module/type", "jira:issuePanel"), 200),
        ("a function", host.invocation().without("/context"), FORBIDDEN),
        ("an event", host.invocation().unattended(), FORBIDDEN),
        (
            "a site and nothing else",
            host.invocation().claim("/context", json!({ "siteUrl": "https://x.example" })),
            FORBIDDEN,
        ),
        (
            "another app",
            host.invocation()
                .claim("/aud", "ari:cloud:ecosystem::app/other")
                .patch(json!({ "aud": "ari:cloud:ecosystem::app/other" })),
            UNAUTHORIZED,
        ),
        ("another issuer", host.invocation().patch(json!({ "iss": "evil" })), UNAUTHORIZED),
        ("long ago", host.invocation().patch(json!({ "exp": 1_600_000_000 })), UNAUTHORIZED),
    ] {
        let answer = open(invocation).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        if status != 200 {
            assert!(answer.json()["message"].is_string(), "{what}: Forge wants JSON");
        }
    }
    assert_eq!(
        host.post("/forge/open", &json!({ "moduleKey": "panel", "shell": TestHost::SHELL })).await.status,
        UNAUTHORIZED
    );
    let page = host.open_forge_by(&host.invocation().without("/principal"), "panel").await;
    let seen = call(&host, "/api/seen", page.session_token()).await.json();
    assert_eq!(seen["account"], Value::Null);
    assert_eq!(call(&host, "/api/me", page.session_token()).await.status, UNAUTHORIZED);
}

#[actix_web::test]
async fn a_module_may_have_its_page_in_a_part_of_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let descriptor = json!({
        "key": "com.example.parts", "baseUrl": "{{localBaseUrl}}", "authentication": { "type": "jwt" },
        "modules": {
            "jiraIssueContents": [{ "key": "content", "target": { "type": "web_panel", "url": "/panel?c={issue.key}" } }],
            "jiraWorkflowPostFunctions": [{ "key": "rule", "create": { "url": "/new" }, "view": { "url": "/panel?w=1" } }],
            "jiraIssueGlances": [{ "key": "none", "target": { "type": "dialog" } }],
        },
    });
    std::fs::write(file.path(), descriptor.to_string()).unwrap();
    let path = file.path().to_owned();
    let host = fixture::builder().addon(move |addon| addon.descriptor_file(path)).start(routes).await;
    let invocation = looking_at(&host, at_issue());
    for (key, start) in [("content", "/panel?c=A-1&"), ("rule", "/panel?w=1&")] {
        let url = url_of(&host, &invocation, key).await;
        assert!(url.starts_with(start), "{key}: {url}");
    }
    assert_eq!(host.forge_page_url(&invocation, "none", TestHost::SHELL).await.status, 404);
}

#[actix_web::test]
async fn what_the_shell_sends_is_checked() {
    let host = started().await;
    for (shell, status) in [
        (TestHost::SHELL, 200),
        ("https://other.cdn.prod.atlassian-dev.net", 200),
        ("https://evil.example", FORBIDDEN),
        ("https://a.b.cdn.prod.atlassian-dev.net", FORBIDDEN),
        ("http://0a1b2c3d.cdn.prod.atlassian-dev.net", FORBIDDEN),
        ("https://0a1b2c3d.cdn.prod.atlassian-dev.net.evil.example", FORBIDDEN),
        ("https://0a1b2c3d.cdn.prod.atlassian-dev.net; script-src *", FORBIDDEN),
        ("http://localhost:3000", FORBIDDEN),
        ("null", FORBIDDEN),
        ("https://*.cdn.prod.atlassian-dev.net", FORBIDDEN),
        ("https://a;b.cdn.prod.atlassian-dev.net", FORBIDDEN),
        ("", FORBIDDEN),
    ] {
        let answer = host.forge_page_url(&host.invocation(), "panel", shell).await;
        assert_eq!(answer.status, status, "{shell}: {}", answer.body);
    }
    for (module, status) in
        [("hello-world-page", 200), ("admin-page", 200), ("undeclared", 404), ("", 404), ("__proto__", 404)]
    {
        let answer = host.forge_page_url(&host.invocation(), module, TestHost::SHELL).await;
        assert_eq!(answer.status, status, "{module}: {}", answer.body);
    }
    for (body, status) in [
        (json!({ "moduleKey": "panel" }), 400),
        (json!({ "moduleKey": 7, "shell": TestHost::SHELL }), 400),
        (json!([]), 400),
        (json!("x"), 400),
        (json!({ "moduleKey": "panel", "shell": TestHost::SHELL, "more": "x".repeat(20_000) }), 413),
        (json!({ "moduleKey": "panel", "shell": TestHost::SHELL, "locale": "x".repeat(10_000) }), 200),
    ] {
        let answer = host.invoke("/forge/open", &host.invocation().body(body.clone())).await;
        assert_eq!(answer.status, status, "{}: {}", body.to_string().chars().take(80).collect::<String>(), answer.body);
    }
    // what does not identify anything never enters the URL, and an id that cannot be one is not left out
    let more = json!({ "issue": { "id": "1", "summary": "hush" }, "config": { "secret": "hush" }, "macro": { "body": "hush" } });
    let url = url_of(&host, &looking_at(&host, more), "panel").await;
    assert!(url.len() < 2000 && !url.contains("hush"), "{url}");
    for odd in [json!("x".repeat(300)), json!(["11"]), json!({ "$ne": 1 })] {
        let looking = looking_at(&host, json!({ "issue": { "id": odd, "key": "A-1" } }));
        assert_eq!(host.forge_page_url(&looking, "panel", TestHost::SHELL).await.status, 400, "{odd}");
    }
}

#[actix_web::test]
async fn a_site_that_forge_does_not_name_is_the_tenants_or_a_configured_one() {
    let host = started().await;
    let nameless = || host.invocation().without("/context/siteUrl");
    let refused = host.forge_page_url(&nameless(), "panel", TestHost::SHELL).await;
    assert_eq!(refused.status, FORBIDDEN);
    assert!(refused.body.contains("frameAncestors"), "{}", refused.body);
    let mut tenant = host.tenant();
    tenant.installation_id = Some(nameless().installation_id());
    host.install(&tenant).await;
    let page = host.open_forge_by(&nameless().installation(tenant.installation_id.as_deref().unwrap()), "panel").await;
    assert_eq!(
        page.header("content-security-policy"),
        format!("frame-ancestors {} {}", TestHost::SHELL, tenant.base_url)
    );
}

#[actix_web::test]
async fn settings_and_names_are_those_of_the_connect_tenant_where_there_is_one() {
    let host = started().await;
    let submit = async |page: &Reply| host.post_form_with(page.session_token(), "/panel", &[]).await;
    // on Forge alone
    let page = host.open_forge("panel", at_issue()).await;
    let answer = submit(&page).await;
    let ari = format!("ari:cloud:jira::site/{}", host.tenant().cloud_id);
    assert!(answer.body.contains(&format!("saved for {ari}")), "{}", answer.body);
    assert_eq!(
        answer.header("content-security-policy"),
        format!("frame-ancestors {} {}", TestHost::SHELL, host.tenant().base_url)
    );
    assert_eq!(call(&host, "/api/saved", page.session_token()).await.json(), host.tenant().account_id.as_str());
    let other = host.open_forge_by(&host.invocation_of(&host.new_tenant()), "panel").await;
    assert_eq!(call(&host, "/api/saved", other.session_token()).await.json(), Value::Null, "another site");

    // of a Connect tenant
    let mut tenant = host.new_tenant();
    let id = host.invocation_of(&tenant).installation_id();
    tenant.installation_id = Some(id);
    host.install(&tenant).await;
    let page = host.open_forge_by(&host.invocation_of(&tenant), "panel").await;
    let seen = call(&host, "/api/seen", page.session_token()).await.json();
    assert_eq!((seen["tenant"].as_str(), seen["connect"].as_bool()), (Some(tenant.client_key.as_str()), Some(true)));
    assert_eq!(submit(&page).await.status, 200);
    let token = host.session_token(&tenant).await;
    assert_eq!(call(&host, "/api/saved", &token).await.json(), tenant.account_id.as_str(), "the same through Connect");
}

#[actix_web::test]
async fn a_permission_is_asked_for_as_the_user() {
    let host = started().await;
    let open = async || host.open_forge("guarded", json!({ "type": "jira:adminPage" })).await;
    // the page's own token is bound to its URL, which is as good as a session token there
    host.stub_post("/rest/api/3/permissions/check", json!({ "globalPermissions": ["ADMINISTER"] }));
    assert_eq!(open().await.status, 200);
    assert_eq!(host.calls().last().unwrap().by, By::User(host.tenant().account_id));
    let denied = started().await;
    denied.stub_post("/rest/api/3/permissions/check", json!({ "globalPermissions": [] }));
    assert_eq!(denied.open_forge("guarded", json!({ "type": "jira:adminPage" })).await.status, FORBIDDEN);
    // without the script the shell would take a page for one whose token has died, and hide it
    let url = url_of(&denied, &denied.invocation(), "guarded").await;
    for (path, status, has_script) in [(url.as_str(), FORBIDDEN, true), ("/guarded?jwt=x", UNAUTHORIZED, false)] {
        let request = denied.request(Method::GET, path).insert_header(("accept", "text/html"));
        let page = denied.send(request, Vec::new()).await;
        assert_eq!((page.status, page.body.contains("/forge/ap.js\"")), (status, has_script), "{}", page.body);
    }
    let nobody = denied.invocation().without("/principal");
    assert_eq!(denied.open_forge_by(&nobody, "guarded").await.status, FORBIDDEN);
}

#[actix_web::test]
async fn a_url_that_would_be_too_long_is_refused() {
    let path = format!("/panel?long={}", "x".repeat(9000));
    let config = json!({ "forge": { "pages": { "panel": path } } }).to_string();
    let host = fixture::builder().config(config).start(routes).await;
    let answer = host.forge_page_url(&host.invocation(), "panel", TestHost::SHELL).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["message"].as_str().unwrap().contains("URL"), "{}", answer.body);
}

#[actix_web::test]
async fn names_that_are_no_tenants_are_not_installed() {
    let host = started().await;
    for client_key in ["ari:cloud:jira::site/c", "atlassian-connect:pages"] {
        let mut tenant = host.new_tenant();
        tenant.client_key = client_key.to_owned();
        assert_eq!(host.try_install(&tenant).await.status, 400, "{client_key}");
    }
}

#[actix_web::test]
async fn the_script_is_served_with_the_origins_that_the_shell_may_have() {
    let host = started().await;
    let script = host.get("/forge/ap.js").await;
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert!(script.body.contains(r#"["^https://[a-z0-9_-]+\\.cdn\\.prod\\.atlassian-dev\\.net$"]"#), "{}", script.body);
    let again = host.request(Method::GET, "/forge/ap.js").insert_header(("If-None-Match", script.header("etag")));
    assert_eq!(host.send(again, Vec::new()).await.status, 304);
    let without = fixture::builder().var("AC_APP_ID", "").start(routes).await;
    for path in ["/forge/ap.js", "/forge/open"] {
        assert_eq!(without.get(path).await.status, 404, "{path}");
    }
}
