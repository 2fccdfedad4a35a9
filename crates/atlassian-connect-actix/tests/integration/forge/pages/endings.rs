//! When pages and sessions end, and when they find their tenant.

use super::*;

#[actix_web::test]
async fn an_uninstall_ends_pages_and_sessions_at_once() {
    let host = builder().start(|cfg| {
        routes(cfg);
        cfg.configure(atlassian_connect_actix::forge::pre_uninstall("/forge/uninstall"));
    });
    let host = host.await;
    let invocation = host.invocation();
    let url = url_of(&host, &invocation, "panel").await;
    let page = host.get(&url).await;
    assert_eq!(call(&host, "/api/seen", page.session_token()).await.status, 200);
    assert_eq!(host.invoke("/forge/uninstall", &invocation.unattended()).await.status, 204);
    assert_eq!(
        [host.get(&url).await.status, call(&host, "/api/seen", page.session_token()).await.status],
        [UNAUTHORIZED; 2]
    );

    // a Connect tenant
    let mut tenant = host.new_tenant();
    tenant.installation_id = Some(host.invocation_of(&tenant).installation_id());
    host.install(&tenant).await;
    let url = url_of(&host, &host.invocation_of(&tenant), "panel").await;
    let page = host.get(&url).await;
    assert_eq!(page.status, 200);
    host.uninstall(&tenant).await;
    assert_eq!(
        [host.get(&url).await.status, call(&host, "/api/seen", page.session_token()).await.status],
        [UNAUTHORIZED; 2]
    );
}

#[actix_web::test]
async fn a_new_install_ends_what_was_opened_before_it() {
    let host = started().await;
    let mut tenant = host.new_tenant();
    tenant.installation_id = Some(host.invocation_of(&tenant).installation_id());
    host.install(&tenant).await;
    let url = url_of(&host, &host.invocation_of(&tenant), "panel").await;
    let page = host.get(&url).await;
    assert_eq!(call(&host, "/api/seen", page.session_token()).await.status, 200);
    host.uninstall(&tenant).await;
    tenant.shared_secret = "another secret of this tenant".to_owned();
    host.install(&tenant).await;
    assert_eq!(
        [host.get(&url).await.status, call(&host, "/api/seen", page.session_token()).await.status],
        [UNAUTHORIZED; 2]
    );
    assert_eq!(host.open_forge_by(&host.invocation_of(&tenant), "panel").await.status, 200);
}

#[actix_web::test]
async fn an_installation_that_has_ended_opens_nothing_with_the_invocations_it_has() {
    let host = builder().start(|cfg| {
        routes(cfg);
        cfg.configure(atlassian_connect_actix::forge::events("/forge/events"));
    });
    let host = host.await;
    let invocation = host.invocation();
    let page = host.open_forge_by(&invocation, "panel").await;
    let uninstalled = invocation.clone().unattended().body(json!({ "eventType": "avi:forge:uninstalled:app" }));
    assert_eq!(host.invoke("/forge/events", &uninstalled).await.status, 204);
    assert_eq!(call(&host, "/api/seen", page.session_token()).await.status, UNAUTHORIZED);
    assert_eq!(host.open_forge_by(&invocation, "panel").await.status, FORBIDDEN);
    assert_eq!(host.open_forge("panel", at_issue()).await.status, 200, "another installation");
}

#[actix_web::test]
async fn a_session_finds_its_tenant_when_that_is_found_out() {
    let host = started().await;
    let mut tenant = host.new_tenant();
    let invocation = host.invocation_of(&tenant);
    let page = host.open_forge_by(&invocation, "panel").await;
    let tenant_of =
        async |token: &str| call(&host, "/api/seen", token).await.json()["tenant"].as_str().unwrap().to_owned();
    assert!(tenant_of(page.session_token()).await.starts_with("ari:cloud:"));
    tenant.installation_id = Some(invocation.installation_id());
    host.install(&tenant).await;
    assert_eq!(tenant_of(page.session_token()).await, tenant.client_key);
}
