//! The app: this package is yours. The routes are in `routes.rs`, the pages in `templates/`.

// `pub` in a program is visible only to its own modules
#![allow(unreachable_pub)]

mod api;
mod events;
mod forge;
mod migrations;
mod notes;
mod pages;
mod routes;
mod schema;
mod settings;

use std::process::ExitCode;

use atlassian_connect_actix::{Addon, AddonBuilder};
use atlassian_connect_cli as cli;

/// Faster than the system's, as `bench/README.md` shows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix_web::main]
async fn main() -> ExitCode {
    cli::main(addon(), events::listen, routes::routes).await
}

/// Builds the app. Tests use the same builder.
fn addon() -> AddonBuilder {
    Addon::builder().app(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).migrations(migrations::ALL)
}

/// Helpers for several tests: the app with a fake host.
#[cfg(test)]
mod testing {
    use atlassian_connect_testing::TestHost;
    use serde_json::json;

    /// The whole app, with its listeners and tables, installed on [`TestHost::tenant`].
    pub(crate) async fn installed() -> TestHost {
        let builder = TestHost::builder().addon(|_| crate::addon()).prepare(crate::events::listen);
        let host = builder.start(crate::routes::routes).await;
        host.install(&host.tenant()).await;
        host
    }

    /// The same, with a site that grants every user these global permissions.
    pub(crate) async fn admins_of(granted: &[&str]) -> TestHost {
        let host = installed().await;
        host.stub_post("/rest/api/3/permissions/check", json!({ "globalPermissions": granted }));
        host
    }
}
