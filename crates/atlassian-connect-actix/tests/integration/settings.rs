//! The settings of a tenant.

use actix_web::http::Method;
use actix_web::web::{self, Json, ServiceConfig};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::forge::AnyCaller;
use atlassian_connect_actix::{Error, PageContext};
use atlassian_connect_testing::{Reply, TestHost, TestInvocation, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;
use atlassian_connect_actix::store::Place;

async fn read(caller: AnyCaller, key: web::Path<String>) -> Result<Json<Option<Value>>, Error> {
    Ok(Json(caller.settings().get(&key).await?))
}

async fn write(caller: AnyCaller, key: web::Path<String>, value: Json<Value>) -> Result<&'static str, Error> {
    caller.settings().set(&key, &*value).await?;
    Ok("written")
}

async fn delete(caller: AnyCaller, key: web::Path<String>) -> Result<Json<bool>, Error> {
    Ok(Json(caller.settings().delete(&key).await?))
}

async fn number(session: SessionToken) -> Result<Json<Option<u32>>, Error> {
    Ok(Json(session.settings().get("greeting").await?))
}

async fn page(page: PageContext) -> Result<String, Error> {
    Ok(page.settings().get("greeting").await?.unwrap_or_default())
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/page", web::get().to(page)).route("/number", web::get().to(number)).service(
        web::resource("/settings/{key}")
            .route(web::get().to(read))
            .route(web::put().to(write))
            .route(web::delete().to(delete)),
    );
}

async fn call(host: &TestHost, tenant: &TestTenant, method: Method, key: &str, body: Option<&Value>) -> Reply {
    let token = host.session_token(tenant).await;
    host.call(method, &format!("/settings/{key}"), &token, body).await
}

async fn two_tenants() -> (TestHost, TestTenant, TestTenant) {
    let host = fixture::installed(routes).await;
    let other = host.new_tenant();
    host.install(&other).await;
    let tenant = host.tenant();
    (host, tenant, other)
}

#[actix_web::test]
async fn each_tenant_has_its_own() {
    let (host, tenant, other) = two_tenants().await;
    let set =
        async |tenant, value: &str| call(&host, tenant, Method::PUT, "greeting", Some(&json!(value))).await.status;
    assert_eq!((set(&tenant, "Hi").await, set(&other, "Salut").await), (200, 200));
    for (tenant, expected) in [(&tenant, "Hi"), (&other, "Salut")] {
        assert_eq!(call(&host, tenant, Method::GET, "greeting", None).await.json(), json!(expected));
        assert_eq!(host.open_iframe_as(tenant, "/page").await.body, expected);
    }
    // a job has the settings of each tenant that it iterates over
    let addon = host.addon();
    let found = addon.tenant(&other.client_key).await.unwrap().unwrap();
    assert_eq!(addon.settings(&found).get::<String>("greeting").await.unwrap().as_deref(), Some("Salut"));
    assert!(addon.tenant("nobody").await.unwrap().is_none());
    assert_eq!(call(&host, &tenant, Method::DELETE, "greeting", None).await.json(), json!(true));
    assert_eq!(call(&host, &tenant, Method::DELETE, "greeting", None).await.json(), json!(false));
    assert_eq!(call(&host, &tenant, Method::GET, "greeting", None).await.json(), json!(null));
    assert_eq!(call(&host, &other, Method::GET, "greeting", None).await.json(), json!("Salut"));
}

#[actix_web::test]
async fn settings_are_aces_rows() {
    let (host, tenant, _) = two_tenants().await;
    let store = host.addon().state().tenants.store().clone();
    store.set(Place::of_tenant(&tenant.client_key, "greeting"), &json!("of ACE")).await.unwrap();
    assert_eq!(host.open_iframe("/page").await.body, "of ACE");
}

#[actix_web::test]
async fn a_value_of_another_type_is_an_error_that_does_not_show_it() {
    let (host, tenant, _) = two_tenants().await;
    call(&host, &tenant, Method::PUT, "greeting", Some(&json!("hush"))).await;
    let reply = host.call_with_session("/number").await;
    assert_eq!(reply.status, 500);
    assert!(!reply.body.contains("hush"), "{}", reply.body);
    let token = host.session_token(&tenant).await;
    let shown = host.call(Method::GET, "/number", &token, None).await;
    assert_eq!(shown.status, 500);
}

#[actix_web::test]
async fn the_frameworks_own_keys_are_refused() {
    let (host, tenant, _) = two_tenants().await;
    for key in ["clientInfo", "clientInfo:uninstalled", "bearer:abc", "appToken", "atlassian-connect:jobs"] {
        for (method, body) in [(Method::GET, None), (Method::PUT, Some(json!(1))), (Method::DELETE, None)] {
            let reply = call(&host, &tenant, method.clone(), key, body.as_ref()).await;
            assert_eq!(reply.status, 500, "{method} {key}");
            assert!(!reply.body.contains(&tenant.shared_secret), "{}", reply.body);
        }
    }
    assert_eq!(host.call_with_session("/settings/x").await.status, 200, "the tenant is unchanged");
}

#[actix_web::test]
async fn settings_are_the_same_through_forge() {
    let host = fixture::builder().start(routes).await;
    let invocation = TestInvocation::new();
    let mut tenant = host.tenant();
    tenant.installation_id = Some(invocation.installation_id());
    host.install(&tenant).await;
    call(&host, &tenant, Method::PUT, "greeting", Some(&json!("Hi"))).await;
    assert_eq!(host.invoke_by(Method::GET, "/settings/greeting", &invocation).await.json(), json!("Hi"));

    // a site that uses the app only through Forge
    let other = TestInvocation::new().installation("ari:cloud:ecosystem::installation/another");
    assert_eq!(host.invoke_by(Method::GET, "/settings/greeting", &other).await.json(), json!(null));
}
