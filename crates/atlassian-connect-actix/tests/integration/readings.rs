//! Tokens as hosts and scripts send them, in all equivalent forms.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::auth::ConnectJwt;
use atlassian_connect_actix::internal::jwt::now;
use atlassian_connect_testing::{KeyServer, claims_for};
use serde_json::json;

use crate::install::{ADDON_KEY, stored};

use crate::support::fixture;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/a/{rest:.*}", web::get().to(|_: ConnectJwt| async { "in" }));
}

#[actix_web::test]
async fn a_path_may_be_signed_decoded() {
    for base_path in ["", "/addon"] {
        let host = fixture::builder().base_path(base_path).start(routes).await;
        host.install(&host.tenant()).await;
        for (sent, signed, status) in [
            ("/a/my%20space", "/a/my space", 200),
            ("/a/my%20space", "/a/my%20space", 200),
            ("/a/my%20space?q=1", "/a/my space", 401),
            ("/a/%C3%A9", "/a/é", 200),
            ("/a/b%26c", "/a/b&c", 200),
            ("/a/my%20space", "/a/my+space", 401),
            ("/a/b%2Fc", "/a/b/c", 401),
            ("/a/b%2Fc", "/a/b%2Fc", 200),
            ("/a/b%3Fc", "/a/b?c", 401),
            ("/a/b%2520c", "/a/b%20c", 401),
            ("/a/b%2520c", "/a/b c", 401),
            ("/a/b%3Bc", "/a/b;c", 401),
        ] {
            let token = host.tenant().token("GET", signed, "");
            let reply = host.call(Method::GET, sent, &token, None).await;
            assert_eq!(reply.status, status, "{base_path} {sent} signed as {signed}");
        }
    }
}

#[actix_web::test]
async fn the_scheme_is_case_insensitive_and_an_empty_audience_is_none() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    for scheme in ["JWT", "jwt", "Jwt"] {
        let value = format!("{scheme} {}", tenant.token("GET", "/a/b", ""));
        let request = host.request(Method::GET, "/a/b").insert_header(("Authorization", value));
        assert_eq!(host.send(request, Vec::new()).await.status, 200, "{scheme}");
    }
    for (audience, status) in [(json!(""), 200), (json!([""]), 401), (json!(null), 200), (json!("another"), 401)] {
        let mut claims = tenant.claims("GET", "/a/b", "");
        claims["aud"] = audience.clone();
        claims["exp"] = json!(now() + 60);
        let reply = host.call(Method::GET, "/a/b", &tenant.sign(&claims), None).await;
        assert_eq!(reply.status, status, "{audience}");
    }
    // an install must name one of our base URLs
    let mut claims = claims_for(&tenant, host.base_url(), "/installed");
    claims["aud"] = json!("");
    let payload = tenant.payload(ADDON_KEY, "installed");
    assert_eq!(host.call(Method::POST, "/installed", &KeyServer::sign(&claims), Some(&payload)).await.status, 401);
}

#[actix_web::test]
async fn a_field_of_the_body_is_never_the_token() {
    let host = fixture::start(routes).await;
    let tenant = host.tenant();
    let token = KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed"));
    let mut payload = tenant.payload(ADDON_KEY, "installed");
    payload["jwt"] = json!(token);
    assert_eq!(host.post("/installed", &payload).await.status, 401, "there is no other token");
    for second in [json!(token), json!("x"), json!(7), json!({})] {
        payload["jwt"] = second.clone();
        let reply = host.post(&format!("/installed?jwt={token}"), &payload).await;
        assert_eq!((reply.status, stored(&host).await), (401, 0), "{second}");
    }
    let unsigned = KeyServer::sign(&claims_for(&tenant, "https://another.example", "/installed"));
    assert_eq!(host.post(&format!("/installed?jwt={unsigned}"), &payload).await.status, 401);
    // a token in a header takes precedence
    assert_eq!(host.call(Method::POST, "/installed", &token, Some(&payload)).await.status, 204);
    for nothing in [json!(null), json!("")] {
        payload["jwt"] = nothing.clone();
        assert_eq!(host.post(&format!("/installed?jwt={token}"), &payload).await.status, 204, "{nothing}");
    }
}
