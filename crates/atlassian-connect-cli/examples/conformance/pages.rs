//! The contract's routes that do not call the host.

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, get};
use askama::Template;
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::auth::{ConnectJwt, SessionToken};
use atlassian_connect_actix::{PageContext, PublicPage, View};
use serde_json::{Value, json};

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(["", "/"]).route(web::get().to(index)))
        .service(web::resource("/hello-world").route(web::get().to(hello_world)).route(web::post().to(hello_world)))
        .service(web::resource("/public").route(web::get().to(public)).route(web::post().to(public)))
        .service(web::resource(["/qsh", "/qsh/{tail:.*}"]).to(qsh))
        .service(session)
        .service(super::journal::events);
}

async fn index(addon: Addon) -> HttpResponse {
    let descriptor = format!("{}/atlassian-connect.json", addon.config().local_base_url.path());
    HttpResponse::Found().insert_header(("Location", descriptor)).finish()
}

#[derive(Template)]
#[template(
    source = r#"<!DOCTYPE html>
<html lang="en">
<head>{{ page.head() }}</head>
<body>
<a href="{{ page.host_base_url }}/browse/JRA">Open a project</a>
{{ page.context_script() }}
</body>
</html>"#,
    ext = "html"
)]
struct Page<P: std::ops::Deref<Target = atlassian_connect_actix::PageVariables>> {
    page: P,
}

async fn hello_world(page: PageContext) -> View<Page<PageContext>> {
    View(Page { page })
}

async fn public(page: PublicPage) -> View<Page<PublicPage>> {
    View(Page { page })
}

async fn qsh(caller: ConnectJwt) -> Json<Value> {
    Json(json!({ "ok": true, "clientKey": caller.tenant_key() }))
}

#[get("/api/session")]
async fn session(session: SessionToken) -> Json<Value> {
    Json(json!({
        "clientKey": session.tenant_key(),
        "userAccountId": session.account_id(),
        "context": session.context(),
    }))
}
