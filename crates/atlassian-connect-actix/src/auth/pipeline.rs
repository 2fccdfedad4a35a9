//! token -> client -> signature -> claims -> query string hash, once per request.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, web};
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared};
use percent_encoding::percent_decode_str;
use url::Url;

use super::body::{BodyGate, FormBody};
use super::caller::{Binding, Caller};
use super::source::TokenPlaces;
use super::{AuthError, browser, forge_page, heavy, session, shorten};
use crate::config::is_loopback;
use crate::error::Error;
use crate::jwt::{AddonClaims, CONTEXT_QSH, Claims, Envelope, Unverified, now, qsh};
use crate::panics;
use crate::state::State;
use crate::tenants::{Tenant, is_key};

/// The verification of a request, kept in its extensions. Extractors are polled side by side, and the second one finds
/// the verification of the first.
#[derive(Clone)]
struct Verification(Shared<LocalBoxFuture<'static, Result<Rc<Caller>, Error>>>);

/// The caller that sends `request`, if its token is bound in one of the `accepted` ways. The verification is registered
/// in the request before this returns, so that the body waits for it.
pub(super) fn accepted(
    request: &HttpRequest,
    accepted: &'static [Binding],
) -> impl Future<Output = Result<Rc<Caller>, Error>> + use<> {
    accept_verified(request.clone(), verification(request, Unproven::Considered), accepted)
}

/// The same for routes that no page opens: `no-auth` does not apply to them.
pub(super) fn accepted_callback(
    request: &HttpRequest,
    accepted: &'static [Binding],
) -> impl Future<Output = Result<Rc<Caller>, Error>> + use<> {
    accept_verified(request.clone(), verification(request, Unproven::Refused), accepted)
}

async fn accept_verified(
    request: HttpRequest,
    verification: Result<Verification, Error>,
    accepted: &[Binding],
) -> Result<Rc<Caller>, Error> {
    let Verification(verification) = verification?;
    let caller = verification.await?;
    Ok(caller.accept(&request, accepted)?)
}

fn verification(request: &HttpRequest, unproven: Unproven) -> Result<Verification, Error> {
    // a caller that no-auth let in must not count for a callback
    let is_shared = unproven == Unproven::Considered || !State::of(request)?.config.options.no_auth;
    if is_shared && let Some(known) = request.extensions().get::<Verification>() {
        return Ok(known.clone());
    }
    let verification = Verification(verify(request, unproven)?.boxed_local().shared());
    BodyGate::wait_for(request, verification.0.clone());
    if is_shared {
        request.extensions_mut().insert(verification.clone());
    }
    Ok(verification)
}

/// What happens to callers that are not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unproven {
    Refused,
    /// With `no-auth`, callers on this machine are let in.
    Considered,
}

/// Takes what it needs out of the request now. A future that held the request would keep it alive in its own
/// extensions.
fn verify(
    request: &HttpRequest,
    unproven: Unproven,
) -> Result<impl Future<Output = Result<Rc<Caller>, Error>> + use<>, Error> {
    let state = State::of(request)?;
    let (places, form) = (TokenPlaces::of(request), FormBody::of(request));
    let relative = qsh::relative_path(request.uri().path(), state.config.local_base_url.path()).map(str::to_owned);
    let (method, query) = (request.method().clone(), request.query_string().to_owned());
    let trusting = unproven == Unproven::Considered && state.config.options.no_auth && is_local(request);
    Ok(async move {
        let form = match form {
            Some(form) => form.read().await?,
            None => Bytes::new(),
        };
        let (size, sent) = (query.len() + form.len(), form.clone());
        let token = heavy::on_bytes(size, move || places.token(text(&sent))).await?;
        let limit = state.config.limits.token;
        let opened = token.as_ref().map(|token| Envelope::open(token, limit));
        let is_of_forge = matches!(&opened, Ok(Ok(token)) if forge_page::is_page_token(token));
        if trusting && !is_of_forge {
            return unchecked(state, token.ok().as_deref(), &query).await;
        }
        let opened = opened.map_err(Clone::clone)?.map_err(AuthError::from)?;
        let (signer, caller) = if is_of_forge {
            let page = forge_page::verify(&state, opened).await?;
            (Signer::App, Caller::of_forge(state, page))
        } else {
            let unverified = opened.read().map_err(AuthError::from)?;
            let tenant = prove(&state, &unverified).await?;
            let claims = unverified.into_claims();
            let signer = signer(&claims, &tenant, state.descriptor().key())?;
            let is_ours = signer == Signer::App;
            let leeway = if is_ours { 0 } else { i64::try_from(state.config.leeway.as_secs()).unwrap_or(0) };
            claims.check_time(now(), leeway).map_err(AuthError::from)?;
            if is_ours {
                session::check_age(session::beginning(&claims), &state.config, now())?;
            } else {
                record_call(&state, &tenant);
            }
            (signer, Caller::new(state, tenant, claims))
        };
        let mut canonical = None;
        let binding = match caller.claims().qsh.clone() {
            None if signer == Signer::App => Binding::Session,
            None => Binding::Nothing,
            Some(hash) if hash == CONTEXT_QSH && signer == Signer::Host => Binding::Context,
            Some(hash) => {
                let compare = move || {
                    let form = Some(text(&form)).filter(|form| !form.is_empty());
                    let Some(path) = relative.as_deref() else { return Some(String::new()) };
                    let request = qsh::Request { method: method.as_str(), path, query: &query, form };
                    let fits = qsh::matches(&hash, &request);
                    // the log names the request without the form, whose fields are private
                    (!fits).then(|| qsh::canonical(method.as_str(), path, &query))
                };
                canonical = heavy::on_bytes(size, compare).await?;
                if signer == Signer::App { Binding::Page } else { Binding::Request }
            }
        };
        Ok(Rc::new(match canonical {
            None => caller.bound(binding),
            Some(canonical) => caller.of_other_request(canonical),
        }))
    })
}

/// The form as text. A form that is not UTF-8 carries no token and is not part of the hash.
fn text(form: &[u8]) -> &str {
    std::str::from_utf8(form).unwrap_or_default()
}

/// The tenant that the token names and whose secret signs it. A match may come from the cache; a mismatch is checked
/// against the store.
async fn prove(state: &State, unverified: &Unverified<'_>) -> Result<Arc<Tenant>, Error> {
    unverified.expect_algorithm("HS256").map_err(AuthError::from)?;
    let client_key = unverified.claims().tenant().filter(|key| is_key(key)).ok_or(AuthError::NoTenant)?;
    let signs = |tenant: &&Arc<Tenant>| unverified.verify_hs256(tenant.secret()).is_ok();
    if let Some(tenant) = state.tenants.cached(client_key).and_then(|known| known.iter().find(signs).cloned()) {
        return Ok(tenant);
    }
    let stored = state.tenants.refreshed_for(client_key, signs).await?;
    match stored.iter().find(signs) {
        Some(tenant) => Ok(Arc::clone(tenant)),
        None if stored.is_empty() => Err(AuthError::UnknownTenant(shorten(client_key)).into()),
        None => Err(AuthError::Signature(format!("the shared secret of tenant {}", shorten(client_key))).into()),
    }
}

/// Records in the background, once a day, that the tenant has called.
fn record_call(state: &web::Data<State>, tenant: &Tenant) {
    if state.tenants.note_call(tenant) {
        let state = state.clone();
        panics::spawn("recording the calls of tenants", async move { state.tenants.record_calls().await });
    }
}

/// Who has signed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signer {
    Host,
    /// We have: it is a session token, or a page token with a hash.
    App,
}

/// Who signed the token. An error if it is neither our session or page token nor issued by the tenant. Tokens that we
/// sign with the same secret for the host or for the authorization server are refused.
fn signer(claims: &Claims, tenant: &Tenant, addon_key: &str) -> Result<Signer, AuthError> {
    let issuer = claims.iss.as_deref();
    let purpose = if claims.qsh.is_some() { AddonClaims::PAGE } else { AddonClaims::SESSION };
    if issuer == Some(tenant.signing_key(addon_key))
        && claims.aud.first().is_some_and(|audience| audience == tenant.client_key())
        && claims.purpose.as_deref() == Some(purpose)
    {
        return Ok(Signer::App);
    }
    if issuer != Some(tenant.client_key()) || claims.purpose.is_some() {
        let (tenant, issuer) = (shorten(tenant.client_key()), shorten(issuer.unwrap_or_default()));
        return Err(AuthError::Issuer { tenant, issuer });
    }
    Ok(Signer::Host)
}

/// `no-auth`: the tenant is that of the token, else of `?clientKey=`, else the only one there is.
async fn unchecked(state: web::Data<State>, token: Option<&str>, query: &str) -> Result<Rc<Caller>, Error> {
    let claims =
        token.and_then(|token| Unverified::parse(token, state.config.limits.token).ok()).map(Unverified::into_claims);
    let named = query.split('&').find_map(|pair| pair.strip_prefix("clientKey="));
    let named = named.map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
    let client_key = claims.as_ref().and_then(Claims::tenant).map(str::to_owned).or(named);
    let tenant = match client_key {
        Some(key) if is_key(&key) => state.tenants.refreshed(&key).await?.first().cloned(),
        Some(_) => None,
        None => state.tenants.only().await?,
    };
    let tenant = tenant.ok_or(AuthError::NoTenant)?;
    tracing::warn!(client_key = tenant.client_key(), "no-auth: this request was not authenticated");
    Ok(Rc::new(Caller::new(state, tenant, claims.unwrap_or_default()).bound(Binding::Unchecked)))
}

/// Whether the peer is on this machine and asks for this machine. It is not if a tunnel or proxy forwards for somebody
/// else, if the name belongs to a web site that resolves to this machine (DNS rebinding), or if the page belongs to
/// another site.
fn is_local(request: &HttpRequest) -> bool {
    let by_proxy = |name: &str| {
        name.starts_with("x-forwarded") || matches!(name, "forwarded" | "x-real-ip" | "cf-connecting-ip" | "via")
    };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && host.and_then(|host| Url::parse(&format!("http://{host}")).ok()).is_some_and(|url| is_loopback(&url))
        && !request.headers().keys().any(|name| by_proxy(name.as_str()))
        && !browser::is_from_another_site(request.headers())
}
