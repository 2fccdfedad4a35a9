//! What the pages call back for, as JSON.

use actix_web::get;
use actix_web::web::Json;
use atlassian_connect_actix::auth::SessionToken;
use serde::Serialize;
use serde_json::Value;

/// Who calls, and what they look at.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    client_key: String,
    user_account_id: Option<String>,
    context: Option<Value>,
}

/// Takes the session token of the page, or the token of `AP.context.getToken`.
#[get("/api/session")]
pub async fn session(session: SessionToken) -> Json<Session> {
    Json(Session {
        client_key: session.client_key().to_owned(),
        user_account_id: session.user_account_id().map(str::to_owned),
        context: session.context().cloned(),
    })
}

#[cfg(test)]
mod tests {
    use atlassian_connect_actix::testing::TestHost;

    #[actix_web::test]
    async fn a_page_calls_back_with_its_session_token() {
        let host = TestHost::installed(crate::app::routes).await;
        let reply = host.call_with_session("/api/session").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["clientKey"], host.tenant().client_key.as_str());
        assert_eq!(reply.json()["userAccountId"], host.tenant().account_id.as_str());
        assert!(!reply.header("x-acpt").is_empty(), "a refreshed token");

        assert_eq!(host.get("/api/session").await.status, 401);
    }
}
