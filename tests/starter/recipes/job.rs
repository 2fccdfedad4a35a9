//! Of `docs/recipes/background-jobs.md`.

use std::time::Duration;

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::events::ListenerError;
use futures_util::TryStreamExt as _;

/// Between two sites, so that a job over thousands of them is not a burst.
const PAUSE: Duration = Duration::from_millis(200);

pub async fn count(addon: Addon) -> Result<(), ListenerError> {
    let mut tenants = std::pin::pin!(addon.tenants());
    while let Some(tenant) = tenants.try_next().await? {
        // a site that is gone meanwhile, or does not answer, must not stop the job for the others
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

mod events {
    use super::*;
    use super::super::job as projects;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    pub fn listen(addon: &Addon) {
        addon.every(DAY, "count projects", projects::count);
    }
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::TestHost;
    use serde_json::json;

    #[actix_web::test]
    async fn each_site_is_asked() {
        let host = TestHost::installed(crate::routes::routes).await;
        host.stub_get("/rest/api/3/project/search", json!({ "values": [{ "key": "A" }], "isLast": true }));
        super::count(host.addon().clone()).await.unwrap();
        assert_eq!(host.calls().len(), 1);
    }
}

mod with_a_table {
    use atlassian_connect_actix::Addon;
    use atlassian_connect_actix::database::DbConnection;
    use atlassian_connect_actix::events::ListenerError;
    use diesel::prelude::*;

    use crate::schema::votes;

    pub async fn count_votes(addon: Addon) -> Result<(), ListenerError> {
        let by_site = |connection: &mut DbConnection| {
            let counted = votes::table.group_by(votes::tenant).select((votes::tenant, diesel::dsl::count_star()));
            counted.load::<(String, i64)>(connection)
        };
        for (client_key, votes) in addon.database()?.read(by_site).await? {
            tracing::info!(client_key, votes, "votes of a site");
        }
        Ok(())
    }
}

#[actix_web::test]
async fn a_job_finds_the_tables() {
    let host = crate::testing::installed().await;
    with_a_table::count_votes(host.addon().clone()).await.unwrap();
}

#[actix_web::test]
async fn each_site_is_asked_and_one_that_fails_stops_nobody() {
    use atlassian_connect_testing::TestHost;
    use serde_json::json;

    let host = TestHost::builder().prepare(events::listen).start(|_| {}).await;
    host.stub_get("/rest/api/3/project/search", json!({ "values": [{ "key": "A" }], "isLast": true }));
    // this one has no REST API
    let mut gone = host.new_tenant();
    gone.base_url = "https://gone.atlassian.net.invalid".into();
    host.install(&host.tenant()).await;
    host.install(&host.new_tenant()).await;
    count(host.addon().clone()).await.unwrap();
    assert_eq!(host.calls().len(), 2);
}
