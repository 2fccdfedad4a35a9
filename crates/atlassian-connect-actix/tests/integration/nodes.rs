//! Two nodes on one database: each applies what the other writes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::PageContext;
use atlassian_connect_testing::{TestHost, TestTenant};

use crate::support::fixture;

const ROTATIONS: usize = 200;
/// How long a node that missed a new secret may accept the old one.
const BOUND: Duration = Duration::from_secs(2);
/// The number of clients that keep requesting pages.
const READERS: usize = 4;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/page", web::get().to(|page: PageContext| async move { page.client_key.clone() }));
}

async fn node(url: &str) -> Rc<TestHost> {
    Rc::new(fixture::builder().var("DATABASE_URL", url).workers(2).start(routes).await)
}

fn renewed(tenant: &TestTenant, number: usize) -> TestTenant {
    let mut new = tenant.clone();
    new.shared_secret = format!("secret-{number}-{}", tenant.client_key);
    new
}

/// Waits until `node` refuses the tenant. Returns how long that took.
async fn refused(node: &TestHost, tenant: &TestTenant) -> Duration {
    let begun = Instant::now();
    while node.open_iframe_as(tenant, "/page").await.status != 401 {
        assert!(begun.elapsed() < BOUND, "the old secret still opens the page after {:?}", begun.elapsed());
    }
    begun.elapsed()
}

#[actix_web::test]
#[ignore = "needs TEST_POSTGRES_URL and its database `nodes`, see .ci/run"]
async fn a_rotated_secret_counts_on_the_other_node_under_load() {
    let server = std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL is not set: .ci/servers start prints it");
    let url = format!("{}/nodes", server.rsplit_once('/').unwrap().0);
    let (first, second) = (node(&url).await, node(&url).await);
    let tenant = renewed(&first.tenant(), 0);
    first.install(&tenant).await;
    let current = Rc::new(RefCell::new(tenant.clone()));
    // rotations that have begun, and whether one is running: requests with the old secret may then be refused
    let (begun, rotating, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (second, current) = (Rc::clone(&second), Rc::clone(&current));
            let (begun, rotating, done) = (Rc::clone(&begun), Rc::clone(&rotating), Rc::clone(&done));
            actix_web::rt::spawn(async move {
                let mut answered = 0;
                while !done.get() {
                    let (tenant, before, settled) = (current.borrow().clone(), begun.get(), !rotating.get());
                    let status = second.open_iframe_as(&tenant, "/page").await.status;
                    if settled && begun.get() == before {
                        assert_eq!(status, 200, "a request whose secret was good all the time");
                        answered += 1;
                    }
                }
                answered
            })
        })
        .collect();
    let (mut old, mut slowest) = (tenant, Duration::ZERO);
    for number in 1..=ROTATIONS {
        let new = renewed(&old, number);
        begun.set(number);
        rotating.set(true);
        first.install(&new).await;
        current.replace(new.clone());
        rotating.set(false);
        let page = second.open_iframe_as(&new, "/page").await;
        assert_eq!(page.status, 200, "rotation {number}: refused after its install was answered");
        slowest = slowest.max(refused(&second, &old).await);
        old = new;
    }
    done.set(true);
    let mut answered = 0;
    for reader in readers {
        answered += reader.await.unwrap();
    }
    assert!(answered > ROTATIONS, "there was load: {answered}");
    first.uninstall(&old).await;
    let uninstalled = refused(&second, &old).await;
    println!("{ROTATIONS} rotations, {answered} pages beside them; the slowest old secret ended after {slowest:?}");
    println!("an uninstall counted after {uninstalled:?}");
}

/// SQLite notifies no other node. A changed secret still counts at once, since only the store can refuse.
#[actix_web::test]
async fn a_new_secret_counts_at_once_without_notification() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    let (first, second) = (node(&url).await, node(&url).await);
    let old = first.tenant();
    first.install(&old).await;
    assert_eq!(second.open_iframe_as(&old, "/page").await.status, 200);
    let new = renewed(&old, 1);
    first.install(&new).await;
    assert_eq!(second.open_iframe_as(&new, "/page").await.status, 200);
    assert_eq!(second.open_iframe_as(&old, "/page").await.status, 401, "the read found the new secret");
}
