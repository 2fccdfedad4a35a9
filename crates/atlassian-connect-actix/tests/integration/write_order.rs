//! Concurrent installs and uninstalls of one site, on a SQLite file that another program keeps locked: the last
//! acknowledged one counts.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::rt::time::sleep;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::PageContext;
use atlassian_connect_testing::internal::KeyAnswer;
use atlassian_connect_testing::{KeyServer, TestHost, TestTenant, claims_for};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::support::fixture;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/hello-world", web::get().to(|page: PageContext| async move { page.client_key.clone() }));
}

/// Sites that write concurrently.
const SITES: usize = 3;
/// If writes are not ordered, one round usually loses an acknowledged write.
const ROUNDS: usize = 4;
/// How long the first write waits alone for the locked file, and the second one after it.
const HEAD_START: Duration = Duration::from_millis(150);
/// How long a cancelled write could still do damage.
const AFTERMATH: Duration = Duration::from_millis(400);

async fn started() -> (TestHost, TempDir, SqliteConnection) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("addon.db");
    let host = fixture::builder().var("DATABASE_URL", format!("sqlite:{}", file.display())).start(routes).await;
    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    other.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    (host, folder, other)
}

/// Sends a callback and returns the open connection.
fn send(host: &TestHost, tenant: &TestTenant, event: &str) -> TcpStream {
    let path = format!("/{event}");
    let token = KeyServer::sign(&claims_for(tenant, host.base_url(), &path));
    let payload = tenant.payload("com.example.fixture-app", event).to_string();
    let authority = host.base_url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(authority).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: JWT {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{payload}",
        payload.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn with_secret(tenant: &TestTenant, secret: &str) -> TestTenant {
    let mut tenant = tenant.clone();
    secret.clone_into(&mut tenant.shared_secret);
    tenant
}

/// The stored secret.
async fn stored_secret(host: &TestHost, tenant: &TestTenant) -> Option<String> {
    let installations = host.addon().state().tenants.store().installations(&tenant.client_key).await.unwrap();
    Some(installations.first()?["sharedSecret"].as_str()?.to_owned())
}

async fn opens(host: &TestHost, tenant: &TestTenant) -> bool {
    host.open_iframe_as(tenant, "/hello-world").await.status == 200
}

/// A first callback whose host does not wait for the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum First {
    Install,
    Uninstall,
}

/// In each round the first callback of each site waits for the file, then the site installs again, then the file is
/// unlocked.
async fn race(first: First, stays: bool) {
    let (host, _folder, mut other) = started().await;
    let sites: Vec<TestTenant> = (0..SITES).map(|_| TestTenant::new()).collect();
    for site in &sites {
        host.install(site).await;
    }
    let mut lost = Vec::new();
    for round in 0..ROUNDS {
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let mut open = Vec::new();
        for site in &sites {
            let stream = match first {
                First::Install => send(&host, &with_secret(site, &format!("old-{round}")), "installed"),
                First::Uninstall => send(&host, site, "uninstalled"),
            };
            open.push(stream);
        }
        sleep(HEAD_START).await;
        if !stays {
            open.clear();
        }
        let newer: Vec<_> = sites.iter().map(|site| with_secret(site, &format!("new-{round}"))).collect();
        let free = async {
            sleep(HEAD_START).await;
            other.batch_execute("COMMIT").unwrap();
        };
        let installs = join_all(newer.iter().map(|site| host.try_install(site)));
        let (replies, ()) = futures_util::future::join(installs, free).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [204; SITES], "{first:?} in round {round}");
        let until = Instant::now() + AFTERMATH;
        while Instant::now() < until {
            for site in &newer {
                let stored = stored_secret(&host, site).await;
                if stored.as_deref() != Some(site.shared_secret.as_str()) {
                    lost.push(format!("round {round}, {}: {stored:?}", site.client_key));
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
        for site in &newer {
            assert!(opens(&host, site).await || !lost.is_empty(), "{} in round {round}", site.client_key);
        }
    }
    lost.dedup();
    assert!(lost.is_empty(), "acknowledged installs are gone after {first:?}: {lost:#?}");
}

#[actix_web::test]
async fn a_cancelled_install_does_not_replace_the_next_one() {
    race(First::Install, false).await;
}

#[actix_web::test]
async fn a_slow_install_does_not_replace_the_next_one() {
    race(First::Install, true).await;
}

#[actix_web::test]
async fn a_cancelled_uninstall_does_not_end_the_next_install() {
    race(First::Uninstall, false).await;
}

#[actix_web::test]
async fn a_slow_uninstall_does_not_end_the_next_install() {
    race(First::Uninstall, true).await;
}

/// An install waits for its key while a later one with a known key is stored.
#[actix_web::test]
async fn an_install_with_a_late_key_does_not_replace_a_later_one() {
    let host = fixture::start(routes).await;
    let site = TestTenant::new();
    host.install(&site).await;
    host.keys().answer(KeyAnswer::Late(Duration::from_secs(1)));
    for (kid, later_uninstalls) in [("late-1", false), ("late-2", true)] {
        let (old, new) = (with_secret(&site, "old"), with_secret(&site, "new"));
        let token = KeyServer::sign_as(kid, &claims_for(&old, host.base_url(), "/installed"));
        let payload = old.payload("com.example.fixture-app", "installed");
        let earlier = host.call(Method::POST, "/installed", &token, Some(&payload));
        let fetches = host.keys().fetches();
        let later = async {
            let deadline = Instant::now() + Duration::from_secs(10);
            while host.keys().fetches() == fetches {
                assert!(Instant::now() < deadline, "the key is not requested");
                sleep(Duration::from_millis(5)).await;
            }
            let reply = if later_uninstalls { host.uninstall(&new).await } else { host.install(&new).await };
            let expected = Some("new").filter(|_| !later_uninstalls);
            assert_eq!(stored_secret(&host, &site).await.as_deref(), expected, "not the later one");
            reply.status
        };
        let (earlier, later) = futures_util::future::join(earlier, later).await;
        assert_eq!((earlier.status, later), (204, 204));
        let expected = Some("new").filter(|_| !later_uninstalls);
        assert_eq!(stored_secret(&host, &site).await.as_deref(), expected, "later_uninstalls: {later_uninstalls}");
    }
}

/// Closes a connection so that the server notices at once. After an ordinary close the peer may still read.
fn reset(stream: TcpStream) {
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap();
}

/// The store has not acknowledged it, so the host goes on with the previous secret.
#[actix_web::test]
async fn an_install_whose_connection_is_closed_is_not_stored_later() {
    for close in [reset, drop] {
        gone(close).await;
    }
}

/// `close` ends the connection of an install and of an uninstall that wait for the store.
async fn gone(close: fn(TcpStream)) {
    let (host, _folder, mut other) = started().await;
    let site = TestTenant::new();
    host.install(&site).await;
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let streams = [send(&host, &with_secret(&site, "old"), "installed"), send(&host, &site, "uninstalled")];
    sleep(HEAD_START).await;
    streams.into_iter().for_each(close);
    sleep(HEAD_START).await;
    other.batch_execute("COMMIT").unwrap();
    let until = Instant::now() + AFTERMATH;
    while Instant::now() < until {
        assert_eq!(stored_secret(&host, &site).await.as_ref(), Some(&site.shared_secret));
        sleep(Duration::from_millis(20)).await;
    }
}
