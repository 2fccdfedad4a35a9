//! What happens, as it happens: `text/event-stream` for the journal, and for whoever wants to know that the add-on is
//! another one now.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpResponse};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::sandbox::Sandbox;

/// How often a quiet stream says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/events", web::get().to(events));
}

async fn events(sandbox: web::Data<Sandbox>) -> HttpResponse {
    let hello = event("hello", &json!({ "instance": sandbox.instance }));
    let news = sandbox.journal.follow();
    let later = stream::unfold((sandbox, news), |(sandbox, mut news)| async move {
        let text = match tokio::time::timeout(HEARTBEAT, news.recv()).await {
            Ok(Ok(entry)) => event("entry", &json!({ "id": entry.id, "html": entry.html })),
            // what was missed is on the page, once it is loaded again
            Ok(Err(RecvError::Lagged(_))) => event("lagged", &Value::Null),
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => Bytes::from_static(b": quiet\n\n"),
        };
        Some((Ok::<_, Error>(text), (sandbox, news)))
    });
    let all = stream::StreamExt::chain(stream::iter([Ok(hello)]), Box::pin(later));
    HttpResponse::Ok().content_type("text/event-stream; charset=utf-8").streaming(all)
}

fn event(name: &str, data: &Value) -> Bytes {
    // JSON has no line breaks: one line of data
    format!("event: {name}\ndata: {data}\n\n").into()
}
