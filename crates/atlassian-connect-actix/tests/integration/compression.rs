//! What is compressed, and what is not.

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::web::{self, Json, ServiceConfig};
use askama::Template;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::{PageContext, PublicPage, View};
use atlassian_connect_testing::{Reply, TestHost};
use serde_json::{Value, json};

use crate::support::fixture;

#[derive(Template)]
#[template(source = "{{ page.context_script() }}{{ text }}", ext = "html")]
struct Long<P: std::ops::Deref<Target = atlassian_connect_actix::PageVariables>> {
    page: P,
    text: String,
}

fn text() -> String {
    "the same words again ".repeat(200)
}

async fn page(page: PageContext) -> View<Long<PageContext>> {
    View(Long { page, text: text() })
}

async fn public(page: PublicPage) -> View<Long<PublicPage>> {
    View(Long { page, text: text() })
}

async fn long(_: SessionToken) -> Json<Value> {
    Json(json!({ "text": text() }))
}

async fn short(_: SessionToken) -> Json<Value> {
    Json(json!({ "text": "short" }))
}

async fn image() -> HttpResponse {
    HttpResponse::Ok().content_type("image/png").body(text())
}

async fn encoded() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css").insert_header((header::CONTENT_ENCODING, "br")).body(text())
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/page", web::get().to(page))
        .route("/public", web::get().to(public))
        .route("/long", web::get().to(long))
        .route("/short", web::get().to(short))
        .route("/image", web::get().to(image))
        .route("/encoded", web::get().to(encoded))
        .service(actix_files::Files::new("/static", fixture::folder().join("static")));
}

/// The `Content-Encoding` of the answer to a client that accepts gzip, and its `Vary`.
async fn encoding(host: &TestHost, path: &str) -> (Reply, String, String) {
    let token = host.session_token(&host.tenant()).await;
    let request = host
        .request(Method::GET, path)
        .no_decompress()
        .insert_header((header::ACCEPT_ENCODING, "gzip, br"))
        .insert_header((header::AUTHORIZATION, format!("JWT {token}")));
    let reply = host.send(request, Vec::new()).await;
    let (encoding, vary) = (reply.header("content-encoding").to_owned(), reply.header("vary").to_owned());
    (reply, encoding, vary)
}

fn signed(host: &TestHost, path: &str) -> String {
    format!("{path}?jwt={}", host.tenant().token("GET", path, ""))
}

#[actix_web::test]
async fn long_json_and_pages_without_a_token_are_compressed() {
    let host = fixture::installed(routes).await;
    for path in ["/long", "/public"] {
        let (reply, encoding, vary) = encoding(&host, path).await;
        assert_eq!((reply.status, encoding.as_str()), (200, "gzip"), "{path}");
        assert!(vary.to_ascii_lowercase().contains("accept-encoding"), "{path}: {vary}");
        assert!(reply.body.len() < 1000, "{path}: {} bytes", reply.body.len());
    }
    // without the header the answer is not compressed
    let token = host.session_token(&host.tenant()).await;
    let request = host
        .request(Method::GET, "/long")
        .no_decompress()
        .insert_header((header::ACCEPT_ENCODING, "identity"))
        .insert_header((header::AUTHORIZATION, format!("JWT {token}")));
    let plain = host.send(request, Vec::new()).await;
    assert_eq!((plain.header("content-encoding"), plain.json()["text"].as_str()), ("", Some(text().as_str())));
    assert!(!plain.header("x-acpt").is_empty());
}

#[actix_web::test]
async fn pages_with_a_token_short_answers_images_and_encoded_answers_are_not_compressed() {
    let host = fixture::installed(routes).await;
    for (path, expected) in
        [(signed(&host, "/page").as_str(), ""), ("/short", ""), ("/image", ""), ("/encoded", "br"), ("/nowhere", "")]
    {
        let (reply, encoding, _) = encoding(&host, path).await;
        assert_eq!(encoding, expected, "{path}");
        assert_ne!(reply.status, 500, "{path}");
    }
}

#[actix_web::test]
async fn pages_are_compressed_if_configured() {
    let host = fixture::builder().config(r#"{ "compressPages": true }"#).start(routes).await;
    host.install(&host.tenant()).await;
    assert_eq!(encoding(&host, &signed(&host, "/page")).await.1, "gzip");
}
