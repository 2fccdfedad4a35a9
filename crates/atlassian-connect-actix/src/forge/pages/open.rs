//! `POST /forge/open` and `POST /forge/token`.

use std::sync::Arc;

use actix_web::web::{self, Json};
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::utf8_percent_encode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::context::{self, Identities};
use super::{module, variables};
use crate::auth::{ForgeInvocation, audience, read_inflated, session, without_mark};
use crate::config::Product;
use crate::error::Error;
use crate::host::RESERVED;
use crate::installation::Api;
use crate::jwt::{ForgeClaims, ForgeContext, now};
use crate::page::{BoundUrl, Forwarded, PageClaims, Purpose, SessionId, Token, random_text};
use crate::panics;
use crate::state::{AddonState, State};
use crate::store::Place;
use crate::tenants::origin_of;

/// Bytes of a request's body.
const BODY_LIMIT: usize = 16 * 1024;
/// Bytes of a page's URL.
const URL_LIMIT: usize = 8 * 1024;
/// How long a page token is good, in seconds: a frame that is reloaded later asks the shell for another one.
const PAGE_TOKEN: i64 = 120;
/// Bytes of what describes the page.
const LONGEST: usize = 255;
/// The most products of an installation that a page knows.
const MOST_PRODUCTS: usize = 4;

/// What the shell sends. Who looks at what is not here: that is in the invocation token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opening {
    /// The token's own module, where it is absent.
    #[serde(default)]
    module_key: Option<String>,
    /// One of several pages of the module, as `editor`.
    #[serde(default)]
    page: Option<String>,
    /// The origin of the shell.
    #[serde(default)]
    shell: Option<String>,
    #[serde(default)]
    locale: Option<String>,
    #[serde(default)]
    timezone: Option<String>,
    /// What an earlier answer called this page session.
    #[serde(default)]
    session: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Opened {
    url: String,
    session: String,
}

#[derive(Serialize)]
pub(super) struct Fresh {
    token: String,
}

/// The URL of a module's page, for the shell to show.
pub(super) async fn open(
    request: HttpRequest,
    payload: web::Payload,
    addon: AddonState,
) -> Result<HttpResponse, Error> {
    let mut page = Page::read(&request, payload, &addon).await?;
    let url = page.url(&addon).await?;
    page.keep(&addon);
    Ok(HttpResponse::Ok().json(Opened { url, session: page.claims.sid }))
}

/// Answers a fresh session token for a page that is shown, and keeps the fresh Forge tokens that came with the request.
pub(super) async fn token(
    request: HttpRequest,
    payload: web::Payload,
    addon: AddonState,
) -> Result<Json<Fresh>, Error> {
    let page = Page::read(&request, payload, &addon).await?;
    let key = addon.pages.keys.signing(addon.tenants.store().as_ref()).await?;
    let issued = page.claims.iat;
    let claims = page.claims.for_session(issued, session::expiry(&addon.config, issued, page.claims.auth_time));
    page.keep(&addon);
    Ok(Json(Fresh { token: claims.sign(&key).map_err(Error::internal)? }))
}

/// A page that the shell may show, as the invocation token and the descriptor have it.
struct Page {
    claims: PageClaims,
    /// Of the site.
    origin: String,
    context_path: &'static str,
    /// Below the base URL, its variables filled.
    path: String,
    locale: Option<String>,
    timezone: Option<String>,
    tokens: Forwarded,
}

impl Page {
    async fn read(request: &HttpRequest, payload: web::Payload, state: &State) -> Result<Self, Error> {
        let invocation = ForgeInvocation::of_page(request).await?;
        let context = context_of_a_page(invocation.claims())?;
        refuse_ended(&invocation, state).await?;
        let body = read_inflated(&mut payload.into_inner(), request, BODY_LIMIT).await?;
        let opening: Opening = read(&body).map_err(|error| {
            Error::bad_request(format!("The body must be a JSON object with moduleKey and shell: {error}."))
        })?;
        let shell =
            opening.shell.ok_or_else(|| Error::bad_request("The body must name the origin of the shell, as shell."))?;
        if !state.config.is_shell(&shell) {
            return Err(Error::forbidden(
                "Pages are not shown to this origin. Name it in forge.shellOrigins of config.json if it is the app's shell.",
                format!("the shell's origin is {:?}", shorten(&shell)),
            ));
        }
        let key = opening.module_key.or_else(|| context.module_key.clone()).unwrap_or_default();
        let url = module::url_of(&key, opening.page.as_deref(), &state.config, &state.descriptor()).ok_or_else(|| {
            Error::not_found(format!(
                "The app has no page for the module {:?}. Add it to the descriptor, or to forge.pages of config.json.",
                shorten(&key)
            ))
        })?;
        let identities = Identities::of(&context.extension)?;
        let path = variables::fill(&url, &identities, invocation.account_id());
        let issued = now();
        let tenant = invocation.tenant().await?;
        let site = site(context, tenant.as_deref(), state)?;
        let context_path = context_path(&invocation, context, state);
        let session = opening.session.filter(|sid| is_sid(sid));
        let claims = PageClaims {
            iss: PageClaims::ISSUER.to_owned(),
            aud: audience(state, invocation.app_id()),
            iat: issued,
            exp: issued.saturating_add(PAGE_TOKEN),
            auth_time: issued,
            purpose: Purpose::Page,
            qsh: None,
            sid: match session {
                Some(sid) => sid,
                None => new_sid()?,
            },
            tenant: match &tenant {
                Some(tenant) => tenant.client_key().to_owned(),
                None => invocation.key_of_forge().await?,
            },
            connect: match &tenant {
                Some(tenant) => Some(tenant.page_fingerprint().map_err(Error::internal)?.to_owned()),
                None => None,
            },
            installation: invocation.installation_id().to_owned(),
            api: invocation.apis().first().map(Api::url).filter(|api| api.len() <= LONGEST).map(str::to_owned),
            apis: invocation.apis().to_list(MOST_PRODUCTS, LONGEST),
            site: format!("{}{context_path}", site.origin),
            ancestors: site.ancestors,
            shell,
            sub: invocation.account_id().map(str::to_owned),
            module: key,
            context: context::of_connect(&identities)?,
            lic: Some(license(invocation.claims()).to_owned()),
        };
        let limit = state.config.limits.token;
        let token = |token: Option<&SecretString>| Token::read(token?, limit);
        let tokens = Forwarded::of(token(invocation.app_token()), token(invocation.user_token()));
        let describing = |text: Option<String>| text.filter(|text| text.len() <= LONGEST);
        let (locale, timezone) = (describing(opening.locale), describing(opening.timezone));
        Ok(Self { claims, origin: site.origin, context_path, path, locale, timezone, tokens })
    }

    /// With the parameters that a Connect page has, and the page token.
    async fn url(&mut self, state: &State) -> Result<String, Error> {
        let parameters = [
            ("xdm_e", Some(self.origin.as_str())),
            ("cp", Some(self.context_path)),
            ("lic", self.claims.lic.as_deref()),
            ("loc", self.locale.as_deref()),
            ("tz", self.timezone.as_deref()),
            ("xdm_shell", Some(self.claims.shell.as_str())),
        ];
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let own = query.split('#').next().unwrap_or_default();
        let mut query = String::with_capacity(own.len() + 512);
        query.push_str(own);
        for (name, value) in parameters.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            query.extend(utf8_percent_encode(value, RESERVED));
        }
        let path = path.split('#').next().unwrap_or_default();
        let url = BoundUrl::of(&state.config.local_base_url, &format!("{path}?{query}"));
        let url = url.ok_or_else(|| Error::internal("a module's URL leads out of the app"))?;
        let key = state.pages.keys.signing(state.tenants.store().as_ref()).await?;
        self.claims.qsh = Some(url.hash().to_owned());
        let url = url.with_token(&self.claims.sign(&key).map_err(Error::internal)?);
        if url.len() > URL_LIMIT {
            return Err(Error::content_too_large(format!(
                "The URL of this page would be longer than {URL_LIMIT} bytes."
            )));
        }
        Ok(url)
    }

    /// Keeps the Forge tokens that came with the request. The store is written to in the background.
    fn keep(&self, addon: &AddonState) {
        let claims = &self.claims;
        let id = SessionId { installation: &claims.installation, account: claims.sub.as_deref(), sid: &claims.sid };
        let Some((key, value)) = addon.pages.tokens.keep(id, &self.tokens) else { return };
        let (state, installation) = (addon.0.clone(), claims.installation.clone());
        // whoever looks at pages can open many: what is not written costs another node's call a repetition
        let Ok(permit) = Arc::clone(&addon.pages.writes).try_acquire_owned() else {
            tracing::debug!(installation, "too many tokens of pages are being stored: these are not");
            return;
        };
        panics::spawn("storing the tokens of a page on Forge", async move {
            let _permit = permit;
            if let Err(error) = state.tenants.store().set(Place::of_forge(&installation, &key), &value).await {
                tracing::warn!(%error, installation, "the tokens of a page on Forge could not be stored");
            }
        });
    }
}

/// serde would fill the struct from a list as well.
fn read(body: &[u8]) -> Result<Opening, serde_json::Error> {
    let body = without_mark(body);
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(serde::de::Error::custom("it is not an object"));
    }
    serde_json::from_slice(body)
}

/// An installation that has been told good-bye opens nothing with the invocation tokens that it still has.
async fn refuse_ended(invocation: &ForgeInvocation, state: &State) -> Result<(), Error> {
    let issued = invocation.claims().iat.unwrap_or_default();
    let store = state.tenants.store().as_ref();
    if state.pages.ended.is_over(store, invocation.installation_id(), issued).await? {
        return Err(Error::forbidden("The app is being uninstalled from this site.", "the installation has ended"));
    }
    Ok(())
}

/// The context of a page. A token of a function or an event has none: it proves nobody who looks at a page.
fn context_of_a_page(claims: &ForgeClaims) -> Result<&ForgeContext, Error> {
    let context = claims.context.as_ref();
    context.filter(|context| context.extension.is_object() || context.local_id.is_some()).ok_or_else(|| {
        Error::forbidden("Only a page of the app may ask for this.", "the invocation token has no context of a page")
    })
}

/// Where the site is, and which origins of it may frame the page.
struct FramingSite {
    origin: String,
    ancestors: Vec<String>,
}

fn site(context: &ForgeContext, tenant: Option<&crate::tenants::Tenant>, state: &State) -> Result<FramingSite, Error> {
    if let Some(url) = context.site_url.as_deref() {
        // the usual case: it is written as the tenant's own origin
        let known = tenant.and_then(|tenant| tenant.frame_origins().iter().find(|origin| *origin == url));
        if let Some(origin) = known.cloned().or_else(|| origin_of(url)) {
            return Ok(FramingSite { ancestors: vec![origin.clone()], origin });
        }
    }
    let mut ancestors = tenant.map(|tenant| tenant.frame_origins().to_vec()).unwrap_or_default();
    ancestors.extend(state.config.frame_ancestors.iter().cloned());
    let of_tenant = tenant.and_then(|tenant| tenant.origin()).map(str::to_owned);
    let origin = of_tenant.or_else(|| ancestors.iter().find(|origin| !origin.contains('*')).cloned());
    match origin {
        Some(origin) => Ok(FramingSite { origin, ancestors }),
        None => Err(Error::forbidden(
            "Forge does not name the site that shows this page. Name its origin in frameAncestors of config.json.",
            "the token has no siteUrl, and there is no tenant",
        )),
    }
}

/// Confluence is below `/wiki` of its site.
fn context_path(invocation: &ForgeInvocation, context: &ForgeContext, state: &State) -> &'static str {
    let kind = context.extension.get("type").and_then(serde_json::Value::as_str).unwrap_or_default();
    let product = invocation.apis().first();
    let is_confluence = product.is_some_and(Api::is_confluence)
        || kind.starts_with("confluence:")
        || (product.is_none() && state.config.product == Product::Confluence);
    if is_confluence { "/wiki" } else { "" }
}

/// Connect's `lic`. Outside of production a token has no license, and an app is tried as a licensed one.
fn license(claims: &ForgeClaims) -> &'static str {
    match &claims.app.license {
        Some(license) if license.is_active() => "active",
        None if !claims.app.environment.is_production() => "active",
        _ => "none",
    }
}

fn is_sid(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn new_sid() -> Result<String, Error> {
    random_text::<16>().ok_or_else(|| Error::internal("the system has no random numbers"))
}

fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}
