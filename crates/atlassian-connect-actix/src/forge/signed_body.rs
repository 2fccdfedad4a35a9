//! [`SignedBody`].

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, Tag};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;

use super::body;
use crate::auth::{ProofFuture, Proven};
use crate::connection;
use crate::error::Error;
use crate::jwt::now;
use crate::state::State;

/// GitHub's header.
const HEADER: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// The authentication scheme that a 401 asks for.
const SCHEME: &str = "Signature";

/// The body of a webhook that a service other than Atlassian signs with HMAC-SHA256 and the [`SigningSecret`] of the
/// route. It has at most `limits.forgeBody` bytes. No signature, a wrong one, or several: 401.
///
/// ```
/// use actix_web::web::{self, ServiceConfig};
/// use atlassian_connect_actix::{Error, forge::{SignedBody, SigningSecret}};
///
/// async fn deployed(body: SignedBody) -> Result<String, Error> {
///     let build: serde_json::Value = body.json()?;
///     Ok(format!("{} is deployed", build["version"]))
/// }
///
/// fn routes(cfg: &mut ServiceConfig) {
///     // an unset variable gives an empty secret, with which every request is refused
///     let secret = SigningSecret::new(std::env::var("BUILD_SECRET").unwrap_or_default());
///     cfg.service(web::resource("/hooks/deployed").app_data(secret).route(web::post().to(deployed)));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SignedBody(Bytes);

impl SignedBody {
    /// The bytes as they were sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The body, parsed as JSON.
    ///
    /// # Errors
    /// A 400 that says what is wrong.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        body::parse(&self.0)
    }
}

/// The secret with which a sender signs bodies, and the format of the signature. A route with a [`SignedBody`] needs
/// one as its app data.
///
/// The format is GitHub's, `X-Hub-Signature-256: sha256=<hex>`, unless it is [`timestamped`](Self::timestamped).
///
/// Source: GitHub, "Validating webhook deliveries".
#[derive(Debug, Clone)]
pub struct SigningSecret {
    /// `None`: the secret is empty.
    key: Option<Key>,
    /// The HMAC tag of the secret itself.
    own: Option<Tag>,
    header: HeaderName,
    proof: Proof,
}

/// The content of the header.
#[derive(Debug, Clone)]
enum Proof {
    /// GitHub's signature of the body.
    Signature,
    /// Stripe's signature, with its time.
    Timestamped(Duration),
    /// The secret itself.
    Secret,
}

impl SigningSecret {
    /// The key is the UTF-8 bytes of `secret`. An empty secret is logged at once, and every request is answered 500: a
    /// forgotten variable must not open the route.
    #[must_use]
    pub fn new(secret: impl Into<SecretString>) -> Self {
        let secret = secret.into();
        let bytes = secret.expose_secret().as_bytes();
        let key = (!bytes.trim_ascii().is_empty()).then(|| Key::new(HMAC_SHA256, bytes));
        if key.is_none() {
            tracing::error!("the secret of signed bodies is empty: its routes refuse every request");
        }
        let own = key.as_ref().map(|key| tag(key, &[bytes]));
        Self { key, own, header: HEADER, proof: Proof::Signature }
    }

    /// The header that holds the signature.
    #[must_use]
    pub fn header(self, header: HeaderName) -> Self {
        Self { header, ..self }
    }

    /// The format is Stripe's, `t=<seconds since 1970>,v1=<hex>`, in which the time is signed as well. A time that
    /// differs from now by more than `tolerance` is refused, so that a recorded request is soon worthless. One of
    /// several `v1` must match.
    ///
    /// Source: Stripe, "Verify webhook signatures manually".
    #[must_use]
    pub fn timestamped(self, tolerance: Duration) -> Self {
        Self { proof: Proof::Timestamped(tolerance), ..self }
    }

    /// The header holds the secret itself instead of a signature, like GitLab's `X-Gitlab-Token`. It authenticates the
    /// sender, not the body: whoever has seen one request can send any other. Use it only if the sender supports
    /// nothing better.
    ///
    /// ```
    /// use actix_web::http::header::HeaderName;
    /// use atlassian_connect_actix::forge::SigningSecret;
    ///
    /// let secret = SigningSecret::new("a long secret").header(HeaderName::from_static("x-gitlab-token")).plain();
    /// assert!(secret.verify(b"any body", "a long secret").is_ok());
    /// assert!(secret.verify(b"any body", "another").is_err());
    /// ```
    #[must_use]
    pub fn plain(self) -> Self {
        Self { proof: Proof::Secret, ..self }
    }

    /// Checks that `signature` is that of `body`. Use it for a body that is wrapped in another one.
    ///
    /// # Errors
    /// A 401 if it is not, a 500 if the secret is empty.
    pub fn verify(&self, body: &[u8], signature: &str) -> Result<(), Error> {
        self.verify_at(body, signature, now())
    }

    fn verify_at(&self, body: &[u8], signature: &str, now: i64) -> Result<(), Error> {
        let key = self.key()?;
        let (expected, candidates) = match self.proof {
            Proof::Timestamped(tolerance) => {
                let (time, candidates) = timestamped(signature).ok_or_else(|| refused("the signature is malformed"))?;
                let signed_at = time.parse().map_err(|_| refused("the time of the signature is not a number"))?;
                if now.abs_diff(signed_at) > tolerance.as_secs() {
                    return Err(refused("the time of the signature is too far in the past or the future"));
                }
                (tag(key, &[time.as_bytes(), b".", body]), candidates)
            }
            Proof::Signature => {
                let digits = signature.strip_prefix("sha256=").ok_or_else(|| refused("the signature is malformed"))?;
                (tag(key, &[body]), vec![digits])
            }
            Proof::Secret => {
                // compares HMAC tags of both, so that the time of the comparison reveals nothing about the secret
                let (own, given) = (self.own.as_ref(), tag(key, &[signature.as_bytes()]));
                let fits = own.is_some_and(|own| verify_slices_are_equal(own.as_ref(), given.as_ref()).is_ok());
                return if fits { Ok(()) } else { Err(refused("the secret does not match")) };
            }
        };
        let fits = |digits: &str| {
            from_hex(digits).is_some_and(|given| verify_slices_are_equal(expected.as_ref(), &given).is_ok())
        };
        if candidates.into_iter().any(fits) { Ok(()) } else { Err(refused("the signature does not match")) }
    }

    fn key(&self) -> Result<&Key, Error> {
        self.key
            .as_ref()
            .ok_or_else(|| Error::internal("the secret of signed bodies is empty: every request is refused"))
    }

    /// The signature of a request, which must be the only one.
    fn signature<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Error> {
        let mut values = headers.get_all(&self.header);
        let value = values.next().ok_or_else(|| refused("there is no signature"))?;
        if values.next().is_some() {
            return Err(refused("there is more than one signature"));
        }
        value.to_str().map_err(|_| refused("the signature is malformed"))
    }
}

impl FromRequest for SignedBody {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), web::Payload::from_request(request, payload));
        Box::pin(async move {
            let state = State::of(&request)?;
            let secret = request.app_data::<SigningSecret>();
            let secret = secret.ok_or_else(|| {
                Error::internal("a route takes a SignedBody but has no SigningSecret as its app data")
            })?;
            // a request that is refused anyway is not read
            secret.key()?;
            let signature = secret.signature(request.headers())?;
            if matches!(secret.proof, Proof::Secret) {
                secret.verify(&[], signature)?;
            }
            let body = body::read(payload.await.map_err(Error::internal)?, &state).await?;
            secret.verify(&body, signature)?;
            connection::prove(&request);
            request.extensions_mut().insert(Proven);
            Ok(Self(body))
        })
    }
}

fn refused(detail: &str) -> Error {
    Error::unauthorized(detail).asking_for(SCHEME)
}

fn tag(key: &Key, parts: &[&[u8]]) -> Tag {
    let mut context = Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// The time as it is written, and the signatures beside it.
fn timestamped(signature: &str) -> Option<(&str, Vec<&str>)> {
    let (mut time, mut signatures) = (None, Vec::new());
    for (name, value) in signature.split(',').filter_map(|pair| pair.trim().split_once('=')) {
        match name {
            "t" if time.is_some() => return None,
            "t" => time = Some(value),
            "v1" => signatures.push(value),
            _ => {}
        }
    }
    Some((time?, signatures))
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = *pair { Some(digit(high)? << 4 | digit(low)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::jwt::to_hex;

    const NOW: i64 = 1_700_000_000;

    fn github() -> SigningSecret {
        SigningSecret::new("It's a Secret to Everybody")
    }

    fn signed(secret: &SigningSecret, parts: &[&[u8]]) -> String {
        to_hex(tag(secret.key().unwrap(), parts).as_ref())
    }

    #[test]
    fn githubs_own_example() {
        let (body, digits) = (b"Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
        for (body, signature, fits) in [
            (&body[..], format!("sha256={digits}"), true),
            (body, format!("sha256={}", digits.to_uppercase()), true),
            (b"Hello, World", format!("sha256={digits}"), false),
            (b"", format!("sha256={digits}"), false),
            (body, format!("sha256={}6", &digits[..63]), false),
            (body, format!("sha256={}", &digits[..62]), false),
            (body, format!("sha256={}", &digits[..63]), false),
            (body, format!("sha256={digits}00"), false),
            (body, format!("sha256={digits} "), false),
            (body, format!("sha256={}zz", &digits[..62]), false),
            (body, "sha256=".to_owned(), false),
            (body, digits.to_owned(), false),
            (body, format!("sha1={digits}"), false),
            (body, format!("t={NOW},v1={digits}"), false),
        ] {
            assert_eq!(github().verify_at(body, &signature, NOW).is_ok(), fits, "{signature}");
        }
    }

    #[test]
    fn a_time_is_signed_as_well() {
        let secret = SigningSecret::new("s").timestamped(Duration::from_secs(300));
        let at = |time: i64| signed(&secret, &[time.to_string().as_bytes(), b".body"]);
        let (now, old) = (at(NOW), at(NOW - 301));
        for (signature, fits) in [
            (format!("t={NOW},v1={now}"), true),
            (format!("v0=00, v1={now}, t={NOW}, scheme"), true),
            (format!("t={NOW},v1={old},v1={now}"), true),
            (format!("t={},v1={}", NOW - 300, at(NOW - 300)), true),
            (format!("t={},v1={}", NOW + 300, at(NOW + 300)), true),
            (format!("t={},v1={old}", NOW - 301), false),
            (format!("t={},v1={}", NOW + 301, at(NOW + 301)), false),
            (format!("t={NOW},v1={old}"), false),
            (format!("t=+{NOW},v1={now}"), false),
            (format!("t={NOW},t={NOW},v1={now}"), false),
            (format!("v1={now}"), false),
            (format!("t=now,v1={now}"), false),
            (format!("t={},v1={}", i64::MIN, at(i64::MIN)), false),
            (format!("t={NOW}"), false),
            (format!("t={NOW},v2={now}"), false),
            (format!("sha256={}", signed(&secret, &[b"body"])), false),
            (String::new(), false),
        ] {
            assert_eq!(secret.verify_at(b"body", &signature, NOW).is_ok(), fits, "{signature}");
        }
    }

    #[test]
    fn an_empty_secret_refuses_everything_and_no_secret_is_printed() {
        for empty in ["", " ", "\n"] {
            let secret = SigningSecret::new(empty);
            let of_nothing = to_hex(tag(&Key::new(HMAC_SHA256, empty.as_bytes()), &[b"body"]).as_ref());
            let error = secret.verify(b"body", &format!("sha256={of_nothing}")).unwrap_err();
            assert!(matches!(error, Error::Internal { .. }), "{error}");
        }
        assert!(!format!("{:?}", github()).contains("Everybody"));
    }

    proptest! {
        #[test]
        fn only_the_signer_is_accepted(
            body: Vec<u8>, secret in "[a-z]{1,80}", other in "[a-z]{1,80}", flip in 0..2048usize,
        ) {
            let signer = SigningSecret::new(secret.as_str());
            let signature = format!("sha256={}", signed(&signer, &[&body]));
            prop_assert!(signer.verify(&body, &signature).is_ok());
            prop_assert_eq!(SigningSecret::new(other.as_str()).verify(&body, &signature).is_ok(), other == secret);
            let mut tampered = body.clone();
            match tampered.get_mut(flip / 8) {
                Some(byte) => *byte ^= 1 << (flip % 8),
                None => tampered.push(0),
            }
            prop_assert!(signer.verify(&tampered, &signature).is_err());
        }

        #[test]
        fn no_signature_panics(signature: String, body: Vec<u8>) {
            let secret = github();
            prop_assert!(secret.verify(&body, &signature).is_err());
            prop_assert!(secret.timestamped(Duration::MAX).verify(&body, &signature).is_err());
        }
    }
}
