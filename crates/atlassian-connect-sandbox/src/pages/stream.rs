//! Live events as `text/event-stream`: new journal entries, and a changed or restarted add-on.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::journal::Shown;
use crate::shared::Sandbox;

/// How often a quiet stream sends a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The reconnection delay in milliseconds: after a template is saved, the page waits for the add-on to be back.
const RETRY: &str = "retry: 300\n";

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/events", web::get().to(events));
}

#[derive(Deserialize)]
struct Since {
    /// The newest entry that the page has.
    #[serde(default)]
    after: u64,
}

/// A reconnecting browser sends the last entry that it has seen in `Last-Event-ID`.
async fn events(sandbox: web::Data<Sandbox>, request: HttpRequest, since: web::Query<Since>) -> HttpResponse {
    // a browser that finds a new process reloads its page
    sandbox.wait_for_first_install().await;
    let seen = request.headers().get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let hello = event("hello", &json!({ "instance": sandbox.instance }), RETRY);
    let (news, descriptor) = (sandbox.journal.follow(), sandbox.state.descriptor_changes());
    let start = (sandbox, news, descriptor, seen.unwrap_or(since.after));
    let later = stream::unfold(start, |(sandbox, mut news, mut descriptor, mut seen)| async move {
        loop {
            // before reading, so that an entry written after it wakes this up
            news.mark_unchanged();
            let newer = sandbox.journal.after(seen);
            if let Some(newest) = newer.last() {
                seen = newest.id;
                let text: Vec<u8> = newer.iter().flat_map(entry).collect();
                return Some((Ok::<_, Error>(text.into()), (sandbox, news, descriptor, seen)));
            }
            let text = tokio::select! {
                changed = news.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return None,
                },
                changed = descriptor.changed() => match changed {
                    Ok(()) => event("descriptor", &Value::Null, "").into(),
                    Err(_) => return None,
                },
                () = tokio::time::sleep(HEARTBEAT) => Bytes::from_static(b": quiet\n\n"),
            };
            return Some((Ok(text), (sandbox, news, descriptor, seen)));
        }
    });
    let all = stream::iter([Ok(Bytes::from(hello))]).chain(Box::pin(later));
    HttpResponse::Ok().content_type("text/event-stream; charset=utf-8").streaming(all)
}

fn entry(entry: &Shown) -> Vec<u8> {
    event("entry", &json!({ "id": entry.id, "html": entry.html }), &format!("id: {}\n", entry.id))
}

fn event(name: &str, data: &Value, fields: &str) -> Vec<u8> {
    // JSON has no line breaks, so this is one line of data
    format!("event: {name}\n{fields}data: {data}\n\n").into()
}
