//! [`ForgePage`]: what a page on Forge, or a call of one, has proven.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::web;

use super::session;
use super::{AuthError, shorten};
use crate::error::Error;
use crate::host::{ForgeSite, HostClient};
use crate::installation::Apis;
use crate::jwt::{Envelope, check_time, now};
use crate::page::{Forwarded, PageClaims, PageKeys, Purpose, SessionId, Token};
use crate::state::State;
use crate::tenants::{Tenant, frame_ancestors, origin_of};

/// The claims of our own token, verified, and what belongs to them.
#[derive(Debug)]
pub(crate) struct ForgePage {
    claims: PageClaims,
    tenant: Option<Arc<Tenant>>,
    tokens: Forwarded,
}

impl ForgePage {
    pub(crate) fn claims(&self) -> &PageClaims {
        &self.claims
    }

    pub(super) fn tenant(&self) -> Option<&Arc<Tenant>> {
        self.tenant.as_ref()
    }

    /// As the app: with the token that Forge sent of itself, else with the one that came with the page. As the user: with
    /// the one that came with the page.
    pub(super) fn host(&self, state: web::Data<State>) -> HostClient {
        let usable = |token: &Option<Token>| token.as_ref().and_then(Token::usable).cloned();
        let sure = state.outbound.app_tokens.sure(&self.claims.installation);
        let user = self.claims.sub.clone().zip(usable(&self.tokens.user));
        let came_with_one = !self.tokens.is_known || self.tokens.user.is_some();
        let apis = Apis::from_list(&self.claims.apis, self.claims.api.as_deref());
        let site = ForgeSite {
            site_origin: origin_of(&self.claims.site),
            app_token: sure.or_else(|| usable(&self.tokens.app)),
            user,
            page_user: self.claims.sub.clone().filter(|_| came_with_one),
            ..ForgeSite::new(&self.claims.installation, apis)
        };
        HostClient::of_forge_site(state, site)
    }

    /// `frame-ancestors` with the exact shell and the exact site: a header that allowed every app's shell would let any
    /// of them show the page.
    pub(super) fn content_security_policy(&self) -> HeaderValue {
        frame_ancestors([&self.claims.shell].into_iter().chain(&self.claims.ancestors))
    }

    /// A session token, or one for the request with this hash, issued at that time (seconds since 1970).
    pub(super) fn token(&self, state: &State, qsh: Option<&str>, issued: i64) -> Result<String, Error> {
        let key = state.pages.keys.signing_now().ok_or_else(|| Error::internal("no key signs the tokens of pages"))?;
        let expires = session::expiry(&state.config, issued, self.claims.auth_time);
        let claims = match qsh {
            Some(qsh) => self.claims.for_request(qsh.to_owned(), issued, expires),
            None => self.claims.for_session(issued, expires),
        };
        claims.sign(&key).map_err(Error::internal)
    }
}

/// Whether a token claims to be one that the app has made for pages on Forge.
pub(super) fn is_page_token(token: &Envelope<'_>) -> bool {
    PageKeys::is_page_key(token.kid())
}

/// Verifies all of the token but the request that it may be bound to.
pub(super) async fn verify(state: &State, token: Envelope<'_>) -> Result<ForgePage, Error> {
    let unverified = token.read::<PageClaims>().map_err(AuthError::from)?;
    unverified.expect_algorithm("HS256").map_err(AuthError::from)?;
    let store = state.tenants.store().as_ref();
    let kid = unverified.kid().unwrap_or_default();
    let key = state.pages.keys.verifying(store, kid).await?;
    let signed = key.filter(|key| unverified.verify_hs256(key.secret()).is_ok());
    if signed.is_none() {
        return Err(AuthError::Signature(format!("the page key {:?}", shorten(kid))).into());
    }
    let mut claims = unverified.into_claims();
    if claims.iss != PageClaims::ISSUER || !is_of_own_app(state, &claims) {
        let (tenant, issuer) = (shorten(&claims.tenant), shorten(&claims.aud));
        return Err(AuthError::Issuer { tenant, issuer }.into());
    }
    if claims.qsh.is_some() != (claims.purpose == Purpose::Page) {
        return Err(AuthError::Qsh("does not fit what the token is for".to_owned()).into());
    }
    check_time(claims.exp, None, now(), 0).map_err(AuthError::from)?;
    session::check_age(Some(claims.auth_time), &state.config, now())?;
    let tenant = match &claims.connect {
        Some(fingerprint) => {
            let tenant = state.tenants.current(&claims.tenant).await?;
            let tenant = tenant.ok_or_else(|| AuthError::UnknownTenant(shorten(&claims.tenant)))?;
            if tenant.page_fingerprint().map_err(AuthError::from)? != fingerprint {
                return Err(AuthError::Session("is older than the tenant's last install").into());
            }
            let owner = state.tenants.of_installation(&claims.installation).await?;
            if owner.is_some_and(|owner| owner.client_key() != tenant.client_key()) {
                return Err(AuthError::Session("belongs to the former tenant of the installation").into());
            }
            Some(tenant)
        }
        // it may have been found out since
        None => state.tenants.of_installation(&claims.installation).await?,
    };
    if let (None, Some(tenant)) = (&claims.connect, &tenant) {
        claims.connect = Some(tenant.page_fingerprint().map_err(AuthError::from)?.to_owned());
        tenant.client_key().clone_into(&mut claims.tenant);
    }
    if state.pages.ended.is_over(store, &claims.installation, claims.auth_time).await? {
        return Err(AuthError::Session("belongs to an installation that has ended").into());
    }
    let id = SessionId { installation: &claims.installation, account: claims.sub.as_deref(), sid: &claims.sid };
    let tokens = state.pages.tokens.find(store, id).await?;
    Ok(ForgePage { claims, tenant, tokens })
}

/// Whether the token is for one of the Forge apps at this base URL.
fn is_of_own_app(state: &State, claims: &PageClaims) -> bool {
    let app_ids = state.forge_app_ids(&claims.installation);
    app_ids.iter().any(|app_id| claims.aud == audience(state, app_id))
}

/// For whom the tokens of the pages of a Forge app are.
pub(crate) fn audience(state: &State, app_id: &str) -> String {
    PageClaims::audience(app_id, state.config.local_base_url.as_str())
}
