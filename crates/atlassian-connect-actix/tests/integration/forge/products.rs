//! Installations with several products: each one is reached at its own API, and one that is not there is not asked.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{get, post};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::forge::{self, AnyCaller};
use atlassian_connect_actix::host::{HostClient, HostError};
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_actix::{Addon, Error, PageContext, View};
use atlassian_connect_testing::{By, Reply, TestHost, TestHostBuilder, TestInvocation, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;
use atlassian_connect_actix::store::Place;

const PAGES: &str = r#"{ "forge": { "pages": { "panel": "/panel" } } }"#;
const JIRA: &str = "/rest/api/3/myself";
const CONFLUENCE: &str = "/rest/api/user/current";
const CREATED: &str = "avi:jira:created:issue";

struct Administer;

impl Permission for Administer {
    const NEEDED: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };
}

struct UseWiki;

impl Permission for UseWiki {
    const NEEDED: Needed = Needed::Confluence { application: &["use"], content: None };
}

#[derive(askama::Template)]
#[template(source = "<head>{{ page.head() }}</head>", ext = "html")]
struct Page {
    page: PageContext,
}

#[get("/panel")]
async fn panel(page: PageContext) -> View<Page> {
    View(Page { page })
}

/// Asks both products as the app, as the user, and anonymously; then the one that calls.
async fn ask(host: HostClient, user: &str) -> Result<Json<Value>, Error> {
    let mut statuses = Vec::new();
    for host in [host.clone(), host.as_user(user), host.anonymous()] {
        for (host, path) in [(host.jira()?, JIRA), (host.confluence()?, "/wiki/rest/api/user/current")] {
            statuses.push(host.get(path).send().await?.status().as_u16());
        }
    }
    // back and forth
    statuses.push(host.confluence()?.jira()?.get(JIRA).send().await?.status().as_u16());
    let calling = host.get("/calling").send().await?.status().as_u16();
    Ok(Json(json!({ "statuses": statuses, "calling": calling })))
}

#[post("/both")]
async fn both(caller: AnyCaller) -> Result<Json<Value>, Error> {
    ask(caller.host(), caller.require_account_id()?).await
}

#[get("/api/both")]
async fn both_of_page(session: SessionToken) -> Result<Json<Value>, Error> {
    ask(session.host(), session.require_account_id()?).await
}

#[post("/jira")]
async fn ask_jira(caller: AnyCaller) -> Result<String, Error> {
    Ok(caller.host().jira()?.get(JIRA).send().await?.text().await?)
}

#[post("/confluence")]
async fn ask_confluence(caller: AnyCaller) -> Result<String, Error> {
    Ok(caller.host().confluence()?.get(CONFLUENCE).send().await?.text().await?)
}

#[post("/administer")]
async fn administer(_: Authorized<Administer, AnyCaller>) -> &'static str {
    "may"
}

#[post("/use-wiki")]
async fn use_wiki(_: Authorized<UseWiki, AnyCaller>) -> &'static str {
    "may"
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(panel).service(both).service(both_of_page).service(ask_jira).service(ask_confluence);
    cfg.service(administer).service(use_wiki).configure(forge::events("/forge/events"));
}

fn builder() -> TestHostBuilder {
    fixture::builder().config(PAGES)
}

fn stub(host: &TestHost) {
    for path in [JIRA, CONFLUENCE, "/calling"] {
        host.stub_get(path, json!({}));
    }
    host.stub_post("/rest/api/3/permissions/check", json!({ "globalPermissions": ["ADMINISTER"] }));
    let operations = json!([{ "operation": "use", "targetType": "application" }]);
    host.stub_get("/rest/api/user", json!({ "operations": operations }));
}

async fn started() -> (TestHost, TestTenant, TestTenant) {
    let host = builder().start(routes).await;
    stub(&host);
    let (jira, wiki) = (host.tenant(), host.new_tenant_of("confluence"));
    (host, jira, wiki)
}

/// The calls since `before`, without those that look for a Connect tenant: which site, path, and by whom.
fn calls(host: &TestHost, before: usize) -> Vec<(String, String, By)> {
    let calls = host.calls().split_off(before).into_iter();
    let calls = calls.filter(|call| !call.path.starts_with("/rest/atlassian-connect/"));
    calls.map(|call| (call.client_key, call.path, call.by)).collect()
}

/// What [`ask`] sends, if `calling` calls.
fn expected(jira: &TestTenant, wiki: &TestTenant, calling: &TestTenant, user: &str) -> Vec<(String, String, By)> {
    let mut expected = Vec::new();
    for by in [By::Addon, By::User(user.to_owned()), By::Nobody] {
        expected.push((jira.client_key.clone(), JIRA.to_owned(), by.clone()));
        expected.push((wiki.client_key.clone(), CONFLUENCE.to_owned(), by));
    }
    expected.push((jira.client_key.clone(), JIRA.to_owned(), By::Addon));
    expected.push((calling.client_key.clone(), "/calling".to_owned(), By::Addon));
    expected
}

fn is_good(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json(), json!({ "statuses": vec![200; 7], "calling": 200 }));
}

#[actix_web::test]
async fn each_product_is_reached_with_the_same_identity() {
    let (host, jira, wiki) = started().await;
    for (sites, module, calling) in [
        ([&jira, &wiki], "core:endpoint", &jira),
        ([&wiki, &jira], "core:endpoint", &wiki),
        ([&jira, &wiki], "confluence:globalPage", &wiki),
        ([&jira, &wiki], "xen:macro", &wiki),
        ([&wiki, &jira], "jira:issuePanel", &jira),
        ([&wiki, &jira], "bitbucket:repoPage", &wiki),
    ] {
        let invocation = host.invocation_of_all(&sites).claim("/app/module/type", module);
        let user = sites[0].account_id.as_str();
        let before = host.calls().len();
        is_good(&host.invoke("/both", &invocation).await);
        assert_eq!(calls(&host, before), expected(&jira, &wiki, calling, user), "{module}");

        // the same on a page, with its session token
        let page = host.open_forge_by(&invocation, "panel").await;
        assert_eq!(page.status, 200, "{}", page.body);
        let before = host.calls().len();
        is_good(&host.call(Method::GET, "/api/both", page.session_token(), None).await);
        assert_eq!(calls(&host, before), expected(&jira, &wiki, calling, user), "the page of {module}");
    }
    assert_eq!(host.problems(), [""; 0]);
}

/// A token of a user who is away is requested for one product.
#[actix_web::test]
async fn a_user_who_is_away_has_a_token_for_each_product() {
    let (host, jira, wiki) = started().await;
    let invocation = host.invocation_of_all(&[&jira, &wiki]).user_token(None);
    for asked in [2, 2] {
        is_good(&host.invoke("/both", &invocation).await);
        assert_eq!(host.calls().iter().filter(|call| call.path == "/graphql").count(), asked);
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_product_that_is_not_there_is_not_asked() {
    let (host, on_jira, wiki) = started().await;
    let before = host.calls().len();
    let only_jira = [host.invocation_of(&on_jira), host.invocation_of(&on_jira).without("/app/installation")];
    let only_wiki = [host.invocation_of(&wiki), host.invocation_of(&wiki).claim("/app/module/type", "jira:issuePanel")];
    let nothing = [host.invocation().without("/app/installation").without("/app/apiBaseUrl")];
    for (path, invocations, name) in [
        ("/confluence", &only_jira[..], "Confluence"),
        ("/jira", &only_wiki[..], "Jira"),
        ("/jira", &nothing[..], "Jira"),
        ("/confluence", &nothing[..], "Confluence"),
    ] {
        for invocation in invocations {
            let reply = host.invoke(path, invocation).await;
            let message = format!("The app is not installed in {name} on this site.");
            assert_eq!((reply.status, reply.json()["message"].as_str()), (409, Some(message.as_str())), "{path}");
        }
    }
    assert_eq!(host.calls().len(), before, "{:?}", host.calls());
    assert_eq!(host.invoke("/jira", &only_jira[0]).await.status, 200);
    assert_eq!(host.invoke("/confluence", &only_wiki[0]).await.status, 200);
}

#[actix_web::test]
async fn a_tenant_of_connect_has_its_own_product() {
    let (host, of_jira, wiki) = started().await;
    let mut nameless = host.new_tenant_of("confluence");
    nameless.product = String::new();
    for tenant in [&of_jira, &wiki, &nameless] {
        host.install(tenant).await;
    }
    for (tenant, own, other) in
        [(&of_jira, "/jira", "/confluence"), (&wiki, "/confluence", "/jira"), (&nameless, "/confluence", "/jira")]
    {
        let token = host.session_token(tenant).await;
        let before = host.calls().len();
        assert_eq!(host.call(Method::POST, other, &token, None).await.status, 409);
        assert_eq!(host.calls().len(), before);
        assert_eq!(host.call(Method::POST, own, &token, None).await.status, 200, "{own}");
        assert_eq!(host.calls().last().unwrap().client_key, tenant.client_key);
    }
    let client = host.addon().http_client(&of_jira.client_key).await.unwrap();
    let error = client.confluence().unwrap_err();
    assert!(matches!(&error, HostError::Product { wanted: "Confluence", found } if found == "jira"), "{error}");
    assert_eq!(error.to_string(), "the app has no Confluence here: it is installed in jira");
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn permissions_are_asked_of_their_product() {
    let (host, on_jira, wiki) = started().await;
    let own = ["/rest/api/3/permissions/check", "/rest/api/user"];
    for sites in [[&on_jira, &wiki], [&wiki, &on_jira]] {
        let invocation = host.invocation_of_all(&sites);
        let user = By::User(sites[0].account_id.clone());
        for ((route, asked), site) in ["/administer", "/use-wiki"].iter().zip(own).zip([&on_jira, &wiki]) {
            let before = host.calls().len();
            let reply = host.invoke(route, &invocation).await;
            assert_eq!((reply.status, reply.body.as_str()), (200, "may"));
            assert_eq!(calls(&host, before), [(site.client_key.clone(), asked.to_owned(), user.clone())], "{route}");
        }
        let page = host.open_forge_by(&invocation, "panel").await;
        for ((route, asked), site) in ["/administer", "/use-wiki"].iter().zip(own).zip([&on_jira, &wiki]) {
            let before = host.calls().len();
            assert_eq!(host.call(Method::POST, route, page.session_token(), None).await.status, 200, "{route}");
            assert_eq!(calls(&host, before), [(site.client_key.clone(), asked.to_owned(), user.clone())], "{route}");
        }
    }
    // the other product's permission is denied, and nothing is sent
    let before = host.calls().len();
    for (route, site) in [("/use-wiki", &on_jira), ("/administer", &wiki)] {
        assert_eq!(host.invoke(route, &host.invocation_of(site)).await.status, 403, "{route}");
    }
    assert_eq!(host.calls().len(), before);
}

#[actix_web::test]
async fn an_event_and_the_time_after_it_know_the_products() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    let listen = |addon: &Addon| {
        addon.on(CREATED, |occurrence| async move {
            let host = occurrence.host().await?;
            for (host, path) in [(host.clone(), "/calling"), (host.jira()?, JIRA), (host.confluence()?, CONFLUENCE)] {
                host.get(path).send().await?.error_for_status().await?;
            }
            Ok(())
        });
    };
    let node = async || {
        let builder = builder().var("DATABASE_URL", url.as_str()).var("AC_AUTO_MIGRATE", "true");
        builder.prepare(listen).start(routes).await
    };
    let host = node().await;
    stub(&host);
    let (on_jira, wiki) = (host.tenant(), host.new_tenant_of("confluence"));
    let id = "ari:cloud:ecosystem::installation/several";
    let event = |sites: [&TestTenant; 2]| {
        let body = json!({ "eventType": CREATED, "by": sites[0].product });
        host.invocation_of_all(&sites).installation(id).unattended().body(body)
    };
    for (sites, calling) in [([&wiki, &on_jira], &wiki), ([&on_jira, &wiki], &on_jira)] {
        let before = host.calls().len();
        let sent: TestInvocation = event(sites);
        assert_eq!(host.invoke("/forge/events", &sent).await.status, 204);
        assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
        let of = |tenant: &TestTenant, path: &str| (tenant.client_key.clone(), path.to_owned(), By::Addon);
        let expected = [of(calling, "/calling"), of(&on_jira, JIRA), of(&wiki, CONFLUENCE)];
        assert_eq!(calls(&host, before), expected);
    }
    // outside of an invocation, here and on a node that has only the store
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let store = host.addon().state().tenants.store();
    while store.get(Place::of_forge(id, "appToken")).await.unwrap().is_none() {
        assert!(std::time::Instant::now() < deadline, "the token was not stored");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let other = node().await;
    for addon in [host.addon(), other.addon()] {
        let client = addon.forge_client(id).await.unwrap();
        let urls = [client.base_url(), client.jira().unwrap().base_url(), client.confluence().unwrap().base_url()]
            .map(str::to_owned);
        let origin = wiki.base_url.strip_suffix("/wiki").unwrap();
        let jira = format!("{}/ex/jira/{}", on_jira.base_url, on_jira.cloud_id);
        let confluence = format!("{origin}/ex/confluence/{}/wiki", wiki.cloud_id);
        assert_eq!(urls, [jira.clone(), jira, confluence], "without a caller it is the configured product");
    }
    assert_eq!(host.problems(), [""; 0]);
}
