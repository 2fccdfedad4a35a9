//! [`Traces`]: starts and stops the recording of an add-on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::sync::oneshot;

use super::caller::Caller;
use super::export::{Client, Masked};
use super::sampler::RequestSampler;
use super::spans::{self, RequestSpan};
use crate::config::{Config, TraceConfig};
use crate::software::AppVersion;

/// The scope of the framework's spans.
const SCOPE: &str = env!("CARGO_PKG_NAME");
/// How long a stop waits for the last export, at most: an endpoint that does not answer must not hold it up.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// The traces of an add-on. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces(Option<Arc<Recorder>>);

#[derive(Debug)]
pub(super) struct Recorder {
    provider: SdkTracerProvider,
    pub(super) tracer: SdkTracer,
    /// `https` or `http`, as callers see it.
    pub(super) scheme: String,
}

impl Traces {
    /// Records from now on, if the configuration names an endpoint. A thread of its own exports; its queue is bounded,
    /// and spans for which there is no room are dropped.
    pub(crate) fn start(config: &Config, app: Option<&AppVersion>, key: &str) -> Self {
        let Some(settings) = &config.traces else { return Self::default() };
        let exporter = match exporter(settings) {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::error!(%error, "no traces are exported");
                return Self::default();
            }
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(settings, app, key))
            .with_sampler(RequestSampler::new(settings.sampling))
            .with_span_processor(BatchSpanProcessor::builder(Masked(exporter)).build())
            .build();
        // for spans of the app itself
        global::set_tracer_provider(provider.clone());
        tracing::info!("traces are sent to {}", settings.server());
        let tracer = provider.tracer(SCOPE);
        let scheme = config.local_base_url.as_str().split(':').next().unwrap_or_default().to_owned();
        Self(Some(Arc::new(Recorder { provider, tracer, scheme })))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Exports what is left, for at most `limit` and 5 seconds; nothing is recorded any more.
    pub(crate) async fn stop(&self, limit: Duration) {
        let Some(recorder) = &self.0 else { return };
        let limit = limit.min(LAST_EXPORT);
        let (provider, (done, is_done)) = (recorder.provider.clone(), oneshot::channel());
        // it blocks; a thread of the runtime would keep the process from ending
        let stopping = std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            let _ = done.send(provider.shutdown_with_timeout(limit));
        });
        let is_sent = stopping.is_ok() && matches!(tokio::time::timeout(limit, is_done).await, Ok(Ok(Ok(()))));
        if !is_sent {
            tracing::warn!("the last traces could not be exported before the stop");
        }
    }

    /// Begins the span of a request.
    pub(crate) fn request(&self, method: &Method, headers: &HeaderMap) -> Option<RequestSpan> {
        let recorder = self.0.as_ref()?;
        Some(RequestSpan::begin(Arc::clone(recorder), method, Caller::read(headers)))
    }

    /// A run of a periodic job, or other work in the background.
    pub(crate) async fn job<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        self.root(|| format!("job {name}"), SpanKind::Internal, work).await
    }

    /// The work on a Forge event.
    pub(crate) async fn forge_event<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        self.root(|| format!("event {name}"), SpanKind::Consumer, work).await
    }

    async fn root<T>(&self, name: impl FnOnce() -> String, kind: SpanKind, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(recorder) => spans::root(recorder, name(), kind, work).await,
            None => work.await,
        }
    }
}

fn exporter(config: &TraceConfig) -> Result<SpanExporter, opentelemetry_otlp::ExporterBuildError> {
    SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(config.endpoint.as_str())
        .with_timeout(config.timeout)
        .with_headers(config.headers.iter().cloned().collect::<HashMap<_, _>>())
        .with_http_client(Client::new(config.timeout))
        .build()
}

/// The app, as the traces name it.
fn resource(config: &TraceConfig, app: Option<&AppVersion>, key: &str) -> Resource {
    let name = config.service_name.clone().unwrap_or_else(|| app.map_or(key, |app| &app.name).to_owned());
    let mut attributes = vec![KeyValue::new("service.name", name)];
    attributes.extend(app.map(|app| KeyValue::new("service.version", app.version.clone())));
    attributes.extend(config.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())));
    Resource::builder_empty().with_detector(Box::new(TelemetryResourceDetector)).with_attributes(attributes).build()
}
