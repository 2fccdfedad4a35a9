//! What a page token and a session token of a page on Forge say.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PageKey;
use crate::installation::Api;
use crate::jwt::{Claims, JwtError};

/// What the token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// One request: method, path and query.
    Page,
    /// Calls of the page.
    Session,
}

/// The claims of both tokens. Everything that a page needs to know of its caller stands here: any node can serve it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PageClaims {
    pub(crate) iss: String,
    /// The Forge app and the base URL, see [`PageClaims::audience`]: keys may be shared by several.
    pub(crate) aud: String,
    /// Seconds since 1970.
    pub(crate) iat: i64,
    /// Seconds since 1970.
    pub(crate) exp: i64,
    /// When the page was opened, in seconds since 1970.
    pub(crate) auth_time: i64,
    #[serde(rename = "use")]
    pub(crate) purpose: Purpose,
    /// The hash of the request that a page token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) qsh: Option<String>,
    /// Tells this page session from others of the same account.
    pub(crate) sid: String,
    /// Under which name the app keeps what belongs to the tenant.
    pub(crate) tenant: String,
    /// `tenant` is the clientKey of a Connect tenant, whose secret has this fingerprint: another install ends the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connect: Option<String>,
    /// The installation's ARI.
    pub(crate) installation: String,
    /// Where the product's API is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api: Option<String>,
    /// The APIs of the installation's products, that of the page's product first, if `api` does not say it all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) apis: Vec<Api>,
    /// The site with the product's context path: `https://site.atlassian.net/wiki`.
    pub(crate) site: String,
    /// The origins that may frame the page besides the shell: the site's.
    pub(crate) ancestors: Vec<String>,
    /// The origin of the shell.
    pub(crate) shell: String,
    /// The account id; `None`: nobody is logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
    /// The module's key.
    pub(crate) module: String,
    /// What the user looks at, in Connect's shape; ids alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Value>,
    /// `active` or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lic: Option<String>,
}

impl PageClaims {
    /// Who signs. No host can have it as its clientKey and profit: the key decides, not the name.
    pub(crate) const ISSUER: &str = "atlassian-connect:pages";

    /// For whom a token is: the app with this bare id, at this base URL.
    pub(crate) fn audience(app_id: &str, base_url: &str) -> String {
        format!("{app_id} {base_url}")
    }

    /// The same for one request, until then; times in seconds since 1970.
    pub(crate) fn for_request(&self, qsh: String, iat: i64, exp: i64) -> Self {
        Self { purpose: Purpose::Page, qsh: Some(qsh), iat, exp, ..self.clone() }
    }

    /// The same for the calls of the page, until then; times in seconds since 1970.
    pub(crate) fn for_session(&self, iat: i64, exp: i64) -> Self {
        Self { purpose: Purpose::Session, qsh: None, iat, exp, ..self.clone() }
    }

    /// The token.
    pub(crate) fn sign(&self, key: &PageKey) -> Result<String, JwtError> {
        key.sign(self)
    }

    /// The claims as a handler sees those of Connect.
    pub(crate) fn to_claims(&self) -> Claims {
        Claims {
            iss: Some(self.tenant.clone()),
            sub: self.sub.clone(),
            exp: self.exp,
            iat: Some(self.iat),
            auth_time: Some(self.auth_time),
            qsh: self.qsh.clone(),
            context: self.context.clone(),
            ..Claims::default()
        }
    }
}

impl std::fmt::Debug for PageClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageClaims")
            .field("tenant", &self.tenant)
            .field("installation", &self.installation)
            .field("module", &self.module)
            .finish_non_exhaustive()
    }
}
