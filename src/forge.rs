//! The endpoints of the Forge app, which the manifest's `remotes` and `endpoint`s name.

use actix_web::post;
use actix_web::web::{Json, ServiceConfig};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::{Error, forge};
use serde::Serialize;
use serde_json::Value;

/// The endpoints: your own, then those for events, schedules and `preUninstall`, whose listeners are in `events.rs`.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource).configure(forge::events("/forge/events")).configure(forge::pre_uninstall("/forge/uninstall"));
}

/// Where an invocation comes from, without its tokens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    installation_id: String,
    api_base_url: Option<String>,
    cloud_id: Option<String>,
    account_id: Option<String>,
    module_key: Option<String>,
    context: Value,
    /// The Connect tenant of this installation, now or before.
    connect: Option<Connect>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connect {
    client_key: String,
    host_base_url: String,
}

/// Accepts an invocation: its token is signed by Forge, for this app.
#[post("/forge/resource")]
pub async fn resource(invocation: ForgeInvocation) -> Result<Json<Resource>, Error> {
    let claims = invocation.claims();
    let tenant = invocation.connect_tenant().await?;
    Ok(Json(Resource {
        installation_id: invocation.installation_id().to_owned(),
        api_base_url: invocation.api_base_url().map(str::to_owned),
        cloud_id: claims.cloud_id().map(str::to_owned),
        account_id: invocation.account_id().map(str::to_owned),
        module_key: claims.module_key().map(str::to_owned),
        context: claims.raw()["context"].clone(),
        connect: tenant.map(|tenant| Connect {
            client_key: tenant.client_key().to_owned(),
            host_base_url: tenant.base_url().to_owned(),
        }),
    }))
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::{TestHost, TestInvocation};
    use serde_json::json;

    #[actix_web::test]
    async fn an_invocation_shows_where_it_comes_from() {
        let host = TestHost::installed(crate::routes::routes).await;
        let invocation = TestInvocation::new().claim("/context/extension", json!({ "issue": { "key": "A-1" } }));
        let reply = host.invoke("/forge/resource", &invocation).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.json()["installationId"], invocation.installation_id());
        assert_eq!(reply.json()["context"]["extension"]["issue"]["key"], "A-1");
        assert_eq!(reply.json()["connect"], json!(null));
        assert!(!reply.body.contains("token"), "{}", reply.body);
    }

    #[actix_web::test]
    async fn an_installation_keeps_its_connect_tenant() {
        let host = TestHost::start(crate::routes::routes).await;
        let invocation = TestInvocation::new();
        let mut tenant = host.tenant();
        tenant.installation_id = Some(invocation.installation_id());
        host.install(&tenant).await;
        let connect = host.invoke("/forge/resource", &invocation).await.json()["connect"].clone();
        assert_eq!(connect, json!({ "clientKey": tenant.client_key, "hostBaseUrl": tenant.base_url }));
    }

    #[actix_web::test]
    async fn other_callers_are_refused() {
        let host = TestHost::installed(crate::routes::routes).await;
        assert_eq!(host.post("/forge/resource", &json!({})).await.status, 401);
        let session = host.session_token(&host.tenant()).await;
        let reply = host.invoke_with("/forge/resource", &session, &TestInvocation::new()).await;
        assert_eq!(reply.status, 401);
    }
}
