//! Sends requests: signed for each URL, redirects followed if that is safe, retried after the time that the host names.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use awc::error::{ConnectError, SendRequestError};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::actor::{Actor, Identity};
use super::parts::{Body, Parts};
use super::site::HostSite;
use super::target::Target;
use super::{HostError, HostResponse, forge, oauth2, retry, user_token};
use crate::config::Product;
use crate::jwt::{now, qsh};
use crate::measure;
use crate::redact;
use crate::software;
use crate::state::State;
use crate::tenants::Tenant;
use crate::trace::Call;

/// The most redirects of one request.
const REDIRECTS: usize = 5;
/// No ASCII character; `percent_encode` encodes the others in any case.
const NOT_ASCII: &percent_encoding::AsciiSet = &percent_encoding::AsciiSet::EMPTY;
/// The headers of a request that are also sent to an origin that the app did not name.
const PORTABLE: [HeaderName; 5] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// The claims of a request that the add-on signs.
///
/// Source: Atlassian, "Understanding JWT for Connect apps"; Bitbucket names the tenant as `sub`.
#[derive(Serialize)]
struct RequestClaims<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    qsh: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

pub(super) async fn run(mut request: Parts, target: Target) -> Result<HostResponse, HostError> {
    let deadline = after(request.timeout);
    let places = request.actor.state.outbound.places(request.actor.site.name());
    let late = |_| HostError::Timeout(target.host());
    // held until the answer begins: an app that collects answers before it reads them must not wait for itself
    let _place = timeout_at(deadline, places.acquire()).await.map_err(late)?;
    let patience = Instant::now() + retry::BUDGET;
    let mut attempt = 0;
    loop {
        let repeatable = request.may_repeat();
        let result = follow(&mut request, &target, deadline).await;
        attempt += 1;
        let wait = match &result {
            Ok(response) => {
                retry::wait(response.status, &response.headers, attempt - 1, SystemTime::now(), retry::jitter())
            }
            // an idle connection that died meanwhile
            Err(HostError::Unreachable { .. }) if attempt == 1 => Some(Duration::ZERO),
            Err(_) => None,
        };
        // a wait that exceeds the clock's range is too long as well
        match wait.and_then(|wait| Instant::now().checked_add(wait)) {
            Some(until) if repeatable && attempt < retry::ATTEMPTS && until < patience.min(deadline) => {
                measure::outbound_retry(request.actor.site.product());
                sleep_until(until).await;
            }
            _ => return result,
        }
    }
}

/// The instant after `timeout`. If the clock cannot represent it, a year from now.
fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
}

async fn follow(request: &mut Parts, first: &Target, deadline: Instant) -> Result<HostResponse, HostError> {
    let base_url = request.actor.site.base_url().to_owned();
    let mut target = first.clone();
    for _ in 0..=REDIRECTS {
        let started = Instant::now();
        let response = send(request, &target, deadline).await;
        measured(request, &target, &response, started);
        let url = redact::url(&target.url[..url::Position::AfterPath], target.url.query().unwrap_or_default());
        let (method, ms) = (request.method.as_str(), (started.elapsed().as_secs_f64() * 1e5).round() / 100.0);
        match &response {
            Ok(response) => {
                tracing::debug!(target: "http", direction = "out", method, url, status = response.status.as_u16(), ms, "answered");
            }
            Err(error) => {
                let error = redact::shown(&error.to_string());
                tracing::debug!(target: "http", direction = "out", method, url, error, ms, "no answer");
            }
        }
        let response = response?;
        if !request.follow_redirects || !is_followed(&request.method, response.status) {
            return Ok(response);
        }
        let Some(location) = response.headers.get(header::LOCATION) else {
            return Ok(response);
        };
        target = target.follow(&redirect_target(location), &base_url)?;
    }
    Err(HostError::Redirect { host: target.host(), how: "too often" })
}

fn measured(request: &Parts, target: &Target, response: &Result<HostResponse, HostError>, started: Instant) {
    if measure::is_on() {
        measure::outbound(product(request, target), outcome(response), started.elapsed());
    }
}

/// The product that is asked, for metrics and traces.
fn product(request: &Parts, target: &Target) -> &'static str {
    if target.is_own { request.actor.site.product() } else { "other" }
}

/// The status, or the kind of the failure.
fn outcome(response: &Result<HostResponse, HostError>) -> Result<u16, &'static str> {
    response.as_ref().map(|response| response.status.as_u16()).map_err(|error| match error {
        HostError::Timeout(_) => "timeout",
        HostError::Unreachable { .. } => "unreachable",
        _ => "not_sent",
    })
}

/// Only safe methods follow redirects; otherwise the redirect is the answer.
fn is_followed(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A `Location` as browsers read it: UTF-8 that is not percent-encoded counts as if it were. Bytes of any other
/// encoding are percent-encoded one by one.
///
/// Source: WHATWG, URL Standard; Chromium, `HttpResponseHeaders::IsRedirect`.
fn redirect_target(location: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(location.as_bytes()) {
        Ok(text) => text.into(),
        Err(_) => percent_encoding::percent_encode(location.as_bytes(), NOT_ASCII).to_string().into(),
    }
}

/// The headers with which `request` is sent to `target`, except those of its body.
pub(super) async fn headers(request: &Parts, target: &Target) -> Result<HeaderMap, HostError> {
    let actor = &request.actor;
    let mut headers = HeaderMap::new();
    let takes_all = target.is_own || target.is_chosen;
    for (name, value) in request.headers.iter().filter(|(name, _)| takes_all || PORTABLE.contains(name)) {
        headers.insert(name.clone(), value.clone());
    }
    if target.is_own
        && let Some(value) = authorization(actor, &request.method, target).await?
    {
        headers.insert(header::AUTHORIZATION, value);
    }
    if !headers.contains_key(header::USER_AGENT) {
        headers.insert(header::USER_AGENT, user_agent(actor));
    }
    Ok(headers)
}

/// Sends the request. If the host refuses a cached user token, sends it once more with another one.
async fn send(request: &mut Parts, target: &Target, deadline: Instant) -> Result<HostResponse, HostError> {
    let since = std::time::Instant::now();
    let is_repeatable = !matches!(request.body, Body::Multipart(_));
    let (response, sent) = send_once(request, target, deadline).await?;
    let Some(sent) = sent else { return Ok(response) };
    if response.status != StatusCode::UNAUTHORIZED {
        return Ok(response);
    }
    let dropped = timeout_at(deadline, user_token::drop_refused(&request.actor, &sent, since)).await;
    let Ok(Some(id)) = dropped else { return Ok(response) };
    if !is_repeatable {
        return Ok(response);
    }
    drop(response);
    let (response, _) = send_once(request, target, deadline).await?;
    if response.status == StatusCode::UNAUTHORIZED {
        request.actor.state.outbound.refused.insert(id, ());
    }
    Ok(response)
}

/// The answer, and the credentials that were sent.
async fn send_once(
    request: &mut Parts,
    target: &Target,
    deadline: Instant,
) -> Result<(HostResponse, Option<HeaderValue>), HostError> {
    let actor = &request.actor;
    target.check(&actor.state.outbound.guard)?;
    // a user token may have to be requested first
    let headers = timeout_at(deadline, headers(request, target)).await;
    let mut headers = headers.map_err(|_| HostError::Timeout(target.host()))??;
    let credentials = headers.get(header::AUTHORIZATION).cloned();
    let call = Call::begin(&request.method, &target.url, || product(request, target), request.sent);
    if target.is_own {
        call.announce(&mut headers);
    }
    request.sent = request.sent.saturating_add(1);
    let response = transmit(request, target, headers, deadline).await;
    call.ended(|| outcome(&response));
    Ok((response?, credentials))
}

/// The answer to a request with these headers.
async fn transmit(
    request: &mut Parts,
    target: &Target,
    headers: HeaderMap,
    deadline: Instant,
) -> Result<HostResponse, HostError> {
    let actor = &request.actor;
    let mut outgoing = actor.state.outbound.guard.client().request(request.method.clone(), target.url.as_str());
    for (name, value) in headers {
        outgoing = outgoing.insert_header((name, value));
    }
    let sent = match std::mem::replace(&mut request.body, Body::Empty) {
        Body::Empty => outgoing.send(),
        Body::Bytes(bytes) => {
            request.body = Body::Bytes(bytes.clone());
            outgoing.send_body(bytes)
        }
        Body::Multipart(multipart) => {
            let outgoing = outgoing.content_type(multipart.content_type());
            outgoing.send_body(multipart.into_body().await?)
        }
    };
    let response = match timeout_at(deadline, sent).await {
        Err(_) => return Err(HostError::Timeout(target.host())),
        Ok(Err(error)) => return Err(failure(&error, target.host())),
        Ok(Ok(response)) => response,
    };
    Ok(HostResponse {
        url: target.url.clone(),
        is_own: target.is_own,
        status: response.status(),
        headers: response.headers().clone(),
        announced: announced(&request.method, response.status(), response.headers()),
        body: response.boxed_local(),
        host: target.host(),
        deadline,
        body_limit: request.body_limit,
    })
}

/// The length of the body as it will be read; unknown if it is compressed.
fn announced(method: &Method, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let has_body = *method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING) && !headers.contains_key(header::TRANSFER_ENCODING);
    if !has_body || !is_plain {
        return None;
    }
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn failure(error: &SendRequestError, host: String) -> HostError {
    match error {
        SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout) => HostError::Timeout(host),
        SendRequestError::Url(error) => HostError::Url(error.to_string()),
        error => HostError::Unreachable { host, reason: error.to_string() },
    }
}

async fn authorization(actor: &Actor, method: &Method, target: &Target) -> Result<Option<HeaderValue>, HostError> {
    use secrecy::ExposeSecret as _;
    let state = &actor.state;
    let value = match (&actor.site, &actor.identity) {
        (_, Identity::Anonymous) => return Ok(None),
        (HostSite::Connect(tenant), Identity::Addon) => format!("JWT {}", sign(state, tenant, method, target)?),
        (HostSite::Connect(tenant), Identity::User { account_id, scopes }) => {
            let token = oauth2::token(state, tenant, account_id, scopes).await?;
            format!("Bearer {}", token.access_token.expose_secret())
        }
        (HostSite::Forge(site), Identity::Addon) => {
            format!("Bearer {}", forge::app_token(state, site).await?.expose_secret())
        }
        (HostSite::Forge(site), Identity::User { account_id, .. }) => {
            format!("Bearer {}", forge::user_token(state, site, account_id).await?.expose_secret())
        }
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| HostError::Request("a token cannot be sent".into()))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// A token for one request, bound to it.
fn sign(state: &State, tenant: &Tenant, method: &Method, target: &Target) -> Result<String, HostError> {
    let issued = now();
    let descriptor = state.descriptor();
    let is_bitbucket = state.config.product == Product::Bitbucket;
    let claims = RequestClaims {
        iss: tenant.signing_key(descriptor.key()),
        iat: issued,
        exp: issued.saturating_add(i64::try_from(state.config.jwt_validity.as_secs()).unwrap_or(180)),
        qsh: qsh::hash(method.as_str(), target.signed_path(), target.url.query().unwrap_or_default()),
        aud: (!is_bitbucket).then_some([tenant.client_key()]),
        sub: is_bitbucket.then_some(tenant.client_key()),
    };
    tenant.secret().sign(&claims).map_err(|error| HostError::Request(error.to_string()))
}

fn user_agent(actor: &Actor) -> HeaderValue {
    let state = &actor.state;
    let configured = state.config.user_agent.clone();
    let agent = configured.unwrap_or_else(|| software::user_agent(state.app(), state.descriptor().key()));
    HeaderValue::from_str(&agent).unwrap_or(HeaderValue::from_static(env!("CARGO_PKG_NAME")))
}
