//! What the functions of this module are without the feature `otel`: nothing.
// the functions have the form of those with the feature
#![allow(clippy::unused_self, clippy::unused_async)]

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use url::Url;

use crate::config::Config;
use crate::error::Error;
use crate::software::AppVersion;
use crate::store::StoreError;

/// The traces of an add-on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces(());

impl Traces {
    pub(crate) fn start(_: &Config, _: Option<&AppVersion>, _: &str) -> Self {
        Self(())
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        false
    }

    #[inline]
    pub(crate) async fn stop(&self, _: Duration) {}

    #[inline]
    pub(crate) fn job<F: Future>(&self, _: &str, work: F) -> F {
        work
    }

    #[inline]
    pub(crate) fn forge_event<F: Future>(&self, _: &str, work: F) -> F {
        work
    }
}

/// The span that is open here.
#[derive(Debug)]
pub(crate) struct Carried;

impl Carried {
    #[inline]
    pub(crate) fn from_here() -> Self {
        Self
    }

    #[inline]
    pub(crate) fn around<F: Future>(self, work: F) -> F {
        work
    }
}

/// A request to a host.
#[derive(Debug)]
pub(crate) struct Call;

impl Call {
    #[inline]
    pub(crate) fn begin(_: &Method, _: &Url, _: impl FnOnce() -> &'static str, _: u32) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn announce(&self, _: &mut HeaderMap) {}

    #[inline]
    pub(crate) fn ended(self, _: impl FnOnce() -> Result<u16, &'static str>) {}
}

#[inline]
pub(crate) fn id() -> Option<String> {
    None
}

#[inline]
pub(crate) fn verification<T, F: Future<Output = Result<T, Error>>>(_: &'static str, verification: F) -> F {
    verification
}

#[inline]
pub(crate) fn store_operation<T, F: Future<Output = Result<T, StoreError>>>(
    _: &'static str,
    _: &'static str,
    _: fn(&StoreError) -> &'static str,
    operation: F,
) -> F {
    operation
}
