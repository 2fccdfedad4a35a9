//! What the sites of the fake host are asked, and by whom: credentials are proven here as a real host proves them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use serde_json::{Value, json};

use super::rest::Stub;
use super::{TestTenant, must};
use crate::jwt::{Audience, SharedSecret, Unverified, now, qsh};

/// In whose name a request came to the fake host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Signed by the add-on: HS256 with the site's secret, `iss`, `aud`, `exp` and `qsh` as the host wants them.
    Addon,
    /// With a token that acts as this user: the account id.
    User(String),
    /// Without credentials.
    Nobody,
    /// With credentials that do not hold: why. The answer was 401; it is among [`super::TestHost::problems`].
    Refused(String),
}

/// A request that a site of the fake host got.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HostCall {
    /// Whose site.
    pub client_key: String,
    /// The method.
    pub method: Method,
    /// The path below the site's base URL, as it was sent: `/rest/api/3/myself`.
    pub path: String,
    /// The query as it was sent, without the `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The first mebibyte of the body.
    pub body: Bytes,
    /// How many bytes the whole body has.
    pub length: u64,
    /// In whose name.
    pub by: By,
}

impl HostCall {
    /// A header's value; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        must(serde_json::from_slice(&self.body), "the body is no JSON")
    }
}

/// A token that the token server gave out.
pub(super) struct Issued {
    pub(super) client_key: String,
    pub(super) account_id: String,
    pub(super) expires_at: i64,
}

/// What the servers of one fake host share.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) addon_key: OnceLock<String>,
    pub(super) stubs: Mutex<Vec<Stub>>,
    tenants: Mutex<HashMap<String, TestTenant>>,
    issued: Mutex<HashMap<String, Issued>>,
    calls: Mutex<Vec<HostCall>>,
    problems: Mutex<Vec<String>>,
}

impl Journal {
    /// From now on the site signs with this secret; what it was before.
    pub(super) fn know(&self, tenant: &TestTenant) -> Option<TestTenant> {
        lock(&self.tenants).insert(tenant.client_key.clone(), tenant.clone())
    }

    pub(super) fn tenant(&self, client_key: &str) -> Option<TestTenant> {
        lock(&self.tenants).get(client_key).cloned()
    }

    pub(super) fn tenant_of_oauth_client(&self, id: &str) -> Option<TestTenant> {
        lock(&self.tenants).values().find(|tenant| tenant.oauth_client_id() == id).cloned()
    }

    pub(super) fn issue(&self, token: String, issued: Issued) {
        lock(&self.issued).insert(token, issued);
    }

    pub(super) fn problem(&self, problem: String) {
        lock(&self.problems).push(problem);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        lock(&self.problems).clone()
    }

    pub(super) fn calls(&self) -> Vec<HostCall> {
        lock(&self.calls).clone()
    }

    /// Writes a request down, and why its credentials do not hold if they do not.
    pub(super) fn write(&self, call: &HostCall) {
        if let By::Refused(reason) = &call.by {
            self.problem(format!("{} {}: {reason}", call.method, call.path));
        }
        lock(&self.calls).push(call.clone());
    }

    /// Proves the credentials of a request for `path` below the base URL of `tenant`.
    pub(super) fn prove(
        &self,
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
            Some(("JWT", token)) => self.prove_signature(tenant, method, path, query, token).map(|()| By::Addon),
            Some(("Bearer", token)) => self.prove_bearer(tenant, token).map(By::User),
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
        let unverified = Unverified::parse(token, 16 * 1024).map_err(|error| error.to_string())?;
        unverified.verify_hs256(&SharedSecret::new(&tenant.shared_secret)).map_err(|error| error.to_string())?;
        let claims = unverified.into_claims();
        let issuer = tenant.key.as_deref().or(self.addon_key.get().map(String::as_str));
        let audience: Audience = must(serde_json::from_value(json!([tenant.client_key])), "no audience");
        claims.check_time(now(), 0).map_err(|error| error.to_string())?;
        if claims.iss.as_deref() != issuer {
            return Err(format!("iss is {:?}, not {issuer:?}", claims.iss));
        }
        if claims.aud != audience {
            return Err(format!("aud is {:?}, not {audience:?}", claims.aud));
        }
        let expected = qsh::hash(method.as_str(), path, query);
        if claims.qsh.as_deref() != Some(&expected) {
            return Err(format!("qsh is not that of {}", qsh::canonical(method.as_str(), path, query)));
        }
        Ok(())
    }

    fn prove_bearer(&self, tenant: &TestTenant, token: &str) -> Result<String, String> {
        let issued = lock(&self.issued);
        let issued = issued.get(token).ok_or("nobody gave out its bearer token")?;
        if issued.client_key != tenant.client_key {
            return Err(format!("its bearer token is for {}", issued.client_key));
        }
        if issued.expires_at <= now() {
            return Err("its bearer token has expired".into());
        }
        Ok(issued.account_id.clone())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(tenant: &TestTenant) -> Journal {
        let journal = Journal::default();
        journal.addon_key.set("addon".into()).unwrap();
        journal.know(tenant);
        journal
    }

    fn proven(journal: &Journal, tenant: &TestTenant, authorization: &[String]) -> By {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        journal.prove(tenant, &Method::GET, "/rest/x", "b=2&a=1", &headers)
    }

    #[test]
    fn a_signature_holds_for_its_own_request_alone() {
        let tenant = TestTenant::new();
        let journal = journal(&tenant);
        let good = json!({
            "iss": "addon", "aud": [tenant.client_key], "iat": now(), "exp": now() + 180,
            "qsh": qsh::hash("GET", "/rest/x", "a=1&b=2"),
        });
        let signed = |claims: &Value| format!("JWT {}", tenant.sign(claims));
        assert_eq!(proven(&journal, &tenant, &[signed(&good)]), By::Addon);
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
            assert!(matches!(proven(&journal, &tenant, &[signed(&claims)]), By::Refused(_)), "{claims}");
        }
        let foreign = format!("JWT {}", TestTenant::new().sign(&good));
        for refused in [vec![foreign], vec![signed(&good), signed(&good)], vec!["Basic YTpi".to_owned()]] {
            assert!(matches!(proven(&journal, &tenant, &refused), By::Refused(_)), "{refused:?}");
        }
        assert_eq!(proven(&journal, &tenant, &[]), By::Nobody);
    }

    #[test]
    fn a_bearer_token_holds_for_its_tenant_and_time() {
        let (tenant, other) = (TestTenant::new(), TestTenant::new());
        let journal = journal(&tenant);
        let issue = |token: &str, expires_at| {
            let issued = Issued { client_key: tenant.client_key.clone(), account_id: "mia".into(), expires_at };
            journal.issue(token.into(), issued);
        };
        issue("good", now() + 60);
        issue("old", now());
        assert_eq!(proven(&journal, &tenant, &["Bearer good".into()]), By::User("mia".into()));
        assert!(matches!(proven(&journal, &other, &["Bearer good".into()]), By::Refused(_)));
        assert!(matches!(proven(&journal, &tenant, &["Bearer old".into()]), By::Refused(_)));
        assert!(matches!(proven(&journal, &tenant, &["Bearer made-up".into()]), By::Refused(_)));
    }
}
