//! [`InstallJwt`]: a lifecycle callback that Atlassian signed.

use std::borrow::Cow;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::source::TokenPlaces;
use super::{AuthError, ProofFuture, counted, other_request, read_inflated, shorten, without_mark};
use crate::connection;
use crate::error::Error;
use crate::jwt::{CONTEXT_QSH, Claims, Unverified, now, qsh};
use crate::keys::{Authority, InstallKeySource};
use crate::state::State;
use crate::tenants::{Installation, is_key, is_reserved};

/// A callback `installed` or `uninstalled`, signed (RS256) with a key of the host's install-key server. It must be for
/// one of our base URLs, issued by the clientKey of its payload, from a host on the whitelist, and bound to this
/// request. It consumes the body.
///
/// Source: Atlassian, "Connect installation lifecycle security improvements" (2021).
#[derive(Debug)]
pub struct InstallJwt {
    payload: Value,
    installation: Installation,
    claims: Claims,
}

impl InstallJwt {
    /// The body as the host sent it, with the shared secret.
    #[must_use]
    pub fn payload(&self) -> &Value {
        &self.payload
    }

    /// The body, as the type that the framework reads.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The verified claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    async fn verify(request: HttpRequest, mut payload: Payload) -> Result<Self, Error> {
        let state = State::of(&request)?;
        let places = TokenPlaces::of(&request);
        // the body is not read yet, so a token in a form or in JSON is not considered
        let token = places.token("")?;
        let unverified = Unverified::parse(&token, state.config.limits.token).map_err(AuthError::from)?;
        unverified.expect_algorithm("RS256").map_err(AuthError::from)?;
        let kid = unverified.kid().ok_or_else(|| refuse("the token names no key (kid)"))?;
        // what needs no body comes before the body, what needs no key before the key
        check_claims(&state, &request, unverified.claims())?;
        let limit = state.config.limits.lifecycle_body;
        let body = read_inflated(&mut payload, &request, limit).await?;
        let body = without_mark(&body);

        let sender = Sender::read(body)?;
        if unverified.claims().iss.as_deref() != Some(&*sender.client_key) {
            let issuer = shorten(unverified.claims().iss.as_deref().unwrap_or_default());
            let client_key = shorten(&sender.client_key);
            let reason = format!("the token is issued by {issuer:?}, and the clientKey of the body is {client_key:?}");
            return Err(refuse(reason).into());
        }
        let host = sender.host()?;
        let base_url = sender.base_url.as_deref().unwrap_or_default();
        let source = state.install_keys.find(|source| source.has_site(base_url));
        let needs_whitelist = source.authority() == Authority::AllTenants;
        if needs_whitelist && !state.config.whitelist.matches(&host) {
            let detail = format!("host {host} is not on the whitelist (AC_HOST_WHITELIST)");
            return Err(Error::unauthorized_because("This host may not install the add-on.", detail));
        }
        let key = source.key(kid, &host).await.map_err(|error| match error {
            error if error.is_temporary() => {
                Error::Unavailable { detail: format!("no install key {:?}: {error}", shorten(kid)) }
            }
            error => refuse(format!("there is no install key {:?} for {host}: {error}", shorten(kid))).into(),
        })?;
        let signed = unverified.verify_rs256(&key);
        signed.map_err(|_| AuthError::Signature(format!("the install key {:?}", shorten(kid))))?;
        connection::prove(&request);
        let mut payload: Value = serde_json::from_slice(body).map_err(|_| not_json())?;
        if places.has_token_in_query() && names_token(&payload) {
            return Err(AuthError::Ambiguous("in the query and in the body").into());
        }
        for member in Installation::leave_out_malformed(&mut payload) {
            tracing::warn!(client_key = %sender.client_key, member, "a field of the install is not a string and is ignored");
        }
        let installation = Installation::read(&payload)
            .ok_or_else(|| Error::bad_request("The body needs a clientKey, and its fields must be strings."))?;
        if source.authority() == Authority::OwnSites {
            check_owner(&state, source, &installation.client_key).await?;
        }
        Ok(Self { payload, installation, claims: unverified.into_claims() })
    }
}

/// The sender that the body claims, read before the signature is verified. Any other field is skipped, so that it costs
/// no memory. A duplicate field is refused, since it would have two meanings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sender<'a> {
    #[serde(borrow)]
    client_key: Cow<'a, str>,
    #[serde(borrow, default)]
    base_url: Option<Cow<'a, str>>,
}

impl<'a> Sender<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Error> {
        let incomplete = || Error::bad_request("The body needs a clientKey and a baseUrl, both as strings.");
        match serde_json::from_slice::<Self>(body) {
            Ok(sender) if is_key(&sender.client_key) && !is_reserved(&sender.client_key) => Ok(sender),
            Ok(_) => Err(incomplete()),
            Err(error) if error.is_data() => Err(incomplete()),
            Err(_) => Err(not_json()),
        }
    }

    /// The host name of `baseUrl`, which must be an http(s) URL without credentials.
    fn host(&self) -> Result<String, Error> {
        let url = self.base_url.as_deref().and_then(|url| Url::parse(url).ok());
        url.filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
        })
        .and_then(|url| url.host_str().map(str::to_owned))
        .ok_or_else(|| Error::bad_request("The body needs a baseUrl, an http(s) URL."))
    }
}

/// Whether the body has a token of its own. It is never used, but a request with two tokens is ambiguous.
fn names_token(payload: &Value) -> bool {
    payload.get("jwt").is_some_and(|token| !token.is_null() && token != "")
}

fn not_json() -> Error {
    Error::bad_request("The body is not valid JSON.")
}

impl FromRequest for InstallJwt {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let verified = Self::verify(request.clone(), payload.take());
        Box::pin(counted("InstallJwt", verified))
    }
}

fn refuse(reason: impl Into<String>) -> AuthError {
    AuthError::Lifecycle(reason.into())
}

/// A key source with sites of its own must not install a tenant that the store knows from another site.
async fn check_owner(state: &State, source: &dyn InstallKeySource, client_key: &str) -> Result<(), Error> {
    let known = state.tenants.refreshed(client_key).await?;
    match known.iter().find(|tenant| !source.may_replace(tenant.base_url())) {
        Some(tenant) => Err(refuse(format!("the clientKey is that of {}", tenant.base_url())).into()),
        None => Ok(()),
    }
}

fn check_claims(state: &State, request: &HttpRequest, claims: &Claims) -> Result<(), AuthError> {
    if !claims.iss.as_deref().is_some_and(is_key) {
        return Err(refuse("the token names no issuer (iss)"));
    }
    if !claims.aud.first().is_some_and(|aud| state.is_own_base_url(aud)) {
        let audience = shorten(&claims.aud.join(", "));
        let expected = state.own_base_urls().join(", ");
        return Err(refuse(format!("the token is for {audience:?} (aud), and this add-on is at {expected}")));
    }
    claims.check_time(now(), i64::try_from(state.config.leeway.as_secs()).unwrap_or(0))?;
    match claims.qsh.as_deref() {
        None => Err(AuthError::Qsh("is missing".to_owned())),
        Some(CONTEXT_QSH) => Err(AuthError::Qsh("is context-qsh".to_owned())),
        Some(hash) => {
            let path = qsh::relative_path(request.uri().path(), state.config.local_base_url.path());
            let query = request.query_string();
            let Some(path) = path else { return Err(other_request("")) };
            let method = request.method().as_str();
            if qsh::matches(hash, &qsh::Request { method, path, query, form: None }) {
                return Ok(());
            }
            Err(other_request(&qsh::canonical(method, path, query)))
        }
    }
}
