//! Traces for OpenTelemetry, with the Cargo feature `otel`. Other modules call the functions here. Without the feature
//! they are empty; with it, they return at once as long as the configuration names no endpoint.
//!
//! A span has route patterns, fixed words, status codes and names of servers: no path, no query, no token and no id of a
//! tenant or user.

#[cfg(feature = "otel")]
mod caller;
#[cfg(feature = "otel")]
mod export;
#[cfg(not(feature = "otel"))]
mod off;
#[cfg(feature = "otel")]
mod provider;
#[cfg(feature = "otel")]
mod sampler;
#[cfg(feature = "otel")]
mod spans;

use actix_web::http::Method;

#[cfg(not(feature = "otel"))]
pub(crate) use off::{Call, Carried, Traces, id, store_operation, verification};
#[cfg(feature = "otel")]
pub(crate) use provider::Traces;
#[cfg(feature = "otel")]
pub(crate) use spans::{Call, Carried, id, store_operation, verification};

/// The method, if it is a usual one: a client can send any word, and must not make names of spans and metrics.
pub(crate) fn usual_method(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => return None,
    })
}
