//! [`ForgeInvocation`].

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared};
use secrecy::SecretString;

use super::association::{self, Asked};
use super::body::BodyGate;
use super::{AuthError, ProofFuture, Proven, app_tokens, shorten};
use crate::connection;
use crate::error::Error;
use crate::host::{ForgeSite, HostClient, site_ari};
use crate::jwt::{ForgeClaims, ForgeLicense, Unverified, now};
use crate::settings::Settings;
use crate::state::State;
use crate::tenants::{Tenant, origin_of};

/// What a 401 asks for.
const SCHEME: &str = "Bearer";
/// The token of the app itself, where the endpoint of the manifest asks for it.
const APP_TOKEN: &str = "x-forge-oauth-system";
/// The token of the user, where the endpoint of the manifest asks for it.
const USER_TOKEN: &str = "x-forge-oauth-user";

/// An invocation by Forge: its token is signed by Forge's keys (RS256), issued for this app and for now. ACE's
/// `authenticateForge()`.
///
/// ```
/// use actix_web::{post, web::Json};
/// use atlassian_connect_actix::auth::ForgeInvocation;
///
/// #[post("/forge/who")]
/// async fn who(invocation: ForgeInvocation) -> Json<Option<String>> {
///     Json(invocation.account_id().map(str::to_owned))
/// }
/// ```
///
/// Source: Atlassian, "Forge Remote essentials".
#[derive(Debug, Clone)]
pub struct ForgeInvocation(Rc<Invocation>);

struct Invocation {
    state: web::Data<State>,
    claims: ForgeClaims,
    app_token: Option<SecretString>,
    user_token: Option<SecretString>,
}

impl ForgeInvocation {
    /// What the token says.
    #[must_use]
    pub fn claims(&self) -> &ForgeClaims {
        &self.0.claims
    }

    /// The installation's ARI.
    #[must_use]
    pub fn installation_id(&self) -> &str {
        &self.claims().app.installation_id
    }

    /// Where the product's API is for this installation: `https://api.atlassian.com/ex/jira/{cloudId}`.
    #[must_use]
    pub fn api_base_url(&self) -> Option<&str> {
        self.claims().app.api_base_url.as_deref()
    }

    /// The Atlassian account id of the user; `None` for events, triggers and anonymous users.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.claims().principal.as_deref().filter(|id| !matches!(*id, "" | ForgeClaims::ANONYMOUS))
    }

    /// The same where a user is needed.
    ///
    /// # Errors
    /// [`Error::Forbidden`], which says so, if there is no user. A 401 would tell Forge that the invocation token is
    /// bad.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        self.account_id().ok_or_else(|| Error::no_user("the invocation token names no user"))
    }

    /// The app's license: whether it is active, its type, whether it is a trial, its modes. `None` for free and unlisted
    /// apps, and outside of production.
    ///
    /// ```no_run
    /// use actix_web::post;
    /// use atlassian_connect_actix::{Error, auth::ForgeInvocation};
    ///
    /// #[post("/forge/report")]
    /// async fn report(invocation: ForgeInvocation) -> Result<&'static str, Error> {
    ///     if !invocation.license().is_some_and(|license| license.is_active()) {
    ///         return Err(Error::forbidden("This needs a license.", "no active license"));
    ///     }
    ///     Ok("the report")
    /// }
    /// ```
    #[must_use]
    pub fn license(&self) -> Option<&ForgeLicense> {
        self.claims().app.license.as_ref()
    }

    /// The token that acts as the app; `None` where the endpoint of the manifest does not ask for it
    /// (`auth.appSystemToken`).
    #[must_use]
    pub fn app_token(&self) -> Option<&SecretString> {
        self.0.app_token.as_ref()
    }

    /// The token that acts as the user; `None` where the endpoint of the manifest does not ask for it
    /// (`auth.appUserToken`), or no user is there.
    #[must_use]
    pub fn user_token(&self) -> Option<&SecretString> {
        self.0.user_token.as_ref()
    }

    /// The Connect tenant that this installation is associated with: by the `installationId` of an `installed`
    /// callback. ACE's `associateConnect()`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is away.
    pub async fn connect_tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        Ok(self.state().tenants.of_installation(self.installation_id()).await?)
    }

    /// The Connect tenant of this site: by the installation, else by the site itself, else as the site says when it is
    /// asked as the app (once in ten minutes at most, in ten seconds where it gave no answer). What the site says
    /// counts only for a tenant whose base URL or display URL is that site's. What is found is stored, and found at
    /// once from then on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is away. A site that cannot be asked is no error.
    pub async fn tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        association::tenant_of(&Asked {
            state: self.state(),
            installation_id: self.installation_id(),
            site_ari: self.site_ari(),
            site_url: self.site_url(),
            may_ask: self.app_token().is_some(),
            host: &|| self.host(),
        })
        .await
    }

    /// The name under which the add-on keeps what belongs to this tenant: the clientKey where there is a Connect
    /// tenant, so that nothing has to move; else the site's ARI; else the installation's.
    ///
    /// # Errors
    /// As [`ForgeInvocation::tenant`].
    pub async fn tenant_key(&self) -> Result<String, Error> {
        Ok(match self.tenant().await? {
            Some(tenant) => tenant.client_key().to_owned(),
            None => self.site_ari().unwrap_or_else(|| self.installation_id().to_owned()),
        })
    }

    /// What the app keeps of the tenant, under [`ForgeInvocation::tenant_key`].
    #[must_use]
    pub fn settings(&self) -> Settings {
        let invocation = self.clone();
        Settings::of_caller(self.0.state.clone(), move || {
            let invocation = invocation.clone();
            Box::pin(async move { invocation.tenant_key().await })
        })
    }

    /// A client for the product that invoked, as the app: with the token that the invocation brought, else with the last
    /// one that is known. As a user it takes the invocation's own token for the invocation's own user; for others it
    /// asks for a token that acts as a user who is away, which needs the scopes for offline access.
    ///
    /// ```no_run
    /// use actix_web::{post, web::Json};
    /// use atlassian_connect_actix::{Error, auth::ForgeInvocation};
    ///
    /// #[post("/forge/me")]
    /// async fn me(invocation: ForgeInvocation) -> Result<Json<serde_json::Value>, Error> {
    ///     let user = invocation.host().as_user(invocation.require_account_id()?);
    ///     Ok(Json(user.get("/rest/api/3/myself").send().await?.json().await?))
    /// }
    /// ```
    #[must_use]
    pub fn host(&self) -> HostClient {
        let user = self.account_id().zip(self.user_token());
        let site = ForgeSite {
            site_origin: self.site_url().and_then(origin_of),
            app_token: self.app_token().cloned(),
            user: user.map(|(account_id, token)| (account_id.to_owned(), token.clone())),
            ..ForgeSite::new(self.installation_id(), self.api_base_url())
        };
        HostClient::of_forge_site(self.0.state.clone(), site)
    }

    /// The ARI of the site that invoked, `ari:cloud:jira::site/{cloudId}`: it outlives re-installs.
    #[must_use]
    pub fn site_ari(&self) -> Option<String> {
        site_ari(self.api_base_url()?)
    }

    /// The add-on's state.
    #[must_use]
    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    /// The URL of the site by the token, where it names one.
    fn site_url(&self) -> Option<&str> {
        self.claims().context.as_ref()?.site_url.as_deref()
    }
}

impl std::fmt::Debug for Invocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation")
            .field("installation_id", &self.claims.app.installation_id)
            .field("account_id", &self.claims.principal)
            .finish_non_exhaustive()
    }
}

impl FromRequest for ForgeInvocation {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (request, invocation) = (request.clone(), invocation(request));
        Box::pin(async move {
            let invocation = invocation.await.map_err(|error| error.asking_for(SCHEME))?;
            connection::prove(&request);
            request.extensions_mut().insert(Proven);
            Ok(Self(invocation))
        })
    }
}

/// The verification of a request, in its extensions.
#[derive(Clone)]
struct Verification(Shared<LocalBoxFuture<'static, Result<Rc<Invocation>, Error>>>);

/// Known to the request before this returns, so that its body waits for it.
fn invocation(request: &HttpRequest) -> impl Future<Output = Result<Rc<Invocation>, Error>> + use<> {
    let known = request.extensions().get::<Verification>().cloned();
    let verification = known.map_or_else(|| begin(request), Ok);
    async move {
        let Verification(verification) = verification?;
        verification.await
    }
}

fn begin(request: &HttpRequest) -> Result<Verification, Error> {
    let state = State::of(request)?;
    let token = bearer(request.headers())?;
    let (app_token, user_token) = (secret(request.headers(), APP_TOKEN)?, secret(request.headers(), USER_TOKEN)?);
    let verify = async move {
        let claims = verify(&state, &token).await?;
        if let Some(token) = &app_token {
            let (app, is_sure) = (&claims.app, claims.is_unattended());
            app_tokens::keep(&state, &app.installation_id, token, app.api_base_url.as_deref(), is_sure);
        }
        Ok(Rc::new(Invocation { state, claims, app_token, user_token }))
    };
    let verification = verify.boxed_local().shared();
    BodyGate::wait_for(request, verification.clone());
    request.extensions_mut().insert(Verification(verification.clone()));
    Ok(Verification(verification))
}

async fn verify(state: &State, token: &str) -> Result<ForgeClaims, Error> {
    let unverified = Unverified::<ForgeClaims>::parse_as(token, state.config.limits.token);
    let installation_id = unverified.as_ref().map_or("", |token| &token.claims().app.installation_id);
    let source = state.forge_keys.find(|source| source.has_installation(installation_id));
    let app_id = state.config.app_id.as_deref().or(source.app_id()).ok_or(AuthError::NoForgeApp)?;
    let unverified = unverified.map_err(AuthError::from)?;
    unverified.expect_algorithm("RS256").map_err(AuthError::from)?;
    // what costs nothing comes first: a token that is refused anyway fetches no key
    let leeway = i64::try_from(state.config.leeway.as_secs()).unwrap_or(0);
    unverified.claims().check(app_id, now(), leeway).map_err(AuthError::from)?;
    let kid = shorten(unverified.kid().unwrap_or_default());
    let key = source.key(unverified.kid(), unverified.claims().ic_label.as_deref()).await;
    let key = key.map_err(|error| match error {
        error if error.is_temporary() => Error::Unavailable { detail: format!("no key {kid:?} of Forge's: {error}") },
        error => AuthError::ForgeKey { kid: kid.clone(), error }.into(),
    })?;
    unverified.verify_rs256(&key).map_err(|_| AuthError::Signature(format!("Forge's key {kid:?}")))?;
    Ok(unverified.into_claims())
}

/// Whether a request brings an invocation token, good or bad. No browser sends this scheme by itself.
pub(crate) fn has_invocation_token(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).any(|value| {
        let scheme = value.as_bytes().get(..SCHEME.len() + 1);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
    })
}

/// The token of `Authorization: Bearer …`, and of nowhere else.
fn bearer(headers: &HeaderMap) -> Result<String, AuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION);
    let value = values.next().ok_or(AuthError::Missing)?;
    if values.next().is_some() {
        return Err(AuthError::Ambiguous("a header is repeated"));
    }
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(AuthError::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(AuthError::Missing);
    }
    Ok(token.trim().to_owned())
}

/// A token that stands in a header; an empty one counts as none.
fn secret(headers: &HeaderMap, name: &str) -> Result<Option<SecretString>, AuthError> {
    let mut values = headers.get_all(name);
    let value = values.next().and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty());
    if values.next().is_some() {
        return Err(AuthError::Ambiguous("a header is repeated"));
    }
    Ok(value.map(SecretString::from))
}
