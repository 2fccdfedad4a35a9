//! Sites that refuse a tenant: what that says depends on whether the tenant is in use.

use std::sync::Arc;

use atlassian_connect_actix::internal::association::SEEN;
use serde_json::{Value, json};

use super::site::{Answer, Site};
use super::{install, installation_seen, now, record, result, run, workplace};
use crate::command::{Said, Workplace};
use atlassian_connect_actix::store::Place;

const DAY: u64 = 24 * 60 * 60;
const SITE: &str = "ari:cloud:jira::site/cloud-1";
const INSTALLATION: &str = "ari:cloud:ecosystem::installation/1";

async fn seen_through_connect(place: &Workplace, client_key: &str, at: u64) {
    place.store().await.set(Place::of_tenant(client_key, SEEN), &json!({ "at": at })).await.unwrap();
}

/// What `tenants migration --json` says of the only tenant.
async fn reported(place: &Arc<Workplace>) -> (Value, Value, i32) {
    let said = run(place, &["migration", "--json"]).await;
    let row = said.json()["tenants"][0].clone();
    (row["status"].clone(), row["isRefused"].clone(), said.code)
}

fn assert_removes_nothing(said: &Said) {
    assert!(!said.stdout.contains("tenants remove"), "{said:?}");
}

#[actix_web::test]
async fn a_customer_on_forge_alone_stays_associated() {
    let place = workplace();
    let site = Site::start("cloud-1");
    install(&place, &site.tenant("moved")).await;
    installation_seen(&place, INSTALLATION, &[SITE], now() - 6 * DAY).await;
    assert_eq!(run(&place, &["associate"]).await.code, 0);

    // its site has no Connect app any more
    site.refuse("moved");
    let said = run(&place, &["associate", "--again"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("1 of 1 installed tenants associated\n") && !said.stdout.contains("->"), "{said:?}");
    assert_eq!(result(&place, "moved").await, "stale");
    assert_eq!(reported(&place).await, (json!("associated"), json!(true), 0));
    let said = run(&place, &["migration"]).await;
    assert!(said.stdout.contains(" associated (its site refuses Connect) "), "{said:?}");
    let said = run(&place, &["show", "moved"]).await;
    assert!(said.stdout.contains(" associated (tenantInfo); its site refuses Connect\n"), "{said:?}");

    // a long silence makes it stale, but it holds an installation all the same
    installation_seen(&place, INSTALLATION, &[SITE], now() - 8 * DAY).await;
    assert_eq!(reported(&place).await, (json!("stale"), json!(true), 0));
    assert_removes_nothing(&run(&place, &["migration"]).await);
}

#[actix_web::test]
async fn a_tenant_that_calls_every_day_is_not_stale() {
    let place = workplace();
    // its site has another name by now, and nobody has this one
    let gone = Site::start("cloud-1").info(Answer::Text(404, "")).proof(Answer::Text(404, ""));
    install(&place, &gone.stranger("busy")).await;
    seen_through_connect(&place, "busy", now() - 60 * 60).await;
    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("0 of 1 installed tenants associated; 1 refused\n"), "{said:?}");
    assert!(said.stdout.contains("-> refused: "), "{said:?}");
    assert_removes_nothing(&said);
    assert_eq!(reported(&place).await, (json!("refused"), json!(true), 1));

    // without calls it is what it seems to be
    seen_through_connect(&place, "busy", now() - 8 * DAY).await;
    assert_eq!(reported(&place).await, (json!("stale"), json!(true), 0));
}

#[actix_web::test]
async fn a_refused_tenant_that_calls_again_is_asked_again() {
    let place = workplace();
    let site = Site::start("cloud-1");
    install(&place, &site.stranger("back")).await;
    assert_eq!(run(&place, &["associate"]).await.code, 0);
    assert_eq!(result(&place, "back").await, "stale");
    let later = record(&place, "back").await.unwrap().at + 1;
    seen_through_connect(&place, "back", later).await;
    assert_eq!(reported(&place).await, (json!("refused"), json!(true), 1));
    run(&place, &["associate"]).await;
    assert_eq!(site.asked().len(), 2);
}
