//! The sites of the fleet: one HTTP server with a port for each site. It verifies every credential, and notes each request
//! with its time.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use atlassian_connect_actix::internal::association::CLIENT_KEY_PROPERTY;
use atlassian_connect_testing::internal::Ledger;
use atlassian_connect_testing::{By, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;

/// An answer of a site that is not the usual one.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Json(u16, Value),
    Text(u16, &'static str),
    /// JSON that is right, and some megabytes long.
    Huge(Value),
    Redirect(String),
    /// It never answers.
    Silence,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The clientKey.
    Property,
    /// The URL of the site, which the product's API knows.
    SiteUrl,
    /// The cloudId.
    Info,
    /// Whether the tenant's secret counts.
    Proof,
}

/// A request that a site has received.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) at: Instant,
    pub(super) site: usize,
    pub(super) kind: Kind,
    /// The app token, or the clientKey that has signed; empty if there are no credentials.
    pub(super) by: String,
}

/// A site, and how it behaves.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) url: String,
    pub(super) cloud_id: String,
    /// The answers for each app token and product. Without one, the token is refused.
    pub(super) properties: HashMap<(String, String), Answer>,
    /// The answer to `tenant_info`, if it is not the cloudId.
    pub(super) info: Option<Answer>,
    /// The answer to signed calls, if it is not by the secret.
    pub(super) proof: Option<Answer>,
    /// The tenants whose secret counts.
    pub(super) accepted: Vec<TestTenant>,
    /// Tenants of another time, whose secret does not count.
    pub(super) former: Vec<TestTenant>,
    /// The URL that the products return, if it is not its own.
    pub(super) named_url: Option<String>,
}

/// All sites.
#[derive(Clone, Default)]
pub(super) struct Sites(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sites: Vec<Site>,
    ports: HashMap<u16, usize>,
    requests: Vec<Request>,
    problems: Vec<String>,
}

impl Sites {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Adds a site on a free port, where it does not answer yet.
    pub(super) fn add(&self, cloud_id: &str) -> (usize, TcpListener) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut state = self.lock();
        let number = state.sites.len();
        state.ports.insert(port, number);
        state.sites.push(Site {
            url: format!("http://127.0.0.1:{port}"),
            cloud_id: cloud_id.to_owned(),
            properties: HashMap::new(),
            info: None,
            proof: None,
            accepted: Vec::new(),
            former: Vec::new(),
            named_url: None,
        });
        (number, listener)
    }

    pub(super) fn change(&self, site: usize, change: impl FnOnce(&mut Site)) {
        change(&mut self.lock().sites[site]);
    }

    pub(super) fn get(&self, site: usize) -> Site {
        self.lock().sites[site].clone()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().sites.len()
    }

    /// Everything that was asked until now.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How many requests of this kind there were.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.lock().requests.iter().filter(|request| request.kind == kind).count()
    }

    /// Requests that nobody should have sent, or not like that.
    pub(super) fn problems(&self) -> Vec<String> {
        self.lock().problems.clone()
    }

    /// Answers on all ports.
    pub(super) fn serve(&self, listeners: Vec<TcpListener>) {
        let sites = self.clone();
        let server = HttpServer::new(move || {
            let sites = sites.clone();
            App::new().default_service(web::to(move |request: HttpRequest| {
                let answer = sites.answer(&request);
                async move { respond(answer).await }
            }))
        });
        let server = server.workers(1).shutdown_timeout(0).disable_signals();
        let server = listeners.into_iter().fold(server, |server, listener| server.listen(listener).unwrap());
        actix_web::rt::spawn(server.run());
    }

    fn answer(&self, request: &HttpRequest) -> Answer {
        let at = Instant::now();
        let mut state = self.lock();
        let number = state.ports[&request.app_config().local_addr().port()];
        let site = state.sites[number].clone();
        match site.answer(request) {
            Ok((kind, by, answer)) => {
                state.requests.push(Request { at, site: number, kind, by });
                answer
            }
            Err(problem) => {
                state.problems.push(format!("{} {}: {problem}", site.url, request.path()));
                Answer::Text(400, "no")
            }
        }
    }
}

async fn respond(answer: Answer) -> HttpResponse {
    let status = |status| HttpResponse::build(StatusCode::from_u16(status).unwrap());
    match answer {
        Answer::Json(code, json) => status(code).json(json),
        Answer::Text(code, text) => status(code).content_type("text/html").body(text),
        Answer::Huge(mut json) => {
            json["more"] = "x".repeat(4 * 1024 * 1024).into();
            status(200).json(json)
        }
        Answer::Redirect(to) => status(302).insert_header((header::LOCATION, to)).finish(),
        Answer::Silence => std::future::pending().await,
    }
}

impl Site {
    /// What is asked, by whom, and the answer; or what is wrong with the request.
    fn answer(&self, request: &HttpRequest) -> Result<(Kind, String, Answer), String> {
        let (path, headers) = (request.path(), request.headers());
        if request.method() != Method::GET {
            return Err(format!("the method is {}", request.method()));
        }
        if path == "/_edge/tenant_info" {
            if headers.contains_key(header::AUTHORIZATION) {
                return Err("tenant_info is public: credentials do not belong there".into());
            }
            let answer = self.info.clone().unwrap_or_else(|| Answer::Json(200, json!({ "cloudId": self.cloud_id })));
            return Ok((Kind::Info, String::new(), answer));
        }
        match self.below_api(path) {
            Some((product, path)) => self.answer_of_api(product, path, request),
            None => self.answer_of_connect(path, request),
        }
    }

    /// The product, and the path below its API.
    fn below_api<'a>(&self, path: &'a str) -> Option<(&'a str, &'a str)> {
        if let Some(path) = path.strip_prefix("/2.0") {
            return Some(("bitbucket", path));
        }
        let (product, rest) = path.strip_prefix("/ex/")?.split_once('/')?;
        let path = rest.strip_prefix(&self.cloud_id)?;
        Some((product, if product == "confluence" { path.strip_prefix("/wiki")? } else { path }))
    }

    fn answer_of_api(
        &self,
        product: &str,
        path: &str,
        request: &HttpRequest,
    ) -> Result<(Kind, String, Answer), String> {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer ")).ok_or("no bearer token")?.to_owned();
        let property = format!("/rest/atlassian-connect/1/addons/{}/properties/{CLIENT_KEY_PROPERTY}", fixture::KEY);
        let url = self.named_url.as_ref().unwrap_or(&self.url);
        let (kind, usual) = match (product, path) {
            (_, path) if path == property => (Kind::Property, None),
            ("confluence", "/api/v2/spaces") => {
                (Kind::SiteUrl, Some(json!({ "results": [], "_links": { "base": format!("{url}/wiki") } })))
            }
            ("jira", "/rest/api/3/serverInfo") => (Kind::SiteUrl, Some(json!({ "baseUrl": url }))),
            _ => return Err("nobody needs this".into()),
        };
        let known = self.properties.get(&(token.clone(), product.to_owned()));
        let answer = match (known, usual) {
            (None, _) => Answer::Text(401, ""),
            (Some(property), None) => property.clone(),
            (Some(_), Some(usual)) => Answer::Json(200, usual),
        };
        Ok((kind, token, answer))
    }

    fn answer_of_connect(&self, path: &str, request: &HttpRequest) -> Result<(Kind, String, Answer), String> {
        let (path, is_wiki) = path.strip_prefix("/wiki").map_or((path, false), |path| (path, true));
        if path != format!("/rest/atlassian-connect/1/addons/{}", fixture::KEY) {
            return Err("nobody needs this".into());
        }
        let ledger = Ledger::default();
        ledger.name_addon(fixture::KEY);
        let has_signed = |tenant: &&TestTenant| {
            tenant.base_url.ends_with("/wiki") == is_wiki
                && ledger.prove(tenant, &Method::GET, path, "", request.headers()) == By::Addon
        };
        let accepted = self.accepted.iter().find(has_signed);
        let signer = accepted.or_else(|| self.former.iter().find(has_signed)).ok_or("it is not signed by a tenant")?;
        let usual = match accepted {
            Some(_) => Answer::Json(200, json!({ "key": fixture::KEY, "state": "ENABLED" })),
            None => Answer::Text(401, ""),
        };
        Ok((Kind::Proof, signer.client_key.clone(), self.proof.clone().unwrap_or(usual)))
    }
}
