//! What the add-on does when something happens: installs, webhooks. Listeners are awaited before the host is answered,
//! and the host tries again when one fails: keep them short, and safe to repeat.

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::events::HostSettingsSaved;

/// Registers the listeners.
pub fn listen(addon: &Addon) {
    addon.listen(|installed: HostSettingsSaved| async move {
        tracing::info!(client_key = installed.tenant.client_key(), "a site has installed the add-on");
        Ok(())
    });
    addon.on("jira:issue_created", |webhook| async move {
        let issue = webhook.body.pointer("/issue/key").and_then(|key| key.as_str()).unwrap_or("?");
        tracing::info!(client_key = webhook.client_key(), issue, "an issue was created");
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use atlassian_connect_actix::testing::TestHost;
    use serde_json::json;

    #[actix_web::test]
    async fn the_webhook_is_taken_from_the_tenant_alone() {
        let host = TestHost::builder().prepare(super::listen).start(crate::app::routes).await;
        host.install(&host.tenant()).await;
        let issue = json!({ "webhookEvent": "jira:issue_created", "issue": { "key": "JRA-1" } });
        assert_eq!(host.webhook("/webhook/issue-created", &issue).await.status, 204);
        assert_eq!(host.post("/webhook/issue-created", &issue).await.status, 401);
    }
}
