//! The contract's routes that read lists page by page, and the one that makes a request as a Forge user.

use actix_web::web::{Json, Query, ServiceConfig};
use actix_web::{Error as ActixError, get, post};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::forge::ForgeBody;
use atlassian_connect_actix::host::HostClient;
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(list).service(forge_list).service(forge_me);
}

/// The items that arrived, and why there are no more. Always answers with 200: an error is in `error`.
async fn collect(client: HostClient, ask: &Map<String, Value>) -> Json<Value> {
    let text = |name: &str| ask.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut items = Vec::new();
    let answer = |items: Vec<Value>, error: Option<String>| Json(json!({ "items": items, "error": error }));
    let max = match ask.get("max") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(text.parse::<usize>().ok()),
        Some(max) => Some(max.as_u64().and_then(|max| usize::try_from(max).ok())),
    };
    let max = match max {
        None => usize::MAX,
        Some(Some(max)) => max,
        Some(None) => return answer(items, Some("max must be a whole number".into())),
    };
    if text("url").is_empty() {
        return answer(items, Some("url is missing".into()));
    }
    let mut stream = std::pin::pin!(client.get(text("url")).items(text("items")));
    while items.len() < max {
        match stream.next().await {
            Some(Ok(item)) => items.push(item),
            Some(Err(error)) => return answer(items, Some(error.to_string())),
            None => break,
        }
    }
    answer(items, None)
}

#[get("/api/list")]
async fn list(session: SessionToken, ask: Query<Map<String, Value>>) -> Json<Value> {
    collect(session.host(), &ask).await
}

#[post("/forge/list")]
async fn forge_list(invocation: ForgeInvocation, ask: ForgeBody<Map<String, Value>>) -> Json<Value> {
    collect(invocation.host(), &ask.0).await
}

#[post("/forge/me")]
async fn forge_me(invocation: ForgeInvocation) -> Result<Json<Value>, ActixError> {
    let user = invocation.require_account_id()?;
    let response = invocation.host().as_user(user).get("/rest/api/3/myself").send().await.map_err(Error::from)?;
    let status = response.status().as_u16();
    let text = response.text().await.map_err(Error::from)?;
    let body = match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => Value::String(text),
    };
    Ok(Json(json!({ "status": status, "body": body })))
}
