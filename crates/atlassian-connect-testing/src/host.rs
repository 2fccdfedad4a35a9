//! [`TestHost`].

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::{Method, header};
use actix_web::web::ServiceConfig;
use awc::{Client, ClientRequest};
use serde_json::Value;

use super::database::TestDatabase;
use super::journal::Journal;
use super::{JwksServer, KeyServer, Reply, TokenServer, site};
use crate::fake_host::{TestTenant, claims_for, must};
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::internal::descriptor::Lifecycle;
use atlassian_connect_actix::internal::jwt::now;
use atlassian_connect_actix::internal::session;
use atlassian_connect_actix::{Addon, AddonBuilder};

type Preparation = Box<dyn FnOnce(&Addon)>;

/// The descriptor where the working directory has no `atlassian-connect.json`: the package under test is a library.
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
    /// Sets an environment variable of the add-on; the process's own are not seen.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// The text of a `config.json`; without one there is none.
    #[must_use]
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.config = Some(text.into());
        self
    }

    /// A path in the add-on's base URL: `/addon/base`.
    #[must_use]
    pub fn base_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.base_path);
        self
    }

    /// Changes the builder of the add-on.
    #[must_use]
    pub fn addon(mut self, change: impl FnOnce(AddonBuilder) -> AddonBuilder) -> Self {
        self.addon = change(self.addon);
        self
    }

    /// Registers listeners, as `main.rs` does.
    #[must_use]
    pub fn prepare(mut self, prepare: impl FnOnce(&Addon) + 'static) -> Self {
        self.prepare.push(Box::new(prepare));
        self
    }

    /// How many threads serve the add-on; as many as there are processors.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Starts the add-on with its real server on a free port of the loopback interface.
    pub async fn start<F>(self, routes: F) -> TestHost
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
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
        let listener = must(TcpListener::bind(("127.0.0.1", 0)), "no port for the add-on");
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
            // production's default, and the sites of this host: an address must be named to be called
            ("AC_HOST_WHITELIST".to_owned(), "*.atlassian.net,127.0.0.1".to_owned()),
        ]);
        vars.extend(self.vars);
        let vars: Vars = vars.into_iter().collect();
        let config = must(Config::from_parts(self.config.as_deref(), &vars), "the configuration is not taken");
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

/// A fake host with the add-on running under it.
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
    /// The id of the Forge app that the add-on is.
    pub const APP_ID: &'static str = "6f0e5a4c-7d6b-4f1e-9a37-0c2f4f1b7a11";

    /// Settings, then [`TestHostBuilder::start`].
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

    /// The add-on with production's rules and nothing installed. An app that hands over migrations
    /// ([`AddonBuilder::migrations`]) has a migrated SQLite database of its own for each host, or a schema of its own on
    /// the PostgreSQL server that `TEST_DATABASE_URL` names; any other one has a store in memory. Its descriptor is the
    /// `atlassian-connect.json` of the working directory, which is the folder of the package under test; where there is
    /// none, it is a minimal one without modules.
    pub async fn start<F>(routes: F) -> Self
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        Self::builder().start(routes).await
    }

    /// The same, installed by [`TestHost::tenant`].
    pub async fn installed<F>(routes: F) -> Self
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let host = Self::start(routes).await;
        host.install(&host.tenant).await;
        host
    }

    /// The first site. For others: [`TestHost::new_tenant`], then [`TestHost::install`].
    #[must_use]
    pub fn tenant(&self) -> TestTenant {
        self.tenant.clone()
    }

    /// The add-on under test.
    #[must_use]
    pub fn addon(&self) -> &Addon {
        &self.addon
    }

    /// The server of the install keys.
    #[must_use]
    pub fn keys(&self) -> &KeyServer {
        &self.keys
    }

    /// The server of Forge's keys.
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

    /// A request to the add-on, unsigned; `path` below the base URL, with its query.
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

    /// Sends a request with a body.
    pub async fn send(&self, request: ClientRequest, body: Vec<u8>) -> Reply {
        let mut response = must(request.send_body(body).await, "the add-on does not answer");
        let bytes = must(response.body().limit(64 << 20).await, "the answer breaks off");
        Reply::new(response.status().as_u16(), response.headers().clone(), &bytes)
    }

    /// Opens a page as the host's iframe does: GET with a token in the query that is bound to it.
    pub async fn open_iframe(&self, path: &str) -> Reply {
        self.open_iframe_as(&self.tenant, path).await
    }

    /// The same as another site.
    pub async fn open_iframe_as(&self, tenant: &TestTenant, path: &str) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let token = tenant.token("GET", path, query);
        let separator = if query.is_empty() { "" } else { "&" };
        self.get(&format!("{path}?{query}{separator}jwt={token}")).await
    }

    /// A session token, as a page of the add-on has it that the user of `tenant` has just opened. It is signed here with
    /// the secret that the add-on has stored for the tenant, so that no page is needed. Fails the test if the tenant has
    /// not installed the add-on.
    pub async fn session_token(&self, tenant: &TestTenant) -> String {
        let state = self.addon.state();
        let stored = must(state.tenants.current(&tenant.client_key).await, "the store does not answer");
        let stored = must(stored.ok_or(&tenant.client_key), "TestHost::install comes first: the add-on does not know");
        let claims = tenant.claims("GET", "/", "");
        let times = session::Times { issued: now(), began: now() };
        let token = session::sign(state, &stored, Some(&tenant.account_id), claims.get("context"), times);
        must(token, "a session token could not be signed")
    }

    /// Calls a token route as the page's script does, with a session token of the first site.
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

    /// Sends a webhook, signed.
    pub async fn webhook(&self, path: &str, body: &Value) -> Reply {
        self.webhook_as(&self.tenant, path, body).await
    }

    /// The same as another site.
    pub async fn webhook_as(&self, tenant: &TestTenant, path: &str, body: &Value) -> Reply {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        self.call(Method::POST, path, &tenant.token("POST", bare, query), Some(body)).await
    }

    /// Installs the add-on at `tenant`, and fails the test if it does not let itself be installed.
    pub async fn install(&self, tenant: &TestTenant) -> Reply {
        let reply = self.try_install(tenant).await;
        assert_eq!(reply.status, 204, "the install was refused: {}", reply.body);
        reply
    }

    /// Sends `installed`, signed by the install key.
    pub async fn try_install(&self, tenant: &TestTenant) -> Reply {
        // the add-on may call the site before it has answered
        let before = self.journal.ledger.know(tenant);
        let reply = self.lifecycle(Lifecycle::Installed, tenant).await;
        if let Some(before) = before.filter(|_| reply.status >= 300) {
            self.journal.ledger.know(&before);
        }
        reply
    }

    /// Sends `uninstalled`, signed by the install key.
    pub async fn uninstall(&self, tenant: &TestTenant) -> Reply {
        self.lifecycle(Lifecycle::Uninstalled, tenant).await
    }

    /// Sends a callback to the path that the descriptor names for it.
    async fn lifecycle(&self, callback: Lifecycle, tenant: &TestTenant) -> Reply {
        let descriptor = self.addon.state().descriptor();
        let named = descriptor.lifecycle(callback).ok_or(callback.name());
        let path = must(named, "no site would send this, since the descriptor's lifecycle does not name it");
        let token = KeyServer::sign(&claims_for(tenant, &self.base_url, path));
        let payload = tenant.payload(descriptor.key(), callback.name());
        self.call(Method::POST, path, &token, Some(&payload)).await
    }

    /// Stops the add-on's server.
    pub async fn stop(&self) {
        self.handle.stop(true).await;
    }
}
