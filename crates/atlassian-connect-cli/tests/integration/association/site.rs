//! A fake site, for what `tenants associate` asks.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use atlassian_connect_testing::internal::Ledger;
use atlassian_connect_testing::{By, TestTenant};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::fixture;

/// What the site answers to a request.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    Redirect(String),
    /// It never answers.
    Silence,
}

/// The site's behavior, and the requests that it got.
struct State {
    cloud_id: String,
    info: Option<Answer>,
    proof: Option<Answer>,
    /// The tenants whose secret it accepts.
    tenants: Vec<TestTenant>,
    calls: Vec<(Instant, String)>,
    /// Whether answers are held back.
    held: watch::Sender<bool>,
}

/// A site with its own origin.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

impl Site {
    /// A site that accepts no tenant yet.
    pub(super) fn start(cloud_id: &str) -> Self {
        let state = Arc::new(Mutex::new(State {
            cloud_id: cloud_id.to_owned(),
            info: None,
            proof: None,
            tenants: Vec::new(),
            calls: Vec::new(),
            held: watch::Sender::new(false),
        }));
        let of_server = Arc::clone(&state);
        let server = HttpServer::new(move || {
            let state = Arc::clone(&of_server);
            App::new().default_service(web::to(move |request: HttpRequest| {
                let answer = answer(&state, &request);
                let mut held = state.lock().unwrap().held.subscribe();
                async move {
                    held.wait_for(|is_held| !is_held).await.unwrap();
                    match answer {
                        Answer::Json(status, json) => respond(status).json(json),
                        Answer::Text(status, text) => respond(status).body(text),
                        Answer::Redirect(to) => respond(302).insert_header((header::LOCATION, to)).finish(),
                        Answer::Silence => std::future::pending().await,
                    }
                }
            }))
        });
        let server = server.workers(1).shutdown_timeout(0).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { url, state }
    }

    /// Answers `tenant_info` like this from now on.
    pub(super) fn info(self, answer: Answer) -> Self {
        self.state.lock().unwrap().info = Some(answer);
        self
    }

    /// Answers every signed call like this from now on.
    pub(super) fn proof(self, answer: Answer) -> Self {
        self.state.lock().unwrap().proof = Some(answer);
        self
    }

    /// Holds answers back, or lets them go.
    pub(super) fn hold(&self, is_held: bool) {
        self.state.lock().unwrap().held.send_replace(is_held);
    }

    /// Forgets the changed answers.
    pub(super) fn recover(&self) {
        let mut state = self.state.lock().unwrap();
        (state.info, state.proof) = (None, None);
    }

    pub(super) fn rename(&self, cloud_id: &str) {
        cloud_id.clone_into(&mut self.state.lock().unwrap().cloud_id);
    }

    /// A tenant of this site that it accepts.
    pub(super) fn tenant(&self, client_key: &str) -> TestTenant {
        let tenant = self.stranger(client_key);
        self.state.lock().unwrap().tenants.push(tenant.clone());
        tenant
    }

    /// The same for Confluence.
    pub(super) fn confluence(&self, client_key: &str) -> TestTenant {
        let mut tenant = self.stranger(client_key);
        "confluence".clone_into(&mut tenant.product);
        tenant.base_url.push_str("/wiki");
        self.state.lock().unwrap().tenants.push(tenant.clone());
        tenant
    }

    /// A tenant with the address of this site that it does not accept.
    pub(super) fn stranger(&self, client_key: &str) -> TestTenant {
        let mut tenant = TestTenant::new();
        client_key.clone_into(&mut tenant.client_key);
        tenant.base_url.clone_from(&self.url);
        tenant
    }

    /// Accepts a tenant no longer, as after an import.
    pub(super) fn refuse(&self, client_key: &str) {
        self.state.lock().unwrap().tenants.retain(|tenant| tenant.client_key != client_key);
    }

    /// When `tenant_info` was asked.
    pub(super) fn asked(&self) -> Vec<Instant> {
        let state = self.state.lock().unwrap();
        state.calls.iter().filter(|(_, path)| path == INFO).map(|(at, _)| *at).collect()
    }

    /// The paths that were asked, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.iter().map(|(_, path)| path.clone()).collect()
    }
}

pub(super) const INFO: &str = "/_edge/tenant_info";

fn respond(status: u16) -> actix_web::HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap())
}

fn answer(state: &Mutex<State>, request: &HttpRequest) -> Answer {
    let mut state = state.lock().unwrap();
    state.calls.push((Instant::now(), request.path().to_owned()));
    let is_signed = request.headers().contains_key(header::AUTHORIZATION);
    if request.path() == INFO {
        if is_signed {
            return Answer::Text(400, "tenant_info is public: credentials do not belong there");
        }
        return state.info.clone().unwrap_or_else(|| Answer::Json(200, json!({ "cloudId": state.cloud_id })));
    }
    if let Some(answer) = &state.proof {
        return answer.clone();
    }
    let path = request.path().strip_prefix("/wiki").unwrap_or(request.path());
    if path != format!("/rest/atlassian-connect/1/addons/{}", fixture::KEY) {
        return Answer::Text(404, "");
    }
    let ledger = Ledger::default();
    ledger.name_addon(fixture::KEY);
    let accepts = |tenant: &TestTenant| ledger.prove(tenant, &Method::GET, path, "", request.headers()) == By::Addon;
    if state.tenants.iter().any(accepts) {
        Answer::Json(200, json!({ "key": fixture::KEY, "state": "ENABLED" }))
    } else {
        Answer::Text(401, "")
    }
}
