//! Records the events that this instance receives, so that the tests can read them.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::get;
use actix_web::web::{Data, Json};
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::events::{ListenerError, Occurrence};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Names a file. Each event `field:fine` is appended to it, a line each, whoever the tenant is: several nodes can share it,
/// and it outlives them.
const FILE: &str = "JOURNAL";

type Entries = HashMap<String, Vec<(String, Arc<Value>)>>;

/// Events by tenant, in order.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Entries>>);

/// Appends the event's body to the file, after as many milliseconds as its `pause` says.
async fn append(path: Arc<str>, occurrence: Occurrence) -> Result<(), ListenerError> {
    if let Some(pause) = occurrence.body["pause"].as_u64() {
        actix_web::rt::time::sleep(Duration::from_millis(pause)).await;
    }
    // one write, so that nodes do not mix their lines
    File::options().create(true).append(true).open(&*path)?.write_all(format!("{}\n", occurrence.body).as_bytes())?;
    Ok(())
}

impl Journal {
    /// Records every event that the tests ask for. Some listeners panic.
    #[allow(clippy::panic)]
    pub(crate) fn listen(&self, addon: &Addon) {
        addon.on("jira:issue_updated", |occurrence| async move {
            assert!(occurrence.body["panic"] != true, "the body asks for a panic");
            Ok(())
        });
        addon.on("field:panic", |_| async { panic!("this event's listener always panics") });
        if let Ok(path) = std::env::var(FILE) {
            let path: Arc<str> = path.into();
            addon.on("field:fine", move |occurrence| append(Arc::clone(&path), occurrence));
        }
        for event in ["jira:issue_created", "jira:issue_updated", "enabled", "disabled", "field:fine"] {
            let entries = Arc::clone(&self.0);
            addon.on(event, move |occurrence| {
                if occurrence.tenant.is_none() {
                    return std::future::ready(Ok(()));
                }
                let mut entries = entries.lock();
                let of_tenant = entries.entry(occurrence.client_key().to_owned()).or_default();
                of_tenant.push((occurrence.event.clone(), Arc::clone(&occurrence.body)));
                std::future::ready(Ok(()))
            });
        }
    }
}

#[get("/api/events")]
pub(crate) async fn events(session: SessionToken, journal: Data<Journal>) -> Json<Value> {
    let entries = journal.0.lock();
    let of_tenant = entries.get(session.tenant_key()).cloned().unwrap_or_default();
    let events: Vec<Value> = of_tenant.iter().map(|(event, body)| json!({ "event": event, "body": **body })).collect();
    Json(json!({ "clientKey": session.tenant_key(), "events": events }))
}
