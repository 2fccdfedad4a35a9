//! Which tenant an installation belongs to: found out in the background, and only believed of the tenant's own site.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{App, Error, HttpResponse, get, post};

use atlassian_connect_actix::PageContext;
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::events::{HostSettingsSaved, TenantAssociated};
use atlassian_connect_actix::internal::association::{
    Answer, By, CLIENT_KEY_PROPERTY, InstallationRecord, SEEN, SEEN_ON_FORGE, installation_record, site_record,
};
use atlassian_connect_actix::store::{OwnerKind, Place, Store};
use atlassian_connect_testing::{By as Caller, TestHost, TestInvocation, TestTenant};
use serde_json::{Value, json};

use crate::support::log::captured;
use crate::support::{eventually, fixture};

const PROPERTIES: &str = "/rest/atlassian-connect/1/addons/*";
const SERVER_INFO: &str = "/rest/api/3/serverInfo";
const SPACES: &str = "/api/v2/spaces";

#[post("/key")]
async fn show_key(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    Ok(Json(invocation.tenant_key().await?.into()))
}

#[post("/save")]
async fn save(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    for (key, value) in [("theme", "of the site"), ("greeting", "of the site"), ("same", "of both")] {
        invocation.settings().set(key, value).await?;
    }
    Ok(Json(Value::Null))
}

#[get("/settings")]
async fn show_settings(session: SessionToken) -> Result<Json<Value>, Error> {
    let get = async |key| session.settings().get::<String>(key).await;
    Ok(Json(json!([get("theme").await?, get("greeting").await?, get("same").await?])))
}

#[get("/page")]
async fn show_page(page: PageContext) -> String {
    page.tenant_key().to_owned()
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(show_page).service(show_key).service(save).service(show_settings);
}

async fn key_of(host: &TestHost, invocation: &TestInvocation) -> String {
    let reply = host.invoke("/key", invocation).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json().as_str().unwrap().to_owned()
}

/// The key comes to this.
async fn becomes(host: &TestHost, invocation: &TestInvocation, expected: &str, what: &str) {
    eventually(&format!("{what}: the key is {expected}"), async || key_of(host, invocation).await == expected).await;
}

fn store(host: &TestHost) -> Arc<dyn Store> {
    Arc::clone(host.addon().state().tenants.store())
}

async fn record(host: &TestHost, invocation: &TestInvocation) -> InstallationRecord {
    installation_record(store(host).as_ref(), &invocation.installation_id()).await.unwrap().unwrap_or_default()
}

/// The record once the tenant is in it: the key changes a moment before.
async fn settled(host: &TestHost, invocation: &TestInvocation, client_key: &str) -> InstallationRecord {
    let is_known = async || record(host, invocation).await.client_key.as_deref() == Some(client_key);
    eventually("the tenant is in the record", is_known).await;
    record(host, invocation).await
}

/// The installation was invoked, and its site has answered this.
async fn answers(host: &TestHost, invocation: &TestInvocation, expected: Answer, what: &str) {
    let own = key_of(host, invocation).await;
    let what = format!("{what}: {expected:?}");
    eventually(&what, async || record(host, invocation).await.answer == Some(expected)).await;
    assert_eq!(key_of(host, invocation).await, own, "{what}");
}

/// A host whose sites all name `tenant`.
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

#[actix_web::test]
async fn an_answer_does_not_wait_for_the_site() {
    let host = fixture::start(routes).await;
    host.stub(Method::GET, PROPERTIES, |_| std::future::pending());
    let stranger = host.new_tenant();
    let invocation = host.invocation_of(&stranger);
    for _ in 0..3 {
        assert_eq!(key_of(&host, &invocation).await, site_of(&stranger));
    }
    eventually("the site is asked", async || asked(&host, CLIENT_KEY_PROPERTY) == 1).await;
    assert_eq!(key_of(&host, &invocation).await, site_of(&stranger));
    assert_eq!(host.calls()[0].by, Caller::Addon);
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
            becomes(&host, &invocation, &tenant.client_key, &what).await;
            let info = asked(&host, SERVER_INFO) + asked(&host, SPACES);
            assert_eq!((asked(&host, "/properties/"), info), (1, usize::from(!has_site_url)), "{what}");
            assert_eq!(settled(&host, &invocation, &tenant.client_key).await.by, Some(By::Property));
            // installed again, and an event: the site is known
            for again in [host.invocation_of(&tenant), host.invocation_of(&tenant).unattended()] {
                assert_eq!(key_of(&host, &again.app_token(None)).await, tenant.client_key, "{what}");
            }
            assert_eq!(asked(&host, "/properties/"), 1);
            assert_eq!(host.problems(), [""; 0]);
        }
    }
}

#[actix_web::test]
async fn a_site_that_names_another_sites_tenant_is_not_associated() {
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
            answers(&host, &invocation, Answer::OtherSite, &what).await;
            for id in [invocation.installation_id(), site_of(&hostile)] {
                assert_eq!(store(&host).client_key_of_installation(&id).await.unwrap(), None, "{what}: {id}");
            }
        }
    }
    assert_eq!((asked(&host, "/properties/"), asked(&host, SERVER_INFO), asked(&host, SPACES)), (4, 1, 1));
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn the_display_url_is_compared_as_an_origin() {
    let host = fixture::start(routes).await;
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
        // each is one site of its product
        let mut tenant = TestTenant::new();
        tenant.base_url = "https://before.atlassian.net/wiki".to_owned();
        tenant.display_url = Some("https://Renamed.atlassian.net/".to_owned());
        host.install(&tenant).await;
        host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
        let invocation = host.invocation_of(&host.new_tenant()).claim("/context/siteUrl", site_url);
        if is_its {
            becomes(&host, &invocation, &tenant.client_key, site_url).await;
        } else {
            answers(&host, &invocation, Answer::OtherSite, site_url).await;
        }
    }
}

#[actix_web::test]
async fn what_a_site_does_not_say_is_not_guessed() {
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
            std::future::ready(HttpResponse::build(status.try_into().unwrap()).json(&answer))
        });
        for invocation in [
            host.invocation_of(&tenant).without("/context"),
            host.invocation_of(&tenant).claim("/context/siteUrl", "site"),
        ] {
            answers(&host, &invocation, Answer::NoSiteUrl, what).await;
        }
    }
    for (what, status, property, answer) in [
        ("no such property", 404, json!({}), Answer::None),
        ("a refusal", 403, json!({}), Answer::Refused),
        ("a refusal of the token", 401, json!({}), Answer::Refused),
        ("a failure", 500, json!({}), Answer::Unreachable),
        ("too many requests", 429, json!({}), Answer::Unreachable),
        ("no JSON object", 200, json!(7), Answer::Unreachable),
        ("no text", 200, json!({ "value": { "clientKey": tenant.client_key } }), Answer::Unreachable),
        ("an empty text", 200, json!({ "value": "" }), Answer::Unreachable),
        ("an unknown tenant", 200, json!({ "value": "made-up" }), Answer::UnknownTenant),
    ] {
        let before = asked(&host, "/properties/");
        host.stub(Method::GET, PROPERTIES, move |_| {
            std::future::ready(HttpResponse::build(status.try_into().unwrap()).json(&property))
        });
        answers(&host, &host.invocation_of(&tenant), answer, what).await;
        assert_eq!(asked(&host, "/properties/"), before + 1, "{what}: asked once, and not again at once");
    }
}

/// A visitor of a page can send any text as the token of the app: what the site answers to it must not keep Forge's own
/// token from being used.
#[actix_web::test]
async fn a_token_of_a_page_does_not_use_up_the_question_of_the_day() {
    let host = fixture::start(routes).await;
    let tenant = site(&host, "jira").await;
    host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
    let page = host.invocation_of(&tenant).app_token(Some("made-up"));
    answers(&host, &page, Answer::Refused, "a made-up token").await;
    assert_eq!(key_of(&host, &page).await, site_of(&tenant));
    let schedule = host.invocation_of(&tenant).installation(&page.installation_id()).unattended();
    becomes(&host, &schedule, &tenant.client_key, "Forge's own token").await;
}

/// The callback is signed, so it counts wherever the invocation comes from.
#[actix_web::test]
async fn a_signed_install_needs_no_url() {
    let host = fixture::start(routes).await;
    let mut tenant = TestTenant::new();
    tenant.installation_id = Some("ari:cloud:ecosystem::installation/signed".to_owned());
    let site = host.new_tenant();
    let invocation = host.invocation_of(&site).installation("ari:cloud:ecosystem::installation/signed");
    assert_eq!(key_of(&host, &invocation).await, site_of(&site), "Forge was there first");
    host.install(&tenant).await;
    assert_eq!(key_of(&host, &invocation).await, tenant.client_key);
    becomes(&host, &host.invocation_of(&site), &tenant.client_key, "the site is known by it").await;
    assert_eq!(record(&host, &invocation).await.by, Some(By::Installed));
    assert_eq!(asked(&host, ""), 0);
}

#[actix_web::test]
async fn data_follows_and_the_app_is_told() {
    let host = fixture::start(routes).await;
    host.addon().listen(|associated: TenantAssociated| async move {
        assert_eq!(associated.client_key(), associated.to);
        associated.settings()?.set("told", &associated.from).await?;
        Ok(())
    });
    let tenant = host.new_tenant();
    host.install(&tenant).await;
    let invocation = host.invocation_of(&tenant);
    host.invoke("/save", &invocation).await;
    let (store, site) = (store(&host), site_of(&tenant));
    for (key, value) in [("greeting", "of the tenant"), ("same", "of both")] {
        store.set(Place::of_tenant(&tenant.client_key, key), &value.into()).await.unwrap();
    }
    host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
    let schedule = host.invocation_of(&tenant).installation(&invocation.installation_id()).unattended();
    becomes(&host, &schedule, &tenant.client_key, "associated").await;
    eventually("done", async || site_record(store.as_ref(), &site).await.unwrap().is_some_and(|known| known.is_done))
        .await;

    let token = host.session_token(&tenant).await;
    let settings = host.call(Method::GET, "/settings", &token, None).await;
    assert_eq!(settings.json(), json!(["of the site", "of the tenant", "of both"]));
    assert_eq!(store.get(Place::of_tenant(&tenant.client_key, "told")).await.unwrap(), Some(site.as_str().into()));
    // what could not move is where it was, and is reported
    let left = store.key_page(OwnerKind::Tenant, Some(&site), 1).await.unwrap().owners;
    assert_eq!(left, [(site.clone(), vec!["greeting".to_owned()])]);
    assert_eq!(store.get(Place::of_tenant(&site, "greeting")).await.unwrap(), Some("of the site".into()));
    assert_eq!(site_record(store.as_ref(), &site).await.unwrap().unwrap().kept, ["greeting"]);
}

/// What the app sets as a default at an install must not win over what the customer has chosen through Forge.
#[actix_web::test]
async fn defaults_of_an_install_do_not_come_before_the_settings_of_the_site() {
    let host = fixture::start(routes).await;
    host.addon().listen(|installed: HostSettingsSaved| async move {
        let settings = installed.settings()?;
        if settings.get::<String>("greeting").await?.is_none() {
            settings.set("greeting", "the default").await?;
        }
        Ok(())
    });
    let mut tenant = host.new_tenant();
    let invocation = host.invocation_of(&tenant);
    host.invoke("/save", &invocation).await;
    eventually("recorded", async || !record(&host, &invocation).await.sites.is_empty()).await;
    tenant.installation_id = Some(invocation.installation_id());
    host.install(&tenant).await;
    let store = store(&host);
    assert_eq!(store.get(Place::of_tenant(&tenant.client_key, "greeting")).await.unwrap(), Some("of the site".into()));
    becomes(&host, &invocation, &tenant.client_key, "installed").await;
    let site = site_of(&tenant);
    eventually("moved", async || site_record(store.as_ref(), &site).await.unwrap().is_some_and(|known| known.is_done))
        .await;
    assert_eq!(site_record(store.as_ref(), &site).await.unwrap().unwrap().kept, [""; 0]);

    // without Connect the data stays, and a purge is told that it is in use
    host.uninstall(&tenant).await;
    host.addon().state().outbound.associations.wake_all();
    assert_eq!(key_of(&host, &invocation).await, tenant.client_key);
    eventually("in use", async || {
        store.get(Place::of_tenant(&tenant.client_key, SEEN_ON_FORGE)).await.unwrap().is_some()
    })
    .await;
}

#[actix_web::test]
async fn a_listener_that_fails_is_told_again() {
    let host = fixture::start(routes).await;
    let failed = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&failed);
    host.addon().listen(move |_: TenantAssociated| {
        let times = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { if times < 2 { Err("not yet".into()) } else { Ok(()) } }
    });
    let tenant = site(&host, "jira").await;
    host.stub_get(PROPERTIES, json!({ "value": tenant.client_key }));
    let invocation = host.invocation_of(&tenant);
    becomes(&host, &invocation, &tenant.client_key, "associated").await;
    let (store, site) = (store(&host), site_of(&tenant));
    eventually("told, done", async || {
        // as after a minute, or on another node
        host.addon().state().outbound.associations.wake_all();
        key_of(&host, &invocation).await;
        site_record(store.as_ref(), &site).await.unwrap().is_some_and(|known| known.is_done)
    })
    .await;
    assert_eq!(failed.load(std::sync::atomic::Ordering::SeqCst), 3);
    assert_eq!(asked(&host, "/properties/"), 1);
}

/// An import keeps the URL and the site and changes the clientKey. Another customer who takes over a free name has the
/// URL as well, but not the site.
#[actix_web::test]
async fn a_site_that_was_imported_over_another_is_the_new_tenant() {
    let host = fixture::start(routes).await;
    let before = site(&host, "jira").await;
    host.stub_get(PROPERTIES, json!({ "value": before.client_key }));
    let invocation = host.invocation_of(&before).unattended();
    becomes(&host, &invocation, &before.client_key, "before").await;
    // a day later
    let mut known = settled(&host, &invocation, &before.client_key).await;
    known.asked = Some(0);
    let value = serde_json::to_value(&known).unwrap();
    let id = invocation.installation_id();
    store(&host).set(Place::of_forge(&id, "atlassian-connect:installation"), &value).await.unwrap();

    let mut after = TestTenant::new();
    after.base_url.clone_from(&before.base_url);
    host.install(&after).await;
    assert_eq!(key_of(&host, &invocation).await, before.client_key, "the site has not said so");
    eventually("asked again", async || asked(&host, "/properties/") == 2).await;
    assert_eq!(key_of(&host, &invocation).await, before.client_key, "the name was taken over by another customer");

    host.stub_get(PROPERTIES, json!({ "value": after.client_key }));
    eventually("the site was imported over", async || {
        // the next day
        store(&host).set(Place::of_forge(&id, "atlassian-connect:installation"), &value).await.unwrap();
        host.addon().state().outbound.associations.wake_all();
        key_of(&host, &invocation).await == after.client_key
    })
    .await;
    let again = host.invocation_of(&before).unattended().app_token(None);
    becomes(&host, &again, &after.client_key, "and the site").await;
}

/// A node that waits for its turn to ask goes by what another node has found meanwhile.
#[actix_web::test]
async fn a_node_that_was_overtaken_undoes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    let node = async || fixture::builder().var("DATABASE_URL", &url).start(routes).await;
    let (first, second) = (node().await, node().await);
    let before = site(&first, "jira").await;
    let mut after = TestTenant::new();
    after.base_url.clone_from(&before.base_url);
    first.stub_get(PROPERTIES, json!({ "value": after.client_key }));
    let invocation = first.invocation_of(&before).unattended();
    let (store, id) = (store(&first), invocation.installation_id());
    store.associate(&id, &before.client_key).await.unwrap();
    first.install(&after).await;

    // the next turn is in three seconds, time enough for both to wait for theirs on a busy machine
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() + 3000;
    let soon = json!(u64::try_from(soon).unwrap());
    store.set(Place::of_forge("atlassian-connect:association", "pace"), &soon).await.unwrap();
    for host in [&first, &second] {
        assert_eq!(key_of(host, &invocation).await, before.client_key);
    }
    let turns =
        async || store.get(Place::of_forge("atlassian-connect:association", "pace")).await.unwrap().unwrap().as_u64();
    eventually("both wait", async || turns().await > soon.as_u64().map(|soon| soon + 400)).await;
    let is_after =
        async |id: &str| store.client_key_of_installation(id).await.unwrap() == Some(after.client_key.clone());
    eventually("one has found the tenant", async || is_after(&id).await).await;
    for host in [&first, &second] {
        // as if the other one had notified it
        host.addon().state().tenants.forget(&before.client_key);
    }
    let site = site_of(&before);
    for host in [&first, &second] {
        eventually("both are done", async || host.addon().state().outbound.associations.is_idle()).await;
    }
    assert_eq!((asked(&first, "/properties/"), is_after(&id).await, is_after(&site).await), (1, true, true));
}

#[actix_web::test]
async fn the_last_call_through_connect_is_known_to_the_day() {
    let host = fixture::start(routes).await;
    let tenant = site(&host, "jira").await;
    let store = store(&host);
    assert_eq!(store.get(Place::of_tenant(&tenant.client_key, SEEN)).await.unwrap(), None);
    assert_eq!(host.open_iframe_as(&tenant, "/page").await.status, 200);
    eventually("recorded", async || store.get(Place::of_tenant(&tenant.client_key, SEEN)).await.unwrap().is_some())
        .await;
    store.set(Place::of_tenant(&tenant.client_key, SEEN), &json!({ "at": 1 })).await.unwrap();
    assert_eq!(host.open_iframe_as(&tenant, "/page").await.status, 200);
    assert_eq!(
        store.get(Place::of_tenant(&tenant.client_key, SEEN)).await.unwrap(),
        Some(json!({ "at": 1 })),
        "once a day"
    );
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
        eventually("answered", async || record(&host, &invocation).await.answer.is_some()).await;
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
