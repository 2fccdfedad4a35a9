//! The JSON API that the pages call.

use actix_web::web::Json;
use actix_web::{get, post};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::forge::AnyCaller;
use atlassian_connect_actix::host::HostRequest;
use serde::Serialize;
use serde_json::Value;

/// The caller, and what they look at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    client_key: String,
    user_account_id: Option<String>,
    context: Option<Value>,
}

/// Accepts the session token of the page, or the token of `AP.context.getToken`.
#[get("/api/session")]
pub async fn show_session(session: SessionToken) -> Json<Session> {
    Json(Session {
        client_key: session.tenant_key().to_owned(),
        user_account_id: session.account_id().map(str::to_owned),
        context: session.context().cloned(),
    })
}

/// The host's answer, whatever its status.
#[derive(Serialize)]
pub struct Answer {
    status: u16,
    body: Value,
}

/// Asks the product for the user's account, as the user. It works from a Connect page (scope `ACT_AS_USER`) and from a
/// Forge page (an endpoint with `auth.appUserToken`).
#[get("/api/me")]
pub async fn me(caller: AnyCaller) -> Result<Json<Answer>, Error> {
    ask(caller.host().as_user(caller.require_account_id()?).get("/rest/api/3/myself")).await
}

/// Creates an issue as the add-on. The body has Jira's own format: `{"fields": {…}}`.
#[post("/api/issues")]
pub async fn create_issue(session: SessionToken, issue: Json<Value>) -> Result<Json<Answer>, Error> {
    ask(session.host().post("/rest/api/3/issue").json(&issue)).await
}

async fn ask(request: HostRequest) -> Result<Json<Answer>, Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { text.into() });
    Ok(Json(Answer { status, body }))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use atlassian_connect_testing::{By, TestHost};
    use serde_json::json;

    #[actix_web::test]
    async fn a_page_calls_back_with_its_session_token() {
        let host = TestHost::installed(crate::routes::routes).await;
        let reply = host.call_with_session("/api/session").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["clientKey"], host.tenant().client_key.as_str());
        assert_eq!(reply.json()["userAccountId"], host.tenant().account_id.as_str());
        assert!(!reply.header("x-acpt").is_empty(), "a refreshed token");
    }

    #[actix_web::test]
    async fn the_account_is_read_as_the_user() {
        let host = TestHost::installed(crate::routes::routes).await;
        host.stub_get("/rest/api/3/myself", json!({ "displayName": "Mia" }));

        let reply = host.call_with_session("/api/me").await;

        assert_eq!(reply.json(), json!({ "status": 200, "body": { "displayName": "Mia" } }));
        assert_eq!(host.calls()[0].by, By::User(host.tenant().account_id));
    }

    #[actix_web::test]
    async fn the_same_handler_serves_a_page_of_forge() {
        let host = TestHost::installed(crate::routes::routes).await;
        host.stub_get("/rest/api/3/myself", json!({ "displayName": "Mia" }));

        let reply = host.invoke_by(Method::GET, "/api/me", &host.invocation()).await;

        assert_eq!(reply.json(), json!({ "status": 200, "body": { "displayName": "Mia" } }));
        assert_eq!(host.calls()[0].by, By::User(host.tenant().account_id));
    }

    #[actix_web::test]
    async fn an_issue_is_created_by_the_add_on() {
        let host = TestHost::installed(crate::routes::routes).await;
        host.stub_post("/rest/api/3/issue", json!({ "key": "JRA-1" }));
        let issue = json!({ "fields": { "summary": "Zoë ☃" } });

        let token = host.session_token(&host.tenant()).await;
        let reply = host.call(Method::POST, "/api/issues", &token, Some(&issue)).await;

        assert_eq!(reply.json()["body"]["key"], "JRA-1");
        let [call] = host.calls().try_into().unwrap();
        assert_eq!((call.by.clone(), call.json()), (By::Addon, issue));
    }

    #[actix_web::test]
    async fn calls_without_a_token_are_refused() {
        let host = TestHost::installed(crate::routes::routes).await;
        assert_eq!(host.get("/api/session").await.status, 401);
        assert_eq!(host.get("/api/me").await.status, 401);
        assert_eq!(host.post("/api/issues", &json!({ "fields": {} })).await.status, 401);
    }
}
