//! Deployments for other environments of the Forge app than production, and installations of several apps.

use std::sync::Arc;

use atlassian_connect_actix::internal::association::{
    CHECKED, Check, InstallationRecord, TenantRecord, save_installation_record,
};
use serde_json::json;

use super::site::Site;
use super::{install, now, owner, run, workplace};
use crate::command::Workplace;
use atlassian_connect_actix::store::Place;

const APP: &str = "ari:cloud:ecosystem::app/6f0e5a4c";
const PLAIN: &str = "ari:cloud:jira::site/cloud-1";
const STAGING: &str = "ari:cloud:jira::site/cloud-1/environment/e-1";
const OTHER_APP: &str = "ari:cloud:jira::site/cloud-1/app/0b1d";

/// An installation that has called.
async fn installation(place: &Workplace, id: &str, key: &str, app: &str, environment: &str) {
    let record = InstallationRecord {
        sites: vec![key.to_owned()],
        seen: now(),
        app: Some(app.to_owned()),
        environment: Some(environment.to_owned()),
        ..InstallationRecord::default()
    };
    save_installation_record(place.store().await.as_ref(), id, &record).await.unwrap();
}

/// One installation of each kind.
async fn installations(place: &Workplace) {
    installation(place, "i-production", PLAIN, APP, "PRODUCTION").await;
    installation(place, "i-staging", STAGING, APP, "STAGING").await;
    installation(place, "i-other-app", OTHER_APP, "ari:cloud:ecosystem::app/0b1d", "PRODUCTION").await;
}

/// Where the app is deployed; it serves these environments. A tenant there was accepted by its site.
async fn deployed(environments: &str) -> Arc<Workplace> {
    let place = Workplace::new()
        .with_file()
        .var("APP_ENV", "production")
        .var("AC_LOCAL_BASE_URL", "https://addon.example.com")
        .var("PORT", "3000")
        .var("AC_APP_ID", "6f0e5a4c,0b1d")
        .var("AC_FORGE_ENVIRONMENTS", environments);
    crate::install(&place, "acme", "https://acme.atlassian.net").await;
    let record = TenantRecord {
        at: now(),
        result: Check::Accepted,
        origin: Some("https://acme.atlassian.net".to_owned()),
        cloud_id: Some("cloud-1".to_owned()),
        status: Some(200),
        moved_to: None,
    };
    place.store().await.set(Place::of_tenant("acme", CHECKED), &json!(record)).await.unwrap();
    Arc::new(place)
}

/// Which of the keys and installations belong to a tenant.
async fn associated(place: &Workplace) -> Vec<&'static str> {
    let store = place.store().await;
    let mut associated = Vec::new();
    for id in [PLAIN, STAGING, OTHER_APP, "i-production", "i-staging", "i-other-app"] {
        associated.extend(owner(store.as_ref(), id).await.map(|_| id));
    }
    associated
}

#[actix_web::test]
async fn a_deployment_associates_the_installations_of_its_own_environment() {
    for (environments, expected) in [
        ("PRODUCTION", [PLAIN, "i-production"]),
        ("PRODUCTION,STAGING", [PLAIN, "i-production"]),
        ("STAGING", [STAGING, "i-staging"]),
        ("STAGING,PRODUCTION", [STAGING, "i-staging"]),
    ] {
        let place = deployed(environments).await;
        installations(&place).await;
        place.store().await.set(Place::of_tenant(expected[0], "greeting"), &json!("hello")).await.unwrap();
        let said = run(&place, &["associate"]).await;
        assert_eq!(said.code, 0, "{environments}: {said:?}");
        let done = "no tenant had to be asked; associated 1 site and 1 Forge installation\n";
        assert!(said.stdout.starts_with(done), "{environments}: {said:?}");
        assert_eq!(associated(&place).await, expected, "{environments}");
        let moved = place.store().await.get(Place::of_tenant("acme", "greeting")).await.unwrap();
        assert_eq!(moved, Some(json!("hello")), "{environments}");
    }
}

#[actix_web::test]
async fn without_an_installation_of_the_environment_nothing_is_associated() {
    let place = deployed("STAGING").await;
    installation(&place, "i-production", PLAIN, APP, "PRODUCTION").await;
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("0 of 1 installed tenants associated; 1 unchecked\n"), "{said:?}");
    assert_eq!(associated(&place).await, Vec::<&str>::new());
}

#[actix_web::test]
async fn in_development_all_environments_of_the_app_are_associated() {
    let (place, site) = (workplace(), Site::start("cloud-1"));
    install(&place, &site.tenant("acme")).await;
    installations(&place).await;
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(associated(&place).await, [PLAIN, STAGING, "i-production", "i-staging"]);
}
