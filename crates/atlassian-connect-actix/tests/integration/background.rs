//! Background work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::ServiceConfig;
use atlassian_connect_actix::Error;
use atlassian_connect_actix::store::MemoryStore;
use atlassian_connect_testing::TestHost;
use futures_util::TryStreamExt as _;
use serde_json::json;

use crate::support::fixture;

const SECOND: Duration = Duration::from_secs(1);

fn no_routes(_: &mut ServiceConfig) {}

async fn node(store: &Arc<MemoryStore>) -> TestHost {
    let store = Arc::clone(store);
    fixture::builder().addon(|addon| addon.store(store)).start(no_routes).await
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn spawned_work_gets_the_add_on_and_a_stop_waits_for_it() {
    let host = fixture::installed(no_routes).await;
    host.stub_get("/rest/api/3/serverInfo", json!({ "version": "1" }));
    let (client_key, done) = (host.tenant().client_key, Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&done);
    host.addon().spawn(move |addon| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = addon.http_client(&client_key).await?.get("/rest/api/3/serverInfo").send().await?;
        assert_eq!(answer.status(), 200);
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    // neither a failure nor a panic keeps later work from running
    host.addon().spawn(|_| async { Err("of the app".into()) });
    host.addon().spawn(|_| async { panic!("of the app") });
    host.addon().drain(Duration::from_secs(20)).await;
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn a_drain_ends_when_its_time_is_up() {
    let host = fixture::installed(no_routes).await;
    host.addon().spawn(|_| std::future::pending());
    let begun = Instant::now();
    host.addon().drain(Duration::from_millis(50)).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[actix_web::test]
async fn a_periodic_job_runs_repeatedly_on_one_of_several_nodes() {
    let store = Arc::new(MemoryStore::new());
    let (runs, at_once, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let host = node(&store).await;
        let (runs, at_once, most) = (Arc::clone(&runs), Arc::clone(&at_once), Arc::clone(&most));
        host.addon().every(SECOND, "tally", move |_| {
            let (runs, at_once, most) = (Arc::clone(&runs), Arc::clone(&at_once), Arc::clone(&most));
            async move {
                most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                at_once.fetch_sub(1, Ordering::SeqCst);
                let run = runs.fetch_add(1, Ordering::SeqCst);
                // a failure and a panic do not end it
                assert_ne!(run, 0, "the first run");
                if run == 1 { Err("the second run".into()) } else { Ok(()) }
            }
        });
        nodes.push(host);
    }
    let begun = Instant::now();
    until("it runs again", || runs.load(Ordering::SeqCst) >= 4).await;
    assert_eq!(most.load(Ordering::SeqCst), 1, "two nodes at once");
    // three nodes that each ran it would run it three times as often
    let seconds = u32::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(runs.load(Ordering::SeqCst) <= seconds + 2, "{} runs in {seconds} s", runs.load(Ordering::SeqCst));

    for host in &nodes {
        host.addon().drain(Duration::from_secs(5)).await;
    }
    let ended = runs.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(runs.load(Ordering::SeqCst), ended, "nothing begins after a drain");
}

#[actix_web::test]
async fn all_tenants_are_read_page_by_page() {
    let host = fixture::builder().start(no_routes).await;
    for _ in 0..205 {
        host.install(&host.new_tenant()).await;
    }
    host.uninstall(&host.new_tenant()).await;
    let keys: Vec<String> =
        host.addon().tenants().map_ok(|tenant| tenant.client_key().to_owned()).try_collect().await.unwrap();
    assert_eq!(keys.len(), 205);
    assert!(keys.is_sorted());
    let none: Result<Vec<_>, Error> = fixture::builder().start(no_routes).await.addon().tenants().try_collect().await;
    assert!(none.unwrap().is_empty());
}
