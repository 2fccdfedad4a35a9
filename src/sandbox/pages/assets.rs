//! The files of the sandbox's pages.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::sandbox::Sandbox;

/// The sandbox's own, in the binary: an add-on is started anywhere.
const OWN: [(&str, &str, &str); 3] = [
    ("sandbox.css", "text/css; charset=utf-8", include_str!("../assets/sandbox.css")),
    ("sandbox.js", "text/javascript; charset=utf-8", include_str!("../assets/sandbox.js")),
    ("bridge.js", "text/javascript; charset=utf-8", include_str!("../assets/bridge.js")),
];

/// What the package's half for the frame leaves to the product: it is read after it.
const FRAME: &str = include_str!("../assets/frame.js");

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/assets/{name}", web::get().to(asset)).route("/favicon.ico", web::get().to(HttpResponse::NoContent));
}

async fn asset(sandbox: web::Data<Sandbox>, name: web::Path<String>) -> HttpResponse {
    if let Some((_, kind, text)) = OWN.iter().find(|(own, ..)| *own == *name) {
        return HttpResponse::Ok().content_type(*kind).body(*text);
    }
    let Some(file) = sandbox.bridge.file(&name) else { return HttpResponse::NotFound().finish() };
    let kind = if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let mut bytes = match tokio::fs::read(file).await {
        Ok(bytes) => bytes,
        Err(error) => return HttpResponse::InternalServerError().body(error.to_string()),
    };
    if *name == "all.js" {
        bytes.push(b'\n');
        bytes.extend_from_slice(FRAME.as_bytes());
    }
    // the page in the frame is of another origin
    let policy = (header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin");
    HttpResponse::Ok().insert_header(policy).content_type(kind).body(bytes)
}
