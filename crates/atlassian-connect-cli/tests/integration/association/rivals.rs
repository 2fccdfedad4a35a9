//! Several tenants with one address: imports, and names that belong to another customer now.

use super::site::Site;
use super::{install, installation, owner, record, result, run, workplace};

const SITE: &str = "ari:cloud:jira::site/cloud-1";
const INSTALLATION: &str = "ari:cloud:ecosystem::installation/1";

#[actix_web::test]
async fn after_an_import_the_accepted_tenant_takes_over() {
    let place = workplace();
    let site = Site::start("cloud-1");
    let mut old = site.tenant("b-old");
    old.installation_id = Some("ari:cloud:ecosystem::installation/named".to_owned());
    install(&place, &old).await;
    installation(&place, INSTALLATION, &[SITE]).await;
    assert_eq!(run(&place, &["associate"]).await.code, 0);
    let store = place.store().await;
    assert_eq!(owner(store.as_ref(), INSTALLATION).await.as_deref(), Some("b-old"));

    // the import gives the site another clientKey; nobody uninstalls the old one
    site.refuse("b-old");
    install(&place, &site.tenant("a-new")).await;
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 0, "a stale tenant needs nothing: {said:?}");
    assert!(said.stdout.starts_with("asked for 1 tenant: 1 accepted; associated 1 site and 1 Forge"), "{said:?}");
    assert!(said.stdout.contains("1 of 2 installed tenants associated; 1 stale\n"), "{said:?}");
    for id in [SITE, INSTALLATION] {
        assert_eq!(owner(store.as_ref(), id).await.as_deref(), Some("a-new"), "{id}");
    }
    assert_eq!(result(&place, "b-old").await, "stale");
    assert_eq!(site.asked().len(), 2, "the old one is only proved again");
    let said = run(&place, &["associate"]).await;
    assert!(said.stdout.starts_with("no tenant had to be asked; associated 0 sites and 0 Forge"), "{said:?}");
}

#[actix_web::test]
async fn a_name_that_another_customer_has_now_hands_nothing_over() {
    let place = workplace();
    let site = Site::start("cloud-1");
    install(&place, &site.tenant("first")).await;
    installation(&place, INSTALLATION, &[SITE]).await;
    assert_eq!(run(&place, &["associate"]).await.code, 0);

    // the address belongs to another customer, whose site has another cloudId
    site.refuse("first");
    site.rename("cloud-2");
    install(&place, &site.tenant("second")).await;
    let said = run(&place, &["associate", "--again"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let store = place.store().await;
    for (id, tenant) in [(SITE, "first"), (INSTALLATION, "first"), ("ari:cloud:jira::site/cloud-2", "second")] {
        assert_eq!(owner(store.as_ref(), id).await.as_deref(), Some(tenant), "{id}");
    }
    assert_eq!(result(&place, "first").await, "stale");
    // its installation calls, on the customer's own site
    assert!(said.stdout.contains("2 of 2 installed tenants associated\n"), "{said:?}");
}

#[actix_web::test]
async fn two_accepted_tenants_are_not_guessed() {
    let place = workplace();
    let site = Site::start("cloud-1");
    // the same site under another address
    let other = Site::start("cloud-1");
    install(&place, &site.tenant("one")).await;
    install(&place, &other.tenant("other")).await;
    installation(&place, INSTALLATION, &[SITE]).await;
    let said = run(&place, &["associate"]).await;
    assert!(said.code == 1 && said.stdout.contains("0 of 2 installed tenants associated; 2 ambiguous\n"), "{said:?}");
    let store = place.store().await;
    for id in [SITE, INSTALLATION] {
        assert_eq!(owner(store.as_ref(), id).await, None, "{id}");
    }
    for tenant in ["one", "other"] {
        let written = record(&place, tenant).await.unwrap();
        assert_eq!((result(&place, tenant).await, written.cloud_id.as_deref()), ("ambiguous".into(), Some("cloud-1")));
    }
    // it stays so
    assert_eq!(run(&place, &["associate"]).await.code, 1);
    assert_eq!(owner(store.as_ref(), SITE).await, None);

    // once one is removed, the other one is right
    assert_eq!(run(&place, &["remove", "one", "--yes"]).await.code, 0);
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for id in [SITE, INSTALLATION] {
        assert_eq!(owner(store.as_ref(), id).await.as_deref(), Some("other"), "{id}");
    }
}

#[actix_web::test]
async fn a_tenant_whose_site_does_not_answer_loses_nothing() {
    let place = workplace();
    let (site, moved) = (Site::start("cloud-1"), Site::start("cloud-1"));
    install(&place, &site.tenant("holder")).await;
    assert_eq!(run(&place, &["associate"]).await.code, 0);
    // the holder's address is silent in a way that says nothing, and another address claims the same site
    let site = site.proof(super::site::Answer::Text(503, ""));
    install(&place, &moved.tenant("claimant")).await;
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let store = place.store().await;
    assert_eq!(owner(store.as_ref(), SITE).await.as_deref(), Some("holder"));
    assert_eq!(result(&place, "claimant").await, "ambiguous");

    // when it answers, the next run decides: it refuses the holder
    site.recover();
    site.refuse("holder");
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(owner(store.as_ref(), SITE).await.as_deref(), Some("claimant"));
}

#[actix_web::test]
async fn an_installation_of_another_accepted_tenant_stays_there() {
    let place = workplace();
    let (site, other) = (Site::start("cloud-1"), Site::start("cloud-2"));
    install(&place, &site.tenant("one")).await;
    install(&place, &other.tenant("other")).await;
    installation(&place, INSTALLATION, &[SITE]).await;
    let store = place.store().await;
    store.associate(INSTALLATION, "other").await.unwrap();
    assert_eq!(run(&place, &["associate"]).await.code, 0);
    assert_eq!(owner(store.as_ref(), INSTALLATION).await.as_deref(), Some("other"));
    assert_eq!(owner(store.as_ref(), SITE).await.as_deref(), Some("one"));
}
