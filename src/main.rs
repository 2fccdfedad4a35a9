//! The app: this package is yours. Routes stand in `routes.rs`, what pages look like in `templates/`.

// what is public in a program is public to its own modules: no promise to anybody else
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

#[actix_web::main]
async fn main() -> ExitCode {
    cli::main(addon(), events::listen, routes::routes).await
}

/// What the app is made of; tests start the same.
fn addon() -> AddonBuilder {
    Addon::builder().app(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).migrations(migrations::ALL)
}

/// What several tests need: the app under a fake host.
#[cfg(test)]
mod testing {
    use actix_web::http::Method;
    use atlassian_connect_testing::{Reply, TestHost, TestTenant};
    use serde_json::json;

    /// The whole app, with its listeners and its tables, installed at [`TestHost::tenant`].
    pub(crate) async fn installed() -> TestHost {
        let builder = TestHost::builder().addon(|_| crate::addon()).prepare(crate::events::listen);
        let host = builder.start(crate::routes::routes).await;
        host.install(&host.tenant()).await;
        host
    }

    /// The same, where the site grants every user these permissions of the whole site.
    pub(crate) async fn admins_of(granted: &[&str]) -> TestHost {
        let host = installed().await;
        host.stub_post("/rest/api/3/permissions/check", json!({ "globalPermissions": granted }));
        host
    }

    /// Sends a form as the page of `tenant` does.
    pub(crate) async fn post_form(host: &TestHost, tenant: &TestTenant, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = host.session_token(tenant).await;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("jwt", &token).extend_pairs(fields);
        let request = host.request(Method::POST, path).content_type("application/x-www-form-urlencoded");
        host.send(request, form.finish().into_bytes()).await
    }
}
