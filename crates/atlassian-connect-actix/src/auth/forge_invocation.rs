//! [`ForgeInvocation`].

use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared};
use secrecy::SecretString;

use super::association;
use super::body::BodyGate;
use super::{AuthError, ProofFuture, Proven, app_tokens, counted, shorten};
use crate::connection;
use crate::error::Error;
use crate::host::{ForgeSite, HostClient};
use crate::installation::{Apis, site_ari};
use crate::jwt::{ForgeClaims, ForgeLicense, Unverified, now};
use crate::settings::Settings;
use crate::state::State;
use crate::tenants::{Tenant, origin_of};

/// The authentication scheme that a 401 asks for.
const SCHEME: &str = "Bearer";
/// The token that acts as the app, if the manifest's endpoint asks for it.
const APP_TOKEN: &str = "x-forge-oauth-system";
/// The token that acts as the user, if the manifest's endpoint asks for it.
const USER_TOKEN: &str = "x-forge-oauth-user";

/// A call by Forge: its token is signed by Forge's keys (RS256) and issued for this app. ACE's `authenticateForge()`.
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
    app: App,
    apis: Apis,
    app_token: Option<SecretString>,
    user_token: Option<SecretString>,
}

/// The app that a token is for.
struct App {
    /// The bare id.
    id: String,
    /// Whether it is the first one of the configuration.
    is_first: bool,
}

impl App {
    /// Its id, unless it is the first one.
    fn other(&self) -> Option<&str> {
        (!self.is_first).then_some(self.id.as_str())
    }
}

impl ForgeInvocation {
    /// The verified claims of the token.
    #[must_use]
    pub fn claims(&self) -> &ForgeClaims {
        &self.0.claims
    }

    /// The bare id of the app that is invoked: one of the configured `appId`s.
    #[must_use]
    pub fn app_id(&self) -> &str {
        &self.0.app.id
    }

    /// The installation's ARI.
    #[must_use]
    pub fn installation_id(&self) -> &str {
        &self.claims().app.installation_id
    }

    /// The base URL of the product's API for this installation: `https://api.atlassian.com/ex/jira/{cloudId}`.
    #[must_use]
    pub fn api_base_url(&self) -> Option<&str> {
        self.claims().app.api_base_url.as_deref()
    }

    /// The Atlassian account id of the user; `None` for events, triggers and anonymous users.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.claims().principal.as_deref().filter(|id| !matches!(*id, "" | ForgeClaims::ANONYMOUS))
    }

    /// The account id, where a user is required.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if there is no user. A 401 would tell Forge that the invocation token is invalid.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        self.account_id().ok_or_else(|| Error::no_user("the invocation token names no user"))
    }

    /// The app's license: whether it is active, its type, whether it is a trial, its modes. `None` for free and
    /// unlisted apps, and outside production.
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

    /// The token that acts as the app; `None` if the manifest's endpoint does not ask for it (`auth.appSystemToken`).
    #[must_use]
    pub fn app_token(&self) -> Option<&SecretString> {
        self.0.app_token.as_ref()
    }

    /// The token that acts as the user; `None` if the manifest's endpoint does not ask for it (`auth.appUserToken`), or
    /// if there is no user.
    #[must_use]
    pub fn user_token(&self) -> Option<&SecretString> {
        self.0.user_token.as_ref()
    }

    /// The Connect tenant whose `installed` callback named this installation (`installationId`). ACE's
    /// `associateConnect()`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn connect_tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        Ok(self.state().tenants.of_installation(self.installation_id()).await?)
    }

    /// The Connect tenant of this site: the one that is known for the installation, else for the site.
    ///
    /// Who that is, is found out in the background, with any invocation: a new installation on a known site is
    /// recognised at once. Another one is known after its site was asked, which needs the app's token and happens once a
    /// day; until then, the result is `None`. The answer of the site counts only for a tenant whose base URL or display
    /// URL is that site's.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn tenant(&self) -> Result<Option<Arc<Tenant>>, Error> {
        association::tenant_of(self.state(), self.claims(), self.0.app.other()).await
    }

    /// The key under which the app stores data of this tenant: the clientKey if there is a Connect tenant, so that no
    /// data has to move. Else it is made of the site's ARI, see the table of keys in docs/forge.md; else it is the
    /// installation's ARI.
    ///
    /// # Errors
    /// As [`ForgeInvocation::tenant`].
    pub async fn tenant_key(&self) -> Result<String, Error> {
        Ok(match self.tenant().await? {
            Some(tenant) => tenant.client_key().to_owned(),
            None => self.key_of_forge().await?,
        })
    }

    /// The key of a tenant that is on Forge alone: that of its site, or the clientKey to which its data has moved.
    pub(crate) async fn key_of_forge(&self) -> Result<String, Error> {
        Ok(self.state().tenants.key_of_data(&self.site_keys()).await?)
    }

    /// The keys of all products of the installation, of which the first one is the key of the tenant. There is
    /// always one: if the token names no site, it is the installation's ARI.
    pub(crate) fn site_keys(&self) -> Vec<String> {
        association::site_keys_of(self.state(), self.claims(), self.0.app.other())
    }

    /// The settings of the tenant, under [`ForgeInvocation::tenant_key`].
    #[must_use]
    pub fn settings(&self) -> Settings {
        let invocation = self.clone();
        Settings::of_caller(self.0.state.clone(), move || {
            let invocation = invocation.clone();
            Box::pin(async move { invocation.tenant_key().await })
        })
    }

    /// A client for the product that invoked the app, for a page that of its module. For another product of the
    /// installation see [`HostClient::jira`]. As the app it uses the token of the invocation, else the last
    /// known one. As the invocation's user it uses that user's token. For any other user it requests an offline user
    /// token, which needs the scopes for offline access.
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
            ..ForgeSite::new(self.installation_id(), self.apis().clone())
        };
        HostClient::of_forge_site(self.0.state.clone(), site)
    }

    /// The products of the installation. The first one is the one that calls.
    pub(crate) fn apis(&self) -> &Apis {
        &self.0.apis
    }

    /// The ARI of the site, `ari:cloud:jira::site/{cloudId}`, for the product that calls. It does not change when the app
    /// is installed again.
    #[must_use]
    pub fn site_ari(&self) -> Option<String> {
        site_ari(self.apis().first()?.url())
    }

    /// An invocation by the shell of a page. Its tokens are used for that page alone.
    pub(crate) async fn of_page(request: &HttpRequest) -> Result<Self, Error> {
        let invocation = async { begin(request, AppTokenUse::OfThePage)?.0.await };
        Self::granted(request, invocation).await
    }

    /// The verified invocation. It is recorded in the request.
    async fn granted(
        request: &HttpRequest,
        invocation: impl Future<Output = Result<Rc<Invocation>, Error>>,
    ) -> Result<Self, Error> {
        let invocation = counted("ForgeInvocation", invocation).await.map_err(|error| error.asking_for(SCHEME))?;
        connection::prove(request);
        request.extensions_mut().insert(Proven);
        Ok(Self(invocation))
    }

    /// The add-on's state.
    #[must_use]
    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    /// The URL of the site, if the token names it.
    fn site_url(&self) -> Option<&str> {
        self.claims().site_url()
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
        Box::pin(async move { Self::granted(&request, invocation).await })
    }
}

/// The verification of a request, kept in its extensions.
#[derive(Clone)]
struct Verification(Shared<LocalBoxFuture<'static, Result<Rc<Invocation>, Error>>>);

/// Starts the verification. It is registered in the request before this returns, so that the body waits for it.
fn invocation(request: &HttpRequest) -> impl Future<Output = Result<Rc<Invocation>, Error>> + use<> {
    let known = request.extensions().get::<Verification>().cloned();
    let verification = known.map_or_else(|| begin(request, AppTokenUse::Kept), Ok);
    async move {
        let Verification(verification) = verification?;
        verification.await
    }
}

/// What happens to the app's token that came with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AppTokenUse {
    /// It may become the installation's token.
    Kept,
    /// It is used for one page alone.
    OfThePage,
}

fn begin(request: &HttpRequest, app_token_use: AppTokenUse) -> Result<Verification, Error> {
    let state = State::of(request)?;
    let token = bearer(request.headers())?;
    let (app_token, user_token) = (secret(request.headers(), APP_TOKEN)?, secret(request.headers(), USER_TOKEN)?);
    let verify = async move {
        let (claims, app) = verify(&state, &token).await?;
        expect_environment(&claims, &state)?;
        let apis = Apis::of(&claims, state.config.product);
        if let (Some(token), AppTokenUse::Kept) = (&app_token, app_token_use) {
            let (id, is_sure) = (&claims.app.installation_id, claims.is_unattended());
            app_tokens::keep(&state, id, token, apis.at_home(state.config.product), is_sure);
        }
        association::look_at(&state, &claims, &apis, app.other(), app_token.as_ref());
        Ok(Rc::new(Invocation { state, claims, app, apis, app_token, user_token }))
    };
    let verification = verify.boxed_local().shared();
    BodyGate::wait_for(request, verification.clone());
    request.extensions_mut().insert(Verification(verification.clone()));
    Ok(Verification(verification))
}

async fn verify(state: &State, token: &str) -> Result<(ForgeClaims, App), Error> {
    let unverified = Unverified::parse_invocation(token, state.config.limits.token);
    let installation_id = unverified.as_ref().map_or("", |token| &token.claims().app.installation_id);
    let source = state.forge_keys.find(|source| source.has_installation(installation_id));
    let app_ids = state.forge_app_ids(installation_id);
    if app_ids.is_empty() {
        return Err(AuthError::NoForgeApp.into());
    }
    let unverified = unverified.map_err(AuthError::from)?;
    unverified.expect_algorithm("RS256").map_err(AuthError::from)?;
    // the cheap checks come first: a token that is refused anyway must not cause a key request
    let leeway = i64::try_from(state.config.leeway.as_secs()).unwrap_or(0);
    let app_id = unverified.claims().check(&app_ids, now(), leeway).map_err(AuthError::from)?;
    let app = App { id: app_id.to_owned(), is_first: app_ids.first() == Some(&app_id) };
    let kid = shorten(unverified.kid().unwrap_or_default());
    let key = source.key(unverified.kid(), unverified.claims().ic_label.as_deref()).await;
    let key = key.map_err(|error| match error {
        error if error.is_temporary() => Error::Unavailable { detail: format!("no Forge key {kid:?}: {error}") },
        error => AuthError::ForgeKey { kid: kid.clone(), error }.into(),
    })?;
    unverified.verify_rs256(&key).map_err(|_| AuthError::Signature(format!("Forge's key {kid:?}")))?;
    Ok((unverified.into_claims(), app))
}

/// Refuses calls of an environment that this deployment does not serve. It is a 403: a 401 would tell Forge that the
/// token is invalid.
fn expect_environment(claims: &ForgeClaims, state: &State) -> Result<(), Error> {
    let kind = claims.app.environment.kind();
    if state.config.serves_environment(kind) {
        return Ok(());
    }
    let kind = shorten(kind);
    Err(Error::forbidden(
        format!(
            "This deployment does not serve the environment {kind} of the app. To serve it, add {kind} to \
             forgeEnvironments of config.json (AC_FORGE_ENVIRONMENTS)."
        ),
        format!("the invocation comes from the environment {kind:?}"),
    ))
}

/// Whether a request brings an invocation token, valid or not. No browser sends this scheme by itself.
pub(crate) fn has_invocation_token(headers: &HeaderMap) -> bool {
    headers.get_all(header::AUTHORIZATION).any(|value| {
        let scheme = value.as_bytes().get(..SCHEME.len() + 1);
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
    })
}

/// The token of `Authorization: Bearer …`. No other place is read.
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

/// The token in the header `name`; an empty one counts as none.
fn secret(headers: &HeaderMap, name: &str) -> Result<Option<SecretString>, AuthError> {
    let mut values = headers.get_all(name);
    let value = values.next().and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty());
    if values.next().is_some() {
        return Err(AuthError::Ambiguous("a header is repeated"));
    }
    Ok(value.map(SecretString::from))
}
