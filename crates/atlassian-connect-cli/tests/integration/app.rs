//! The app whose commands these tests run, each in a process of its own: this very test binary, started once more.

use std::ffi::OsString;

use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use askama::Template;
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::forge::{self, AnyCaller};
use atlassian_connect_actix::{Addon, Error, PageContext, View};
use serde_json::{Value, json};

/// The arguments of the command, as a JSON list. Set: [`process`] is no test but the command.
pub(crate) const ARGUMENTS: &str = "FIXTURE_ARGUMENTS";

/// What libtest prints on standard output before the command says anything.
pub(crate) const PREFACE: &str = "\nrunning 1 test\n";

/// The arguments with which the test binary runs [`process`] and nothing else.
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
        "clientKey": session.client_key(),
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

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(["", "/"]).route(web::get().to(HttpResponse::NoContent)))
        .service(page)
        .service(admin)
        .service(session)
        .service(me)
        .service(resource)
        .configure(forge::events("/forge/events"))
        .configure(forge::pre_uninstall("/forge/uninstall"));
}

fn listen(addon: &Addon) {
    addon.on("jira:issue_created", |_| async { Ok(()) });
}
