//! Pages on Forge: the same page through the app's shell, and everybody who is not the shell.

mod endings;
mod nodes;
mod opening;
mod tokens;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{get, post};
use askama::Template;
use atlassian_connect_actix::auth::{Caller, ConnectJwt, SessionToken, Via};
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_actix::{Error, PageContext, View};
use atlassian_connect_testing::{By, Reply, TestHost, TestHostBuilder, TestInvocation};
use serde_json::{Value, json};
use url::Url;

use crate::support::fixture;

/// Modules that only Forge has.
const PAGES: &str =
    r#"{ "forge": { "pages": { "panel": "/panel?issue={issue.key}", "guarded": "/guarded", "old": "/old" } } }"#;
const FORBIDDEN: u16 = 403;
const UNAUTHORIZED: u16 = 401;

#[derive(Template)]
#[template(
    source = r#"<head>{{ page.head() }}</head><a href="{{ page.link("/panel?issue=A-2#top") }}">next</a>
{{ page.form_token() }}{{ page.context_script() }}"#,
    ext = "html"
)]
struct Page {
    page: PageContext,
}

#[derive(Template)]
#[template(source = "<head>{{ page.head() }}</head>saved for {{ page.tenant_key() }}", ext = "html")]
struct Saved {
    page: PageContext<SessionToken>,
}

#[get("/hello-world")]
async fn hello(page: PageContext) -> View<Page> {
    View(Page { page })
}

#[get("/panel")]
async fn panel(page: PageContext) -> View<Page> {
    View(Page { page })
}

#[post("/panel")]
async fn save(page: PageContext<SessionToken>) -> Result<View<Saved>, Error> {
    page.settings().set("saved", &page.require_account_id()?).await?;
    Ok(View(Saved { page }))
}

#[get("/old")]
async fn old(caller: ConnectJwt) -> String {
    caller.tenant_key().to_owned()
}

struct Administer;

impl Permission for Administer {
    const NEEDED: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };
}

#[get("/guarded")]
async fn guarded(_page: PageContext<Authorized<Administer>>) -> &'static str {
    "may"
}

fn seen(caller: &Caller) -> Value {
    json!({
        "via": if caller.via() == Via::Forge { "forge" } else { "connect" },
        "tenant": caller.tenant_key(),
        "connect": caller.tenant().is_some(),
        "account": caller.account_id(),
        "context": caller.context(),
    })
}

#[get("/api/seen")]
async fn api(session: SessionToken) -> Json<Value> {
    Json(seen(&session))
}

#[get("/api/saved")]
async fn saved(session: SessionToken) -> Result<Json<Value>, Error> {
    Ok(Json(json!(session.settings().get::<String>("saved").await?)))
}

#[get("/api/me")]
async fn me(session: SessionToken) -> Result<Json<Value>, Error> {
    let user = session.host().as_user(session.require_account_id()?);
    Ok(Json(user.get("/rest/api/3/myself").send().await?.json().await?))
}

#[get("/api/app")]
async fn app(session: SessionToken) -> Result<Json<Value>, Error> {
    Ok(Json(session.host().get("/rest/api/3/serverInfo").send().await?.json().await?))
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(hello).service(panel).service(save).service(old).service(guarded);
    cfg.service(api).service(saved).service(me).service(app);
}

fn builder() -> TestHostBuilder {
    fixture::builder().config(PAGES)
}

async fn started() -> TestHost {
    let host = builder().start(routes).await;
    host.stub_get("/rest/api/3/myself", json!({ "displayName": "Mia" }));
    host.stub_get("/rest/api/3/serverInfo", json!({ "version": 1 }));
    host
}

fn at_issue() -> Value {
    json!({ "type": "jira:issuePanel", "issue": { "id": "11", "key": "A-1", "typeId": "3" }, "project": { "id": "10", "key": "A" } })
}

fn looking_at(host: &TestHost, extension: Value) -> TestInvocation {
    host.invocation().claim("/context/extension", extension)
}

/// The URL of a page, without the base URL.
async fn url_of(host: &TestHost, invocation: &TestInvocation, module: &str) -> String {
    let answer = host.forge_page_url(invocation, module, TestHost::SHELL).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["url"].as_str().unwrap().strip_prefix(host.base_url()).unwrap().to_owned()
}

async fn call(host: &TestHost, path: &str, token: &str) -> Reply {
    host.call(Method::GET, path, token, None).await
}

/// The parameter of a URL.
fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse("http://x").unwrap().join(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
