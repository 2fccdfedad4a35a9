//! Tenants whose base URL changes: a site is associated only by what one and the same address has said.

use std::time::Duration;

use atlassian_connect_testing::TestTenant;

use super::site::{INFO, Site};
use super::{install, owner, record, result, run, workplace};
use crate::support::{blocking, poll};

const OF_NEIGHBOR: &str = "ari:cloud:jira::site/cloud-neighbor";
const OF_CUSTOMER: &str = "ari:cloud:jira::site/cloud-customer";

/// The tenant as it was stored when its site still had that address.
fn formerly_at(site: &Site, tenant: &TestTenant) -> TestTenant {
    let mut tenant = tenant.clone();
    tenant.base_url.clone_from(&site.url);
    tenant
}

#[actix_web::test]
async fn the_cloud_id_of_one_address_is_not_joined_by_the_proof_of_another() {
    let place = workplace();
    // the customer's old address belongs to a neighbor now
    let (neighbor, renamed) = (Site::start("cloud-neighbor"), Site::start("cloud-customer"));
    install(&place, &neighbor.stranger("a-former")).await;
    let customer = renamed.tenant("customer");
    install(&place, &formerly_at(&neighbor, &customer)).await;

    // an update of the app tells the new address, while the old one is being asked
    neighbor.hold(true);
    let (of_run, asked) = (place.clone(), neighbor.clone());
    let running = actix_web::rt::spawn(async move { run(&of_run, &["associate"]).await });
    blocking(move || {
        poll("the old address is asked", Duration::from_secs(30), || {
            asked.calls().iter().any(|path| path == INFO).then_some(())
        });
    })
    .await;
    install(&place, &customer).await;
    neighbor.hold(false);
    let said = running.await.unwrap();

    let store = place.store().await;
    assert_eq!(owner(store.as_ref(), OF_NEIGHBOR).await, None, "{said:?}");
    assert_eq!(said.code, 1, "{said:?}");
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 0, "the new address is asked: {said:?}");
    assert_eq!(owner(store.as_ref(), OF_NEIGHBOR).await, None, "{said:?}");
    assert_eq!(owner(store.as_ref(), OF_CUSTOMER).await.as_deref(), Some("customer"));
    let written = record(&place, "customer").await.unwrap();
    assert_eq!(
        (written.cloud_id.as_deref(), written.origin.as_ref()),
        (Some("cloud-customer"), Some(&renamed.url)),
        "what it was proved for"
    );
}

#[actix_web::test]
async fn what_a_former_address_said_counts_no_longer() {
    let place = workplace();
    let (neighbor, renamed) = (Site::start("cloud-neighbor"), Site::start("cloud-customer"));
    let customer = renamed.tenant("customer");
    install(&place, &formerly_at(&neighbor, &customer)).await;
    let store = place.store().await;
    store.associate(OF_CUSTOMER, "customer").await.unwrap();
    run(&place, &["associate"]).await;
    assert_eq!(result(&place, "customer").await, "stale");
    assert_eq!(record(&place, "customer").await.unwrap().cloud_id, None, "it is not this tenant's");

    // another tenant claims the customer's site, so that the customer is asked once more
    install(&place, &customer).await;
    let other = Site::start("cloud-customer");
    install(&place, &other.tenant("rival")).await;
    for _ in 0..2 {
        run(&place, &["associate"]).await;
        assert_eq!(owner(store.as_ref(), OF_NEIGHBOR).await, None);
        assert_eq!(owner(store.as_ref(), OF_CUSTOMER).await.as_deref(), Some("customer"));
    }
    assert_eq!(record(&place, "customer").await.unwrap().cloud_id.as_deref(), Some("cloud-customer"));
    assert_eq!(result(&place, "rival").await, "ambiguous");
}
