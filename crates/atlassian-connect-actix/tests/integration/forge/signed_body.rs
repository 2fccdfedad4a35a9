//! Bodies that services other than Atlassian sign.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::forge::{SignedBody, SigningSecret};
use atlassian_connect_actix::internal::jwt::now;
use atlassian_connect_testing::{Reply, TestHost};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use serde_json::Value;

use crate::support::fixture;

const SECRET: &str = "hunter2";
const BODY: &[u8] = br#"{ "version": "1.2" }"#;
const GITHUB: &str = "x-hub-signature-256";

async fn version(body: SignedBody) -> Result<String, Error> {
    Ok(body.json::<Value>()?["version"].to_string())
}

fn routes(cfg: &mut ServiceConfig) {
    let stripe = SigningSecret::new(SECRET).timestamped(Duration::from_secs(60));
    let stripe = stripe.header(HeaderName::from_static("stripe-signature"));
    for (path, secret) in
        [("/github", SigningSecret::new(SECRET)), ("/stripe", stripe), ("/unset", SigningSecret::new(""))]
    {
        cfg.service(web::resource(path).app_data(secret).route(web::post().to(version)));
    }
    cfg.route("/forgotten", web::post().to(version));
}

fn signature(secret: &str, text: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, secret.as_bytes()), text);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_github(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", signature(secret, body))
}

fn of_stripe(time: i64) -> String {
    let text = [format!("{time}.").as_bytes(), BODY].concat();
    format!("t={time},v1={}", signature(SECRET, &text))
}

async fn send(host: &TestHost, path: &str, headers: &[(&'static str, String)], body: &[u8]) -> Reply {
    let mut request = host.request(Method::POST, path);
    for (name, value) in headers {
        request = request.append_header((*name, value.as_str()));
    }
    host.send(request, body.to_vec()).await
}

#[actix_web::test]
async fn a_valid_signature_is_accepted() {
    let host = fixture::start(routes).await;
    for (path, header, signature) in [
        ("/github", GITHUB, of_github(SECRET, BODY)),
        ("/github", "X-Hub-Signature-256", of_github(SECRET, BODY)),
        ("/github", GITHUB, format!("sha256={}", signature(SECRET, BODY).to_uppercase())),
        ("/stripe", "stripe-signature", of_stripe(now())),
    ] {
        let reply = send(&host, path, &[(header, signature)], BODY).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, r#""1.2""#), "{path}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // a form is signed as it was sent, too
    let form = [(GITHUB, of_github(SECRET, b"a=%20")), ("content-type", "application/x-www-form-urlencoded".into())];
    assert_eq!(send(&host, "/github", &form, b"a=%20").await.status, 400, "accepted, but not JSON");
}

#[actix_web::test]
async fn other_requests_are_refused() {
    let host = fixture::start(routes).await;
    let good = (GITHUB, of_github(SECRET, BODY));
    let stripe = |time| ("stripe-signature", of_stripe(time));
    for (what, path, headers, body) in [
        ("no signature", "/github", vec![], BODY),
        ("an empty one", "/github", vec![(GITHUB, String::new())], BODY),
        ("tampered", "/github", vec![good.clone()], &br#"{ "version": "1.3" }"#[..]),
        ("cut short", "/github", vec![good.clone()], &BODY[..BODY.len() - 1]),
        ("no body", "/github", vec![good.clone()], b""),
        ("another secret", "/github", vec![(GITHUB, of_github("hunter3", BODY))], BODY),
        ("an empty secret", "/github", vec![(GITHUB, of_github("", BODY))], BODY),
        ("twice", "/github", vec![good.clone(), good.clone()], BODY),
        ("a good one and a bad one", "/github", vec![good.clone(), (GITHUB, of_github("x", BODY))], BODY),
        ("in another header", "/github", vec![("x-hub-signature", good.1.clone())], BODY),
        ("another form", "/stripe", vec![("stripe-signature", good.1.clone())], BODY),
        ("in github's header", "/stripe", vec![(GITHUB, of_stripe(now()))], BODY),
        ("long ago", "/stripe", vec![stripe(now() - 90)], BODY),
        ("in the future", "/stripe", vec![stripe(now() + 90)], BODY),
    ] {
        let reply = send(&host, path, &headers, body).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Signature"), "{what}: {}", reply.body);
        assert_eq!(reply.body, "The request could not be authenticated.", "{what}");
    }
}

#[actix_web::test]
async fn errors_in_a_genuine_body_are_explained() {
    let host = fixture::builder().config(r#"{ "limits": { "forgeBody": 65536 } }"#).start(routes).await;
    let genuine = async |body: &[u8]| send(&host, "/github", &[(GITHUB, of_github(SECRET, body))], body).await;
    assert_eq!(genuine(b"{").await.status, 400);
    assert_eq!(genuine(&vec![b' '; 65536]).await.status, 400);
    assert_eq!(genuine(&vec![b' '; 65537]).await.status, 413);
}

#[actix_web::test]
async fn a_route_without_a_secret_refuses_everything() {
    let host = fixture::start(routes).await;
    for (path, secret) in [("/unset", ""), ("/unset", SECRET), ("/forgotten", SECRET)] {
        let reply = send(&host, path, &[(GITHUB, of_github(secret, BODY))], BODY).await;
        assert_eq!((reply.status, reply.body.as_str()), (500, "Something went wrong in the add-on."), "{path}");
    }
    assert_eq!(send(&host, "/unset", &[], BODY).await.status, 500);
}
