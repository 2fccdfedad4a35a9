//! `tenants associate`, killed, and twice at once.

use std::time::{Duration, Instant};

use super::site::Site;
use super::{install, installation, owner, run, workplace};
use crate::command::Workplace;
use crate::support::{blocking, poll};

const SITES: usize = 8;

async fn sites(place: &Workplace) -> Vec<Site> {
    let sites: Vec<Site> = (0..SITES).map(|number| Site::start(&format!("cloud-{number}"))).collect();
    for (number, site) in sites.iter().enumerate() {
        install(place, &site.tenant(&format!("tenant-{number}"))).await;
        let key = format!("ari:cloud:jira::site/cloud-{number}");
        installation(place, &format!("ari:cloud:ecosystem::installation/{number}"), &[&key]).await;
    }
    sites
}

async fn assert_all_associated(place: &Workplace) {
    let store = place.store().await;
    for number in 0..SITES {
        let tenant = format!("tenant-{number}");
        for id in
            [format!("ari:cloud:jira::site/cloud-{number}"), format!("ari:cloud:ecosystem::installation/{number}")]
        {
            assert_eq!(owner(store.as_ref(), &id).await, Some(tenant.clone()), "{id}");
        }
    }
}

#[actix_web::test]
async fn a_killed_run_is_resumed() {
    let place = workplace();
    let sites = sites(&place).await;
    let mut child = place.start(&["tenants", "associate"]);
    let of_poll = sites.clone();
    // the fourth request shows that the first results are written: the pace leaves half a second between two
    blocking(move || {
        poll("some sites are asked", Duration::from_secs(30), || {
            (of_poll.iter().map(|site| site.calls().len()).sum::<usize>() >= 8).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
    })
    .await;
    let asked_before: Vec<usize> = sites.iter().map(|site| site.asked().len()).collect();
    assert!(asked_before.contains(&0), "it was killed in the middle: {asked_before:?}");

    let said = run(&place, &["associate"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let asked: usize = sites.iter().map(|site| site.asked().len()).sum();
    assert!(asked <= SITES + 2, "only those under way are asked again: {asked}");
    assert!(said.stdout.contains("; associated 8 sites and 8 Forge installations\n"), "{said:?}");
    assert_all_associated(&place).await;
}

#[actix_web::test]
async fn two_runs_at_once_share_the_work_and_the_pace() {
    let place = workplace();
    let sites = sites(&place).await;
    let (one, other) = tokio::join!(run(&place, &["associate"]), run(&place, &["associate"]));
    assert_eq!((one.code, other.code), (0, 0), "{one:?} {other:?}");
    assert_all_associated(&place).await;
    let mut asked: Vec<Instant> = sites.iter().flat_map(Site::asked).collect();
    asked.sort();
    assert!(asked.len() <= SITES + 2, "only those under way are asked by both: {}", asked.len());
    // half a second between two requests; a busy machine may hold up the first one
    let (took, turns) = (asked[asked.len() - 1] - asked[0], u32::try_from(asked.len() - 1).unwrap());
    assert!(took + Duration::from_millis(400) >= Duration::from_millis(500) * turns, "{turns} turns in {took:?}");

    // a third one finds out nothing new, and so it asks nobody
    let said = run(&place, &["associate"]).await;
    assert!(said.stdout.starts_with("no tenant had to be asked; "), "{said:?}");
}
