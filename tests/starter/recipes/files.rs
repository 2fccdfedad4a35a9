//! Of `docs/recipes/files.md`.

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Json, Path};
use actix_web::{HttpRequest, post};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::host::Multipart;
use atlassian_connect_actix::{Error, StreamedBody};
use futures_util::TryStreamExt as _;
use serde_json::Value;

#[post("/issues/{issue}/files/{name}")]
async fn attach(
    session: SessionToken,
    place: Path<(String, String)>,
    request: HttpRequest,
    body: StreamedBody,
) -> Result<Json<Value>, Error> {
    let (issue, name) = place.into_inner();
    if !issue.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-') {
        return Err(Error::bad_request("This is not the key of an issue."));
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.ok_or_else(|| Error::bad_request("The file needs a Content-Length."))?;
    let file = Multipart::new().stream("file", &name, "application/octet-stream", length, body.map_err(std::io::Error::other));

    let user = session.host().as_user(session.require_account_id()?);
    let upload = user.post(format!("/rest/api/3/issue/{issue}/attachments"));
    Ok(Json(upload.multipart(file).send().await?.json().await?))
}

#[actix_web::test]
async fn a_file_of_the_browser_is_attached_in_the_users_name() {
    use actix_web::http::Method;
    use atlassian_connect_testing::{By, TestHost};
    use serde_json::json;

    let host = TestHost::installed(|cfg| { cfg.service(attach); }).await;
    host.stub_post("/rest/api/3/issue/JRA-1/attachments", json!([{ "filename": "a b.png" }]));
    let token = host.session_token(&host.tenant()).await;
    let send = async |path: &str, token: &str| {
        let request = host.request(Method::POST, path).insert_header(("Authorization", format!("JWT {token}")));
        host.send(request, vec![7; 300_000]).await
    };
    let reply = send("/issues/JRA-1/files/a%20b.png", &token).await;
    assert_eq!((reply.status, reply.json()[0]["filename"].as_str()), (200, Some("a b.png")), "{}", reply.body);
    let [call] = host.calls().try_into().unwrap();
    assert_eq!(call.by, By::User(host.tenant().account_id));
    assert!(call.body.len() > 300_000);
    assert_eq!(send("/issues/JRA-1%2F..%2F../files/a", &token).await.status, 400);
    assert_eq!(send("/issues/JRA-1/files/a", "x.y.z").await.status, 401);
}
