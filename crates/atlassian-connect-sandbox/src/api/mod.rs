//! The REST API of the sandbox's sites: small, in memory, and strict about who asks.

mod confluence;
mod data;
mod jira;
mod question;
mod records;
mod sample;
pub(super) mod scopes;
mod upload;

use actix_web::http::Method;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use serde_json::Value;

pub(super) use data::Data;
pub(super) use sample::sample;

use super::guard;
use super::journal::{self, DecodedToken, Direction, Entry, excerpt};
use super::shared::Sandbox;
use super::site::Site;
use super::user::User;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::redact;
use atlassian_connect_testing::By;
use atlassian_connect_testing::internal::lock;
use question::{Asker, Question, Reply, refusal};

/// By this header the bridge says whose browser it is.
const USER_HEADER: &str = "X-Sandbox-User";

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// At the site itself, as Connect's do.
    Site,
    /// At the product's API, where Forge's tokens are good.
    Forge,
}

/// Answers whatever is asked below `/rest` of a site, and writes it down. `path` is below the site's base URL.
pub(super) async fn answer(
    sandbox: &Sandbox,
    site: &Site,
    door: Door,
    path: &str,
    request: &HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let tenant = site.tenant();
    let (method, query) = (request.method(), request.query_string());
    let own_script = guard::is_own_script(request) && door == Door::Site;
    let bridge = own_script.then(|| request.headers().get(USER_HEADER)).flatten();
    let by = match bridge {
        Some(_) => By::Nobody,
        None if door == Door::Forge => sandbox.prove_forge(&tenant, request.headers()),
        None if !site.status().installed && request.headers().contains_key("authorization") => {
            By::Refused("the site has not installed the add-on".into())
        }
        None => sandbox.ledger.prove(&tenant, method, path, query, request.headers()),
    };
    let account = bridge.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asker = match (&by, User::of_account(account)) {
        (By::Addon, _) => Ok(Asker::Addon),
        (By::User(id), _) => User::of_account(id).map(|user| Asker::User(user.account_id)).ok_or("no such user"),
        (By::Refused(reason), _) => Err(reason.as_str()),
        (By::Nobody, Some(user)) if !user.anonymous => Ok(Asker::User(user.account_id)),
        (By::Nobody, _) => Ok(Asker::Anonymous),
    };
    let (status, json, reason) = match asker {
        Err(reason) => (401, refusal(401, reason).1, Some(reason.to_owned())),
        Ok(asker) => {
            let narrowed = sandbox.ledger.scope_of(request.headers());
            // whoever shows nothing is a visitor of the site's, who is not asked through the add-on
            let lacks = match by {
                By::Nobody if bridge.is_none() => None,
                // those of a Forge app stand in its manifest, which the sandbox does not read
                _ if door == Door::Forge => None,
                _ => lacking_scope(sandbox, narrowed.as_deref(), method, path),
            };
            let (status, json) = match lacks {
                Some(reply) => reply,
                None => reply(sandbox, site, request, path, asker, &body).await,
            };
            let reason = json.get("message").and_then(Value::as_str).filter(|_| status >= 400).map(redact::shown);
            (status, json, reason)
        }
    };
    sandbox.journal.write(&Entry {
        direction: if bridge.is_some() { Direction::Bridge } else { Direction::ToHost },
        method: redact::shown(method.as_str()),
        url: redact::url(request.path(), query),
        status,
        took_ms: None,
        by: Some(match asker {
            Ok(Asker::Addon) if door == Door::Forge => "the Forge app".into(),
            Ok(Asker::Addon) => "the add-on".into(),
            Ok(Asker::User(id)) => User::of_account(id).map_or_else(String::new, |user| user.display_name.to_owned()),
            Ok(Asker::Anonymous) => "nobody".into(),
            Err(_) => "refused".into(),
        }),
        reason,
        headers: journal::headers(request.headers()),
        token: journal::token(request.headers(), query).and_then(|token| DecodedToken::read(&token)),
        body: excerpt(&body),
    });
    let mut response =
        HttpResponse::build(status.try_into().unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR));
    if json.is_null() { response.finish() } else { response.json(json) }
}

fn is_json(request: &HttpRequest) -> bool {
    let kind = request.content_type();
    kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
}

/// What its scopes keep the add-on from, in whosever name it asks; `narrowed`: the scope that its token was asked for
/// with.
///
/// Source: Atlassian, "request" of the JavaScript API: what a page asks for counts as the add-on's.
fn lacking_scope(sandbox: &Sandbox, narrowed: Option<&str>, method: &Method, path: &str) -> Option<Reply> {
    let needed = scopes::needed(method.as_str(), path);
    if !scopes::of(sandbox.state.descriptor().value()).contains(&needed) {
        return Some(refusal(403, format!("The descriptor's scopes lack {needed}.")));
    }
    let scope = narrowed.filter(|scope| !scopes::of_token(scope).contains(&needed))?;
    Some(refusal(403, format!("The token was asked for with the scope {scope}, which lacks {needed}.")))
}

async fn reply(sandbox: &Sandbox, site: &Site, request: &HttpRequest, path: &str, asker: Asker, body: &Bytes) -> Reply {
    let decode = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    if upload::is_upload(request) {
        let files = match upload::files(request, body.clone()).await {
            Ok(files) => files,
            Err(reason) => return refusal(400, reason),
        };
        let has_check = request.headers().get("X-Atlassian-Token").is_some_and(|value| value == "no-check");
        if !has_check {
            return refusal(403, "XSRF check failed: an upload needs the header X-Atlassian-Token: no-check.");
        }
        return data::attach(&mut lock(&site.data), &segments, files, asker);
    }
    if !body.is_empty() && !is_json(request) {
        return refusal(415, "The body has to be JSON, and Content-Type has to say so: application/json.");
    }
    let json = match serde_json::from_slice(body) {
        Ok(json) => json,
        Err(_) if body.is_empty() => Value::Null,
        Err(error) => return refusal(400, format!("The body is no JSON: {error}")),
    };
    let tenant = site.tenant();
    let descriptor = sandbox.state.descriptor();
    let question = Question {
        method: request.method().as_str(),
        path: segments,
        query: url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect(),
        body: json,
        asker,
        base_url: &tenant.base_url,
        addon_key: descriptor.key(),
    };
    let mut data = lock(&site.data);
    if let Some(reply) = data::common(&mut data, &question) {
        return reply;
    }
    let reply = if site.product == Product::Confluence {
        confluence::answer(&mut data, &question)
    } else {
        jira::answer(&mut data, &question)
    };
    reply.unwrap_or_else(|| refusal(404, format!("The sandbox's site does not know {} {path}.", request.method())))
}
