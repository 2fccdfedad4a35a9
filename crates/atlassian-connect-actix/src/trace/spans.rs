//! The spans. The open span is in OpenTelemetry's context of the task, with what the spans below it need.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use url::Url;

use super::caller::{B3Form, Caller, announce};
use super::provider::Recorder;
use super::usual_method;
use crate::error::Error;
use crate::store::StoreError;

/// The part of a context that is ours: a context without it records nothing.
struct Recording {
    recorder: Arc<Recorder>,
    b3: Option<B3Form>,
}

/// The span of a request that is being answered.
pub(crate) struct RequestSpan {
    context: Context,
    method: &'static str,
}

impl RequestSpan {
    pub(super) fn begin(recorder: Arc<Recorder>, method: &Method, caller: Option<Caller>) -> Self {
        let method = usual_method(method).unwrap_or("_OTHER");
        let mut context = Context::new();
        let mut b3 = None;
        if let Some(caller) = caller {
            context = context.with_remote_span_context(caller.span);
            b3 = caller.b3;
        }
        let attributes =
            [KeyValue::new("http.request.method", method), KeyValue::new("url.scheme", recorder.scheme.clone())];
        let builder = recorder.tracer.span_builder(method).with_kind(SpanKind::Server).with_attributes(attributes);
        let span = recorder.tracer.build_with_context(builder, &context);
        let context = context.with_span(span).with_value(Recording { recorder, b3 });
        Self { context, method }
    }

    /// Runs the handler in this span.
    pub(crate) async fn around<F: Future>(&self, handler: F) -> F::Output {
        handler.with_context(self.context.clone()).await
    }

    /// The request was answered. `route` is the pattern of its route.
    pub(crate) fn answered(self, route: Option<String>, status: u16) {
        let span = self.context.span();
        if !span.is_recording() {
            return;
        }
        if let Some(route) = route.filter(|route| !route.is_empty()) {
            span.update_name(format!("{} {route}", self.method));
            span.set_attribute(KeyValue::new("http.route", route));
        }
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// A trace of its own, for work without a request.
pub(super) async fn root<T>(
    recorder: &Arc<Recorder>,
    name: String,
    kind: SpanKind,
    work: impl Future<Output = T>,
) -> T {
    let nobody = Context::new();
    let span = recorder.tracer.build_with_context(recorder.tracer.span_builder(name).with_kind(kind), &nobody);
    let recording = Recording { recorder: Arc::clone(recorder), b3: None };
    work.with_context(nobody.with_span(span).with_value(recording)).await
}

/// A span below the open one; `None` if nothing is recorded here.
fn child<const N: usize>(
    name: impl FnOnce() -> Cow<'static, str>,
    kind: SpanKind,
    attributes: impl FnOnce() -> [KeyValue; N],
) -> Option<Context> {
    Context::map_current(|parent| {
        let recording = parent.get::<Recording>()?;
        if !parent.span().span_context().is_sampled() {
            return None;
        }
        let tracer = &recording.recorder.tracer;
        let builder = tracer.span_builder(name()).with_kind(kind).with_attributes(attributes());
        Some(parent.with_span(tracer.build_with_context(builder, parent)))
    })
}

/// Runs `work` in a span, then adds what became of it.
async fn within<T>(context: Context, work: impl Future<Output = T>, end: impl FnOnce(&Context, &T)) -> T {
    let result = work.with_context(context.clone()).await;
    end(&context, &result);
    context.span().end();
    result
}

/// The authentication of a caller by this extractor.
pub(crate) async fn verification<T>(
    extractor: &'static str,
    verification: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let name = || format!("verify {extractor}").into();
    let attributes = || [KeyValue::new("connect.extractor", extractor)];
    let Some(context) = child(name, SpanKind::Internal, attributes) else { return verification.await };
    within(context, verification, |context, result| {
        let (outcome, reason) = result.as_ref().err().map_or(("accepted", "none"), Error::words);
        let span = context.span();
        span.set_attribute(KeyValue::new("connect.outcome", outcome));
        span.set_attribute(KeyValue::new("connect.reason", reason));
        if outcome == "failed" {
            span.set_status(Status::error(reason));
        }
    })
    .await
}

/// An operation of the store; `system` is its backend.
pub(crate) async fn store_operation<T>(
    system: &'static str,
    operation: &'static str,
    kind: fn(&StoreError) -> &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let name = || format!("store {operation}").into();
    let attributes = || [KeyValue::new("db.system.name", system), KeyValue::new("db.operation.name", operation)];
    let Some(context) = child(name, SpanKind::Client, attributes) else { return work.await };
    within(context, work, move |context, result| {
        if let Err(error) = result {
            failed(context, kind(error));
        }
    })
    .await
}

fn failed(context: &Context, kind: &'static str) {
    context.span().set_attribute(KeyValue::new("error.type", kind));
    context.span().set_status(Status::error(kind));
}

/// A request to a host.
pub(crate) struct Call(Option<Context>);

impl Call {
    /// `sent_before`: how often the same request was sent already, for redirects and retries.
    pub(crate) fn begin(method: &Method, url: &Url, product: impl FnOnce() -> &'static str, sent_before: u32) -> Self {
        let method = usual_method(method).unwrap_or("_OTHER");
        let attributes = || {
            [
                KeyValue::new("http.request.method", method),
                KeyValue::new("server.address", url.host_str().unwrap_or_default().to_owned()),
                KeyValue::new("server.port", i64::from(url.port_or_known_default().unwrap_or_default())),
                KeyValue::new("connect.product", product()),
            ]
        };
        let context = child(|| method.into(), SpanKind::Client, attributes);
        if let Some(context) = context.as_ref().filter(|_| sent_before > 0) {
            context.span().set_attribute(KeyValue::new("http.request.resend_count", i64::from(sent_before)));
        }
        Self(context)
    }

    /// Adds the headers that tell the host of the trace.
    pub(crate) fn announce(&self, headers: &mut HeaderMap) {
        let mut add = |context: &Context| {
            if let Some(recording) = context.get::<Recording>() {
                announce(context.span().span_context(), recording.b3, headers);
            }
        };
        match &self.0 {
            Some(context) => add(context),
            // a request that is not traced says so
            None => Context::map_current(add),
        }
    }

    /// The status of the answer, or the kind of the failure.
    pub(crate) fn ended(self, outcome: impl FnOnce() -> Result<u16, &'static str>) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        match outcome() {
            Ok(status) => {
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
                if status >= 400 {
                    span.set_attribute(KeyValue::new("error.type", status.to_string()));
                    span.set_status(Status::error(""));
                }
            }
            Err(kind) => failed(&context, kind),
        }
        span.end();
    }
}

/// The span that is open here, for work that goes on elsewhere.
pub(crate) struct Carried(Option<Context>);

impl Carried {
    pub(crate) fn from_here() -> Self {
        Self(Context::map_current(|context| context.get::<Recording>().is_some().then(|| context.clone())))
    }

    /// Runs `work` below that span.
    pub(crate) async fn around<F: Future>(self, work: F) -> F::Output {
        match self.0 {
            Some(context) => work.with_context(context).await,
            None => work.await,
        }
    }
}

/// The id of the trace, for the log; `None` if nothing is recorded here.
pub(crate) fn id() -> Option<String> {
    Context::map_current(|context| {
        context.get::<Recording>()?;
        Some(context.span().span_context().trace_id().to_string())
    })
}
