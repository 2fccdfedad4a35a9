//! Webhooks: mounted as the descriptor names them, delivered as events, only from tenants.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::http::{Method, header};
use actix_web::web::ServiceConfig;
use atlassian_connect_testing::{KeyServer, TestHost, TestTenant, assert_descriptor_routes, claims_for};
use serde_json::{Value, json};

use crate::support::fixture;

fn no_routes(_: &mut ServiceConfig) {}

/// The calls of listeners: event, tenant, body.
type Heard = Arc<Mutex<Vec<(String, String, Value)>>>;

/// An installed add-on with these webhooks, which records these events.
async fn host(webhooks: Value, events: &'static [&'static str]) -> (TestHost, Heard) {
    let heard = Heard::default();
    let written = Arc::clone(&heard);
    let builder = fixture::builder()
        .addon(|addon| {
            addon.descriptor_transformer(move |mut descriptor, _| {
                descriptor["modules"] = json!({ "webhooks": webhooks });
                descriptor
            })
        })
        .prepare(move |addon| {
            for event in events {
                let heard = Arc::clone(&written);
                addon.on(*event, move |occurrence| {
                    let body = occurrence.body.as_ref().clone();
                    heard.lock().unwrap().push((occurrence.event.clone(), occurrence.client_key().to_owned(), body));
                    async { Ok(()) }
                });
            }
        });
    let host = builder.start(no_routes).await;
    host.install(&host.tenant()).await;
    (host, heard)
}

fn names(heard: &Heard) -> Vec<String> {
    heard.lock().unwrap().drain(..).map(|(event, ..)| event).collect()
}

#[actix_web::test]
async fn webhooks_are_mounted_at_the_paths_of_the_descriptor() {
    let webhooks = json!([
        { "event": "created", "url": "/hooks/created" },
        { "event": "updated", "url": "/hooks/updated?issue=${issue.key}&project=${project.id}" },
        { "event": "deleted", "url": "/hooks/${project.key}/gone/${issue.key}.json#top" },
        { "event": "spaced", "url": "/hooks/with%20space/caf%C3%A9" },
        { "event": "slashed", "url": "/hooks/a%2Fb" },
        { "event": "slashless", "url": "slashless" },
        { "event": "", "url": "/never" },
    ]);
    let events = &["created", "updated", "deleted", "spaced", "slashed", "slashless"];
    let (host, heard) = host(webhooks, events).await;
    assert_descriptor_routes(&host).await;
    for (path, event) in [
        ("/hooks/created", "created"),
        ("/hooks/created?user_id=x&user_key=y", "created"),
        ("/hooks/updated?issue=A-1&project=100%2C00&user_id=", "updated"),
        ("/hooks/A/gone/A-1.json", "deleted"),
        ("/hooks/A%20%2F%C3%A9/gone/%24%7B.json", "deleted"),
        ("/hooks/with%20space/caf%C3%A9", "spaced"),
        ("/hooks/a%2Fb", "slashed"),
        ("/slashless", "slashless"),
    ] {
        assert_eq!(host.webhook(path, &json!({})).await.status, 204, "{path}");
        assert_eq!(names(&heard), [event], "{path}");
    }
    for path in [
        "/hooks",
        "/hooks/created/",
        "/hooks/A/gone/A-1",
        "/hooks//gone/A-1.json",
        "/hooks/a/b",
        "/never",
        "/hooks/x/y",
    ] {
        assert_eq!(host.webhook(path, &json!({})).await.status, 404, "{path}");
    }
    // other methods are left to a page of the app at the same path
    assert_eq!(host.get("/hooks/created").await.status, 404);
    assert!(names(&heard).is_empty());
}

#[actix_web::test]
async fn webhooks_with_the_same_path_are_distinguished() {
    let webhooks = json!([
        { "event": "jira:issue_created", "url": "/all" },
        { "event": "jira:issue_updated", "url": "/all" },
        { "event": "comment_created", "url": "/all?kind=comment&issue=${issue.key}" },
        { "event": "jira:issue_created", "url": "/all?filter=2" },
    ]);
    let events = &["jira:issue_created", "jira:issue_updated", "comment_created", "jira:issue_deleted"];
    let (host, heard) = host(webhooks, events).await;
    for (path, named, expected) in [
        ("/all", "jira:issue_created", &["jira:issue_created"][..]),
        ("/all", "jira:issue_updated", &["jira:issue_updated"]),
        ("/all?kind=comment&issue=A-1", "", &["comment_created"]),
        ("/all?filter=2", "jira:issue_created", &["jira:issue_created"]),
        ("/all", "jira:issue_deleted", &["jira:issue_created", "jira:issue_updated"]),
    ] {
        assert_eq!(host.webhook(path, &json!({ "webhookEvent": named })).await.status, 204);
        assert_eq!(names(&heard), expected, "{path} {named}");
    }
}

#[actix_web::test]
async fn an_event_has_the_tenant_the_body_and_its_verification() {
    let events = &["webhook_auth_verification_triggered", "webhook_auth_verification_successful", "jira:issue_created"];
    let (host, heard) = host(json!({ "event": "jira:issue_created", "url": "/created" }), events).await;
    let (tenant, other) = (host.tenant(), TestTenant::new());
    host.install(&other).await;
    let body = json!({ "issue": { "key": "A-1" }, "sharedSecret": "not for a log", "clientKey": "another's" });
    for tenant in [&tenant, &other] {
        assert_eq!(host.webhook_as(tenant, "/created", &body).await.status, 204);
        let (who, rest) = (tenant.client_key.clone(), json!({ "issue": { "key": "A-1" }, "clientKey": "another's" }));
        let expected = [
            ("webhook_auth_verification_triggered".to_owned(), String::new(), Value::Null),
            ("webhook_auth_verification_successful".to_owned(), who.clone(), Value::Null),
            ("jira:issue_created".to_owned(), who, rest),
        ];
        assert_eq!(
            heard.lock().unwrap().drain(..).collect::<Vec<_>>(),
            expected,
            "the token names the tenant, not the body"
        );
    }
    // an unverified request is not delivered
    let stranger = TestTenant::new();
    let context = tenant.context_token();
    let install = KeyServer::sign(&claims_for(&tenant, host.base_url(), "/created"));
    for token in
        ["", "a.b.c", &stranger.token("POST", "/created", ""), &tenant.token("GET", "/created", ""), &context, &install]
    {
        let reply = host.call(Method::POST, "/created", token, Some(&body)).await;
        assert_eq!((reply.status, reply.header("x-acpt")), (401, ""));
        assert_eq!(names(&heard), ["webhook_auth_verification_triggered"]);
    }
}

#[actix_web::test]
async fn a_body_is_json_or_empty() {
    let (host, heard) = host(json!({ "event": "e", "url": "/e" }), &["e"]).await;
    let token = host.tenant().token("POST", "/e", "");
    for (body, kind, status) in [
        ("", "application/json", 204),
        ("", "", 204),
        ("null", "application/json", 204),
        ("[1, \"\u{1f600}\"]", "text/plain", 204),
        ("{\"a\":1,\"a\":2}", "application/json", 204),
        ("{", "application/json", 400),
        ("a=1&b=2", "application/x-www-form-urlencoded", 400),
        ("\u{feff}{}", "application/json", 204),
        ("\u{feff}", "application/json", 204),
        ("{\"a\":\"\\ud800\"}", "application/json", 400),
    ] {
        let request = host.request(Method::POST, "/e").insert_header((header::AUTHORIZATION, format!("JWT {token}")));
        let request = if kind.is_empty() { request } else { request.insert_header((header::CONTENT_TYPE, kind)) };
        let reply = host.send(request, body.into()).await;
        assert_eq!(reply.status, status, "{body} {kind}: {}", reply.body);
        assert_eq!(names(&heard).len(), usize::from(status == 204), "{body}");
    }
    let request = host.request(Method::POST, "/e").insert_header((header::AUTHORIZATION, format!("JWT {token}")));
    assert_eq!(host.send(request, vec![b'"', 0xff, 0xfe, b'"']).await.status, 400, "not UTF-8");
}

#[actix_web::test]
async fn enabled_and_disabled_emit_events() {
    let (host, heard) = host(json!([]), &["enabled", "disabled"]).await;
    let tenant = host.tenant();
    for event in ["enabled", "disabled"] {
        let mut payload = tenant.payload("com.example.fixture-app", event);
        assert!(payload.get("sharedSecret").is_none(), "only an install has it");
        payload["sharedSecret"] = "of a host that errs".into();
        assert_eq!(host.webhook(&format!("/{event}"), &payload).await.status, 204);
        let (name, who, body) = heard.lock().unwrap().pop().unwrap();
        assert_eq!((name.as_str(), who), (event, tenant.client_key.clone()));
        assert!(body.get("sharedSecret").is_none() && body["eventType"] == event);
        payload["clientKey"] = "another".into();
        assert_eq!(host.webhook(&format!("/{event}"), &payload).await.status, 400);
        assert!(names(&heard).is_empty());
    }
}

#[actix_web::test]
async fn a_listener_may_time_out_or_fail() {
    let builder = fixture::builder()
        .config(r#"{ "limits": { "listener": 1 } }"#)
        .addon(|addon| {
            addon.descriptor_transformer(|mut descriptor, _| {
                let webhook = |event: &str| json!({ "event": event, "url": format!("/{event}") });
                descriptor["modules"] = json!({ "webhooks": [webhook("slow"), webhook("broken"), webhook("fine")] });
                descriptor
            })
        })
        .prepare(|addon| {
            addon.on("slow", |_| std::future::pending());
            addon.on("broken", |_| async { Err("no connection to db-7.internal".into()) });
        });
    let host = builder.start(no_routes).await;
    host.install(&host.tenant()).await;
    let begun = Instant::now();
    for (path, status) in [("/slow", 500), ("/broken", 500), ("/fine", 204)] {
        let reply = host.webhook(path, &Value::Null).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(!reply.body.contains("db-7"), "{}", reply.body);
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
