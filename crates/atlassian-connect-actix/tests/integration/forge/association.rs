//! Whose tenant an installation is, as its site says: believed only of the site's own tenant.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{App, Error, HttpResponse, post};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_testing::{TestHost, TestInvocation, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;
use crate::support::log::captured;

const PROPERTIES: &str = "/rest/atlassian-connect/1/addons/*";
const SERVER_INFO: &str = "/rest/api/3/serverInfo";
const SPACES: &str = "/api/v2/spaces";

#[post("/key")]
async fn key(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    Ok(Json(invocation.tenant_key().await?.into()))
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(key);
}

async fn key_of(host: &TestHost, invocation: &TestInvocation) -> String {
    let reply = host.invoke("/key", invocation).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json().as_str().unwrap().to_owned()
}

/// A host whose sites all say that they were `tenant`.
async fn naming(tenant: &TestTenant) -> TestHost {
    let host = fixture::start(routes).await;
    host.install(tenant).await;
    host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
    host
}

/// A site of the host with a product, and a tenant that it has installed.
async fn site(host: &TestHost, product: &str) -> TestTenant {
    let mut tenant = host.new_tenant();
    tenant.product = product.to_owned();
    if product == "confluence" {
        tenant.base_url += "/wiki";
    }
    host.install(&tenant).await;
    tenant
}

fn site_of(tenant: &TestTenant) -> String {
    format!("ari:cloud:{}::site/{}", tenant.product, tenant.cloud_id)
}

fn asked(host: &TestHost, path: &str) -> usize {
    host.calls().iter().filter(|call| call.path.contains(path)).count()
}

/// How long the site is left in peace.
fn rest_of(host: &TestHost, invocation: &TestInvocation) -> Duration {
    let until = host.addon().state().outbound.strangers.get(&invocation.installation_id());
    until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
}

#[actix_web::test]
async fn a_site_that_names_the_tenant_of_another_one_is_not_associated() {
    let victim = TestTenant::new();
    let host = naming(&victim).await;
    for product in ["jira", "confluence"] {
        for has_site_url in [true, false] {
            let hostile = site(&host, product).await;
            let mut invocation = host.invocation_of(&hostile);
            if !has_site_url {
                invocation = invocation.without("/context/siteUrl");
            }
            let what = format!("{product}, siteUrl: {has_site_url}");
            for _ in 0..2 {
                assert_eq!(key_of(&host, &invocation).await, site_of(&hostile), "{what}");
            }
            let store = host.addon().state().tenants.store();
            for id in [invocation.installation_id(), site_of(&hostile)] {
                assert_eq!(store.client_key_of_installation(&id).await.unwrap(), None, "{what}: {id}");
            }
            assert!(rest_of(&host, &invocation) > Duration::from_secs(500), "{what}");
        }
    }
    assert_eq!((asked(&host, "/properties/"), asked(&host, SERVER_INFO), asked(&host, SPACES)), (4, 1, 1));
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_site_that_names_its_own_tenant_is_associated() {
    for product in ["jira", "confluence"] {
        for has_site_url in [true, false] {
            let host = fixture::start(routes).await;
            let tenant = site(&host, product).await;
            host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
            let mut invocation = host.invocation_of(&tenant);
            if !has_site_url {
                invocation = invocation.without("/context/siteUrl");
            }
            let what = format!("{product}, siteUrl: {has_site_url}");
            for _ in 0..2 {
                assert_eq!(key_of(&host, &invocation).await, tenant.client_key, "{what}");
            }
            let info = asked(&host, SERVER_INFO) + asked(&host, SPACES);
            assert_eq!((asked(&host, "/properties/"), info), (1, usize::from(!has_site_url)), "{what}");
            assert_eq!(host.problems(), [""; 0]);
        }
    }
}

#[actix_web::test]
async fn the_url_that_people_see_counts_and_its_spelling_does_not() {
    let mut tenant = TestTenant::new();
    tenant.base_url = "https://before.atlassian.net/wiki".to_owned();
    tenant.display_url = Some("https://Renamed.atlassian.net/".to_owned());
    let host = naming(&tenant).await;
    for (site_url, is_its) in [
        ("https://renamed.atlassian.net", true),
        ("https://RENAMED.Atlassian.net/", true),
        ("https://renamed.atlassian.net:443/wiki/", true),
        ("https://before.atlassian.net", true),
        ("http://renamed.atlassian.net", false),
        ("https://renamed.atlassian.net:8443", false),
        ("https://renamed.atlassian.net.example.com", false),
        ("https://renamed.atlassian.net@example.com", false),
        ("https://after.atlassian.net", false),
    ] {
        let stranger = host.new_tenant();
        let invocation = host.invocation_of(&stranger).claim("/context/siteUrl", site_url);
        let expected = if is_its { tenant.client_key.clone() } else { site_of(&stranger) };
        assert_eq!(key_of(&host, &invocation).await, expected, "{site_url}");
    }
}

/// Nobody knows then whose site it is: it is asked again soon.
#[actix_web::test]
async fn a_product_that_does_not_name_the_url_of_its_site_is_asked_again_soon() {
    let host = fixture::start(routes).await;
    let tenant = site(&host, "jira").await;
    host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
    for (what, status, answer) in [
        ("a failure", 500, json!({ "baseUrl": tenant.base_url })),
        ("no leave", 403, json!({ "baseUrl": tenant.base_url })),
        ("nothing", 200, json!({})),
        ("no text", 200, json!({ "baseUrl": { "url": tenant.base_url } })),
        ("no URL", 200, json!({ "baseUrl": "site" })),
        ("no origin", 200, json!({ "baseUrl": "javascript:alert(1)" })),
        ("a list", 200, json!([tenant.base_url])),
        ("too much", 200, json!({ "more": "x".repeat(100_000), "baseUrl": tenant.base_url })),
    ] {
        host.stub(Method::GET, SERVER_INFO, move |_| {
            let answer = HttpResponse::build(status.try_into().unwrap()).json(&answer);
            std::future::ready(answer)
        });
        for site_url in [None, Some(json!("site")), Some(json!(7)), Some(json!(null))] {
            let invocation = host.invocation_of(&tenant);
            let invocation = match site_url {
                Some(url) => invocation.claim("/context/siteUrl", url),
                None => invocation.without("/context"),
            };
            assert_eq!(key_of(&host, &invocation).await, site_of(&tenant), "{what}");
            let rest = rest_of(&host, &invocation);
            assert!(!rest.is_zero() && rest <= Duration::from_secs(10), "{what}: {rest:?}");
        }
    }
    host.stub_get(SERVER_INFO, json!({ "baseUrl": format!("{}/", tenant.base_url) }));
    let invocation = host.invocation_of(&tenant).without("/context");
    assert_eq!(key_of(&host, &invocation).await, tenant.client_key);
}

/// The callback is signed, so its word counts wherever the invocation comes from.
#[actix_web::test]
async fn what_a_signed_install_said_needs_no_url() {
    let host = fixture::start(routes).await;
    let mut tenant = TestTenant::new();
    tenant.installation_id = Some("ari:cloud:ecosystem::installation/signed".to_owned());
    host.install(&tenant).await;
    let site = host.new_tenant();
    let invocation = host.invocation_of(&site).installation("ari:cloud:ecosystem::installation/signed");
    assert_eq!(key_of(&host, &invocation).await, tenant.client_key);
    assert_eq!(key_of(&host, &host.invocation_of(&site)).await, tenant.client_key, "and the site is known by it");
    assert_eq!(host.calls().len(), 0);
}

#[actix_web::test]
async fn a_refused_association_is_logged_without_secrets() {
    let victim = TestTenant::new();
    let host = naming(&victim).await;
    let hostile = site(&host, "jira").await;
    let app = actix_web::test::init_service(App::new().configure(host.addon().configure(routes))).await;
    let log = captured();
    let mut secrets = vec![victim.shared_secret.clone(), hostile.shared_secret.clone()];
    for invocation in [host.invocation_of(&hostile), host.invocation_of(&hostile).without("/context/siteUrl")] {
        let token = host.forge_keys().sign(&invocation.claims(TestHost::APP_ID));
        let app_token = host.forge_token(&hostile, None, 60);
        let request = actix_web::test::TestRequest::post()
            .uri("/key")
            .insert_header(("authorization", format!("Bearer {token}")))
            .insert_header(("x-forge-oauth-system", app_token.clone()));
        let response = actix_web::test::call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 200);
        secrets.extend([token, app_token]);
    }
    let log = log.text();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for line in lines {
        for told in
            ["names the Connect tenant of another site", &victim.client_key, &victim.base_url, &hostile.base_url]
        {
            assert!(line.contains(told), "{told} in {line}");
        }
        assert!(secrets.iter().all(|secret| !line.contains(secret)), "{line}");
    }
}
