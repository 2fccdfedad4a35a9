//! Sends spans: without tokens, over the framework's own HTTP client.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::rt::Runtime;
use opentelemetry::trace::Status;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::redact;
use crate::store::async_trait;
use crate::transport;

/// The largest answer of the endpoint that is read, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Masks what looks like a token in all texts of a span, whoever has made it, and shortens long texts.
#[derive(Debug)]
pub(super) struct Masked<E>(pub(super) E);

impl<E: SpanExporter> SpanExporter for Masked<E> {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        batch.iter_mut().for_each(mask);
        self.0.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn mask(span: &mut SpanData) {
    mask_name(&mut span.name);
    mask_values(&mut span.attributes);
    for event in &mut span.events.events {
        mask_name(&mut event.name);
        mask_values(&mut event.attributes);
    }
    for link in &mut span.links.links {
        mask_values(&mut link.attributes);
    }
    if let Status::Error { description } = &mut span.status {
        mask_name(description);
    }
}

fn mask_name(name: &mut Cow<'static, str>) {
    let shown = redact::shown(name);
    if shown != *name {
        *name = shown.into();
    }
}

fn mask_values(attributes: &mut [KeyValue]) {
    let mask = |text: &mut StringValue| {
        let shown = redact::shown(text.as_str());
        if shown != text.as_str() {
            *text = shown.into();
        }
    };
    for KeyValue { value, .. } in attributes {
        match value {
            Value::String(text) => mask(text),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(mask),
            _ => {}
        }
    }
}

/// The HTTP client of the exporter: that of the framework, so that there is one TLS.
#[derive(Debug)]
pub(super) struct Client {
    timeout: Duration,
    is_failing: AtomicBool,
}

/// Why spans were not delivered.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    Sending(String),
    #[error("the answer is not readable: {0}")]
    Answer(String),
    #[error("no answer in time")]
    Late,
}

thread_local! {
    /// The runtime of the exporter's thread.
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

impl Client {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        RUNTIME.with(|cell| {
            let runtime = if let Some(runtime) = cell.get() {
                runtime
            } else {
                let made = Runtime::new().map_err(Failure::Runtime)?;
                cell.get_or_init(|| made)
            };
            runtime.block_on(async {
                let sent = tokio::time::timeout(self.timeout, exchange(request));
                sent.await.map_err(|_| Failure::Late)?
            })
        })
    }

    /// Logs the first of several failures, and their end.
    fn report(&self, problem: Option<&str>) {
        let was_failing = self.is_failing.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !was_failing => {
                let problem = redact::shown(problem);
                tracing::warn!(problem, "traces cannot be exported; they are dropped until the endpoint answers");
            }
            None if was_failing => tracing::info!("traces are exported again"),
            _ => {}
        }
    }
}

async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let (head, body) = request.into_parts();
    let mut outgoing = transport::client().post(head.uri.to_string());
    for (name, value) in &head.headers {
        outgoing = outgoing.insert_header((name.as_str(), value.as_bytes()));
    }
    let mut answer = outgoing.send_body(body).await.map_err(|error| Failure::Sending(error.to_string()))?;
    let body = answer.body().limit(ANSWER_LIMIT).await.map_err(|error| Failure::Answer(error.to_string()))?;
    let mut response = Response::builder().status(answer.status().as_u16());
    if let Some(wait) = answer.headers().get("retry-after") {
        response = response.header("retry-after", wait.as_bytes());
    }
    response.body(body).map_err(|error| Failure::Answer(error.to_string()))
}

#[async_trait]
impl HttpClient for Client {
    /// Blocks: it is called on the thread that does nothing but export.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let result = self.send(request);
        match &result {
            Ok(answer) if answer.status().is_success() => self.report(None),
            Ok(answer) => self.report(Some(&format!("the endpoint answers {}", answer.status()))),
            Err(failure) => self.report(Some(&failure.to_string())),
        }
        Ok(result?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    use opentelemetry::InstrumentationScope;
    use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind};
    use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

    const SECRET: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJ0ZW5hbnQifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

    #[test]
    fn no_text_of_a_span_has_a_token() {
        let attribute = || KeyValue::new("url", format!("/page?jwt={SECRET}"));
        let mut events = SpanEvents::default();
        events.events.push(Event::new(SECRET, SystemTime::UNIX_EPOCH, vec![attribute()], 0));
        let mut links = SpanLinks::default();
        links.links.push(Link::new(SpanContext::empty_context(), vec![attribute()], 0));
        let texts = Value::Array(Array::String(vec!["plain".into(), format!("Bearer {SECRET}").into()]));
        let mut span = SpanData {
            span_context: SpanContext::empty_context(),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: SECRET.into(),
            start_time: SystemTime::UNIX_EPOCH,
            end_time: SystemTime::UNIX_EPOCH,
            attributes: vec![attribute(), KeyValue::new("list", texts), KeyValue::new("long", "x".repeat(5000))],
            dropped_attributes_count: 0,
            events,
            links,
            status: Status::error(format!("refused: {SECRET}")),
            instrumentation_scope: InstrumentationScope::default(),
        };
        mask(&mut span);
        let shown = format!("{span:?}");
        assert!(
            !shown.contains(&SECRET[..12]) && shown.contains("/page?jwt=***") && shown.contains("plain"),
            "{shown}"
        );
        assert!(shown.len() < 4000, "{}", shown.len());
    }
}
