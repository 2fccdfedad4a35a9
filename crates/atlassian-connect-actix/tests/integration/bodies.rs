//! Compressed bodies, and bodies with a byte order mark, from the host and from Forge.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use atlassian_connect_actix::forge;
use atlassian_connect_testing::{KeyServer, Reply, TestHost, TestHostBuilder, TestInvocation, claims_for};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::install::{ADDON_KEY, stored};

use crate::support::fixture;
use atlassian_connect_actix::store::Place;

fn routes(cfg: &mut ServiceConfig) {
    cfg.configure(forge::events("/forge/events")).configure(forge::pre_uninstall("/forge/leave"));
}

type Heard = Arc<Mutex<Vec<Value>>>;

/// An add-on with a webhook at `/hook` that records the bodies of its events.
fn builder() -> (TestHostBuilder, Heard) {
    let heard = Heard::default();
    let written = Arc::clone(&heard);
    let builder = fixture::builder()
        .addon(|addon| {
            addon.descriptor_transformer(|mut descriptor, _| {
                descriptor["modules"] = json!({ "webhooks": [{ "event": "hooked", "url": "/hook" }] });
                for callback in ["enabled", "disabled"] {
                    descriptor["lifecycle"][callback] = json!(format!("/{callback}"));
                }
                descriptor
            })
        })
        .prepare(move |addon| {
            for event in ["hooked", "evented", "enabled", "disabled", "forge:preUninstall", "uninstalled"] {
                let heard = Arc::clone(&written);
                addon.on(event, move |occurrence| {
                    heard.lock().unwrap().push(occurrence.body.as_ref().clone());
                    async { Ok(()) }
                });
            }
        });
    (builder, heard)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Each type of body that the framework reads, with a valid token.
const KINDS: [&str; 7] =
    ["/installed", "/enabled", "/disabled", "/hook", "/forge/events", "/forge/leave", "/uninstalled"];

fn authorization(host: &TestHost, path: &str) -> String {
    let tenant = host.tenant();
    match path {
        "/installed" | "/uninstalled" => {
            format!("JWT {}", KeyServer::sign(&claims_for(&tenant, host.base_url(), path)))
        }
        path if path.starts_with("/forge") => {
            let claims = TestInvocation::event(json!({})).claims(TestHost::APP_ID);
            format!("Bearer {}", host.forge_keys().sign(&claims))
        }
        path => format!("JWT {}", tenant.token("POST", path, "")),
    }
}

fn body(host: &TestHost, path: &str) -> Value {
    let mut body = host.tenant().payload(ADDON_KEY, path.trim_start_matches('/'));
    body["eventType"] = json!("evented");
    body
}

async fn send(host: &TestHost, path: &str, encoding: Option<&str>, body: Vec<u8>) -> Reply {
    let request = host.request(Method::POST, path).insert_header(("Authorization", authorization(host, path)));
    let request = request.content_type("application/json");
    let request = match encoding {
        Some(encoding) => request.insert_header(("Content-Encoding", encoding)),
        None => request,
    };
    host.send(request, body).await
}

#[actix_web::test]
async fn gzip_and_a_byte_order_mark_are_accepted() {
    for (encoding, mark) in [(None, "\u{feff}"), (Some("gzip"), ""), (Some("X-GZIP"), "\u{feff}")] {
        let (builder, heard) = builder();
        let host = builder.start(routes).await;
        let mut expected = Vec::new();
        for path in KINDS {
            let body = body(&host, path);
            let text = format!("{mark}{body}");
            let bytes = if encoding.is_some() { gzip(text.as_bytes()) } else { text.into_bytes() };
            let reply = send(&host, path, encoding, bytes).await;
            assert_eq!(reply.status, 204, "{path} {encoding:?}: {}", reply.body);
            if path != "/installed" {
                expected.push(body);
            }
        }
        assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), expected.len(), "{heard:?}");
        assert!(expected.iter().all(|body| heard.contains(body)), "{heard:?}");
    }
}

#[actix_web::test]
async fn other_encodings_are_refused_after_authentication() {
    let (builder, _) = builder();
    let host = builder.start(routes).await;
    host.install(&host.tenant()).await;
    for path in KINDS {
        let text = body(&host, path).to_string();
        for encoding in ["br", "deflate", "zstd", "gzip, gzip", "compress"] {
            let reply = send(&host, path, Some(encoding), text.clone().into_bytes()).await;
            assert_eq!((reply.status, reply.header("accept-encoding")), (415, "gzip"), "{path} {encoding}");
            // Forge reads JSON
            let words = reply.body.replace("\\\"", "\"");
            assert!(words.contains(&format!("\"{encoding}\"")), "{path}: {}", reply.body);
        }
        let reply = send(&host, path, Some("identity"), text.clone().into_bytes()).await;
        assert_eq!(reply.status, 204, "{path}");
        if path == "/uninstalled" {
            continue;
        }
        let request = host.request(Method::POST, path).insert_header(("Content-Encoding", "br"));
        let reply = host.send(request.insert_header(("Authorization", "JWT a.b.c")), text.into_bytes()).await;
        assert_eq!(reply.status, 401, "{path}: the caller is authenticated first");
    }
}

#[actix_web::test]
async fn a_zip_bomb_and_invalid_gzip_are_refused() {
    let (builder, _) = builder();
    let host = builder.start(routes).await;
    host.install(&host.tenant()).await;
    let bomb = gzip(&vec![b' '; 10 << 20]);
    assert!(bomb.len() < 16 << 10);
    for path in KINDS {
        let good = gzip(body(&host, path).to_string().as_bytes());
        assert_eq!(send(&host, path, Some("gzip"), bomb.clone()).await.status, 413, "{path}");
        for bad in [&good[..good.len() - 1], b"{}", &gzip(b"{")] {
            assert_eq!(send(&host, path, Some("gzip"), bad.to_vec()).await.status, 400, "{path}");
        }
        assert_eq!(send(&host, path, None, good).await.status, 400, "{path}: not said to be compressed");
    }
    assert_eq!(stored(&host).await, 1);
}

#[actix_web::test]
async fn descriptive_fields_of_an_install_may_have_any_type() {
    let host = fixture::start(routes).await;
    for (at, value) in [json!(7), json!(true), json!(["https://a.example"]), json!({}), json!(1.5)].iter().enumerate() {
        let mut tenant = host.tenant();
        tenant.client_key = format!("tenant-{at}");
        let mut payload = tenant.payload(ADDON_KEY, "installed");
        for member in ["displayUrl", "displayUrlServicedeskHelpCenter", "productType", "description", "serverVersion"] {
            payload[member] = value.clone();
        }
        let token = KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed"));
        let reply = host.call(Method::POST, "/installed", &token, Some(&payload)).await;
        assert_eq!(reply.status, 204, "{value}: {}", reply.body);
        let store = host.addon().state().tenants.store();
        let kept = store
            .get(Place::of_tenant(&tenant.client_key, atlassian_connect_actix::store::internal::CLIENT_INFO))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(kept.get("displayUrl"), None, "{value}");
    }
    assert_eq!(stored(&host).await, 5);
    // fields that the framework depends on must have the right type
    for member in ["key", "sharedSecret", "baseUrl", "clientKey", "oauthClientId", "installationId"] {
        let mut payload = host.tenant().payload(ADDON_KEY, "installed");
        payload[member] = json!(7);
        let token = KeyServer::sign(&claims_for(&host.tenant(), host.base_url(), "/installed"));
        let reply = host.call(Method::POST, "/installed", &token, Some(&payload)).await;
        assert_eq!(reply.status, 400, "{member}");
    }
}
