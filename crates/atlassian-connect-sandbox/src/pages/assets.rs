//! The static files of the sandbox's pages.

use actix_web::{HttpResponse, web};

use crate::bridge::page_script;
use crate::shared::Sandbox;

/// The sandbox's own files, in the binary, because an add-on may start in any folder.
const OWN: [(&str, &str, &str); 4] = [
    ("sandbox.css", "text/css; charset=utf-8", include_str!("../assets/sandbox.css")),
    ("sandbox.js", "text/javascript; charset=utf-8", include_str!("../assets/sandbox.js")),
    ("theme.js", "text/javascript; charset=utf-8", include_str!("../assets/theme.js")),
    ("bridge.js", "text/javascript; charset=utf-8", include_str!("../assets/bridge.js")),
];

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.configure(own_routes)
        // The bridge reads its options from a script whose URL contains `/atlassian-connect/all`.
        .route("/atlassian-connect/{name:.*}", web::get().to(bridge_file));
}

/// The routes that do not concern the bridge.
pub(super) fn own_routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/assets/{name}", web::get().to(asset)).route("/favicon.ico", web::get().to(HttpResponse::NoContent));
}

async fn asset(name: web::Path<String>) -> HttpResponse {
    match OWN.iter().find(|(own, ..)| *own == *name) {
        Some((_, kind, text)) => HttpResponse::Ok().content_type(*kind).body(*text),
        None => HttpResponse::NotFound().finish(),
    }
}

/// A file of the bridge's package. The framed page, which has another origin, may load it too.
async fn bridge_file(sandbox: web::Data<Sandbox>, name: web::Path<String>) -> HttpResponse {
    let Some(file) = sandbox.bridge().file(&name) else { return HttpResponse::NotFound().finish() };
    let text = match tokio::fs::read_to_string(file).await {
        Ok(text) if *name == "all.js" => page_script(&text, &sandbox.origin()),
        Ok(text) => text,
        Err(error) => return HttpResponse::InternalServerError().body(error.to_string()),
    };
    let kind = if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    HttpResponse::Ok().content_type(kind).body(text)
}
