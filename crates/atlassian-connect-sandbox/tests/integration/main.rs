//! The sandbox with a real add-on in development, called over HTTP like a browser.
// what helpers cannot do is a failed test
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]
// tables read best as they are written
#![allow(clippy::format_collect, clippy::format_push_string, clippy::too_many_lines)]

mod attacks;
mod everyday;
mod forge;
mod forge_attacks;
mod forge_modules;
mod forge_pages;
mod manners;
#[allow(dead_code)]
#[path = "../../../atlassian-connect-actix/tests/integration/support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use atlassian_connect_actix::auth::{ConnectJwt, SessionToken};
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_actix::{Addon, Error, PageContext};
use atlassian_connect_sandbox::{self as sandbox, RunningSandbox, SandboxError};
use atlassian_connect_testing::{KeyServer, Reply, TestHost, TestHostBuilder, TestTenant, claims_for};
use awc::Client;
use serde_json::{Value, json};

const DESCRIPTOR: &str = r#"{
    "key": "com.example.sandboxed", "name": "Sandboxed <b>", "baseUrl": "{{localBaseUrl}}",
    "authentication": { "type": "jwt" }, "apiMigrations": { "signed-install": true, "context-qsh": true },
    "lifecycle": { "installed": "/installed", "uninstalled": "/uninstalled", "enabled": "/enabled", "disabled": "/disabled" },
    "scopes": SCOPES,
    "modules": {
        "generalPages": [{ "key": "hello", "url": "/hello-world", "name": { "value": "Hello <i>" } }],
        "webPanels": [{ "key": "panel", "location": "atl.jira.view.issue.right.context", "url": "/panel?i={issue.key}&p=${project.id}" }],
        "jiraIssueContents": [{ "key": "content", "target": { "type": "web_panel", "url": "/content?i={issue.id}" } }],
        "jiraDashboardItems": [{ "key": "item", "url": "/item?d={dashboard.id}&v={dashboardItem.viewType}" }],
        "dynamicContentMacros": [{ "key": "macro", "url": "/macro?p={page.id}&s={space.key}" }],
        "somethingNew": [{ "key": "new", "url": "/new?x={nobody.knows}" }],
        "webhooks": [{ "event": "jira:issue_created", "url": "/hook?i={issue.key}" }]
    }
}"#;

struct Administers;

impl Permission for Administers {
    const NEEDED: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };
}

#[get("/hello-world")]
async fn show_page(page: PageContext) -> Json<Value> {
    let variables = json!({ "script": page.host_script_url, "base": page.host_base_url, "license": page.license });
    Json(json!({ "user": page.user_account_id, "context": page.context, "page": variables, "token": page.token }))
}

#[get("/panel")]
async fn show_panel(caller: ConnectJwt) -> Json<Value> {
    Json(caller.context().cloned().unwrap_or_default())
}

#[get("/api/me")]
async fn ask_me(session: SessionToken) -> Result<Json<Value>, Error> {
    let user = session.host().as_user(session.require_account_id()?);
    Ok(Json(user.get("/rest/api/3/myself").send().await?.json().await?))
}

#[post("/api/call")]
async fn ask_host(session: SessionToken, wish: Json<Value>) -> Result<Json<Value>, Error> {
    let method = Method::from_bytes(wish["method"].as_str().unwrap_or("GET").as_bytes()).unwrap();
    let mut request = session.host().request(method, wish["url"].as_str().unwrap());
    if let Some(body) = wish.get("json") {
        request = request.json(body);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    let text = answer.text().await?;
    Ok(Json(json!({ "status": status, "body": serde_json::from_str(&text).unwrap_or(Value::Null) })))
}

#[get("/admin")]
async fn administer(_who: Authorized<Administers>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(show_page).service(show_panel).service(ask_me).service(ask_host).service(administer);
    cfg.route("/content", web::get().to(HttpResponse::Ok)).configure(forge::routes).configure(forge_pages::routes);
    cfg.route("/panic", web::get().to(|| async { if true { panic!("in the handler") } else { "" } }));
}

/// Starts the add-on, with a sandbox that is opened before the add-on is mounted.
async fn with_sandbox<F>(builder: TestHostBuilder, routes: F) -> (TestHost, Result<RunningSandbox, SandboxError>)
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    opened_by(builder, routes, sandbox::start).await
}

async fn opened_by<F>(
    builder: TestHostBuilder,
    routes: F,
    start: impl FnOnce(&Addon) -> Result<RunningSandbox, SandboxError> + 'static,
) -> (TestHost, Result<RunningSandbox, SandboxError>)
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let opened = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&opened);
    let host = builder.prepare(move |addon| *slot.borrow_mut() = Some(start(addon))).start(routes).await;
    let opened = opened.take().unwrap();
    (host, opened)
}

struct Sandbox {
    host: TestHost,
    running: RunningSandbox,
    client: Client,
    _descriptor: tempfile::NamedTempFile,
}

impl Sandbox {
    async fn open() -> Self {
        Self::with_scopes(r#"["READ", "WRITE", "ACT_AS_USER"]"#).await
    }

    async fn with_scopes(scopes: &str) -> Self {
        Self::of(&DESCRIPTOR.replace("SCOPES", scopes)).await
    }

    async fn of(text: &str) -> Self {
        Self::prepared(text, |_| {}).await
    }

    /// `prepare` receives the add-on before it serves.
    async fn prepared(text: &str, prepare: impl FnOnce(&Addon) + 'static) -> Self {
        Self::started(text, prepare, sandbox::start).await
    }

    /// With the app's files in that folder.
    async fn in_folder(folder: &Path) -> Self {
        let folder = folder.to_owned();
        let text = DESCRIPTOR.replace("SCOPES", r#"["READ", "WRITE", "ACT_AS_USER"]"#);
        Self::started(&text, |_| {}, move |addon| sandbox::internal::start_in(addon, folder)).await
    }

    async fn started(
        text: &str,
        prepare: impl FnOnce(&Addon) + 'static,
        start: impl FnOnce(&Addon) -> Result<RunningSandbox, SandboxError> + 'static,
    ) -> Self {
        let descriptor = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(descriptor.path(), text).unwrap();
        let file = descriptor.path().to_owned();
        let builder = support::fixture::builder()
            .var("NODE_ENV", "development")
            .var("AC_HOST_WHITELIST", "127.0.0.1,*.atlassian.net");
        let builder = builder.var("AC_SANDBOX_PORT", "0").addon(move |addon| addon.descriptor_file(file));
        let (host, running) = opened_by(builder.prepare(prepare), routes, start).await;
        let running = running.unwrap();
        // its keys are generated during the first request, which can take seconds on a busy machine
        let client = Client::builder().disable_redirects().timeout(Duration::from_secs(60)).finish();
        let sandbox = Self { host, running, client, _descriptor: descriptor };
        // it installs the add-on automatically
        let begun = std::time::Instant::now();
        while !sandbox.get("/jira").await.body.contains("Installed and enabled.") {
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", sandbox.get("/jira").await.body);
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
        sandbox
    }

    /// The result of the last click at a site.
    async fn news(&self, site: &str) -> String {
        let page = self.get(&format!("/{site}")).await.body;
        let (_, rest) = page.split_once("<p class=\"news ").unwrap();
        rest.split(['>', '<']).nth(1).unwrap().to_owned()
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Reply {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.running.url()) };
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        self.host.send(request, body.into_bytes()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], String::new()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let origin = self.running.url().to_owned();
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin.as_str())];
        let reply = self.ask(Method::POST, path, &headers, body).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        reply
    }

    /// Sends a request like the bridge, for the user.
    async fn by_bridge(&self, method: Method, path: &str, user: &str, body: &str) -> Reply {
        let headers = [("x-sandbox", "1"), ("x-sandbox-user", user), ("content-type", "application/json")];
        self.ask(method, path, &headers, body.to_owned()).await
    }

    /// The data for the page's script.
    async fn facts(&self, path: &str) -> Value {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, rest) = page.body.split_once("id=\"sandbox\">").unwrap();
        serde_json::from_str(rest.split_once('<').unwrap().0).unwrap()
    }

    /// Opens a module's page like the frame.
    async fn open_frame(&self, path: &str) -> Reply {
        let url = self.facts(path).await["frame"]["url"].as_str().unwrap().to_owned();
        self.get(&url).await
    }

    /// A session token of the add-on for that user.
    async fn session(&self, user: &str) -> String {
        let page = self.open_frame(&format!("/jira/modules/generalPages/hello?user={user}")).await;
        page.json()["token"].as_str().unwrap().to_owned()
    }

    async fn call(&self, wish: Value) -> Value {
        let token = self.session("ada").await;
        self.host.call(Method::POST, "/api/call", &token, Some(&wish)).await.json()
    }

    /// The journal's lines, newest first: `to the add-on POST /installed 204`.
    async fn journal(&self) -> Vec<String> {
        let page = self.get("/jira").await.body;
        let (_, journal) = page.split_once("id=\"journal-entries\"").unwrap();
        let lines = journal.split("<summary>").skip(1).map(|entry| {
            let row = entry.split("</summary>").next().unwrap();
            assert!(row.trim_start().starts_with("<span class=\"url\">"), "the path comes first: {row}");
            let part = |class: &str| {
                let (_, rest) = row.split_once(&format!("<span class=\"{class}\">"))?;
                rest.split('<').next()
            };
            let parts = ["direction", "method", "url", "status", "by", "took", "reason"];
            let known: Vec<&str> = parts.iter().filter_map(|class| part(class)).collect();
            known.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
        });
        lines.collect()
    }
}
