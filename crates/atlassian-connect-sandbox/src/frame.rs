//! A page of the add-on as the host opens it: its filled and signed URL, and the data for the bridge.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::context::{self, encoded};
use super::modules::PageModule;
use super::selection::Selection;
use super::shared::Sandbox;
use super::site::SandboxSite;
use atlassian_connect_actix::internal::claims_of_site;
use atlassian_connect_actix::internal::jwt::{CONTEXT_QSH, JwtError, qsh};
use atlassian_connect_testing::internal::LIFETIME;

/// The Connect version that the sandbox reports.
const CONNECT_VERSION: &str = "1001.0.0-SNAPSHOT";

/// The data for the bridge.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Frame {
    pub(super) addon_key: String,
    /// The module's key.
    pub(super) key: String,
    pub(super) module_type: String,
    pub(super) url: String,
    pub(super) base_url: String,
    pub(super) full_page: bool,
    pub(super) dialog: bool,
    pub(super) width: String,
    pub(super) height: Option<String>,
    pub(super) name: String,
    /// The result of `AP.context.getContext`.
    pub(super) product_context: Value,
}

impl Sandbox {
    /// The frame of `module`. `origin` is the one under which the user sees the site.
    pub(super) fn frame(
        &self,
        site: &SandboxSite,
        module: &PageModule,
        selection: &Selection,
        origin: &str,
    ) -> Result<Frame, JwtError> {
        let tenant = site.tenant();
        let descriptor = self.state.descriptor();
        let values = context::values(site.product, selection.user, Some(module), &selection.overrides);
        let claim = context::claim(site.product, module, &values);
        let filled = context::fill(&module.url, &values);
        let (filled, fragment) = filled.split_at(filled.find('#').unwrap_or(filled.len()));
        let (path, query) = filled.split_once('?').unwrap_or((filled, ""));
        let mut query = query.to_owned();
        for (name, value) in [
            ("xdm_e", origin),
            ("xdm_c", &format!("channel-{}__{}", descriptor.key(), module.key)),
            ("cp", site.path),
            ("xdm_deprecated_addon_key_do_not_use", descriptor.key()),
            ("lic", &selection.license),
            ("cv", CONNECT_VERSION),
        ] {
            let _ = write!(query, "{}{name}={}", if query.is_empty() { "" } else { "&" }, encoded(value));
        }
        let hash = qsh::hash("GET", path, &query);
        let token = tenant.try_sign(&claims(site, selection, &hash, &claim))?;
        let base_url = self.state.config.local_base_url.as_str();
        Ok(Frame {
            addon_key: descriptor.key().to_owned(),
            key: module.key.clone(),
            module_type: module.kind.clone(),
            // Source: Atlassian, "Cacheable app iframes": the URL has no query parameters
            url: if module.cacheable {
                format!("{base_url}{path}{fragment}")
            } else {
                format!("{base_url}{path}?{query}&jwt={token}{fragment}")
            },
            base_url: base_url.to_owned(),
            full_page: module.full_page,
            dialog: module.dialog,
            width: module.width.clone().unwrap_or_else(|| "100%".into()),
            height: module.height.clone(),
            name: module.name.clone(),
            product_context: claim,
        })
    }
}

/// A token that is not bound to a URL, like that of `AP.context.getToken`.
pub(super) fn context_token(
    site: &SandboxSite,
    module: &PageModule,
    selection: &Selection,
) -> Result<String, JwtError> {
    let values = context::values(site.product, selection.user, Some(module), &selection.overrides);
    let claim = context::claim(site.product, module, &values);
    site.tenant().try_sign(&claims(site, selection, CONTEXT_QSH, &claim))
}

/// The claims that all tokens of the site have.
fn claims(site: &SandboxSite, selection: &Selection, qsh: &str, context: &Value) -> Value {
    let mut claims = claims_of_site(&site.tenant().client_key, selection.user.account(), qsh, LIFETIME);
    claims["context"] = context.clone();
    claims
}

/// The origin of a request's URL: `http://127.0.0.1:3001`.
pub(super) fn origin_of_host(host: &str) -> String {
    Url::parse(&format!("http://{host}")).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}
