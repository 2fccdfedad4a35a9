//! [`TestHost`].

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::{Method, header};
use actix_web::web::ServiceConfig;
use awc::{Client, ClientRequest};
use serde_json::Value;
use url::form_urlencoded;

use super::database::TestDatabase;
use super::journal::Journal;
use super::{JwksServer, KeyServer, Reply, TokenServer, site};
use crate::fake_host::{TestTenant, claims_for, must};
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::internal::descriptor::Lifecycle;
use atlassian_connect_actix::internal::jwt::now;
use atlassian_connect_actix::internal::session;
use atlassian_connect_actix::{Addon, AddonBuilder, log};

type Preparation = Box<dyn FnOnce(&Addon)>;

/// The descriptor if the working directory has no `atlassian-connect.json`: then the package under test is a library.
const DESCRIPTOR: &str = include_str!("descriptor.json");

/// Settings of a [`TestHost`].
pub struct TestHostBuilder {
    vars: BTreeMap<String, String>,
    config: Option<String>,
    base_path: String,
    addon: AddonBuilder,
    prepare: Vec<Preparation>,
    workers: Option<usize>,
}

impl std::fmt::Debug for TestHostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestHostBuilder").field("base_path", &self.base_path).finish_non_exhaustive()
    }
}

impl TestHostBuilder {
    /// Sets an environment variable of the add-on. It does not see those of the process.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the text of `config.json`. Without this there is no such file.
    #[must_use]
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.config = Some(text.into());
        self
    }

    /// Sets a path in the add-on's base URL: `/addon/base`.
    #[must_use]
    pub fn base_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.base_path);
        self
    }

    /// Changes the add-on's builder.
    #[must_use]
    pub fn addon(mut self, change: impl FnOnce(AddonBuilder) -> AddonBuilder) -> Self {
        self.addon = change(self.addon);
        self
    }

    /// Registers listeners, like `main.rs`.
    #[must_use]
    pub fn prepare(mut self, prepare: impl FnOnce(&Addon) + 'static) -> Self {
        self.prepare.push(Box::new(prepare));
        self
    }

    /// Sets the number of server threads. The default is the number of processors.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Starts the add-on with its real server on a free loopback port. Its ERROR log lines go to the test's captured
    /// output, so they explain a 500; `RUST_LOG` selects more. A subscriber that the process has already set is kept.
    pub async fn start<F>(self, routes: F) -> TestHost
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        log::start_in_test(std::env::var("RUST_LOG").ok().as_deref());
        let database = match self.addon.own_migrations() {
            Some(migrations) => Some(TestDatabase::new(migrations).await),
            None => None,
        };
        let store = database.as_ref().map_or("memory:", |database| database.url.as_str());
        let keys = KeyServer::start();
        let forge_keys = JwksServer::start();
        let journal = Arc::new(Journal::default());
        let tokens = TokenServer::start(&journal);
        let tenant = site::serve(&journal);
        let listener = must(TcpListener::bind(("127.0.0.1", 0)), "cannot bind a port for the add-on");
        let port = must(listener.local_addr(), "no address").port();
        let base_url = format!("http://127.0.0.1:{port}{}", self.base_path);
        let mut vars = BTreeMap::from([
            ("NODE_ENV".to_owned(), "production".to_owned()),
            ("PORT".to_owned(), port.to_string()),
            ("AC_LOCAL_BASE_URL".to_owned(), base_url.clone()),
            ("DATABASE_URL".to_owned(), store.to_owned()),
            ("CONNECT_KEYS_CDN_URL".to_owned(), keys.url().to_owned()),
            ("AC_AUTHORIZATION_SERVER_URL".to_owned(), tokens.url().to_owned()),
            ("AC_APP_ID".to_owned(), TestHost::APP_ID.to_owned()),
            ("AC_FORGE_JWKS_URL".to_owned(), forge_keys.url().to_owned()),
            // production's default plus the sites of this host: only a listed address may be called
            ("AC_HOST_WHITELIST".to_owned(), "*.atlassian.net,127.0.0.1".to_owned()),
        ]);
        vars.extend(self.vars);
        let vars: Vars = vars.into_iter().collect();
        let config = must(Config::from_parts(self.config.as_deref(), &vars), "the configuration is not valid");
        let addon = must(
            Box::pin(self.addon.fallback_descriptor(DESCRIPTOR).config(config).build()).await,
            "the add-on does not start",
        );
        for prepare in self.prepare {
            prepare(&addon);
        }
        journal.ledger.name_addon(addon.state().descriptor().key());
        let server = must(addon.serve_with(listener, self.workers, routes), "the add-on does not serve");
        let handle = server.handle();
        actix_web::rt::spawn(server);
        TestHost {
            addon,
            _database: database,
            keys,
            forge_keys,
            tokens,
            journal,
            handle,
            base_url: base_url.trim_end_matches('/').to_owned(),
            tenant,
            client: Client::builder().disable_redirects().timeout(std::time::Duration::from_secs(20)).finish(),
        }
    }
}

/// A fake host with the add-on running.
pub struct TestHost {
    addon: Addon,
    _database: Option<TestDatabase>,
    keys: KeyServer,
    forge_keys: JwksServer,
    tokens: TokenServer,
    pub(super) journal: Arc<Journal>,
    handle: ServerHandle,
    base_url: String,
    tenant: TestTenant,
    client: Client,
}

impl std::fmt::Debug for TestHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestHost").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl TestHost {
    /// The id of the add-on's Forge app.
    pub const APP_ID: &'static str = "6f0e5a4c-7d6b-4f1e-9a37-0c2f4f1b7a11";

    /// Sets options, then [`TestHostBuilder::start`].
    #[must_use]
    pub fn builder() -> TestHostBuilder {
        TestHostBuilder {
            vars: BTreeMap::new(),
            config: None,
            base_path: String::new(),
            addon: Addon::builder(),
            prepare: Vec::new(),
            workers: None,
        }
    }

    /// Starts the add-on with production's rules and nothing installed. It has only the routes, not the app's listeners
    /// and tables. For these, pass the app's builder: `TestHost::builder().addon(|_| crate::addon())`. An app with
    /// migrations ([`AddonBuilder::migrations`]) gets a migrated SQLite database per host, or a schema on the
    /// PostgreSQL server in `TEST_DATABASE_URL`; any other app gets a store in memory. The descriptor is
    /// `atlassian-connect.json` in the working directory, which is the folder of the package under test. If there is
    /// none, it is a minimal one without modules.
    pub async fn start<F>(routes: F) -> Self
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        Self::builder().start(routes).await
    }

    /// The same, installed by [`TestHost::tenant`]. An app on Forge alone is not installed by a callback.
    pub async fn installed<F>(routes: F) -> Self
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let host = Self::start(routes).await;
        if !host.addon.state().descriptor().is_of_forge() {
            host.install(&host.tenant).await;
        }
        host
    }

    /// The first site. For others, use [`TestHost::new_tenant`], then [`TestHost::install`].
    #[must_use]
    pub fn tenant(&self) -> TestTenant {
        self.tenant.clone()
    }

    /// The add-on under test.
    #[must_use]
    pub fn addon(&self) -> &Addon {
        &self.addon
    }

    /// The server with the install keys.
    #[must_use]
    pub fn keys(&self) -> &KeyServer {
        &self.keys
    }

    /// The server with Forge's keys.
    #[doc(hidden)]
    #[must_use]
    pub fn forge_keys(&self) -> &JwksServer {
        &self.forge_keys
    }

    /// The authorization server.
    #[doc(hidden)]
    #[must_use]
    pub fn tokens(&self) -> &TokenServer {
        &self.tokens
    }

    /// The base URL of the add-on, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// An unsigned request to the add-on. `path` is relative to the base URL and includes the query.
    #[must_use]
    pub fn request(&self, method: Method, path: &str) -> ClientRequest {
        self.client.request(method, format!("{}{path}", self.base_url))
    }

    /// An unsigned GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path), Vec::new()).await
    }

    /// An unsigned POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request(Method::POST, path).content_type("application/json"), body.to_string().into_bytes())
            .await
    }

    /// Sends a form like a page of the first site: a POST with the page's session token, like `{{ page.form_token()
    /// }}`.
    ///
    /// ```no_run
    /// # async fn save(host: atlassian_connect_testing::TestHost) {
    /// let reply = host.post_form("/limit", &[("limit", "many")]).await;
    /// assert_eq!(reply.status, 422, "{}", reply.body);
    /// # }
    /// ```
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_form_as(&self.tenant, path, fields).await
    }

    /// The same for the user of another site.
    pub async fn post_form_as(&self, tenant: &TestTenant, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_form_with(&self.session_token(tenant).await, path, fields).await
    }

    /// The same with a given session token, for example of a page on Forge: [`Reply::session_token`].
    pub async fn post_form_with(&self, token: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("jwt", token).extend_pairs(fields);
        let request = self.request(Method::POST, path).content_type("application/x-www-form-urlencoded");
        self.send(request, form.finish().into_bytes()).await
    }

    /// Sends a request with a body.
    pub async fn send(&self, request: ClientRequest, body: Vec<u8>) -> Reply {
        let mut response = must(request.send_body(body).await, "the add-on does not answer");
        let bytes = must(response.body().limit(64 << 20).await, "the answer ended early");
        Reply::new(response.status().as_u16(), response.headers().clone(), &bytes)
    }

    /// Opens a page like the host's iframe: a GET with a token in the query that is bound to it.
    pub async fn open_iframe(&self, path: &str) -> Reply {
        self.open_iframe_as(&self.tenant, path).await
    }

    /// The same for another site.
    pub async fn open_iframe_as(&self, tenant: &TestTenant, path: &str) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let token = tenant.token("GET", path, query);
        let separator = if query.is_empty() { "" } else { "&" };
        self.get(&format!("{path}?{query}{separator}jwt={token}")).await
    }

    /// A session token like that of a page which the user of `tenant` has just opened. It is signed here with the
    /// stored secret of the tenant, so no page is needed. Fails the test if the tenant has not installed the add-on.
    pub async fn session_token(&self, tenant: &TestTenant) -> String {
        let state = self.addon.state();
        let stored = must(state.tenants.current(&tenant.client_key).await, "the store does not answer");
        let stored = must(
            stored.ok_or(&tenant.client_key),
            "call TestHost::install first: the add-on has not stored this tenant",
        );
        let claims = tenant.claims("GET", "/", "");
        let times = session::Times { issued: now(), began: now() };
        let token = session::sign(state, &stored, Some(&tenant.account_id), claims.get("context"), times, None);
        must(token, "the session token cannot be signed")
    }

    /// Calls a token route like the page's script, with a session token of the first site.
    pub async fn call_with_session(&self, path: &str) -> Reply {
        let token = self.session_token(&self.tenant).await;
        self.call(Method::GET, path, &token, None).await
    }

    /// A request with `Authorization: JWT …`, and JSON if there is a body.
    pub async fn call(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Reply {
        let mut request = self.request(method, path).insert_header((header::AUTHORIZATION, format!("JWT {token}")));
        if body.is_some() {
            request = request.content_type("application/json");
        }
        self.send(request, body.map(|body| body.to_string().into_bytes()).unwrap_or_default()).await
    }

    /// Sends a signed webhook.
    pub async fn webhook(&self, path: &str, body: &Value) -> Reply {
        self.webhook_as(&self.tenant, path, body).await
    }

    /// The same for another site.
    pub async fn webhook_as(&self, tenant: &TestTenant, path: &str, body: &Value) -> Reply {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        self.call(Method::POST, path, &tenant.token("POST", bare, query), Some(body)).await
    }

    /// Installs the add-on at `tenant`. Fails the test if the install is refused.
    pub async fn install(&self, tenant: &TestTenant) -> Reply {
        let reply = self.try_install(tenant).await;
        assert_eq!(reply.status, 204, "the install was refused: {}", reply.body);
        reply
    }

    /// Sends `installed`, signed by the install key.
    pub async fn try_install(&self, tenant: &TestTenant) -> Reply {
        // the add-on may call the site before it answers
        let before = self.journal.ledger.know(tenant);
        let reply = self.lifecycle(Lifecycle::Installed, tenant).await;
        if reply.status >= 300
            && let Some(before) = before
        {
            self.journal.ledger.know(&before);
        }
        reply
    }

    /// Sends `uninstalled`, signed by the install key.
    pub async fn uninstall(&self, tenant: &TestTenant) -> Reply {
        self.lifecycle(Lifecycle::Uninstalled, tenant).await
    }

    /// Sends a callback to its path in the descriptor.
    async fn lifecycle(&self, callback: Lifecycle, tenant: &TestTenant) -> Reply {
        let descriptor = self.addon.state().descriptor();
        let named = descriptor.lifecycle(callback).ok_or(callback.name());
        let path = must(named, "the descriptor's lifecycle does not name this callback");
        let token = KeyServer::sign(&claims_for(tenant, &self.base_url, path));
        let payload = tenant.payload(descriptor.key(), callback.name());
        self.call(Method::POST, path, &token, Some(&payload)).await
    }

    /// Stops the add-on's server.
    pub async fn stop(&self) {
        self.handle.stop(true).await;
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use actix_web::web;
    use atlassian_connect_actix::database::Database;

    use super::*;

    /// Fails in a separate process, for the test below.
    #[actix_web::test]
    #[ignore = "part of another test"]
    async fn a_page_without_its_database() {
        let routes = |cfg: &mut ServiceConfig| {
            cfg.route("/page", web::get().to(|_: Database| async { "" }));
        };
        let host = TestHost::start(routes).await;
        assert_eq!(host.get("/page").await.status, 200);
    }

    fn failed(log: &str) -> String {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host::tests::a_page_without_its_database", "--include-ignored"])
            .env("RUST_LOG", log)
            .output()
            .unwrap();
        let said = String::from_utf8(child.stdout).unwrap();
        assert!(!child.status.success() && said.contains("left: 500"), "{said}");
        said
    }

    #[test]
    fn a_test_with_a_500_shows_the_cause_and_what_to_do() {
        let said = failed("");
        let (_, captured) = said.split_once("a_page_without_its_database stdout ----").unwrap();
        let line = captured.lines().find(|line| line.contains("ERROR")).unwrap();
        assert!(line.contains("status=500") && line.contains("TestHost::builder().addon("), "{line}");
        assert!(!captured.contains(" INFO "), "{captured}");
        assert!(failed("info").contains(" INFO "));
        assert!(!failed("off").contains("ERROR"));
    }
}
