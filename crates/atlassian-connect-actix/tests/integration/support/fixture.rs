//! The descriptor of these tests. No test reads the files of the starter.

use std::path::{Path, PathBuf};

use actix_web::web::ServiceConfig;
use atlassian_connect_actix::{Addon, AddonBuilder};
use atlassian_connect_testing::{TestHost, TestHostBuilder};

/// The text of `atlassian-connect.json`.
pub(crate) const DESCRIPTOR: &str = include_str!("../../fixture/atlassian-connect.json");
/// Its `key`.
pub(crate) const KEY: &str = "com.example.fixture-app";

/// The folder with `atlassian-connect.json`.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../atlassian-connect-actix/tests/fixture")
}

/// An add-on with the descriptor of these tests.
pub(crate) fn addon() -> AddonBuilder {
    Addon::builder().descriptor_file(folder().join("atlassian-connect.json"))
}

/// A host whose add-on has the descriptor of these tests.
pub(crate) fn builder() -> TestHostBuilder {
    TestHost::builder().addon(|addon| addon.descriptor_file(folder().join("atlassian-connect.json")))
}

/// The same, started.
pub(crate) async fn start<F>(routes: F) -> TestHost
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    builder().start(routes).await
}

/// The same, installed on the first site of the host.
pub(crate) async fn installed<F>(routes: F) -> TestHost
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let host = start(routes).await;
    host.install(&host.tenant()).await;
    host
}
