//! What the product's page asks the sandbox on behalf of the shell: calls of the add-on, and of the product's REST API.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::invocation::{self, Invocation};
use super::product_call::{self, ProductCall};
use super::view::View;
use crate::guard::is_own_script;
use crate::journal::{Direction, Entry};
use crate::shared::Sandbox;
use crate::site::SandboxSite;
use atlassian_connect_actix::internal::redact;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/gateway/invoke", web::post().to(invoke)).route("/gateway/product", web::post().to(product));
}

/// A refusal of Forge's own, which the shell gets as an error.
pub(super) struct Refusal(pub(super) String);

/// Why a call is not made at all.
enum Unreadable {
    /// It is not the product's page that asks.
    Foreign,
    /// The body is not one of product.js.
    Malformed(serde_json::Error),
    /// No module that is shown has this `localId`.
    Unknown,
}

impl From<Unreadable> for HttpResponse {
    fn from(reason: Unreadable) -> Self {
        match reason {
            Unreadable::Foreign => Self::Forbidden().body("Only the product's page may ask for this."),
            Unreadable::Malformed(error) => Self::BadRequest().body(error.to_string()),
            Unreadable::Unknown => rejected(&Refusal("This page was opened too long ago. Load it again.".to_owned())),
        }
    }
}

/// The call, and the view that it comes from.
struct Asked<'a, T> {
    call: T,
    view: Arc<View>,
    site: &'a SandboxSite,
}

impl<'a, T: DeserializeOwned> Asked<'a, T> {
    /// Who asks is known by `localId` alone: whatever else a body says of site, user or module counts for nothing.
    fn read(sandbox: &'a Sandbox, request: &HttpRequest, body: &Bytes) -> Result<Self, Unreadable> {
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        if !is_own_script(request) || !is_json {
            return Err(Unreadable::Foreign);
        }
        let read = serde_json::from_slice::<Value>(body).and_then(|body| {
            let local_id = body["localId"].as_str().unwrap_or_default().to_owned();
            Ok((local_id, serde_json::from_value(body)?))
        });
        let (local_id, call) = read.map_err(Unreadable::Malformed)?;
        let view = sandbox.views.find(&local_id);
        let site = view.as_ref().and_then(|view| sandbox.site(view.site));
        match (view, site) {
            (Some(view), Some(site)) => Ok(Self { call, view, site }),
            _ => Err(Unreadable::Unknown),
        }
    }
}

async fn invoke(sandbox: web::Data<Sandbox>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let Asked { call, view, site } = match Asked::<Invocation>::read(&sandbox, &request, &body) {
        Ok(asked) => asked,
        Err(reason) => return reason.into(),
    };
    let answer = invocation::perform(&sandbox, site, &view, &call).await;
    answered(&sandbox, &call.method, &call.path, answer)
}

async fn product(sandbox: web::Data<Sandbox>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let Asked { call, view, site } = match Asked::<ProductCall>::read(&sandbox, &request, &body) {
        Ok(asked) => asked,
        Err(reason) => return reason.into(),
    };
    let answer = product_call::perform(&sandbox, site, view.user, &call).await;
    answered(&sandbox, call.method(), &call.rest_path, answer)
}

fn answered(sandbox: &Sandbox, method: &str, path: &str, answer: Result<Value, Refusal>) -> HttpResponse {
    match answer {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) => {
            write_down(sandbox, method, path, &refusal);
            rejected(&refusal)
        }
    }
}

fn rejected(refusal: &Refusal) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "reject": refusal.0 }))
}

/// The journal has what came of every call; the add-on's own answer is in it besides.
fn write_down(sandbox: &Sandbox, method: &str, path: &str, refusal: &Refusal) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    sandbox.journal.write(&Entry {
        direction: Direction::Bridge,
        method: redact::shown(method),
        url: redact::url(path, query),
        // as a gateway would say it
        status: 502,
        took_ms: None,
        by: Some("Forge".to_owned()),
        reason: Some(redact::shown(&refusal.0)),
        headers: Vec::new(),
        token: None,
        body: None,
    });
}
