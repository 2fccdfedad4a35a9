//! The claims of a Connect token, typed strictly: a claim of another type makes the whole token malformed.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::JwtError;

/// The claims that Connect and this framework use; others are ignored.
///
/// Source: RFC 7519; Atlassian, "Understanding JWT for Connect apps".
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct Claims {
    /// The issuer: a host's clientKey, or the key of the add-on.
    #[serde(default)]
    pub iss: Option<String>,
    /// The Atlassian account id of the user; `None` for an anonymous user.
    #[serde(default)]
    pub sub: Option<String>,
    /// The audiences, of which Connect uses the first: empty if the claim is absent or an empty string (`""`).
    #[serde(default, deserialize_with = "audience")]
    pub aud: Vec<String>,
    /// Expiry in seconds since 1970. Required: a token without it would never expire.
    #[serde(deserialize_with = "seconds")]
    pub exp: i64,
    /// Not valid before, in seconds since 1970.
    #[serde(default, deserialize_with = "optional_seconds")]
    pub nbf: Option<i64>,
    /// Issued at, in seconds since 1970.
    #[serde(default, deserialize_with = "optional_seconds")]
    pub iat: Option<i64>,
    /// The hash of the request that the token is bound to, or [`super::CONTEXT_QSH`].
    #[serde(default)]
    pub qsh: Option<String>,
    /// What the user looks at: `{"jira": {"issue": {"id": …}}, "user": {…}}`.
    #[serde(default)]
    pub context: Option<Value>,
    /// When the session of the token began, in seconds since 1970. Only our own session tokens have it.
    #[serde(default, deserialize_with = "optional_seconds")]
    pub auth_time: Option<i64>,
    /// The purpose of the token. Only our own tokens have it, see [`super::AddonClaims`].
    #[serde(default, rename = "use")]
    pub purpose: Option<String>,
}

impl Claims {
    /// Checks `exp` and `nbf` against `now`, both with `leeway`; all in seconds.
    ///
    /// # Errors
    /// [`JwtError::Expired`], [`JwtError::NotYetValid`].
    #[doc(hidden)]
    pub fn check_time(&self, now: i64, leeway: i64) -> Result<(), JwtError> {
        check_time(self.exp, self.nbf, now, leeway)
    }

    /// The tenant that the token names, not verified: the first audience, else the issuer. ACE does the same: one of
    /// our own tokens has the tenant as its audience, a token of the host has it as its issuer.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.aud.first().or(self.iss.as_ref()).map(String::as_str).filter(|key| !key.is_empty())
    }

    /// The account id of the user: `context.user.accountId`, else `sub`.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        let of_context = self.context.as_ref().and_then(|context| context.pointer("/user/accountId")?.as_str());
        of_context.filter(|id| !id.is_empty()).or(self.sub.as_deref())
    }
}

/// Checks `exp` and `nbf` against `now`, both with `leeway`; all in seconds.
pub(crate) fn check_time(exp: i64, nbf: Option<i64>, now: i64, leeway: i64) -> Result<(), JwtError> {
    if exp.saturating_add(leeway) <= now {
        return Err(JwtError::Expired);
    }
    match nbf {
        Some(nbf) if nbf.saturating_sub(leeway) > now => Err(JwtError::NotYetValid),
        _ => Ok(()),
    }
}

/// The claim `aud`: a string or a list of strings (RFC 7519, 4.1.3).
pub(super) fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
        Null(()),
    }
    Ok(match Audience::deserialize(deserializer)? {
        // some hosts write an empty string for no audience
        Audience::One(one) if one.is_empty() => Vec::new(),
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
        Audience::Null(()) => Vec::new(),
    })
}

/// A NumericDate may have a fraction (RFC 7519, 2). `as` saturates, so no number can overflow.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    f64::deserialize(deserializer).map(|seconds| seconds.floor() as i64)
}

#[allow(clippy::cast_possible_truncation)]
pub(super) fn optional_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.map(|seconds| seconds.floor() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Option<Claims> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn claims_of_another_type_are_refused() {
        for json in [
            "{}",
            r#"{"exp": null}"#,
            r#"{"exp": "never"}"#,
            r#"{"exp": "1"}"#,
            r#"{"exp": 1, "exp": 2}"#,
            r#"{"exp": 1, "iss": ["a"]}"#,
            r#"{"exp": 1, "iss": {"$ne": null}}"#,
            r#"{"exp": 1, "aud": [{"a": 1}]}"#,
            r#"{"exp": 1, "aud": 7}"#,
            r#"{"exp": 1, "nbf": "soon"}"#,
            r#"{"exp": 1, "qsh": 1}"#,
        ] {
            assert!(claims(json).is_none(), "{json}");
        }
    }

    #[test]
    fn the_tenant_is_the_first_audience_then_the_issuer() {
        for (json, tenant) in [
            (r#"{"exp": 1, "iss": "host"}"#, Some("host")),
            (r#"{"exp": 1, "iss": "addon", "aud": ["host", "x"]}"#, Some("host")),
            (r#"{"exp": 1, "iss": "addon", "aud": "host"}"#, Some("host")),
            (r#"{"exp": 1, "iss": "host", "aud": []}"#, Some("host")),
            (r#"{"exp": 1, "iss": "host", "aud": null}"#, Some("host")),
            (r#"{"exp": 1, "iss": "host", "aud": ""}"#, Some("host")),
            (r#"{"exp": 1, "iss": "host", "aud": [""]}"#, None),
            (r#"{"exp": 1, "iss": "host", "aud": ["", "other"]}"#, None),
            (r#"{"exp": 1, "iss": "host", "aud": " "}"#, Some(" ")),
            (r#"{"exp": 1, "iss": ""}"#, None),
            (r#"{"exp": 1}"#, None),
        ] {
            assert_eq!(claims(json).unwrap().tenant(), tenant, "{json}");
        }
    }

    #[test]
    fn time_is_checked_with_leeway_on_both_ends() {
        let at = |exp: i64, nbf: Option<i64>| {
            let mut claims = claims(r#"{"exp": 0}"#).unwrap();
            (claims.exp, claims.nbf) = (exp, nbf);
            claims.check_time(1000, 30)
        };
        assert_eq!(at(1000, None), Ok(()));
        assert_eq!(at(971, None), Ok(()));
        assert_eq!(at(970, None), Err(JwtError::Expired));
        assert_eq!(at(0, None), Err(JwtError::Expired));
        assert_eq!(at(i64::MAX, Some(1030)), Ok(()));
        assert_eq!(at(2000, Some(1031)), Err(JwtError::NotYetValid));
    }

    #[test]
    fn numbers_out_of_range_saturate() {
        assert_eq!(claims(r#"{"exp": 1e300}"#).unwrap().exp, i64::MAX);
        assert_eq!(claims(r#"{"exp": -1e300}"#).unwrap().exp, i64::MIN);
        assert_eq!(claims(r#"{"exp": 12.9}"#).unwrap().exp, 12);
    }
}
