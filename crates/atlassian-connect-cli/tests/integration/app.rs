//! The app whose commands these tests run, each in a separate process: this test binary, started again.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use askama::Template;
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::events::TenantAssociated;
use atlassian_connect_actix::forge::{self, AnyCaller};
use atlassian_connect_actix::{Addon, Error, PageContext, View};
use serde_json::{Value, json};

/// The arguments of the command, as a JSON list. If set, [`process`] is not a test but runs the command.
pub(crate) const ARGUMENTS: &str = "FIXTURE_ARGUMENTS";

/// If this variable is set, the app fails when it is told that a site belongs to a tenant.
pub(crate) const FAILING: &str = "FIXTURE_FAILING";

/// The file in the working directory where the app notes which site belongs to which tenant.
pub(crate) const TOLD: &str = "told";

/// If this variable is set, the app's listener for Forge's events never ends.
pub(crate) const HANGING: &str = "FIXTURE_HANGING";

/// The file in the working directory where the app notes Forge's events, a line each.
pub(crate) const EVENTS: &str = "events";

/// What libtest prints on standard output before the command's own output.
pub(crate) const PREFACE: &str = "\nrunning 1 test\n";

/// The arguments with which the test binary runs only [`process`].
pub(crate) const RUN_PROCESS: [&str; 4] = ["app::process", "--exact", "--nocapture", "--quiet"];

#[test]
fn process() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let arguments: Vec<OsString> =
        serde_json::from_str::<Vec<String>>(&arguments).unwrap().into_iter().map(Into::into).collect();
    let arguments = std::iter::once(OsString::from("fixture")).chain(arguments);
    let command = atlassian_connect_cli::run_arguments(arguments, Addon::builder(), listen, routes);
    let code = actix_web::rt::System::new().block_on(command);
    std::process::exit(code.into());
}

#[derive(Template)]
#[template(source = "<!DOCTYPE html><head>{{ page.head() }}</head>{{ page.context_script() }}", ext = "html")]
struct Page {
    page: PageContext,
}

#[get("/hello-world")]
async fn page(page: PageContext) -> View<Page> {
    View(Page { page })
}

#[get("/admin")]
async fn admin(_session: SessionToken) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[get("/api/session")]
async fn session(session: SessionToken) -> Json<Value> {
    Json(json!({
        "clientKey": session.tenant_key(),
        "userAccountId": session.account_id(),
        "context": session.context(),
    }))
}

#[get("/api/me")]
async fn me(caller: AnyCaller) -> Result<Json<Value>, Error> {
    let answer = caller.host().as_user(caller.require_account_id()?).get("/rest/api/3/myself").send().await?;
    Ok(Json(json!({ "status": answer.status().as_u16() })))
}

#[post("/forge/resource")]
async fn resource(invocation: ForgeInvocation) -> Json<Value> {
    Json(json!({ "installationId": invocation.installation_id() }))
}

/// The key under which the app stores data of the caller.
#[post("/forge/key")]
async fn key(invocation: ForgeInvocation) -> Result<Json<String>, Error> {
    Ok(Json(invocation.tenant_key().await?))
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(["", "/"]).route(web::get().to(HttpResponse::NoContent)))
        .service(page)
        .service(admin)
        .service(session)
        .service(me)
        .service(resource)
        .service(key)
        .configure(forge::events("/forge/events"))
        .configure(forge::pre_uninstall("/forge/uninstall"));
}

fn listen(addon: &Addon) {
    addon.on("jira:issue_created", |_| async { Ok(()) });
    addon.on("avi:jira:created:issue", |occurrence| async move {
        if std::env::var_os(HANGING).is_some() {
            std::future::pending::<()>().await;
        }
        let line = format!("{}\n", occurrence.body["issue"]);
        let mut file = File::options().create(true).append(true).open(EVENTS)?;
        Ok(file.write_all(line.as_bytes())?)
    });
    addon.listen(|associated: TenantAssociated| async move {
        if std::env::var_os(FAILING).is_some() {
            return Err("the app's own tables are locked".into());
        }
        let line = format!("{} -> {}\n", associated.from, associated.to);
        let mut file = File::options().create(true).append(true).open(TOLD)?;
        Ok(file.write_all(line.as_bytes())?)
    });
}
