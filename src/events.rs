//! The listeners of the add-on: installs, webhooks. The host gets its answer after the listeners have finished, and
//! tries again if one fails: keep them short and safe to repeat.

use std::time::Duration;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::events::{AppInstalled, HostSettingsSaved, TenantAssociated, TenantRemoved};

use crate::{notes, settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Registers the listeners.
pub fn listen(addon: &Addon) {
    crate::routes::check_static(std::path::Path::new("static"));
    addon.listen(|installed: HostSettingsSaved| async move {
        tracing::info!(client_key = installed.client_key(), "a site has installed the add-on");
        Ok(settings::set_defaults(&installed.settings()?).await?)
    });
    addon.listen(|installed: AppInstalled| async move {
        tracing::info!(installation_id = installed.installation_id, "Forge has installed the app");
        Ok(settings::set_defaults(&installed.settings()?).await?)
    });
    addon.on("jira:issue_created", |webhook| async move {
        let issue = webhook.body.pointer("/issue/key").and_then(|key| key.as_str()).unwrap_or("?");
        tracing::info!(client_key = webhook.client_key(), issue, "an issue was created");
        Ok(())
    });
    addon.on("jira:issue_deleted", notes::issue_deleted);
    addon.on("avi:jira:deleted:issue", notes::issue_deleted);
    addon.listen(|removed: TenantRemoved| async move {
        notes::tenant_removed(&removed.addon(), removed.client_key.clone()).await
    });
    addon.listen(|associated: TenantAssociated| async move {
        notes::tenant_associated(&associated.addon(), associated.from.clone(), associated.to.clone()).await
    });
    addon.every(DAY, "count notes", notes::count);
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::{TestHost, TestInvocation};
    use serde_json::json;

    #[actix_web::test]
    async fn the_webhook_is_accepted_only_from_a_tenant() {
        let host = TestHost::builder().prepare(super::listen).start(crate::routes::routes).await;
        host.install(&host.tenant()).await;
        let issue = json!({ "webhookEvent": "jira:issue_created", "issue": { "key": "JRA-1" } });
        assert_eq!(host.webhook("/webhook/issue-created", &issue).await.status, 204);
        assert_eq!(host.post("/webhook/issue-created", &issue).await.status, 401);
    }

    #[actix_web::test]
    async fn forge_events_are_accepted_only_from_forge() {
        let host = TestHost::builder().prepare(super::listen).start(crate::routes::routes).await;
        let installed = json!({ "eventType": "avi:forge:installed:app", "id": "1234" });
        assert_eq!(host.post("/forge/events", &installed).await.status, 401);
        assert_eq!(host.invoke("/forge/events", &TestInvocation::event(installed)).await.status, 204);
        assert_eq!(host.invoke("/forge/uninstall", &TestInvocation::event(json!({}))).await.status, 204);
    }
}
