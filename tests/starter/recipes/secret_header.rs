//! Of `docs/recipes/webhooks-of-others.md`.

use actix_web::http::header::HeaderName;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::forge::{SignedBody, SigningSecret};
use atlassian_connect_actix::Error;

async fn merged(body: SignedBody) -> Result<&'static str, Error> {
    let event: serde_json::Value = body.json()?;
    tracing::info!(project = event["project"]["name"].as_str(), "a branch was merged");
    Ok("thank you")
}

pub fn routes(cfg: &mut ServiceConfig, secret: String) {
    let secret = SigningSecret::new(secret).header(HeaderName::from_static("x-gitlab-token")).plain();
    cfg.service(web::resource("/hooks/merged").app_data(secret).route(web::post().to(merged)));
}

#[actix_web::test]
async fn whoever_has_the_secret_is_taken_and_nobody_else() {
    use actix_web::http::Method;
    use atlassian_connect_testing::TestHost;

    let host = TestHost::start(|cfg| routes(cfg, "a long secret".into())).await;
    let send = async |secret: Option<&str>, body: &str| {
        let mut request = host.request(Method::POST, "/hooks/merged").content_type("application/json");
        if let Some(secret) = secret {
            request = request.insert_header(("X-Gitlab-Token", secret));
        }
        host.send(request, body.as_bytes().to_vec()).await.status
    };
    let body = r#"{"project":{"name":"rocket"}}"#;
    assert_eq!(send(Some("a long secret"), body).await, 200);
    assert_eq!(send(Some("a long secret"), "{").await, 400);
    for secret in [None, Some(""), Some("A long secret"), Some("a long secre")] {
        assert_ne!(send(secret, body).await, 200, "{secret:?}");
    }
}
