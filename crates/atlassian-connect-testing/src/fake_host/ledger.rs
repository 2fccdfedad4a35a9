//! The state of a fake host: its sites and the tokens that it issued. Verifies credentials like a real host.

use std::collections::{HashMap, HashSet};

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use parking_lot::{Mutex, RwLock};

use super::TestTenant;
use atlassian_connect_actix::internal::jwt::{SharedSecret, Unverified, now, qsh};

/// The size limit of a token from the add-on.
pub(super) const TOKEN_LIMIT: usize = 16 * 1024;

/// Who sent a request to the fake host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Signed by the add-on: HS256 with the site's secret, and with the `iss`, `aud`, `exp` and `qsh` that the host
    /// requires. On Forge's API: with the app's token.
    Addon,
    /// With a token that acts as this user: the account id.
    User(String),
    /// Without credentials.
    Nobody,
    /// With invalid credentials; the reason. The answer was 401.
    Refused(String),
}

/// An issued bearer token.
#[derive(Debug)]
pub struct Issued {
    /// The site that it is valid for.
    pub client_key: String,
    /// `None`: it acts as the app, which only Forge's tokens can.
    pub account_id: Option<String>,
    /// Issued by Forge: valid for the product's API, not for the site itself.
    pub forge: bool,
    /// The requested scope, if it is narrower than the add-on's: `READ`.
    pub scope: Option<String>,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// The state that the servers of one fake host share.
#[derive(Default)]
pub struct Ledger {
    addon_key: RwLock<Option<String>>,
    tenants: Mutex<HashMap<String, TestTenant>>,
    issued: Mutex<HashMap<String, Issued>>,
    /// Tokens, and further sites that they are valid for.
    shared: Mutex<HashSet<(String, String)>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("addon_key", &self.addon_key).finish_non_exhaustive()
    }
}

impl Ledger {
    /// The key that signs for the add-on at sites without a key of their own.
    pub fn name_addon(&self, key: &str) {
        *self.addon_key.write() = Some(key.to_owned());
    }

    /// Sets the site's secret and returns the site's previous state.
    pub fn know(&self, tenant: &TestTenant) -> Option<TestTenant> {
        self.tenants.lock().insert(tenant.client_key.clone(), tenant.clone())
    }

    /// The site, if it is known.
    pub fn tenant(&self, client_key: &str) -> Option<TestTenant> {
        self.tenants.lock().get(client_key).cloned()
    }

    /// The site with this OAuth client id.
    pub fn tenant_of_oauth_client(&self, id: &str) -> Option<TestTenant> {
        self.tenants.lock().values().find(|tenant| tenant.oauth_client_id() == id).cloned()
    }

    /// Issues `token` and removes expired ones.
    pub fn issue(&self, token: String, issued: Issued) {
        let mut all = self.issued.lock();
        all.retain(|_, issued| issued.expires_at > now() - 3600);
        all.insert(token, issued);
    }

    /// Makes an issued token valid for another site, too: another product of the same Forge installation.
    pub fn share(&self, token: &str, client_key: &str) {
        self.shared.lock().insert((token.to_owned(), client_key.to_owned()));
    }

    /// Verifies the credentials of a request for `path`, relative to the base URL of `tenant`.
    pub fn prove(&self, tenant: &TestTenant, method: &Method, path: &str, query: &str, headers: &HeaderMap) -> By {
        self.prove_by(false, tenant, method, path, query, headers)
    }

    /// The same for a request to the product's API, which only accepts Forge's tokens.
    pub fn prove_forge(&self, tenant: &TestTenant, headers: &HeaderMap) -> By {
        self.prove_by(true, tenant, &Method::GET, "", "", headers)
    }

    fn prove_by(
        &self,
        forge: bool,
        tenant: &TestTenant,
        method: &Method,
        path: &str,
        query: &str,
        headers: &HeaderMap,
    ) -> By {
        let mut values = headers.get_all(header::AUTHORIZATION);
        let (first, further) = (values.next(), values.next());
        let Some(value) = first else { return By::Nobody };
        if further.is_some() {
            return By::Refused("it has more than one Authorization".into());
        }
        let proven = match value.to_str().ok().and_then(|value| value.split_once(' ')) {
            Some(("JWT", token)) if !forge => {
                self.prove_signature(tenant, method, path, query, token).map(|()| By::Addon)
            }
            Some(("Bearer", token)) => {
                self.prove_bearer(forge, tenant, token).map(|user| user.map_or(By::Addon, By::User))
            }
            _ if forge => Err("its Authorization is not Bearer".into()),
            _ => Err("its Authorization is neither JWT nor Bearer".into()),
        };
        proven.unwrap_or_else(By::Refused)
    }

    fn prove_signature(
        &self,
        tenant: &TestTenant,
        method: &Method,
        path: &str,
        query: &str,
        token: &str,
    ) -> Result<(), String> {
        let unverified = Unverified::parse(token, TOKEN_LIMIT).map_err(|error| error.to_string())?;
        unverified.verify_hs256(&SharedSecret::new(&tenant.shared_secret)).map_err(|error| error.to_string())?;
        let claims = unverified.into_claims();
        let addon_key = self.addon_key.read();
        let issuer = tenant.key.as_deref().or(addon_key.as_deref());
        claims.check_time(now(), 0).map_err(|error| error.to_string())?;
        if claims.iss.as_deref() != issuer {
            return Err(format!("iss is {:?}, not {issuer:?}", claims.iss));
        }
        if claims.aud != [tenant.client_key.as_str()] {
            return Err(format!("aud is {:?}, not only {:?}", claims.aud, tenant.client_key));
        }
        let expected = qsh::hash(method.as_str(), path, query);
        if claims.qsh.as_deref() != Some(&expected) {
            return Err(format!("qsh is not that of {}", qsh::canonical(method.as_str(), path, query)));
        }
        Ok(())
    }

    /// The scope that the request's bearer token was requested with.
    pub fn scope_of(&self, headers: &HeaderMap) -> Option<String> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.issued.lock().get(token)?.scope.clone()
    }

    fn prove_bearer(&self, forge: bool, tenant: &TestTenant, token: &str) -> Result<Option<String>, String> {
        let issued = self.issued.lock();
        let issued = issued.get(token).ok_or("its bearer token was not issued")?;
        if issued.forge != forge {
            return Err("its bearer token is for another API".into());
        }
        let is_shared = || self.shared.lock().contains(&(token.to_owned(), tenant.client_key.clone()));
        if issued.client_key != tenant.client_key && !is_shared() {
            return Err(format!("its bearer token is for {}", issued.client_key));
        }
        if issued.expires_at <= now() {
            return Err("its bearer token has expired".into());
        }
        Ok(issued.account_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ledger(tenant: &TestTenant) -> Ledger {
        let ledger = Ledger::default();
        ledger.name_addon("addon");
        ledger.know(tenant);
        ledger
    }

    fn proven(ledger: &Ledger, tenant: &TestTenant, authorization: &[String]) -> By {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        ledger.prove(tenant, &Method::GET, "/rest/x", "b=2&a=1", &headers)
    }

    #[test]
    fn a_signature_is_valid_only_for_its_request() {
        let tenant = TestTenant::new();
        let ledger = ledger(&tenant);
        let good = json!({
            "iss": "addon", "aud": [tenant.client_key], "iat": now(), "exp": now() + 180,
            "qsh": qsh::hash("GET", "/rest/x", "a=1&b=2"),
        });
        let signed = |claims: &Value| format!("JWT {}", tenant.sign(claims));
        assert_eq!(proven(&ledger, &tenant, &[signed(&good)]), By::Addon);
        for (claim, value) in [
            ("iss", json!("other")),
            ("aud", json!(["other"])),
            ("aud", json!([tenant.client_key, "other"])),
            ("exp", json!(now() - 1)),
            ("qsh", json!("context-qsh")),
            ("qsh", json!(qsh::hash("POST", "/rest/x", "a=1&b=2"))),
        ] {
            let mut claims = good.clone();
            claims[claim] = value;
            assert!(matches!(proven(&ledger, &tenant, &[signed(&claims)]), By::Refused(_)), "{claims}");
        }
        let foreign = format!("JWT {}", TestTenant::new().sign(&good));
        for refused in [vec![foreign], vec![signed(&good), signed(&good)], vec!["Basic YTpi".to_owned()]] {
            assert!(matches!(proven(&ledger, &tenant, &refused), By::Refused(_)), "{refused:?}");
        }
        assert_eq!(proven(&ledger, &tenant, &[]), By::Nobody);
    }

    #[test]
    fn a_bearer_token_is_valid_for_its_tenant_and_time() {
        let (tenant, other) = (TestTenant::new(), TestTenant::new());
        let ledger = ledger(&tenant);
        let issue = |token: &str, expires_at| {
            let (client_key, account_id) = (tenant.client_key.clone(), Some("mia".into()));
            ledger.issue(token.into(), Issued { client_key, account_id, forge: false, scope: None, expires_at });
        };
        issue("good", now() + 60);
        issue("old", now());
        assert_eq!(proven(&ledger, &tenant, &["Bearer good".into()]), By::User("mia".into()));
        assert!(matches!(proven(&ledger, &other, &["Bearer good".into()]), By::Refused(_)));
        assert!(matches!(proven(&ledger, &tenant, &["Bearer old".into()]), By::Refused(_)));
        assert!(matches!(proven(&ledger, &tenant, &["Bearer made-up".into()]), By::Refused(_)));
    }
}
