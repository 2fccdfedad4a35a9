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

#[cfg(not(feature = "otel"))]
pub(crate) use off::{Call, Carried, Traces, id, store_operation, verification};
#[cfg(feature = "otel")]
pub(crate) use provider::Traces;
#[cfg(feature = "otel")]
pub(crate) use spans::{Call, Carried, id, store_operation, verification};
