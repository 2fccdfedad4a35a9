//! What a page with one `db.read` of ten rows costs beside the same page by bare actix, diesel and r2d2: four requests at
//! a time, in this process and without a socket, both in turns on one SQLite database each. Read the ratio.
//!
//!     cargo bench -p atlassian-connect-actix --bench database
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, http};
use askama::Template;
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::database::Database;
use atlassian_connect_actix::{Addon, Error, View};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, Pool};
use futures_util::future::join_all;

const ROUNDS: usize = 7;
const REQUESTS: usize = 8000;
const AT_ONCE: usize = 4;

diesel::table! {
    rows (id) {
        id -> BigInt,
        tenant -> Text,
        text -> Text,
    }
}

const TABLE: &str =
    "CREATE TABLE rows (id BIGINT NOT NULL PRIMARY KEY, tenant VARCHAR(255) NOT NULL, text TEXT NOT NULL);
    CREATE INDEX rows_of_tenant ON rows (tenant);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO rows SELECT i, 'tenant-' || (i % 100), 'the text of row ' || i FROM n;";

#[derive(Template)]
#[template(
    source = "<!DOCTYPE html><html lang=\"en\"><body><ul>{% for (id, text) in rows %}<li>{{ id }}: {{ text }}</li>{% endfor %}</ul></body></html>",
    ext = "html"
)]
struct Rows {
    rows: Vec<(i64, String)>,
}

/// The query of both pages, on a connection of either.
macro_rules! ten_rows {
    ($connection:expr) => {
        rows::table
            .filter(rows::tenant.eq("tenant-7"))
            .order(rows::id)
            .select((rows::id, rows::text))
            .load::<(i64, String)>($connection)
    };
}

async fn ours(db: Database) -> Result<View<Rows>, Error> {
    let rows = db.read(|connection| ten_rows!(connection)).await?;
    Ok(View(Rows { rows }))
}

async fn bare(pool: Data<Pool<ConnectionManager<SqliteConnection>>>) -> HttpResponse {
    let rows = web::block(move || ten_rows!(&mut *pool.get().unwrap())).await.unwrap().unwrap();
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(Rows { rows }.render().unwrap())
}

async fn no_query() -> View<Rows> {
    View(Rows { rows: Vec::new() })
}

async fn round<S, B>(service: &S, path: &str) -> Duration
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let begun = Instant::now();
    for _ in 0..REQUESTS / AT_ONCE {
        let requests = (0..AT_ONCE).map(|_| call_service(service, TestRequest::get().uri(path).to_request()));
        for response in join_all(requests).await {
            assert_eq!(response.status(), http::StatusCode::OK);
        }
    }
    begun.elapsed()
}

#[actix_web::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| folder.path().join(name).display().to_string();

    let vars = [
        ("APP_ENV".to_owned(), "test".to_owned()),
        ("DATABASE_URL".to_owned(), format!("sqlite:{}", url("ours.db"))),
        ("AC_LOCAL_BASE_URL".to_owned(), "https://addon.example".to_owned()),
    ];
    let config = Config::from_parts(None, &vars.into_iter().collect::<Vars>()).unwrap();
    let descriptor = r#"{"key":"k","name":"n","baseUrl":"https://addon.example","authentication":{"type":"jwt"}}"#;
    let addon = Box::pin(Addon::builder().config(config).fallback_descriptor(descriptor).build()).await.unwrap();
    let database = addon.database().unwrap();
    database.write(|connection| connection.batch_execute(TABLE)).await.unwrap();
    let routes = |cfg: &mut web::ServiceConfig| {
        cfg.route("/rows", web::get().to(ours)).route("/plain", web::get().to(no_query));
    };
    let ours = init_service(App::new().configure(addon.configure(routes))).await;

    let pool = Pool::builder().max_size(8).build(ConnectionManager::<SqliteConnection>::new(url("bare.db"))).unwrap();
    pool.get().unwrap().batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").unwrap();
    pool.get().unwrap().batch_execute(TABLE).unwrap();
    let bare = init_service(
        App::new()
            .app_data(Data::new(pool))
            .route("/rows", web::get().to(bare))
            .route("/plain", web::get().to(no_query)),
    )
    .await;

    let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(u32::try_from(REQUESTS).unwrap());
    let mut ratios = Vec::new();
    println!(
        "| round | bare us | ours us | ratio | bare without a query us | ours without a query us |\n|---|---|---|---|---|---|"
    );
    for number in 0..=ROUNDS {
        let (one, other) = (micros(round(&bare, "/rows").await), micros(round(&ours, "/rows").await));
        let (plain, own) = (micros(round(&bare, "/plain").await), micros(round(&ours, "/plain").await));
        // the first one warms up
        if number > 0 {
            println!("| {number} | {one:.1} | {other:.1} | {:.2} | {plain:.1} | {own:.1} |", other / one);
            ratios.push(other / one);
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio: {:.2}", ratios[ROUNDS / 2]);
}
