//! Makes tokens: as the add-on with a tenant's secret, and, for tests and the sandbox, as a host with an RSA key.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use serde_json::Value;

use super::JwtError;

/// The current time in seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// A tenant's shared secret, which signs and verifies. It is never printed.
#[derive(Clone)]
pub struct SharedSecret {
    pub(super) verifying: DecodingKey,
    signing: EncodingKey,
}

impl SharedSecret {
    /// The key is the UTF-8 bytes of `secret`, as in atlassian-jwt.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self {
            verifying: DecodingKey::from_secret(secret.as_bytes()),
            signing: EncodingKey::from_secret(secret.as_bytes()),
        }
    }

    /// An identifier of this secret that does not reveal it. Different purposes give different identifiers.
    ///
    /// # Errors
    /// [`JwtError::Signing`].
    pub fn fingerprint(&self, purpose: &str) -> Result<String, JwtError> {
        let name = jsonwebtoken::crypto::sign(purpose.as_bytes(), &self.signing, Algorithm::HS256);
        name.map(|mut name| {
            name.truncate(22);
            name
        })
        .map_err(|_| JwtError::Signing)
    }

    /// Signs `claims` with HS256.
    ///
    /// # Errors
    /// [`JwtError::Signing`] if the claims do not serialise to JSON.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, JwtError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing).map_err(|_| JwtError::Signing)
    }
}

impl SharedSecret {
    /// The same, with the id of this key in the header.
    ///
    /// # Errors
    /// [`JwtError::Signing`] if the claims do not serialise to JSON.
    pub fn sign_as(&self, kid: &str, claims: &impl Serialize) -> Result<String, JwtError> {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &self.signing).map_err(|_| JwtError::Signing)
    }
}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedSecret([REDACTED])")
    }
}

/// The claims of a token that the add-on gives to its own page: a session token to call back with, or a page token for
/// a link.
///
/// `aud` is the tenant, `use` the purpose, and only a page token has a `qsh`. All three are checked, so that no other
/// token signed with the tenant's secret (a request to the host, an OAuth assertion) is accepted instead.
#[derive(Debug, Serialize)]
pub struct AddonClaims<'a> {
    /// The key under which the tenant knows the add-on.
    pub iss: &'a str,
    /// The user, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<&'a str>,
    /// The tenant, as the only audience.
    pub aud: [&'a str; 1],
    /// Issued at, in seconds since 1970.
    pub iat: i64,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// When the session began: when a page was opened, or a token of the host arrived. Seconds since 1970.
    pub auth_time: i64,
    /// The context claim of the token from which this one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<&'a Value>,
    /// The hash of the request that a page token is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qsh: Option<&'a str>,
    /// [`AddonClaims::SESSION`] or [`AddonClaims::PAGE`].
    #[serde(rename = "use")]
    pub purpose: &'static str,
}

impl AddonClaims<'_> {
    /// The value of `use` in a session token.
    pub const SESSION: &'static str = "session";
    /// The value of `use` in the token of a link to another page.
    pub const PAGE: &'static str = "page";
}

/// An RSA key pair that signs as a host does. Only for tests and the sandbox.
pub struct RsaSigner(KeyPair);

impl RsaSigner {
    /// Makes a key pair of 2048 bits.
    ///
    /// # Errors
    /// [`JwtError::Key`] when the random source fails.
    pub fn generate() -> Result<Self, JwtError> {
        KeyPair::generate(KeySize::Rsa2048).map(Self).map_err(|_| JwtError::Key("no key pair could be made"))
    }

    /// Signs `claims` with RS256 under the key id `kid`.
    ///
    /// # Errors
    /// [`JwtError::Signing`].
    pub fn sign(&self, kid: &str, claims: &impl Serialize) -> Result<String, JwtError> {
        let segment = |json: &[u8]| URL_SAFE_NO_PAD.encode(json);
        let header = serde_json::json!({ "typ": "JWT", "alg": "RS256", "kid": kid }).to_string();
        let claims = serde_json::to_vec(claims).map_err(|_| JwtError::Signing)?;
        let message = format!("{}.{}", segment(header.as_bytes()), segment(&claims));
        let signature = self.signature(&message)?;
        Ok(format!("{message}.{signature}"))
    }

    /// The third segment of a token with `message` as its first two, whatever they contain.
    ///
    /// # Errors
    /// [`JwtError::Signing`].
    pub fn signature(&self, message: &str) -> Result<String, JwtError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| JwtError::Signing)?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public half as a JSON Web Key under the id `kid`.
    #[must_use]
    pub fn public_jwk(&self, kid: &str) -> Value {
        let key = self.0.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        serde_json::json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
            "n": number(key.modulus().big_endian_without_leading_zero()),
            "e": number(key.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The public half, as a key server serves it.
    ///
    /// # Errors
    /// [`JwtError::Key`] when it has no DER form.
    pub fn public_pem(&self) -> Result<String, JwtError> {
        let der: PublicKeyX509Der<'_> =
            self.0.public_key().as_der().map_err(|_| JwtError::Key("the key has no X.509 form"))?;
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }
}

impl std::fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RsaSigner")
    }
}
