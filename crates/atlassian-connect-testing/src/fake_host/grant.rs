//! Checks a request for a user's token, as a fake host's authorization server.

use serde::Deserialize;

use super::ledger::{Ledger, TOKEN_LIMIT};
use atlassian_connect_actix::internal::jwt::{SharedSecret, Unverified, now};

/// The form sent to `/oauth2/token`.
#[derive(Deserialize)]
pub struct GrantForm {
    grant_type: String,
    assertion: String,
    #[serde(default)]
    scope: Option<String>,
}

impl std::fmt::Debug for GrantForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrantForm").field("grant_type", &self.grant_type).finish_non_exhaustive()
    }
}

impl GrantForm {
    /// The signed assertion.
    pub fn assertion(&self) -> &str {
        &self.assertion
    }

    /// The requested scopes, if they are fewer than the add-on's.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// The clientKey and the account id that the assertion is valid for.
    ///
    /// Source: Atlassian, "User impersonation for Connect apps"; RFC 7523.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, ledger: &Ledger, url: &str) -> Result<(String, String), String> {
        #[derive(Deserialize)]
        struct Tenant {
            tnt: String,
            iat: i64,
            exp: i64,
        }
        if self.grant_type != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            return Err(format!("the grant type is {}", self.grant_type));
        }
        if self.scope.as_deref().is_some_and(|scope| scope.is_empty() || scope != scope.to_uppercase()) {
            return Err(format!("the scope is {:?}", self.scope));
        }
        let unverified = Unverified::parse(&self.assertion, TOKEN_LIMIT).map_err(|error| error.to_string())?;
        let named = |urn: Option<&str>, kind| urn.and_then(|urn| urn.strip_prefix(kind)).map(str::to_owned);
        let client = named(unverified.claims().iss.as_deref(), "urn:atlassian:connect:clientid:");
        let tenant =
            client.and_then(|id| ledger.tenant_of_oauth_client(&id)).ok_or("iss is not the id of a known client")?;
        unverified.verify_hs256(&SharedSecret::new(&tenant.shared_secret)).map_err(|error| error.to_string())?;
        let claims: Tenant = payload(&self.assertion).ok_or("it lacks tnt, iat or exp")?;
        let verified = unverified.into_claims();
        verified.check_time(now(), 0).map_err(|error| error.to_string())?;
        if claims.exp.saturating_sub(claims.iat) > 120 {
            return Err("its lifetime exceeds two minutes".into());
        }
        if claims.tnt != tenant.base_url {
            return Err(format!("tnt is {}, not {}", claims.tnt, tenant.base_url));
        }
        if verified.aud.first().is_none_or(|audience| audience != url) {
            return Err(format!("aud is {:?}, not {url}", verified.aud));
        }
        let user = named(verified.sub.as_deref(), "urn:atlassian:connect:useraccountid:").filter(|id| !id.is_empty());
        Ok((tenant.client_key, user.ok_or("sub is not a user's account id")?))
    }
}

/// The claims, as any type.
pub(super) fn payload<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    use base64::Engine as _;
    let segment = token.split('.').nth(1)?;
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_host::TestTenant;
    use serde_json::json;

    #[test]
    fn an_assertion_is_checked_as_a_whole() {
        const SERVER: &str = "http://127.0.0.1:1";
        let tenant = TestTenant::new();
        let ledger = Ledger::default();
        ledger.know(&tenant);
        let good = json!({
            "iss": format!("urn:atlassian:connect:clientid:{}", tenant.oauth_client_id()),
            "sub": "urn:atlassian:connect:useraccountid:mia",
            "tnt": tenant.base_url, "aud": SERVER, "iat": now(), "exp": now() + 60,
        });
        let check = |claims: &serde_json::Value, scope: Option<&str>| {
            let form = GrantForm {
                grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer".into(),
                assertion: tenant.sign(claims),
                scope: scope.map(str::to_owned),
            };
            form.check(&ledger, SERVER)
        };
        assert_eq!(check(&good, None), Ok((tenant.client_key.clone(), "mia".into())));
        assert_eq!(check(&good, Some("READ WRITE")), Ok((tenant.client_key.clone(), "mia".into())));
        assert!(check(&good, Some("read")).is_err());
        for (claim, value) in [
            ("iss", json!("urn:atlassian:connect:clientid:other")),
            ("sub", json!("mia")),
            ("sub", json!("urn:atlassian:connect:useraccountid:")),
            ("tnt", json!("https://other.atlassian.net")),
            ("aud", json!("https://other.example")),
            ("exp", json!(now() - 1)),
            ("exp", json!(now() + 600)),
            ("iat", json!(i64::MIN)),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            assert!(check(&claims, None).is_err(), "{claims}");
        }
    }
}
