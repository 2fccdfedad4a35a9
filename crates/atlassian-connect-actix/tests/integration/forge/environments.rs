//! Several environments and several apps on one deployment: who is served, and under which key.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{Error, get, post};
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::forge::{
    self, AnyCaller, Migration, MigrationFailure, MigrationPlan, MigrationStatus, RealmMigration,
};
use atlassian_connect_actix::{Addon, PageContext, View};
use atlassian_connect_testing::{TestHost, TestHostBuilder, TestInvocation};
use serde_json::{Value, json};

use crate::support::fixture;

const PAGES: &str = r#"{ "forge": { "pages": { "panel": "/panel" } } }"#;
const OTHER_APP: &str = "22222222-2222-4222-8222-222222222222";
const CREATED: &str = "avi:jira:created:issue";

#[derive(askama::Template)]
#[template(source = "<head>{{ page.head() }}</head>", ext = "html")]
struct Page {
    page: PageContext,
}

#[get("/panel")]
async fn panel(page: PageContext) -> View<Page> {
    View(Page { page })
}

#[get("/api/key")]
async fn key_of_page(session: SessionToken) -> Json<Value> {
    Json(session.tenant_key().into())
}

#[post("/key")]
async fn key_of_call(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    Ok(Json(json!([invocation.tenant_key().await?, invocation.app_id()])))
}

#[post("/any")]
async fn any(caller: AnyCaller) -> Result<String, Error> {
    Ok(caller.tenant_key().await?)
}

#[post("/save")]
async fn save(invocation: ForgeInvocation) -> Result<Json<Option<String>>, Error> {
    let before = invocation.settings().get::<String>("name").await?;
    invocation.settings().set("name", &invocation.claims().environment_type()).await?;
    Ok(Json(before))
}

struct Move;

impl RealmMigration for Move {
    async fn schedule(&self, _: &ForgeInvocation, _: MigrationPlan) -> Result<(), MigrationFailure> {
        Ok(())
    }

    async fn start(&self, _: &ForgeInvocation, _: MigrationPlan) -> Result<(), MigrationFailure> {
        Ok(())
    }

    async fn status(&self, _: &ForgeInvocation, _: Option<String>) -> Result<MigrationStatus, MigrationFailure> {
        Ok(MigrationStatus::InProgress)
    }

    async fn commit(&self, _: &ForgeInvocation, _: Migration) -> Result<(), MigrationFailure> {
        Ok(())
    }

    async fn rollback(&self, _: &ForgeInvocation, _: Migration) -> Result<(), MigrationFailure> {
        Ok(())
    }
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(panel).service(key_of_page).service(key_of_call).service(any).service(save);
    cfg.configure(forge::events("/forge/events")).configure(forge::pre_uninstall("/forge/leave"));
    cfg.configure(forge::realm_migration("/forge/move", Move));
}

fn builder() -> TestHostBuilder {
    fixture::builder().config(PAGES)
}

fn opening(invocation: TestInvocation) -> TestInvocation {
    invocation.body(json!({ "moduleKey": "panel", "shell": TestHost::SHELL }))
}

fn event(invocation: TestInvocation) -> TestInvocation {
    invocation.unattended().body(json!({ "eventType": CREATED, "issue": 1 }))
}

#[actix_web::test]
async fn only_the_environments_of_a_deployment_are_served() {
    let in_development = [("NODE_ENV", "development"), ("AC_OPTS", "no-reg")];
    for (vars, served) in [
        (&[][..], &["PRODUCTION"][..]),
        (&in_development[..], &["PRODUCTION", "STAGING", "DEVELOPMENT", "NEW"]),
        (&[("AC_FORGE_ENVIRONMENTS", "staging, Development")], &["STAGING", "DEVELOPMENT"]),
        (&[("NODE_ENV", "test"), ("AC_FORGE_ENVIRONMENTS", "STAGING")], &["STAGING"]),
    ] {
        let host = vars.iter().fold(builder(), |builder, (name, value)| builder.var(name, *value)).start(routes).await;
        for kind in ["PRODUCTION", "production", "STAGING", "Staging", "DEVELOPMENT", "NEW", "", "-"] {
            let of = || match kind {
                // counts as production
                "-" => host.invocation().without("/app/environment"),
                kind => host.invocation().environment(kind),
            };
            let is_served = if kind == "-" {
                served.contains(&"PRODUCTION")
            } else {
                served.contains(&kind.to_ascii_uppercase().as_str()) || (served.len() == 4 && kind.is_empty())
            };
            let calls = [
                (Method::POST, "/key", of()),
                (Method::POST, "/any", of()),
                (Method::POST, "/forge/open", opening(of())),
                (Method::POST, "/forge/token", opening(of())),
                (Method::POST, "/forge/events", event(of())),
                (Method::POST, "/forge/events", of().unattended().claim("/app/module/key", "hourly")),
                (Method::POST, "/forge/leave", of().unattended()),
                (Method::GET, "/forge/move/status", of().unattended()),
            ];
            for (i, (method, path, invocation)) in calls.into_iter().enumerate() {
                // what a good-bye ends
                let invocation = invocation.installation(&format!("ari:cloud:ecosystem::installation/{kind}-{i}"));
                let reply = host.invoke_by(method, path, &invocation).await;
                let what = format!("{vars:?} {kind:?} {path}: {}", reply.body);
                if is_served {
                    assert!((200..300).contains(&reply.status), "{} {what}", reply.status);
                    continue;
                }
                assert_eq!((reply.status, reply.header("content-type")), (403, "application/json"), "{what}");
                let message = reply.json()["message"].as_str().unwrap().to_owned();
                let named = if kind == "-" { "PRODUCTION" } else { kind };
                assert!(message.contains(&format!("environment {named} of")), "{what}");
                assert!(message.contains("forgeEnvironments") && message.contains("AC_FORGE_ENVIRONMENTS"), "{what}");
            }
        }
        assert_eq!(host.problems(), [""; 0]);
    }
}

/// The token of a refused call is not kept for later, and its event is not processed.
#[actix_web::test]
async fn a_refused_environment_leaves_nothing_behind() {
    let heard = Arc::new(Mutex::new(0));
    let count = Arc::clone(&heard);
    let listen = move |addon: &Addon| {
        addon.on(CREATED, move |_| {
            *count.lock().unwrap() += 1;
            async { Ok(()) }
        });
    };
    let host = builder().prepare(listen).start(routes).await;
    let staging = event(host.invocation().environment("STAGING"));
    assert_eq!(host.invoke("/forge/events", &staging).await.status, 403);
    assert!(host.addon().forge_client(&staging.installation_id()).await.is_err());
    let good = event(host.invocation());
    assert_eq!(host.invoke("/forge/events", &good).await.status, 204);
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
    assert_eq!(*heard.lock().unwrap(), 1);
}

#[actix_web::test]
async fn a_token_that_does_not_verify_is_refused_before_its_environment_is_read() {
    let host = builder().start(routes).await;
    let staging = host.invocation().environment("STAGING");
    let signed = [&staging, &host.invocation()].map(|of| host.forge_keys().sign(&of.claims(TestHost::APP_ID)));
    let (claims, _) = signed[0].rsplit_once('.').unwrap();
    let (_, signature) = signed[1].rsplit_once('.').unwrap();
    let forged = format!("{claims}.{signature}");
    assert_eq!(host.invoke_with("/key", &forged, &staging).await.status, 401);
    assert_eq!(host.invoke("/key", &staging.clone().claim("/exp", 1)).await.status, 401);
    assert_eq!(host.invoke("/key", &staging.app(OTHER_APP)).await.status, 401);
}

#[actix_web::test]
async fn one_deployment_serves_several_apps() {
    let both = format!("{}, ari:cloud:ecosystem::app/{OTHER_APP}", TestHost::APP_ID);
    let of = async |ids: &str| builder().var("AC_APP_ID", ids).start(routes).await;
    let host = of(&both).await;
    let site = format!("ari:cloud:jira::site/{}", host.tenant().cloud_id);
    for (app, key) in [(TestHost::APP_ID, site.clone()), (OTHER_APP, format!("{site}/app/{OTHER_APP}"))] {
        let invocation = host.invocation().app(app);
        assert_eq!(host.invoke("/key", &invocation).await.json(), json!([key, app]));
        let page = host.open_forge_by(&invocation, "panel").await;
        assert_eq!(page.status, 200, "{}", page.body);
        let call = host.call(Method::GET, "/api/key", page.session_token(), None).await;
        assert_eq!((call.status, call.json()), (200, json!(key)));
        let fresh = host.invoke("/forge/token", &opening(invocation)).await;
        let token = fresh.json()["token"].as_str().unwrap().to_owned();
        assert_eq!(host.call(Method::GET, "/api/key", &token, None).await.json(), json!(key));
    }
    assert_eq!(host.invoke("/key", &host.invocation().app("another-app")).await.status, 401);
    // a deployment of the second app alone
    let second = of(OTHER_APP).await;
    let alone = second.invoke("/key", &second.invocation().app(OTHER_APP)).await.json();
    assert_eq!(
        alone[0],
        format!("ari:cloud:jira::site/{}", second.tenant().cloud_id),
        "the first one has the plain key"
    );
    assert_eq!(second.invoke("/key", &second.invocation()).await.status, 401);
}

#[actix_web::test]
async fn the_ids_may_be_a_list_of_the_file() {
    let file = format!(r#"{{ "appId": ["{OTHER_APP}", "ari:cloud:ecosystem::app/{}"] }}"#, TestHost::APP_ID);
    let host = fixture::builder().var("AC_APP_ID", "").config(file).start(routes).await;
    let site = format!("ari:cloud:jira::site/{}", host.tenant().cloud_id);
    let key = format!("{site}/app/{}", TestHost::APP_ID);
    assert_eq!(host.invoke("/key", &host.invocation()).await.json(), json!([key, TestHost::APP_ID]));
    assert_eq!(host.invoke("/key", &host.invocation().app(OTHER_APP)).await.json(), json!([site, OTHER_APP]));
}

type Change<'a> = &'a dyn Fn(TestInvocation) -> TestInvocation;

/// A page, a call, an event and a schedule of one installation have the same key.
#[actix_web::test]
async fn everything_of_an_installation_has_one_key() {
    let (jira, confluence) = ("https://api.atlassian.com/ex/jira/c", "https://api.atlassian.com/ex/confluence/c");
    let contexts = |contexts: Value| move |of: TestInvocation| of.claim("/app/installation/contexts", contexts.clone());
    let both =
        contexts(json!([{ "name": "jira", "apiBaseUrl": jira }, { "name": "confluence", "apiBaseUrl": confluence }]));
    let workspace = contexts(json!([{ "name": "bitbucket", "workspaceId": "w" }]));
    let of_jira = "ari:cloud:jira::site/c";
    let of_confluence = "ari:cloud:confluence::site/c";
    let calling = |url: &'static str| move |of: TestInvocation| of.claim("/app/apiBaseUrl", url);
    let one: Change<'_> = &|of| contexts(json!([{ "apiBaseUrl": jira }]))(calling(jira)(of));
    let rows: [(&str, &str, Change<'_>, String); 9] = [
        ("one product", "jira", one, of_jira.to_owned()),
        ("one product, another one configured", "confluence", one, of_jira.to_owned()),
        ("several, Jira calls", "jira", &|of| both(calling(jira)(of)), of_jira.to_owned()),
        ("several, Confluence calls", "jira", &|of| both(calling(confluence)(of)), of_jira.to_owned()),
        ("several, Confluence configured", "confluence", &|of| both(calling(jira)(of)), of_confluence.to_owned()),
        ("several, neither configured", "bitbucket", &|of| both(calling(jira)(of)), of_confluence.to_owned()),
        (
            "Bitbucket",
            "bitbucket",
            &|of| workspace(of.without("/app/apiBaseUrl")),
            "ari:cloud:bitbucket::workspace/w".to_owned(),
        ),
        ("staging", "jira", &|of| one(of).environment("STAGING"), format!("{of_jira}/environment/staging")),
        (
            "staging of the second app",
            "jira",
            &|of| one(of).environment("STAGING").app(OTHER_APP),
            format!("{of_jira}/app/{OTHER_APP}/environment/staging"),
        ),
    ];
    for (what, product, change, expected) in rows {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keys = Arc::clone(&heard);
        let listen = move |addon: &Addon| {
            for name in [CREATED, "forge:hourly"] {
                let keys = Arc::clone(&keys);
                addon.on(name, move |occurrence| {
                    keys.lock().unwrap().push(occurrence.tenant_key().unwrap());
                    async { Ok(()) }
                });
            }
        };
        let host = builder()
            .prepare(listen)
            .var("AC_PRODUCT", product)
            .var("AC_HOST_WHITELIST", "*.atlassian.net,127.0.0.1")
            .var("AC_APP_ID", format!("{},{OTHER_APP}", TestHost::APP_ID))
            .var("AC_FORGE_ENVIRONMENTS", "PRODUCTION,STAGING")
            .start(routes)
            .await;
        let invocation = || change(host.invocation().app_token(None).user_token(None));
        assert_eq!(host.invoke("/key", &invocation()).await.json()[0], expected, "{what}");
        let page = host.open_forge_by(&invocation(), "panel").await;
        assert_eq!(page.status, 200, "{what}: {}", page.body);
        let of_page = host.call(Method::GET, "/api/key", page.session_token(), None).await;
        assert_eq!(of_page.json(), json!(expected), "{what}");
        for sent in [event(invocation()), event(invocation()).body(json!({ "context": { "moduleKey": "hourly" } }))] {
            assert_eq!(host.invoke("/forge/events", &sent).await.status, 204, "{what}");
        }
        assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
        assert_eq!(*heard.lock().unwrap(), [expected.as_str(); 2], "{what}");
    }
}

#[actix_web::test]
async fn an_environment_does_not_see_anothers_data() {
    let host = builder().var("AC_FORGE_ENVIRONMENTS", "PRODUCTION,STAGING,DEVELOPMENT").start(routes).await;
    for (kind, before) in [
        ("PRODUCTION", Value::Null),
        ("STAGING", Value::Null),
        ("DEVELOPMENT", Value::Null),
        ("PRODUCTION", json!("PRODUCTION")),
        ("STAGING", json!("STAGING")),
    ] {
        // each time another installation on the same site
        let reply = host.invoke("/save", &host.invocation().environment(kind)).await;
        assert_eq!((reply.status, reply.json()), (200, before), "{kind}");
    }
}
