//! Parses a token and verifies its signature.

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::{Claims, ForgeClaims, JwtError, SharedSecret};

/// A token that has been parsed but not verified. Its claims are those of Connect, or a type `C`.
#[derive(Debug)]
pub struct Unverified<'a, C = Claims> {
    header: Header,
    claims: C,
    message: &'a str,
    signature: &'a str,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Whether there are extensions that a reader must understand; we support none (RFC 7515, 4.1.11).
    #[serde(default, rename = "crit", deserialize_with = "present")]
    is_critical: bool,
}

/// True whenever the member is present: even null is not a list of extensions.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Unverified<'a> {
    /// Parses a compact Connect token of at most `limit` bytes.
    ///
    /// # Errors
    /// [`JwtError::TooLong`], [`JwtError::Malformed`].
    pub fn parse(token: &'a str, limit: usize) -> Result<Self, JwtError> {
        Self::parse_as(token, limit)
    }
}

impl<'a> Unverified<'a, ForgeClaims> {
    /// Reads a Forge invocation token of at most `limit` bytes.
    ///
    /// # Errors
    /// [`JwtError::TooLong`], [`JwtError::Malformed`].
    pub fn parse_invocation(token: &'a str, limit: usize) -> Result<Self, JwtError> {
        Envelope::open(token, limit)?
            .read_by(|payload| ForgeClaims::read(std::str::from_utf8(&decoded(payload)?).ok()?))
    }
}

/// A token of which only the header has been parsed: the header may decide the type of the claims.
#[derive(Debug)]
pub struct Envelope<'a> {
    header: Header,
    payload: &'a str,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Envelope<'a> {
    /// Parses the header of a compact token of at most `limit` bytes.
    ///
    /// # Errors
    /// [`JwtError::TooLong`], [`JwtError::Malformed`].
    pub fn open(token: &'a str, limit: usize) -> Result<Self, JwtError> {
        if token.len() > limit {
            return Err(JwtError::TooLong(limit));
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed("not three segments"))?;
        let (header, payload) = message.split_once('.').ok_or(JwtError::Malformed("not three segments"))?;
        if payload.contains('.') {
            return Err(JwtError::Malformed("not three segments"));
        }
        let header: Header = object(header).ok_or(JwtError::Malformed("the header is not a JSON object with alg"))?;
        if header.is_critical {
            return Err(JwtError::Malformed("the header has critical extensions"));
        }
        Ok(Self { header, payload, message, signature })
    }

    /// The id of the key with which the token claims to be signed.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Parses the claims.
    ///
    /// # Errors
    /// [`JwtError::Malformed`].
    pub fn read<C: DeserializeOwned>(self) -> Result<Unverified<'a, C>, JwtError> {
        self.read_by(object)
    }

    fn read_by<C>(self, read: impl FnOnce(&str) -> Option<C>) -> Result<Unverified<'a, C>, JwtError> {
        let claims = read(self.payload).ok_or(JwtError::Malformed("a claim is missing or of the wrong type"))?;
        Ok(Unverified { header: self.header, claims, message: self.message, signature: self.signature })
    }
}

impl<'a, C> Unverified<'a, C> {
    /// Parses a compact token with other claims, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`JwtError::TooLong`], [`JwtError::Malformed`].
    pub fn parse_as(token: &'a str, limit: usize) -> Result<Self, JwtError>
    where
        C: DeserializeOwned,
    {
        Envelope::open(token, limit)?.read()
    }

    /// The claims, not verified: use them only to look up the key.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The id of the key with which the token claims to be signed.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Verifies an HS256 signature with `secret`, in constant time.
    ///
    /// # Errors
    /// [`JwtError::Algorithm`], [`JwtError::Signature`].
    pub fn verify_hs256(&self, secret: &SharedSecret) -> Result<(), JwtError> {
        self.expect_algorithm("HS256")?;
        match jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), &secret.verifying, Algorithm::HS256)
        {
            Ok(true) => Ok(()),
            _ => Err(JwtError::Signature),
        }
    }

    /// Verifies an RS256 signature with `key`.
    ///
    /// # Errors
    /// [`JwtError::Algorithm`], [`JwtError::Signature`].
    pub fn verify_rs256(&self, key: &PublicKey) -> Result<(), JwtError> {
        self.expect_algorithm("RS256")?;
        let signature = URL_SAFE_NO_PAD.decode(self.signature).map_err(|_| JwtError::Signature)?;
        key.0.verify_sig(self.message.as_bytes(), &signature).map_err(|_| JwtError::Signature)
    }

    /// Checks that the header names `algorithm`: a cheap refusal before a key is fetched.
    ///
    /// # Errors
    /// [`JwtError::Algorithm`].
    pub fn expect_algorithm(&self, algorithm: &'static str) -> Result<(), JwtError> {
        if self.header.alg == algorithm {
            return Ok(());
        }
        let found = self.header.alg.chars().filter(char::is_ascii_graphic).take(12).collect();
        Err(JwtError::Algorithm { found, expected: algorithm })
    }

    /// The claims, once a `verify_…` has succeeded.
    #[must_use]
    pub fn into_claims(self) -> C {
        self.claims
    }
}

/// Decodes a segment that must be a JSON object. serde would fill a struct from a list as well.
fn decoded(segment: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).ok()?;
    bytes.starts_with(b"{").then_some(bytes)
}

fn object<T: for<'de> Deserialize<'de>>(segment: &str) -> Option<T> {
    serde_json::from_slice(&decoded(segment)?).ok()
}

/// The UTF-8 mark with which some editors begin a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An RSA public key that verifies RS256 signatures: of 2048 to 8192 bits, a shorter one verifies nothing.
///
/// It is parsed once, by the library that jsonwebtoken verifies with. jsonwebtoken's own key is parsed at each signature.
#[derive(Clone)]
pub struct PublicKey(ParsedPublicKey);

impl PublicKey {
    /// Reads a PEM file with a `PUBLIC KEY` block, as Atlassian's install-key servers serve it, or with an `RSA PUBLIC
    /// KEY` block (PKCS#1). A leading byte order mark is skipped.
    ///
    /// # Errors
    /// [`JwtError::Key`] if there is no such block.
    pub fn from_pem(pem: &[u8]) -> Result<Self, JwtError> {
        let pem = pem.strip_prefix(BYTE_ORDER_MARK).unwrap_or(pem);
        // aws-lc reads both formats
        if let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(pem) {
            return Self::from_der(&der);
        }
        Self::from_der(&pkcs1_block(pem).ok_or(JwtError::Key("no PEM public key"))?)
    }

    fn from_der(der: &[u8]) -> Result<Self, JwtError> {
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
        key.map(Self).map_err(|_| JwtError::Key("the PEM block has no RSA public key"))
    }

    /// Makes a key from the members `n` and `e` of a JSON Web Key: big-endian numbers in base64url (RFC 7518, 6.3.1).
    ///
    /// # Errors
    /// [`JwtError::Key`] if they are not such numbers, or make no RSA key.
    pub fn from_jwk_members(n: &str, e: &str) -> Result<Self, JwtError> {
        let number = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtError::Key("n or e is not base64url"));
        let (n, e) = (number(n)?, number(e)?);
        let key = RsaPublicKeyComponents { n: &n, e: &e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
        key.map(Self).map_err(|_| JwtError::Key("n and e make no RSA key"))
    }
}

/// The content of the first `RSA PUBLIC KEY` block, which the PEM reader of rustls does not support.
fn pkcs1_block(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN RSA PUBLIC KEY-----")?;
    let (block, _) = rest.split_once("-----END RSA PUBLIC KEY-----")?;
    let digits: String = block.split_ascii_whitespace().collect();
    STANDARD.decode(digits).ok().filter(|der| !der.is_empty())
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::RsaSigner;
    use serde_json::{Value, json};

    const LIMIT: usize = 4096;

    fn signed(claims: &Value, secret: &str) -> String {
        SharedSecret::new(secret).sign(claims).unwrap()
    }

    #[test]
    fn only_the_right_secret_verifies_a_signature() {
        let token = signed(&json!({"iss": "host", "exp": 1}), "right");
        let unverified = Unverified::parse(&token, LIMIT).unwrap();
        assert_eq!(unverified.verify_hs256(&SharedSecret::new("right")), Ok(()));
        assert_eq!(unverified.verify_hs256(&SharedSecret::new("wrong")), Err(JwtError::Signature));
        assert_eq!(unverified.verify_hs256(&SharedSecret::new("")), Err(JwtError::Signature));
    }

    #[test]
    fn an_rsa_key_in_pem_verifies_only_its_own_tokens() {
        let signer = RsaSigner::generate().unwrap();
        let token = signer.sign("kid-1", &json!({"exp": 1})).unwrap();
        let key = PublicKey::from_pem(signer.public_pem().unwrap().as_bytes()).unwrap();
        let unverified = Unverified::parse(&token, LIMIT).unwrap();
        assert_eq!(unverified.kid(), Some("kid-1"));
        assert_eq!(unverified.verify_rs256(&key), Ok(()));
        let confused = signed(&json!({"exp": 1}), &signer.public_pem().unwrap());
        assert!(matches!(
            Unverified::parse(&confused, LIMIT).unwrap().verify_rs256(&key),
            Err(JwtError::Algorithm { expected: "RS256", .. })
        ));
    }

    /// The same key as PKCS#1, without the algorithm identifier around it.
    fn as_pkcs1(pem: &str) -> String {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let digits: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(digits).unwrap();
        // SEQUENCE { SEQUENCE { rsaEncryption, NULL }, BIT STRING { 0 unused bits, key } } with lengths of two bytes
        let key = &der[24..];
        assert_eq!(key[..2], [0x30, 0x82]);
        format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", STANDARD.encode(key))
    }

    #[test]
    fn each_form_of_a_pem_file_is_the_same_key() {
        let signer = RsaSigner::generate().unwrap();
        let token = signer.sign("kid-1", &json!({"exp": 1})).unwrap();
        let unverified = Unverified::parse(&token, LIMIT).unwrap();
        let (pem, pkcs1) = (signer.public_pem().unwrap(), as_pkcs1(&signer.public_pem().unwrap()));
        for text in [
            pem.clone(),
            format!("\u{feff}{pem}"),
            pem.replace('\n', "\r\n"),
            format!("Key of Connect\n\n{pem}"),
            pkcs1.clone(),
            format!("\u{feff}{pkcs1}"),
            pkcs1.replace('\n', "\r\n"),
            format!("a comment\n{pkcs1}and another"),
        ] {
            let key = PublicKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!(unverified.verify_rs256(&key), Ok(()), "{text}");
        }
        let other = RsaSigner::generate().unwrap();
        let other = PublicKey::from_pem(as_pkcs1(&other.public_pem().unwrap()).as_bytes()).unwrap();
        assert_eq!(unverified.verify_rs256(&other), Err(JwtError::Signature));
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let good = signed(&json!({"exp": 1}), "s");
        let (head, rest) = good.split_once('.').unwrap();
        let signature = rest.split_once('.').unwrap().1;
        for bad in [
            String::new(),
            "..".into(),
            "a.b".into(),
            format!("{good}.x"),
            format!("{head}.bnVsbA.{signature}"), // null
            format!("{head}.MTIz.{signature}"),   // 123
            format!("{head}.WzFd.{signature}"),   // [1]
            format!("bnVsbA.{rest}"),
            format!("{head}=.{rest}"),
            good.replacen('.', ".!*~", 1),
        ] {
            assert!(matches!(Unverified::parse(&bad, LIMIT), Err(JwtError::Malformed(_))), "{bad}");
        }
        assert!(matches!(Unverified::parse(&good, 20), Err(JwtError::TooLong(20))));
    }

    #[test]
    fn other_bodies_are_refused_as_keys() {
        for text in [
            "",
            "\u{feff}",
            "<html>not a key</html>",
            "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----",
            "-----BEGIN RSA PUBLIC KEY-----\n-----END RSA PUBLIC KEY-----",
            "-----BEGIN RSA PUBLIC KEY-----\nMA=\n-----END RSA PUBLIC KEY-----",
            "-----BEGIN RSA PUBLIC KEY-----\nMA==",
            "-----END RSA PUBLIC KEY-----\n-----BEGIN RSA PUBLIC KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nMA==\n-----END RSA PRIVATE KEY-----",
        ] {
            assert!(PublicKey::from_pem(text.as_bytes()).is_err());
        }
    }
}
