//! Lifecycle callbacks: what is stored, which events are emitted, and what is refused.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::PageContext;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::events::{HostSettingsSaved, Uninstalled};
use atlassian_connect_actix::store::internal::{CLIENT_INFO, CLIENT_INFO_UNINSTALLED};
use atlassian_connect_testing::{KeyServer, Reply, TestHost, TestTenant, claims_for};
use diesel::prelude::*;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::claims_of;
use crate::support::fixture;
use crate::support::store::{Failure, FakeStore};
use atlassian_connect_actix::store::Place;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/hello-world", web::get().to(|page: PageContext| async move { page.client_key.clone() }))
        .route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }));
}

pub(crate) const ADDON_KEY: &str = "com.example.fixture-app";

/// Sends `payload` to a callback, signed for `tenant`.
async fn send(host: &TestHost, path: &str, tenant: &TestTenant, payload: &Value) -> Reply {
    let token = KeyServer::sign(&claims_for(tenant, host.base_url(), path));
    host.call(Method::POST, path, &token, Some(payload)).await
}

async fn opens(host: &TestHost, tenant: &TestTenant) -> bool {
    let reply = host.open_iframe_as(tenant, "/hello-world").await;
    assert!(matches!(reply.status, 200 | 401), "{} {}", reply.status, reply.body);
    reply.status == 200
}

/// How many tenants are installed.
pub(crate) async fn stored(host: &TestHost) -> usize {
    host.addon().state().tenants.store().tenants(None, 1000).await.unwrap().tenants.len()
}

#[actix_web::test]
async fn concurrent_installs_of_one_tenant_end_in_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("addon.db");
    let host = fixture::builder().var("DATABASE_URL", format!("sqlite:{}", file.display())).start(routes).await;
    let tenant = host.tenant();
    let rotated: Vec<TestTenant> = (0..25)
        .map(|i| {
            let mut tenant = tenant.clone();
            tenant.shared_secret = format!("secret-{i}");
            tenant
        })
        .collect();
    let replies = join_all(rotated.iter().map(|tenant| host.try_install(tenant))).await;
    assert!(replies.iter().all(|reply| reply.status == 204));

    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let rows: Count = diesel::sql_query(r#"SELECT count(*) AS "rows" FROM "AddonSettings" WHERE "clientKey" = ?"#)
        .bind::<diesel::sql_types::Text, _>(&tenant.client_key)
        .get_result(&mut connection)
        .unwrap();
    assert_eq!(rows.rows, 1);
    let mut opening = 0;
    for tenant in &rotated {
        opening += usize::from(opens(&host, tenant).await);
    }
    assert_eq!(opening, 1, "the tenant has one secret");
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    rows: i64,
}

#[actix_web::test]
async fn an_install_without_a_secret_keeps_the_stored_one() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    for secret in [json!(null), json!(""), json!(" \t"), json!(7), json!(["s"]), json!({})] {
        let mut payload = tenant.payload(ADDON_KEY, "installed");
        payload["sharedSecret"] = secret.clone();
        assert_eq!(send(&host, "/installed", &tenant, &payload).await.status, 400, "{secret}");
    }
    let mut payload = tenant.payload(ADDON_KEY, "installed");
    payload.as_object_mut().unwrap().shift_remove("sharedSecret");
    assert_eq!(send(&host, "/installed", &tenant, &payload).await.status, 400);
    assert!(opens(&host, &tenant).await);
}

#[actix_web::test]
async fn a_body_that_is_not_an_installation_is_malformed() {
    let host = fixture::start(routes).await;
    let tenant = host.tenant();
    let good = tenant.payload(ADDON_KEY, "installed");
    let with = |member: &str, value: Value| {
        let mut payload = good.clone();
        payload[member] = value;
        payload.to_string()
    };
    let text = good.to_string();
    let mut table = String::new();
    for (what, body) in [
        ("empty", String::new()),
        ("null", "null".into()),
        ("a list", format!("[{text}]")),
        ("a text", json!(text).to_string()),
        ("cut off", text[..text.len() - 1].to_owned()),
        ("two objects", text.clone() + &text),
        ("two byte order marks", format!("\u{feff}\u{feff}{text}")),
        ("nested deeply", "[".repeat(50_000)),
        ("half a surrogate", text.replace("A site", r"\ud800")),
        ("a number out of range", with("n", json!(0)).replace("\"n\":0", "\"n\":1e999")),
        ("no clientKey", with("clientKey", json!(null))),
        ("a list of clientKeys", with("clientKey", json!([tenant.client_key]))),
        ("an empty clientKey", with("clientKey", json!(""))),
        ("a clientKey with a NUL", with("clientKey", json!(format!("{}\0", tenant.client_key)))),
        ("a long clientKey", with("clientKey", json!("k".repeat(256)))),
        ("another clientKey", with("clientKey", json!("another"))),
        ("two clientKeys", text.replacen('}', r#","clientKey":"another"}"#, 1)),
        ("clientKey in another case", with("clientKey", json!(tenant.client_key.to_uppercase()))),
        ("clientKey with a space", with("clientKey", json!(format!("{} ", tenant.client_key)))),
        ("an installationId with a NUL", with("installationId", json!("a\0"))),
        ("a numeric key", with("key", json!(1))),
        ("no baseUrl", with("baseUrl", json!(null))),
        ("baseUrl is not a URL", with("baseUrl", json!("site.atlassian.net"))),
        ("baseUrl is a file", with("baseUrl", json!("file:///etc/passwd"))),
        ("baseUrl with credentials", with("baseUrl", json!("https://u:p@site.atlassian.net"))),
        ("another host", with("baseUrl", json!("https://evil.example"))),
        ("another host's path", with("baseUrl", json!("https://evil.example/site.atlassian.net"))),
        ("another host's name", with("baseUrl", json!("https://site.atlassian.net.evil.example"))),
        ("no name", with("baseUrl", json!("https://atlassian.net"))),
        ("two names", with("baseUrl", json!("https://a.b.atlassian.net"))),
        ("another host, and a backslash", with("baseUrl", json!("https://evil.example\\.atlassian.net"))),
    ] {
        let token = KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed"));
        let request = host.request(Method::POST, "/installed").insert_header(("Authorization", format!("JWT {token}")));
        let reply = host.send(request.content_type("application/json"), body.into_bytes()).await;
        table += &format!("{} {what}\n", reply.status);
        assert!(!reply.body.contains("evil") && !reply.body.contains(&tenant.shared_secret), "{}", reply.body);
    }
    assert_eq!(stored(&host).await, 0);
    insta::assert_snapshot!(table, @r"
    400 empty
    400 null
    400 a list
    400 a text
    400 cut off
    400 two objects
    400 two byte order marks
    400 nested deeply
    400 half a surrogate
    400 a number out of range
    400 no clientKey
    400 a list of clientKeys
    400 an empty clientKey
    400 a clientKey with a NUL
    400 a long clientKey
    401 another clientKey
    400 two clientKeys
    401 clientKey in another case
    401 clientKey with a space
    400 an installationId with a NUL
    400 a numeric key
    400 no baseUrl
    400 baseUrl is not a URL
    400 baseUrl is a file
    400 baseUrl with credentials
    401 another host
    401 another host's path
    401 another host's name
    401 no name
    401 two names
    401 another host, and a backslash
    ");
}

#[actix_web::test]
async fn unknown_fields_of_an_installation_are_kept() {
    let host = fixture::start(routes).await;
    let tenant = host.tenant();
    let mut payload = tenant.payload(ADDON_KEY, "installed");
    payload["description"] = json!("\0 ' \" \\ ; DROP TABLE x; -- \u{202e} 😀");
    payload["future"] = json!({ "nested": [1, null, 2.5e10] });
    assert_eq!(send(&host, "/installed", &tenant, &payload).await.status, 204);
    let store = host.addon().state().tenants.store().clone();
    assert_eq!(store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO)).await.unwrap(), Some(payload));
}

#[actix_web::test]
async fn the_stored_key_signs() {
    let host = fixture::start(routes).await;
    let mut tenant = host.tenant();
    tenant.key = Some("the-old-key".into());
    host.install(&tenant).await;
    let token = host.session_token(&tenant).await;
    assert_eq!(claims_of(&token)["iss"], "the-old-key");
    assert_eq!(host.call(Method::GET, "/token", &token, None).await.status, 200);
    let mut claims = claims_of(&token);
    claims["iss"] = ADDON_KEY.into();
    assert_eq!(host.call(Method::GET, "/token", &tenant.sign(&claims), None).await.status, 401);
}

#[actix_web::test]
async fn an_uninstalled_tenant_is_refused_until_it_installs_again() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (saved, gone) = (Arc::clone(&heard), Arc::clone(&heard));
    let builder = fixture::builder().prepare(move |addon| {
        addon.listen(move |event: HostSettingsSaved| {
            assert!(event.body.get("sharedSecret").is_none());
            saved.lock().unwrap().push(format!("saved {}", event.tenant.client_key()));
            async { Ok(()) }
        });
        addon.listen(move |event: Uninstalled| {
            gone.lock().unwrap().push(format!("uninstalled {}", event.tenant.client_key()));
            async { Ok(()) }
        });
    });
    let host = builder.start(routes).await;
    let (tenant, store) = (host.tenant(), host.addon().state().tenants.store().clone());
    host.install(&tenant).await;
    let session = host.session_token(&tenant).await;
    assert!(opens(&host, &tenant).await);

    for _ in 0..2 {
        assert_eq!(host.uninstall(&tenant).await.status, 204);
        assert!(!opens(&host, &tenant).await);
        assert_eq!(host.call(Method::GET, "/token", &session, None).await.status, 401);
    }
    let kept = store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO_UNINSTALLED)).await.unwrap().unwrap();
    assert_eq!(kept["baseUrl"], tenant.base_url.as_str());
    assert_eq!(store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO)).await.unwrap(), None);
    assert_eq!(host.uninstall(&TestTenant::new()).await.status, 204, "a tenant that was never there");

    host.install(&tenant).await;
    assert!(opens(&host, &tenant).await);
    assert_eq!(store.get(Place::of_tenant(&tenant.client_key, CLIENT_INFO_UNINSTALLED)).await.unwrap(), None);
    let key = &tenant.client_key;
    assert_eq!(*heard.lock().unwrap(), [format!("saved {key}"), format!("uninstalled {key}"), format!("saved {key}")]);
}

#[actix_web::test]
async fn a_token_for_one_callback_is_refused_by_another() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let payload = tenant.payload(ADDON_KEY, "uninstalled");
    for (signed, sent) in [("/installed", "/uninstalled"), ("/uninstalled", "/installed"), ("/installed", "/enabled")] {
        let token = KeyServer::sign(&claims_for(&tenant, host.base_url(), signed));
        assert_eq!(host.call(Method::POST, sent, &token, Some(&payload)).await.status, 401, "{signed} at {sent}");
    }
    for path in ["/installed", "/uninstalled"] {
        for token in [tenant.token("POST", path, ""), tenant.context_token(), host.session_token(&tenant).await] {
            assert_eq!(host.call(Method::POST, path, &token, Some(&payload)).await.status, 401, "{path}");
        }
        assert_eq!(host.post(path, &payload).await.status, 401, "{path} unsigned");
    }
    assert!(opens(&host, &tenant).await);
}

#[actix_web::test]
async fn a_listener_that_fails_makes_the_host_try_again() {
    let builder = fixture::builder().prepare(|addon| {
        addon.listen(|event: HostSettingsSaved| async move {
            let disk = format!("no space on disk of db-7.internal for {}", event.tenant.client_key());
            Err(disk.into())
        });
    });
    let host = builder.start(routes).await;
    let reply = host.try_install(&host.tenant()).await;
    assert_eq!((reply.status, reply.body.as_str()), (500, "Something went wrong in the add-on."));
    assert!(opens(&host, &host.tenant()).await, "it is stored nevertheless");
}

#[actix_web::test]
async fn a_failing_store_emits_an_event_and_stores_nothing() {
    let (store, heard) = (FakeStore::new(), Arc::new(Mutex::new(Vec::new())));
    let (used, names) = (store.clone(), Arc::clone(&heard));
    let builder = fixture::builder().addon(|addon| addon.store(used)).prepare(move |addon| {
        for name in ["host_settings_saved", "host_settings_not_saved"] {
            let names = Arc::clone(&names);
            addon.on(name, move |occurrence| {
                names.lock().unwrap().push((occurrence.event.clone(), occurrence.body["clientKey"].clone()));
                async { Ok(()) }
            });
        }
    });
    let host = builder.start(routes).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    assert!(opens(&host, &tenant).await);
    heard.lock().unwrap().clear();

    let mut rotated = tenant.clone();
    rotated.shared_secret = "a new one".into();
    for (failure, status) in [(Failure::Everything, 503), (Failure::Writes, 500)] {
        store.fail(failure);
        let reply = host.try_install(&rotated).await;
        assert_eq!(reply.status, status, "{failure:?}");
        assert_eq!(reply.header("retry-after"), if status == 503 { "5" } else { "" });
        assert!(!reply.body.contains("db-7"), "{}", reply.body);
        let expected = ("host_settings_not_saved".to_owned(), json!(tenant.client_key));
        assert_eq!(heard.lock().unwrap().drain(..).collect::<Vec<_>>(), [expected]);
        let uninstalled = host.uninstall(&tenant).await;
        assert_eq!(uninstalled.status, status, "{failure:?}");
    }
    store.fail(Failure::Everything);
    let reply = host.open_iframe_as(&tenant, "/hello-world").await;
    assert_eq!((reply.status, reply.header("retry-after"), reply.header("x-acpt")), (503, "5", ""));
    assert_eq!(host.get("/healthz").await.status, 200);
    let ready = host.get("/readyz").await;
    assert_eq!((ready.status, ready.header("retry-after")), (503, "5"));
    assert!(!ready.body.contains("db-7"), "{}", ready.body);

    store.fail(Failure::Nothing);
    assert_eq!(host.get("/readyz").await.status, 200);
    assert!(opens(&host, &tenant).await, "the old secret is still the tenant's");
    assert!(!opens(&host, &rotated).await);
}
