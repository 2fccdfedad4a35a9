//! The token of a request: verified with the tenant's secret and bound to the request by its query string hash.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, ResponseError};
use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::{Algorithm, Header, Validation, dangerous, decode, encode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Shared;
use crate::tenants::Tenant;

const SESSION_SECONDS: u64 = 900;
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Every refusal; the benchmarks only send what is accepted.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        StatusCode::UNAUTHORIZED
    }
}

pub(crate) fn failed(reason: impl std::fmt::Display) -> Failed {
    Failed(reason.to_string())
}

#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    #[serde(default)]
    aud: Option<Value>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    qsh: Option<String>,
    #[serde(default)]
    pub(crate) context: Option<Value>,
}

impl Claims {
    pub(crate) fn account_id(&self) -> Option<&str> {
        let of_context = self.context.as_ref().and_then(|context| context.pointer("/user/accountId")?.as_str());
        of_context.or(self.sub.as_deref())
    }

    fn client_key(&self) -> &str {
        let aud = match &self.aud {
            Some(Value::Array(all)) => all.first().and_then(Value::as_str),
            Some(Value::String(one)) => Some(one.as_str()),
            _ => None,
        };
        aud.unwrap_or(&self.iss)
    }
}

#[derive(Serialize)]
struct SessionClaims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    aud: [&'a str; 1],
    iat: u64,
    exp: u64,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Value>,
    r#use: &'static str,
}

pub(crate) struct Caller {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) claims: Claims,
}

impl Caller {
    pub(crate) fn session_token(&self, shared: &Shared) -> Result<String, Failed> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(failed)?.as_secs();
        let claims = SessionClaims {
            iss: self.tenant.key.as_deref().unwrap_or(&shared.addon_key),
            sub: self.claims.sub.as_deref(),
            aud: [&self.tenant.client_key],
            iat: now,
            exp: now + SESSION_SECONDS,
            auth_time: now,
            context: self.claims.context.as_ref(),
            r#use: "session",
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.tenant.signing).map_err(failed)
    }
}

/// Verifies the token in the query or in `Authorization: JWT …`.
pub(crate) async fn authenticate(request: &HttpRequest, shared: &Shared) -> Result<Caller, Failed> {
    let query = request.query_string();
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("jwt="));
    let in_header = || request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("JWT ");
    let token = in_query.or_else(in_header).ok_or_else(|| failed("no token"))?;

    let named = dangerous::insecure_decode::<Claims>(token).map_err(failed)?.claims;
    let tenant = shared.tenants.find(named.client_key()).await.ok_or_else(|| failed("no tenant"))?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_aud = false;
    validation.validate_nbf = true;
    let claims = decode::<Claims>(token, &tenant.verifying, &validation).map_err(failed)?.claims;
    if let Some(hash) = claims.qsh.as_ref().filter(|hash| *hash != "context-qsh")
        && *hash != query_string_hash(request.method().as_str(), request.path(), query)
    {
        return Err(failed("the token is bound to another request"));
    }
    Ok(Caller { tenant, claims })
}

/// Source: Atlassian, "Query string hash".
fn query_string_hash(method: &str, path: &str, query: &str) -> String {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .filter(|(name, _)| name != "jwt")
        .map(|(name, value)| {
            (utf8_percent_encode(&name, RESERVED).to_string(), utf8_percent_encode(&value, RESERVED).to_string())
        })
        .collect();
    pairs.sort();
    let mut text = format!("{method}&{}&", path.replace('&', "%26"));
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    hex
}
