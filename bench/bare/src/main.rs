//! What the benchmarks compare with: an app without this framework that gives the same answers, written as one would
//! write a handler on actix-web with jsonwebtoken, askama, moka and diesel. Its tenants are those of the database that
//! the app on the framework has filled.
//!
//!     PORT=3001 BASE=http://127.0.0.1:3000 DATABASE=addon.db bench-bare

mod auth;
mod page;
mod tenants;

use std::time::Duration;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use mimalloc::MiMalloc;
use serde_json::json;
use tracing_actix_web::{RequestId, TracingLogger};

use crate::auth::{Failed, authenticate};
use crate::tenants::Tenants;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What the handlers share.
struct Shared {
    tenants: Tenants,
    base: String,
    title: String,
    addon_key: String,
    script_url: String,
}

const X_ACPT: HeaderName = HeaderName::from_static("x-acpt");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

async fn session(request: HttpRequest, shared: Data<Shared>, id: RequestId) -> Result<HttpResponse, Failed> {
    let caller = authenticate(&request, &shared).await?;
    let token = caller.session_token(&shared)?;
    let body = json!({
        "clientKey": caller.tenant.client_key,
        "userAccountId": caller.claims.account_id(),
        "context": caller.claims.context,
    });
    let response = HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((X_REQUEST_ID, id.to_string()))
        .insert_header((X_ACPT, token))
        .json(body);
    Ok(response)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let var = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let port = var("PORT", "3001").parse().map_err(std::io::Error::other)?;
    let shared = Data::new(Shared {
        tenants: Tenants::open(&var("DATABASE", "addon.db")).map_err(std::io::Error::other)?,
        base: var("BASE", "http://127.0.0.1:3001"),
        title: var("TITLE", "Hello"),
        addon_key: var("ADDON_KEY", "hello"),
        script_url: var("SCRIPT_URL", "https://connect-cdn.atl-paas.net/all.js"),
    });
    let always = || {
        DefaultHeaders::new()
            .add((header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains")))
            .add((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
            .add((header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
    };
    HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/healthz", web::get().to(HttpResponse::Ok))
            .route("/hello-world", web::get().to(page::plain))
            .route("/greeting", web::get().to(page::with_greeting))
            .route("/api/session", web::get().to(session))
            .wrap(always())
            .wrap(TracingLogger::default())
    })
    .keep_alive(Duration::from_secs(75))
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
