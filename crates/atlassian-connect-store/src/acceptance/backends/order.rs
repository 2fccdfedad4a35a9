//! Installs and uninstalls of one tenant while the store cannot write: the last acknowledged one counts.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use r2d2::ManageConnection as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Opened, Sandbox};
use crate::acceptance::cases;
use crate::queue::{Arrival, WriteQueue};
use crate::{Store, StoreError};
use diesel::connection::SimpleConnection as _;

/// How long a write waits for the store until its caller is dropped or the store continues.
const WAIT: Duration = Duration::from_millis(150);
/// How long to wait for an abandoned write to do damage.
const AFTERMATH: Duration = Duration::from_millis(300);

/// Blocks writes to tenants on the store's server or file until it is dropped.
pub(super) struct Held {
    release: Option<mpsc::Sender<()>>,
    holder: Option<JoinHandle<()>>,
}

impl Held {
    /// `hold` runs on its own thread. It calls its first argument once writing is blocked, and ends the block when the
    /// second one returns.
    pub(super) fn new(hold: impl FnOnce(&dyn Fn(), &dyn Fn()) + Send + 'static) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            hold(&|| tell.send(()).unwrap(), &|| {
                let _ = released.recv();
            });
        });
        told.recv().unwrap();
        Self { release: Some(release), holder: Some(holder) }
    }

    /// `None` for a store whose writes cannot be blocked.
    fn by(sandbox: &Sandbox) -> Option<Self> {
        let config = sandbox.config.clone();
        if sandbox.url().contains(":memory:") || sandbox.url().starts_with("mongodb") {
            return None;
        }
        #[cfg(feature = "redis")]
        if sandbox.url().starts_with("redis") {
            let url = sandbox.url().to_owned();
            return Some(Self::new(move |blocked, wait| {
                super::redis::raw::<()>(&url, &["CLIENT", "PAUSE", "10000", "WRITE"]);
                blocked();
                wait();
                super::redis::raw::<()>(&url, &["CLIENT", "UNPAUSE"]);
            }));
        }
        #[cfg(feature = "mysql")]
        if sandbox.is_mysql() {
            return Some(Self::new(move |blocked, wait| {
                let mut connection = super::mysql::connection(&config);
                connection.batch(r#"BEGIN; SELECT * FROM "AddonSettings" FOR UPDATE"#).unwrap();
                blocked();
                wait();
                connection.batch("COMMIT").unwrap();
            }));
        }
        if sandbox.is_postgres() {
            return Some(Self::new(move |blocked, wait| {
                let mut connection = crate::postgres::connector_for_tests(&config).unwrap().connect().unwrap();
                connection.batch_execute(r#"BEGIN; LOCK TABLE "AddonSettings" IN EXCLUSIVE MODE"#).unwrap();
                blocked();
                wait();
                connection.batch_execute("COMMIT").unwrap();
            }));
        }
        let mut connection = sandbox.sqlite();
        Some(Self::new(move |blocked, wait| {
            connection.batch_execute("BEGIN IMMEDIATE").unwrap();
            blocked();
            wait();
            connection.batch_execute("COMMIT").unwrap();
        }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        let ended = self.holder.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(())) | None) || std::thread::panicking());
    }
}

fn payload(secret: &str) -> Value {
    json!({ "key": "com.example", "clientKey": "acme", "sharedSecret": secret, "baseUrl": "https://acme.example.com" })
}

/// A store with a write queue, as an add-on uses it.
struct Tenants {
    store: Arc<dyn Store>,
    queue: WriteQueue,
}

impl Tenants {
    fn of(opened: &Opened) -> Self {
        Self { store: Arc::clone(&opened.store), queue: WriteQueue::new() }
    }

    async fn save(&self, payload: Value) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let write = || async move { store.save_installation("acme", &payload, None).await };
        self.queue.run("acme", Some(Arrival::now()), write).await.map(drop)
    }

    async fn uninstall(&self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let write = || async move { store.uninstall("acme").await };
        self.queue.run("acme", Some(Arrival::now()), write).await.map(drop)
    }
}

async fn install(tenants: &Tenants, secret: &str) -> Result<(), StoreError> {
    tenants.save(payload(secret)).await
}

/// The write whose caller is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Install,
    Uninstall,
}

async fn begin(tenants: &Tenants, first: First) {
    let _ = match first {
        First::Install => install(tenants, "old").await,
        First::Uninstall => tenants.uninstall().await,
    };
}

/// Checks that the stored installation stays `expected`.
async fn stays(opened: &Opened, expected: Option<&Value>, what: &str) {
    let until = Instant::now() + AFTERMATH;
    while Instant::now() < until {
        let stored = opened.installations("acme").await.unwrap();
        assert_eq!(stored.first(), expected, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn of_two_writes_the_later_one_counts(opened: Opened) {
    let tenants = Tenants::of(&opened);
    for first in [First::Install, First::Uninstall] {
        for is_given_up in [true, false] {
            let what = format!("{first:?}, abandoned: {is_given_up}");
            install(&tenants, "before").await.unwrap();
            let held = opened.sandbox.as_ref().and_then(Held::by);
            let earlier = async {
                let limit = if is_given_up { WAIT } else { 100 * WAIT };
                let _ = timeout(limit, begin(&tenants, first)).await;
            };
            let later = async {
                sleep(2 * WAIT).await;
                install(&tenants, "new").await
            };
            let release = async {
                sleep(3 * WAIT).await;
                drop(held);
            };
            let ((), saved, ()) = futures_util::future::join3(earlier, later, release).await;
            saved.unwrap();
            stays(&opened, Some(&payload("new")), &what).await;
        }
    }
}

/// Applies if it has not begun to commit. A command that Redis or MongoDB has received is done.
pub(super) async fn an_abandoned_write_is_not_done_later(opened: Opened) {
    let tenants = Tenants::of(&opened);
    let is_sql = opened.sandbox.as_ref().is_some_and(Sandbox::is_sql);
    install(&tenants, "before").await.unwrap();
    if !is_sql {
        return;
    }
    let Some(held) = opened.sandbox.as_ref().and_then(Held::by) else { return };
    for first in [First::Install, First::Uninstall] {
        assert!(timeout(WAIT, begin(&tenants, first)).await.is_err(), "writing was not blocked");
    }
    drop(held);
    stays(&opened, Some(&payload("before")), "both were abandoned").await;
    install(&tenants, "new").await.unwrap();
    stays(&opened, Some(&payload("new")), "the next write").await;
}

pub(super) async fn concurrent_writes_leave_one_row_each(opened: Opened) {
    cases::concurrent_installs_of_one_tenant_end_in_one_row(opened.as_ref()).await;
    if let Some(rows) = opened.count("AddonSettings") {
        assert_eq!(rows, 8, "no duplicates");
    }
    cases::concurrent_writes_of_many_tenants(opened.as_ref()).await;
    for (table, expected) in [("AddonSettings", 8 + 32), ("ForgeSettings", 32), ("InstallationClientKeys", 8 + 32)] {
        if let Some(rows) = opened.count(table) {
            assert_eq!(rows, expected, "rows of {table}");
        }
    }
}
