//! Of `docs/recipes/background-jobs.md`.

use std::time::Duration;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::events::ListenerError;
use futures_util::TryStreamExt as _;

const NIGHTLY: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two sites: a job over thousands of them is no burst for anybody.
const PAUSE: Duration = Duration::from_millis(200);

async fn count_projects(addon: Addon) -> Result<(), ListenerError> {
    let mut tenants = std::pin::pin!(addon.tenants());
    while let Some(tenant) = tenants.try_next().await? {
        // a site that has gone meanwhile, or does not answer, must not keep the others from their turn
        let Ok(client) = addon.http_client(tenant.client_key()).await else { continue };
        let projects = client.get("/rest/api/3/project/search").items("values");
        match projects.try_collect::<Vec<_>>().await {
            Ok(projects) => tracing::info!(client_key = tenant.client_key(), projects = projects.len()),
            Err(error) => tracing::warn!(client_key = tenant.client_key(), %error, "projects could not be counted"),
        }
        actix_web::rt::time::sleep(PAUSE).await;
    }
    Ok(())
}

pub fn listen(addon: &Addon) {
    addon.every(NIGHTLY, "count projects", count_projects);
}

#[actix_web::test]
async fn each_site_is_asked_and_one_that_fails_stops_nobody() {
    use atlassian_connect_testing::TestHost;
    use serde_json::json;

    let host = TestHost::builder().prepare(listen).start(|_| {}).await;
    host.stub_get("/rest/api/3/project/search", json!({ "values": [{ "key": "A" }], "isLast": true }));
    // this one has no REST API
    let mut gone = host.new_tenant();
    gone.base_url = "https://gone.atlassian.net.invalid".into();
    host.install(&host.tenant()).await;
    host.install(&host.new_tenant()).await;
    count_projects(host.addon().clone()).await.unwrap();
    assert_eq!(host.calls().len(), 2);
}
