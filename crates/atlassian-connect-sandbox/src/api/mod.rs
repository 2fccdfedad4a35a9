//! The REST API of the sandbox's sites: small, in memory, and strict about authentication.

mod confluence;
mod data;
mod jira;
mod question;
mod records;
mod sample;
pub(super) mod scopes;
mod upload;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

pub(super) use data::Data;
pub(super) use question::{Reply, refusal};
pub(super) use sample::sample;
pub(super) use upload::File;

use super::forge_pages;
use super::guard;
use super::journal::{self, DecodedToken, Direction, Entry, excerpt};
use super::shared::Sandbox;
use super::site::SandboxSite;
use super::user::User;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::redact;
use atlassian_connect_testing::By;
use question::{ApiRequest, Caller};

/// The bridge names the browser's user in this header.
const USER_HEADER: &str = "X-Sandbox-User";

/// Where a request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// At the site itself, as Connect's requests do.
    Site,
    /// At the product's API, which accepts Forge's tokens.
    Forge,
}

/// A request below `/rest`.
pub(super) struct Ask<'a> {
    pub(super) method: &'a Method,
    /// Relative to the site's base URL.
    pub(super) path: &'a str,
    /// The path as the journal shows it.
    pub(super) shown_path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Body,
}

/// The body of a request.
pub(super) enum Body {
    Bytes(Bytes),
    /// The files of a parsed form.
    Files(Vec<File>),
}

/// Answers a request that a page on Forge sends through the bridge, as the user who views it, and records it in the
/// journal.
pub(super) async fn answer_user(sandbox: &Sandbox, site: &SandboxSite, user: User, ask: Ask<'_>) -> Reply {
    let caller = user.account().map_or(Caller::Anonymous, Caller::User);
    let scope = match forge_pages::check_scope(&sandbox.folder, site.product, ask.method.as_str(), ask.path) {
        Some(checked) => checked.err(),
        None => lacking_scope(sandbox, None, ask.method, ask.path),
    };
    let mut entry = Entry {
        direction: Direction::Bridge,
        method: redact::shown(ask.method.as_str()),
        url: redact::url(ask.shown_path, ask.query),
        status: 0,
        took_ms: None,
        by: Some(user.display_name.to_owned()),
        reason: None,
        headers: journal::headers(ask.headers),
        token: None,
        body: match &ask.body {
            Body::Bytes(body) => excerpt(body),
            Body::Files(_) => None,
        },
    };
    let (status, json) = match scope {
        Some(reply) => reply,
        None => reply(sandbox, site, ask, caller).await,
    };
    entry.status = status;
    entry.reason = reason(status, &json);
    sandbox.journal.write(&entry);
    (status, json)
}

fn reason(status: u16, json: &Value) -> Option<String> {
    if status < 400 {
        return None;
    }
    json.get("message").and_then(Value::as_str).map(redact::shown)
}

/// Answers any request below `/rest` of a site and records it in the journal. `path` is relative to the site's base
/// URL.
pub(super) async fn answer(
    sandbox: &Sandbox,
    site: &SandboxSite,
    via: Via,
    path: &str,
    request: &HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let tenant = site.tenant();
    let (method, query) = (request.method(), request.query_string());
    let own_script = guard::is_own_script(request) && via == Via::Site;
    let bridge = own_script.then(|| request.headers().get(USER_HEADER)).flatten();
    let by = match bridge {
        Some(_) => By::Nobody,
        None if via == Via::Forge => sandbox.prove_forge(&tenant, request.headers()),
        None if !site.status().installed && request.headers().contains_key("authorization") => {
            By::Refused("the site has not installed the add-on".into())
        }
        None => sandbox.ledger.prove(&tenant, method, path, query, request.headers()),
    };
    let account = bridge.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let caller = match (&by, User::of_account(account)) {
        (By::Addon, _) => Ok(Caller::Addon),
        (By::User(id), _) => User::of_account(id).map(|user| Caller::User(user.account_id)).ok_or("no such user"),
        (By::Refused(reason), _) => Err(reason.as_str()),
        (By::Nobody, Some(user)) if !user.anonymous => Ok(Caller::User(user.account_id)),
        (By::Nobody, _) => Ok(Caller::Anonymous),
    };
    let (status, json, reason) = match caller {
        Err(reason) => (401, refusal(401, reason).1, Some(reason.to_owned())),
        Ok(caller) => {
            let narrowed = sandbox.ledger.scope_of(request.headers());
            // a request without credentials comes from a visitor of the site, not through the add-on
            let lacks = match by {
                By::Nobody if bridge.is_none() => None,
                _ if via == Via::Forge => {
                    forge_pages::check_scope(&sandbox.folder, site.product, method.as_str(), path).and_then(Result::err)
                }
                _ => lacking_scope(sandbox, narrowed.as_deref(), method, path),
            };
            let (status, json) = if let Some(refused) = lacks {
                refused
            } else {
                let (headers, body) = (request.headers(), Body::Bytes(body.clone()));
                let ask = Ask { method, path, shown_path: request.path(), query, headers, body };
                reply(sandbox, site, ask, caller).await
            };
            let reason = reason(status, &json);
            (status, json, reason)
        }
    };
    sandbox.journal.write(&Entry {
        direction: if bridge.is_some() { Direction::Bridge } else { Direction::ToHost },
        method: redact::shown(method.as_str()),
        url: redact::url(request.path(), query),
        status,
        took_ms: None,
        by: Some(match caller {
            Ok(Caller::Addon) if via == Via::Forge => "the Forge app".into(),
            Ok(Caller::Addon) => "the add-on".into(),
            Ok(Caller::User(id)) => User::of_account(id).map_or_else(String::new, |user| user.display_name.to_owned()),
            Ok(Caller::Anonymous) => "nobody".into(),
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

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
}

/// What the add-on's scopes do not allow, whoever it acts for. `narrowed`: the scope that its token was requested with.
///
/// Source: Atlassian, "request" of the JavaScript API: a page's requests count as the add-on's.
fn lacking_scope(sandbox: &Sandbox, narrowed: Option<&str>, method: &Method, path: &str) -> Option<Reply> {
    let needed = scopes::needed(method.as_str(), path);
    if !scopes::of(sandbox.state.descriptor().value()).contains(&needed) {
        return Some(refusal(403, format!("The descriptor's scopes lack {needed}.")));
    }
    let scope = narrowed.filter(|scope| !scopes::of_token(scope).contains(&needed))?;
    Some(refusal(403, format!("The token was requested with the scope {scope}, which lacks {needed}.")))
}

async fn reply(sandbox: &Sandbox, site: &SandboxSite, ask: Ask<'_>, caller: Caller) -> Reply {
    let Ask { method, path, query, headers, body, .. } = ask;
    let decode = |segment: &str| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
    let files = match body {
        Body::Bytes(body) if !upload::is_upload(headers) => Err(body),
        Body::Bytes(body) => Ok(upload::files(headers, body).await),
        Body::Files(files) => Ok(Ok(files)),
    };
    let body = match files {
        Ok(Ok(files)) => {
            let has_check = headers.get("X-Atlassian-Token").is_some_and(|value| value == "no-check");
            if !has_check {
                return refusal(403, "XSRF check failed: an upload needs the header X-Atlassian-Token: no-check.");
            }
            return data::attach(&mut site.data.lock(), &segments, files, caller);
        }
        Ok(Err(reason)) => return refusal(400, reason),
        Err(body) => body,
    };
    if !body.is_empty() && !is_json(headers) {
        return refusal(415, "The body must be JSON, with the Content-Type application/json.");
    }
    let json = match serde_json::from_slice(&body) {
        Ok(json) => json,
        Err(_) if body.is_empty() => Value::Null,
        Err(error) => return refusal(400, format!("The body is not valid JSON: {error}")),
    };
    let tenant = site.tenant();
    let descriptor = sandbox.state.descriptor();
    let question = ApiRequest {
        method: method.as_str(),
        path: segments,
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        body: json,
        caller,
        base_url: &tenant.base_url,
        addon_key: descriptor.key(),
    };
    let mut data = site.data.lock();
    if let Some(reply) = data::common(&mut data, &question) {
        return reply;
    }
    let reply = if site.product == Product::Confluence {
        confluence::answer(&mut data, &question)
    } else {
        jira::answer(&mut data, &question)
    };
    reply.unwrap_or_else(|| refusal(404, format!("The sandbox does not support {method} {path}.")))
}
