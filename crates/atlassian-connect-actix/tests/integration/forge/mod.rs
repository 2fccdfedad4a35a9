//! The add-on as a Forge Remote backend.

mod association;
mod calls;
mod cors;
mod environments;
mod errors;
mod events;
mod keys;
mod migration;
mod pages;
mod permissions;
mod products;
mod proof;
mod signed_body;
mod visitors;

use actix_web::web::{Json, ServiceConfig};
use actix_web::{Error, post};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::forge::ForgeBody;
use serde_json::{Value, json};

#[post("/remote")]
async fn remote(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    let tenant = invocation.connect_tenant().await?;
    Ok(Json(json!({
        "installation": invocation.installation_id(),
        "account": invocation.account_id(),
        "tokens": [invocation.app_token().is_some(), invocation.user_token().is_some()],
        "tenant": tenant.map(|tenant| tenant.client_key().to_owned()),
    })))
}

#[post("/length")]
async fn length(_: ForgeInvocation, body: ForgeBody<Value>) -> String {
    body.0["text"].as_str().unwrap_or_default().len().to_string()
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(remote).service(length);
}
