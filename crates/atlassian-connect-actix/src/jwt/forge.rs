//! The claims of a Forge invocation token.
//!
//! Claims that are security-relevant are typed strictly: another type makes the token malformed. Descriptive claims are
//! typed leniently: one that is absent or of another type than documented is `None`, and [`ForgeClaims::raw`] has its
//! original value.
//!
//! Source: Atlassian, "Forge Remote essentials", "The Forge Invocation Token".

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::JwtError;
use super::claims::{audience, check_time, optional_seconds, seconds};
use super::forge_context::{ForgeContext, ForgeInstallation};
use super::forge_license::ForgeLicense;
use super::forge_module::ForgeModule;
use super::lenient::{LenientObject, lenient, lenient_object, text};

/// The claims of a Forge invocation token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForgeClaims {
    /// The issuer: [`ForgeClaims::ISSUER`].
    pub iss: Option<String>,
    /// The audiences: the app's ARI, `ari:cloud:ecosystem::app/{id}`.
    pub aud: Vec<String>,
    /// Expiry in seconds since 1970; a token is valid for seconds.
    pub exp: i64,
    /// Not valid before, in seconds since 1970.
    pub nbf: Option<i64>,
    /// Issued at, in seconds since 1970.
    pub iat: Option<i64>,
    /// The token's own id.
    pub jti: Option<String>,
    /// The app, and where it is installed.
    pub(crate) app: ForgeApp,
    /// What the user looks at; absent if there is no page.
    pub(crate) context: Option<ForgeContext>,
    /// The Atlassian account id of the user; absent for events, triggers, and anonymous users (Forge's own functions
    /// get [`ForgeClaims::ANONYMOUS`] for those).
    pub principal: Option<String>,
    /// The label of an Isolated Cloud.
    pub ic_label: Option<String>,
    payload: Box<str>,
    raw: OnceLock<Value>,
}

/// The claim `app`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForgeApp {
    /// The installation, an ARI. It survives upgrades and changes with a re-install.
    pub(crate) installation_id: String,
    /// The base URL of the product's API for this installation: `https://api.atlassian.com/ex/jira/{cloudId}`.
    #[serde(default)]
    pub(crate) api_base_url: Option<String>,
    /// The app's ARI.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) id: Option<String>,
    /// The app's version: `2.1.0`.
    #[serde(default, deserialize_with = "text")]
    pub(crate) app_version: Option<String>,
    /// The same in older tokens, as a number.
    #[serde(default, deserialize_with = "text")]
    pub(crate) version: Option<String>,
    /// The environment to which the app is deployed.
    #[serde(default, deserialize_with = "lenient_object")]
    pub(crate) environment: ForgeEnvironment,
    /// The module of the manifest that was invoked.
    #[serde(default, deserialize_with = "lenient_object")]
    pub(crate) module: ForgeModule,
    /// Where the app is installed.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) installation: Option<ForgeInstallation>,
    /// The license; absent for free and unlisted apps, and outside production.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) license: Option<ForgeLicense>,
}

/// The claim `app.environment`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ForgeEnvironment {
    /// `PRODUCTION`, `STAGING`, `DEVELOPMENT`.
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(crate) kind: Option<String>,
    /// The environment's ARI or id.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) id: Option<String>,
}

impl ForgeClaims {
    /// The only `iss` of an invocation token.
    pub const ISSUER: &str = "forge/invocation-token";
    /// The part of an app's ARI before its id.
    pub const APP_ARI: &str = "ari:cloud:ecosystem::app/";
    /// The account id of all users who are not logged in.
    ///
    /// Source: Atlassian, "Access to Forge apps for unlicensed users".
    pub const ANONYMOUS: &str = "unidentified";

    /// The app's version: `2.1.0`.
    #[must_use]
    pub fn app_version(&self) -> Option<&str> {
        self.app.app_version.as_deref().or(self.app.version.as_deref())
    }

    /// The type of the environment to which the app is deployed: `PRODUCTION`, `STAGING`, `DEVELOPMENT`.
    #[must_use]
    pub fn environment_type(&self) -> Option<&str> {
        self.app.environment.kind.as_deref()
    }

    /// The type of the module that was invoked: `core:endpoint`, `jira:issuePanel` …
    #[must_use]
    pub fn module_type(&self) -> Option<&str> {
        self.app.module.kind.as_deref()
    }

    /// The key in the manifest of the module that was invoked.
    #[must_use]
    pub fn module_key(&self) -> Option<&str> {
        self.app.module.key.as_deref()
    }

    /// The URL of the site that people see: `https://site.atlassian.net`. `None` if there is no page.
    #[must_use]
    pub fn site_url(&self) -> Option<&str> {
        self.context.as_ref()?.site_url.as_deref()
    }

    /// Where the module is shown: `{"type": "jira:issuePanel", "issue": {"key": …}, "project": {…}}`; null if there is
    /// no page. The browser can alter it.
    #[must_use]
    pub fn extension(&self) -> &Value {
        self.context.as_ref().map_or(&Value::Null, |context| &context.extension)
    }

    /// Checks issuer, audience and time, but not the signature. `app_ids` are the bare ids of the apps that the token may
    /// be for; `now` and `leeway` are in seconds. Returns which of the ids it is for.
    ///
    /// # Errors
    /// The check that failed.
    #[doc(hidden)]
    pub fn check<'a>(&self, app_ids: &[&'a str], now: i64, leeway: i64) -> Result<&'a str, JwtError> {
        if self.iss.as_deref() != Some(Self::ISSUER) {
            return Err(JwtError::Issuer(cut(self.iss.as_deref().unwrap_or_default())));
        }
        let ari = |app_id: &&str| format!("{}{app_id}", Self::APP_ARI);
        let Some(app_id) = app_ids.iter().find(|app_id| self.aud.contains(&ari(app_id))) else {
            let expected = app_ids.iter().map(ari).collect::<Vec<_>>().join(", ");
            return Err(JwtError::Audience { found: cut(&self.aud.join(", ")), expected });
        };
        check_time(self.exp, self.nbf, now, leeway)?;
        Ok(app_id)
    }

    /// All claims in their original form, including unknown ones. They are parsed at the first call, since most handlers do
    /// not need them. Null if a claim that nobody knows cannot be held by a [`Value`]: a number such as `1e400`, more than
    /// 127 levels.
    #[must_use]
    pub fn raw(&self) -> &Value {
        self.raw.get_or_init(|| serde_json::from_str(&self.payload).unwrap_or_default())
    }

    /// Whether Forge itself invokes, for an event or a schedule. Every visitor of a page can get a token for it, and
    /// send it with any body and headers. Such a token names the visitor, or at least the page: an anonymous visitor
    /// has no principal either.
    ///
    /// Source: Atlassian, "Forge Remote essentials": a context describes the module of a front end; a back end has
    /// none.
    #[must_use]
    pub fn is_unattended(&self) -> bool {
        // a site's URL alone says nothing: any invocation on the site may have it
        let is_of_a_page = |context: &ForgeContext| !context.extension.is_null() || context.local_id.is_some();
        self.principal.is_none()
            && !self.context.as_ref().is_some_and(is_of_a_page)
            && !self.app.module.is_of_a_front_end()
    }

    /// Whether Forge itself invokes, and the module type is not one that something else invokes.
    ///
    /// Not proven: the module type in the token of a *function's* call is not documented. Such a call has no user and
    /// no context, like an event. If its type is `core:endpoint` or absent, this returns `true` for it.
    #[must_use]
    pub fn is_of_forge_itself(&self) -> bool {
        self.is_unattended() && self.app.module.may_be_of_forge_itself()
    }

    /// The site's cloudId: that of the context, else the only one of the installation. It does not change with a
    /// re-install.
    #[must_use]
    pub fn cloud_id(&self) -> Option<&str> {
        let of_context = self.context.as_ref().and_then(|context| context.cloud_id.as_deref());
        of_context.or_else(|| {
            let contexts = &self.app.installation.as_ref()?.contexts;
            let first = contexts.first()?.cloud_id.as_deref();
            contexts.iter().all(|context| context.cloud_id.as_deref() == first).then_some(first)?
        })
    }
}

impl ForgeEnvironment {
    /// The type of the environment that customers use.
    pub(crate) const PRODUCTION: &str = "PRODUCTION";

    /// Its type. A token without one counts as one of production: Forge documents that every token has one, and if that
    /// changed, customers must neither be refused nor lose sight of their data.
    pub(crate) fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(Self::PRODUCTION)
    }

    /// Whether the app is deployed for customers.
    pub(crate) fn is_production(&self) -> bool {
        self.kind().eq_ignore_ascii_case(Self::PRODUCTION)
    }
}

impl LenientObject for ForgeEnvironment {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    #[serde(default)]
    iss: Option<String>,
    #[serde(default, deserialize_with = "audience")]
    aud: Vec<String>,
    #[serde(deserialize_with = "seconds")]
    exp: i64,
    #[serde(default, deserialize_with = "optional_seconds")]
    nbf: Option<i64>,
    #[serde(default, deserialize_with = "optional_seconds")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "lenient")]
    jti: Option<String>,
    app: ForgeApp,
    #[serde(default, deserialize_with = "lenient")]
    context: Option<ForgeContext>,
    #[serde(default)]
    principal: Option<String>,
    #[serde(default)]
    ic_label: Option<String>,
}

impl ForgeClaims {
    /// Reads the payload of a token. `None`: it is malformed. A claim of these that is there twice makes it malformed, too.
    pub(crate) fn read(payload: &str) -> Option<Self> {
        let Typed { iss, aud, exp, nbf, iat, jti, app, context, principal, ic_label } =
            serde_json::from_str(payload).ok()?;
        if app.installation_id.is_empty() {
            return None;
        }
        let (payload, raw) = (payload.into(), OnceLock::new());
        Some(Self { iss, aud, exp, nbf, iat, jti, app, context, principal, ic_label, payload, raw })
    }
}

/// A claim, shortened for an error.
fn cut(claim: &str) -> String {
    claim.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(app: &Value, more: &Value) -> Option<ForgeClaims> {
        let mut claims = json!({ "exp": 1, "app": app });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        ForgeClaims::read(&claims.to_string())
    }

    #[test]
    fn claims_that_nobody_knows_are_read_as_they_are() {
        // serde_json's feature raw_value would parse this text again, and so without a limit of its depth
        let odd = json!({ "$serde_json::private::RawValue": "[1]" });
        let extension = json!({ "context": { "extension": { "odd": odd } }, "odd": odd });
        let read = claims(&json!({ "installationId": "i" }), &extension).unwrap();
        assert_eq!(read.context.as_ref().unwrap().extension["odd"], odd);
        assert_eq!(read.raw()["odd"], odd);

        let with = |more: &str| ForgeClaims::read(&format!(r#"{{"exp":1,"app":{{"installationId":"i"}},{more}}}"#));
        assert_eq!(with(r#""new":1e400"#).unwrap().raw(), &Value::Null);
        for twice in [r#""exp":2"#, r#""jti":"a","jti":"b""#, r#""context":{"siteUrl":"a","siteUrl":"b"}"#] {
            assert!(with(twice).is_none(), "{twice}");
        }
    }

    #[test]
    fn documented_claims_are_typed() {
        let claims = claims(
            &json!({
                "id": "ari:cloud:ecosystem::app/a", "appVersion": "2.1.0", "version": 2, "installationId": "ari:i",
                "apiBaseUrl": "https://api.atlassian.com/ex/jira/c",
                "environment": { "type": "PRODUCTION", "id": "ari:e" },
                "module": { "type": "core:endpoint", "key": "k" },
                "installation": { "id": "ari:i", "contexts": [{ "name": "jira", "cloudId": "c", "apiBaseUrl": "u" }] },
                "license": { "active": true, "isActive": false, "type": "commercial", "supportEntitlementNumber": null, "modes": ["x"] },
            }),
            &json!({
                "principal": "655362:312d", "icLabel": "ic-1", "jti": "j",
                "context": { "cloudId": "c", "siteUrl": "s", "extension": { "issue": { "key": "A-1" } }, "new": 1 },
            }),
        )
        .unwrap();
        assert_eq!(claims.app.app_version.as_deref(), Some("2.1.0"));
        assert_eq!(claims.app.environment.kind.as_deref(), Some("PRODUCTION"));
        assert_eq!(claims.app.module.key.as_deref(), Some("k"));
        assert_eq!(claims.app.installation.as_ref().unwrap().contexts[0].name.as_deref(), Some("jira"));
        let license = claims.app.license.as_ref().unwrap();
        assert_eq!((license.active, license.kind.as_deref()), (Some(true), Some("commercial")));
        assert_eq!(claims.context.as_ref().unwrap().extension["issue"]["key"], "A-1");
        assert_eq!((claims.principal.as_deref(), claims.ic_label.as_deref()), (Some("655362:312d"), Some("ic-1")));
        assert_eq!(claims.cloud_id(), Some("c"));
        assert_eq!(claims.raw()["context"]["new"], 1, "what is unknown is kept");
        assert_eq!(claims.raw()["app"]["license"]["modes"][0], "x");
    }

    #[test]
    fn descriptive_claims_may_be_absent_or_of_another_type() {
        for app in [
            json!({ "installationId": "i" }),
            json!({ "installationId": "i", "environment": "PRODUCTION", "module": 7, "installation": [], "license": "x" }),
            json!({ "installationId": "i", "license": { "active": "yes", "isEvaluation": null, "type": 3 } }),
            json!({ "installationId": "i", "version": 2, "installation": { "contexts": { "name": "jira" } } }),
        ] {
            let claims = claims(&app, &json!({ "context": 3, "jti": 7 })).unwrap();
            assert!(claims.context.is_none() && claims.cloud_id().is_none(), "{app}");
        }
    }

    #[test]
    fn security_relevant_claims_are_typed_strictly() {
        for app in [
            json!(null),
            json!("i"),
            json!({}),
            json!({ "installationId": null }),
            json!({ "installationId": "" }),
            json!({ "installationId": ["i"] }),
            json!({ "installationId": "i", "apiBaseUrl": 7 }),
        ] {
            assert!(claims(&app, &json!({})).is_none(), "{app}");
        }
        for more in [
            json!({ "exp": null }),
            json!({ "exp": "1" }),
            json!({ "nbf": "soon" }),
            json!({ "iss": 7 }),
            json!({ "aud": {} }),
            json!({ "principal": { "$ne": 1 } }),
            json!({ "icLabel": 7 }),
        ] {
            assert!(claims(&json!({ "installationId": "i" }), &more).is_none(), "{more}");
        }
    }

    #[test]
    fn issuer_audience_and_time_are_checked() {
        let good =
            json!({ "iss": "forge/invocation-token", "aud": "ari:cloud:ecosystem::app/a", "exp": 100, "nbf": 50 });
        let check = |name: &str, value: Value, now: i64| {
            let mut more = good.clone();
            more[name] = value;
            claims(&json!({ "installationId": "i" }), &more).unwrap().check(&["a"], now, 10).map(drop)
        };
        assert_eq!(check("iat", json!(1), 99), Ok(()));
        assert_eq!(check("iat", json!(1), 109), Ok(()));
        assert_eq!(check("iat", json!(1), 110), Err(JwtError::Expired));
        assert_eq!(check("iat", json!(1), 40), Ok(()));
        assert_eq!(check("iat", json!(1), 39), Err(JwtError::NotYetValid));
        assert_eq!(check("aud", json!(["x", "ari:cloud:ecosystem::app/a"]), 99), Ok(()));
        for aud in [
            json!("a"),
            json!("ari:cloud:ecosystem::app/b"),
            json!("ari:cloud:ecosystem::app/"),
            json!([]),
            json!(null),
        ] {
            assert!(matches!(check("aud", aud, 99), Err(JwtError::Audience { .. })));
        }
        for iss in [json!("forge"), json!(null), json!("forge/invocation-token ")] {
            assert!(matches!(check("iss", iss, 99), Err(JwtError::Issuer(_))));
        }
    }

    #[test]
    fn a_page_is_not_unattended() {
        for (more, is_unattended) in [
            (json!({}), true),
            (json!({ "context": null, "principal": null }), true),
            (json!({ "context": { "cloudId": "c", "moduleKey": "hourly" } }), true),
            (json!({ "principal": "557058:a" }), false),
            (json!({ "principal": "" }), false),
            (json!({ "principal": "unidentified" }), false),
            (json!({ "context": { "extension": { "type": "macro" } } }), false),
            (json!({ "context": { "cloudId": "c", "localId": "ari:l" } }), false),
            (json!({ "context": { "cloudId": "c", "siteUrl": "https://site.atlassian.net" } }), true),
        ] {
            let claims = claims(&json!({ "installationId": "i" }), &more).unwrap();
            assert_eq!(claims.is_unattended(), is_unattended, "{more}");
        }
    }

    #[test]
    fn the_module_type_shows_who_invokes() {
        for (kind, is_unattended, is_of_forge_itself) in [
            (json!(null), true, true),
            (json!(""), true, true),
            (json!(7), true, true),
            (json!("core:endpoint"), true, true),
            (json!("core:trigger"), true, true),
            (json!("trigger"), true, true),
            (json!("scheduledTrigger"), true, true),
            (json!("core:preUninstall"), true, true),
            (json!("consumer"), true, true),
            (json!("migration:dataResidency"), true, true),
            (json!("core:function"), true, false),
            (json!("function"), true, false),
            (json!("webtrigger"), true, false),
            (json!("action"), true, false),
            (json!("jira:issuePanel"), false, false),
            (json!("confluence:globalPage"), false, false),
            (json!("jira:endpoint"), false, false),
            (json!("macro"), false, false),
            (json!("CORE:ENDPOINT"), false, false),
            (json!("unknown"), false, false),
        ] {
            let app = json!({ "installationId": "i", "module": { "type": kind, "key": "k" } });
            let read = claims(&app, &json!({})).unwrap();
            assert_eq!(
                (read.is_unattended(), read.is_of_forge_itself()),
                (is_unattended, is_of_forge_itself),
                "{kind}"
            );
            // and never if there is a user
            assert!(!claims(&app, &json!({ "principal": "557058:a" })).unwrap().is_of_forge_itself(), "{kind}");
        }
    }

    #[test]
    fn an_installation_on_several_sites_has_no_cloud_id() {
        let contexts = |ids: &[&str]| {
            let contexts: Vec<_> = ids.iter().map(|id| json!({ "cloudId": id })).collect();
            claims(&json!({ "installationId": "i", "installation": { "contexts": contexts } }), &json!({})).unwrap()
        };
        assert_eq!(contexts(&["c", "c"]).cloud_id(), Some("c"));
        assert_eq!(contexts(&["c", "d"]).cloud_id(), None);
    }
}
