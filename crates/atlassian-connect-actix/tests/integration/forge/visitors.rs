//! Every visitor of a page of the app can get a token for it and send it with any body and headers. Pages may be open
//! to people who are not logged in; their token names no user.

use std::sync::{Arc, Mutex};

use actix_web::web::ServiceConfig;
use atlassian_connect_actix::events::PreUninstall;
use atlassian_connect_actix::forge;
use atlassian_connect_testing::TestInvocation;
use serde_json::{Value, json};

use super::remote;

use crate::support::fixture;

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(remote).configure(forge::events("/forge/events")).configure(forge::pre_uninstall("/forge/leave"));
}

/// The ways in which the platform may mark an anonymous user.
fn anonymous() -> [TestInvocation; 4] {
    [
        TestInvocation::new().without("/principal"),
        TestInvocation::new().claim("/principal", ""),
        TestInvocation::new().claim("/principal", "unidentified"),
        TestInvocation::new().claim("/principal", "unidentified").without("/context"),
    ]
}

#[actix_web::test]
async fn an_anonymous_visitor_has_no_account() {
    let host = fixture::start(routes).await;
    for visitor in anonymous() {
        let reply = host.invoke("/remote", &visitor).await;
        assert_eq!((reply.status, &reply.json()["account"]), (200, &Value::Null), "{}", reply.body);
    }
}

#[actix_web::test]
async fn an_anonymous_visitor_cannot_send_events() {
    let heard = Arc::new(Mutex::new(0));
    let (events, leaves) = (Arc::clone(&heard), Arc::clone(&heard));
    let builder = fixture::builder().prepare(move |addon| {
        addon.on("avi:jira:created:issue", move |_| {
            *events.lock().unwrap() += 1;
            async { Ok(()) }
        });
        addon.listen(move |_: PreUninstall| {
            *leaves.lock().unwrap() += 1;
            async { Ok(()) }
        });
    });
    let host = builder.start(routes).await;
    for visitor in anonymous() {
        let visitor = visitor.body(json!({ "eventType": "avi:jira:created:issue" }));
        assert_eq!(host.invoke("/forge/events", &visitor).await.status, 403);
        assert_eq!(host.invoke("/forge/leave", &visitor).await.status, 403);
    }
    assert!(host.addon().state().deliveries.is_empty());
    assert_eq!(*heard.lock().unwrap(), 0);
}

#[actix_web::test]
async fn a_token_from_an_anonymous_visitor_does_not_replace_one_from_forge() {
    let host = fixture::start(routes).await;
    let own = TestInvocation::event(json!({})).app_token(Some("forges-own"));
    let id = own.installation_id();
    assert_eq!(host.invoke("/remote", &own).await.status, 200);
    for visitor in anonymous() {
        let visitor = visitor.installation(&id).app_token(Some("made-up"));
        assert_eq!(host.invoke("/remote", &visitor).await.status, 200);
    }
    let kept = host.addon().state().outbound.app_tokens.get(&id).unwrap();
    assert!(kept.is_sure);
    assert_eq!(secrecy::ExposeSecret::expose_secret(kept.token.as_ref()), "forges-own");
}

#[actix_web::test]
async fn a_module_that_forge_itself_does_not_invoke_cannot_send_events() {
    let host = fixture::start(routes).await;
    let of = |kind: &str| TestInvocation::event(json!({ "eventType": "e" })).claim("/app/module/type", kind);
    for kind in ["jira:issuePanel", "confluence:globalPage", "macro", "core:function", "webtrigger", "action"] {
        for path in ["/forge/events", "/forge/leave"] {
            let reply = host.invoke(path, &of(kind)).await;
            assert_eq!(reply.status, 403, "{kind} {path}");
            assert_eq!(reply.json()["message"], "Only Forge itself may call this endpoint.", "{kind} {path}");
        }
    }
    let untyped = TestInvocation::event(json!({ "eventType": "e" })).without("/app/module");
    for invocation in
        ["core:endpoint", "core:trigger", "scheduledTrigger", "core:preUninstall", ""].map(of).iter().chain([&untyped])
    {
        assert_eq!(host.invoke("/forge/events", invocation).await.status, 204);
    }
}
