//! The app's own tables.

use actix_web::http::Method;
use actix_web::web::{self, Json, ServiceConfig};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::database::{Database, DbConnection};
use atlassian_connect_actix::store::Migrations;
use atlassian_connect_actix::{Addon, AddonBuilder, Error, StartError};
use atlassian_connect_testing::{TestHost, TestHostBuilder, assert_schema};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use serde_json::json;

use crate::support::fixture;
use crate::support::store::FakeStore;

static SQLITE: EmbeddedMigrations = embed_migrations!("tests/fixture/migrations/sqlite");
static POSTGRES: EmbeddedMigrations = embed_migrations!("tests/fixture/migrations/postgres");

diesel::table! {
    tallies (name) {
        name -> Text,
        amount -> Integer,
    }
}

fn amount(connection: &mut DbConnection, name: &str) -> QueryResult<i32> {
    tallies::table.find(name).select(tallies::amount).first(connection)
}

async fn show(_: SessionToken, db: Database, name: web::Path<String>) -> Result<Json<i32>, Error> {
    Ok(Json(db.read(move |connection| amount(connection, &name)).await?))
}

async fn begin(_: SessionToken, db: Database, name: web::Path<String>) -> Result<&'static str, Error> {
    let name = name.into_inner();
    db.write(move |connection| {
        diesel::insert_into(tallies::table).values((tallies::name.eq(&name), tallies::amount.eq(0))).execute(connection)
    })
    .await?;
    Ok("begun")
}

async fn count(_: SessionToken, addon: Addon, name: web::Path<String>) -> Result<Json<i32>, Error> {
    let db = addon.database()?;
    let counted = db.write(move |connection| {
        let amount = amount(connection, &name)? + 1;
        diesel::update(tallies::table.find(name.as_str())).set(tallies::amount.eq(amount)).execute(connection)?;
        Ok(amount)
    });
    Ok(Json(counted.await?))
}

async fn panics(_: SessionToken, db: Database) -> Result<&'static str, Error> {
    db.read(|_| -> QueryResult<()> { panic!("of the app") }).await?;
    Ok("never")
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/panics", web::get().to(panics)).service(
        web::resource("/tallies/{name}")
            .route(web::get().to(show))
            .route(web::put().to(begin))
            .route(web::post().to(count)),
    );
}

fn with_tables() -> TestHostBuilder {
    let migrations = Migrations::new().sqlite(&SQLITE).postgres(&POSTGRES);
    fixture::builder().addon(|addon| addon.migrations(migrations))
}

async fn installed() -> TestHost {
    let host = with_tables().start(routes).await;
    host.install(&host.tenant()).await;
    host
}

async fn call(host: &TestHost, method: Method, name: &str) -> (u16, String) {
    let token = host.session_token(&host.tenant()).await;
    let reply = host.call(method, &format!("/tallies/{name}"), &token, None).await;
    (reply.status, reply.body)
}

#[actix_web::test]
async fn handlers_read_and_write_them_and_each_host_has_its_own() {
    let (host, other) = (installed().await, installed().await);
    assert_eq!(call(&host, Method::PUT, "a").await.0, 200);
    assert_eq!(call(&host, Method::POST, "a").await, (200, "1".into()));
    assert_eq!(call(&host, Method::GET, "a").await, (200, "1".into()));
    assert_eq!(call(&other, Method::GET, "a").await.0, 404);
    assert_schema::<tallies::table>(host.addon(), "tallies").await;
}

#[actix_web::test]
async fn missing_duplicate_and_broken_queries_have_their_status() {
    let host = installed().await;
    assert_eq!(call(&host, Method::GET, "a").await.0, 404);
    assert_eq!(call(&host, Method::PUT, "a").await.0, 200);
    assert_eq!(call(&host, Method::PUT, "a").await.0, 409);
    let reply = host.call_with_session("/panics").await;
    assert_eq!(reply.status, 500);
    assert_eq!(call(&host, Method::GET, "a").await, (200, "0".into()));
}

/// Forms refuse it; paths and JSON do not.
#[actix_web::test]
async fn a_nul_character_is_a_bad_request() {
    let host = installed().await;
    let (status, body) = call(&host, Method::PUT, "a%00b").await;
    if std::env::var_os("TEST_DATABASE_URL").is_some() {
        assert_eq!((status, body.contains("A text contains a NUL character")), (400, true), "{body}");
    } else {
        assert_eq!((status, body.as_str()), (200, "begun"), "SQLite keeps it");
    }
}

#[actix_web::test]
async fn fifty_concurrent_transactions_lose_nothing() {
    let host = installed().await;
    call(&host, Method::PUT, "a").await;
    let calls = (0..50).map(|_| call(&host, Method::POST, "a"));
    let replies = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(|(status, _)| *status == 200), "{replies:?}");
    assert_eq!(call(&host, Method::GET, "a").await, (200, "50".into()));
}

/// The builder of an app with tables and a store that is not SQL.
fn on_another_store(vars: &[(&str, &str)]) -> AddonBuilder {
    let mut all = vec![("APP_ENV", "test"), ("DATABASE_URL", "memory:"), ("AC_LOCAL_BASE_URL", "https://a.example")];
    all.extend_from_slice(vars);
    let vars = all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let config = Config::from_parts(None, &vars).unwrap();
    fixture::addon().config(config).migrations(Migrations::new().sqlite(&SQLITE).postgres(&POSTGRES))
}

async fn tallies_in(addon: &Addon) -> i64 {
    let database = addon.database().unwrap();
    database.read(|connection| tallies::table.count().get_result(connection)).await.unwrap()
}

#[actix_web::test]
async fn without_a_database_the_app_does_not_start_and_says_how_to_fix_it() {
    let own_store = FakeStore::new();
    let refused =
        on_another_store(&[("DATABASE_URL", "sqlite:unused.db")]).store(own_store).build().await.err().unwrap();
    assert!(matches!(refused, StartError::Store(_)), "{refused:?}");
    assert!(refused.to_string().contains("database.url"), "{refused}");
}

#[actix_web::test]
async fn with_another_store_the_tables_are_in_the_configured_database() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("app.db").display());
    assert_eq!(tallies_in(&on_another_store(&[("AC_DATABASE_URL", &url)]).build().await.unwrap()).await, 0);
    assert!(folder.path().join("app.db").exists());
    assert_eq!(tallies_in(&on_another_store(&[]).build().await.unwrap()).await, 0, "in memory, as the store");
}

#[actix_web::test]
async fn readyz_reports_pending_migrations() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    // the database of a release without the app's tables
    drop(fixture::builder().var("DATABASE_URL", &url).start(routes).await);
    let host = with_tables().var("DATABASE_URL", &url).start(routes).await;
    let reply = host.get("/readyz").await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(host.get("/healthz").await.status, 200);

    let mut config = atlassian_connect_actix::store::StoreConfig::new(&url);
    config.migrations = Migrations::new().sqlite(&SQLITE);
    let report = atlassian_connect_actix::store::internal::admin::migrate(&config).await.unwrap();
    assert_eq!(report.applied, ["2026-12-01-000001_create_tallies"]);
    assert_eq!(host.get("/readyz").await.json(), json!({ "status": "ready" }));
}
