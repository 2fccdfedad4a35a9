//! The form of a sealed value, and the keys that make and open it.
//!
//! `{"$sealed": "v1.<id of the key>.<nonce, ciphertext and tag in base64url>"}`: JSON, as the column is. An object with
//! that one member is a sealed value and nothing else: no other of that form is written through [`super::SealedStore`].

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use serde_json::{Value, json};

use crate::encryption::EncryptionKey;
use crate::{
    CLIENT_INFO, CLIENT_INFO_SUPERSEDED, CLIENT_INFO_UNINSTALLED, CLIENT_INFO_UNINSTALLED_AT, Place, StoreError,
};

const MEMBER: &str = "$sealed";
const VERSION: &str = "v1";
const VARIABLE: &str = "AC_STORE_ENCRYPTION_KEYS";

/// Bytes of the cipher's nonce: enough for random ones never to meet.
const NONCE: usize = 24;

struct Key {
    /// Says which key it is, and nothing about it.
    id: String,
    cipher: XChaCha20Poly1305,
}

impl Key {
    fn new(key: &EncryptionKey) -> Self {
        Self { id: key_id(key), cipher: XChaCha20Poly1305::new(key.expose().into()) }
    }
}

/// Which key it is: eight hex digits that say nothing about the key itself.
#[must_use]
pub fn key_id(key: &EncryptionKey) -> String {
    let named = [b"atlassian-connect-actix, the id of a store's key: ".as_slice(), key.expose()].concat();
    let start = digest(&SHA256, &named).as_ref().first_chunk().map_or(0, |start| u32::from_be_bytes(*start));
    format!("{start:08x}")
}

/// How a value stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Clear,
    /// By the first key.
    Sealed,
    /// By another one that there is.
    SealedBefore,
}

/// The first seals, all open.
pub(super) struct Keys(Vec<Key>);

impl Keys {
    pub(super) fn new(keys: &[EncryptionKey]) -> Self {
        Self(keys.iter().map(Key::new).collect())
    }

    /// The id of the key that seals.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.first().map(|key| key.id.as_str())
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    /// The value as it is to stand in the store.
    pub(super) fn seal(&self, place: Place<'_>, value: &Value) -> Result<Value, StoreError> {
        if sealed(value).is_some() {
            let reason =
                format!("an object with the one member {MEMBER:?} is the form of a sealed value, and no other");
            return Err(StoreError::Refused(reason));
        }
        let Some(key) = self.0.first().filter(|_| !is_for_the_store(place)) else { return Ok(value.clone()) };
        let mut nonce = [0; NONCE];
        let failed = || StoreError::Unavailable("there is no randomness to seal with".to_owned());
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed())?;
        let (text, bound) = (value.to_string(), bound_to(place));
        let payload = Payload { msg: text.as_bytes(), aad: bound.as_bytes() };
        let ciphertext = key.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| failed())?;
        let data = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &ciphertext].concat());
        Ok(json!({ MEMBER: format!("{VERSION}.{}.{data}", key.id) }))
    }

    /// The value that `stored` is: itself, if it stands there in clear.
    pub(super) fn open(&self, place: Place<'_>, stored: Value) -> Result<Value, StoreError> {
        let Some((key, data)) = self.key_of(place, &stored)? else { return Ok(stored) };
        let opened = URL_SAFE_NO_PAD.decode(data).ok().and_then(|data| {
            let (nonce, ciphertext) = data.split_first_chunk::<NONCE>()?;
            let bound = bound_to(place);
            let payload = Payload { msg: ciphertext, aad: bound.as_bytes() };
            let text = key.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?;
            serde_json::from_slice(&text).ok()
        });
        opened.ok_or_else(|| altered(place))
    }

    /// How `stored` stands there. That it opens is not said yet.
    pub(super) fn find(&self, place: Place<'_>, stored: &Value) -> Result<Found, StoreError> {
        Ok(match self.key_of(place, stored)? {
            None => Found::Clear,
            Some((key, _)) if Some(key.id.as_str()) == self.first() => Found::Sealed,
            Some(_) => Found::SealedBefore,
        })
    }

    /// The key that sealed `stored`, and what it sealed; `None`: it stands there in clear.
    fn key_of<'a>(&self, place: Place<'_>, stored: &'a Value) -> Result<Option<(&Key, &'a str)>, StoreError> {
        let Some(text) = sealed(stored) else { return Ok(None) };
        let mut parts = text.as_str().unwrap_or_default().splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(VERSION), Some(id), Some(data)) => match self.0.iter().find(|key| key.id == id) {
                Some(key) => Ok(Some((key, data))),
                None => Err(StoreError::Sealed(format!("{}: {}", named(place), self.missing(id)))),
            },
            (Some(version), Some(_), Some(_)) if version.starts_with('v') => Err(StoreError::Sealed(format!(
                "{}: it is sealed in the form {version:?}, which a newer version of the add-on writes",
                named(place)
            ))),
            _ => Err(altered(place)),
        }
    }

    fn missing(&self, id: &str) -> String {
        // whoever wrote the row chose the text
        let id: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
        let ids: Vec<_> = self.ids().collect();
        if ids.is_empty() {
            format!("it is sealed with key {id}, and {VARIABLE} is not set")
        } else {
            format!("it is sealed with key {id}, which {VARIABLE} does not hold (it holds {})", ids.join(", "))
        }
    }
}

/// What a sealed value holds; `None` for a value in clear.
fn sealed(value: &Value) -> Option<&Value> {
    value.as_object().filter(|members| members.len() == 1)?.get(MEMBER)
}

/// What the store itself writes and reads stays in clear: it holds no secret, and a `Store` has no keys.
pub(super) fn is_for_the_store(place: Place<'_>) -> bool {
    matches!(place, Place::Tenant { key: CLIENT_INFO_UNINSTALLED_AT, .. })
}

/// What a value is bound to, so that it opens there alone. An installation is moved by its key without being opened,
/// so its three keys count as one.
fn bound_to(place: Place<'_>) -> String {
    let (kind, key) = match place {
        Place::Tenant { key: CLIENT_INFO_UNINSTALLED | CLIENT_INFO_SUPERSEDED, .. } => ("tenant", CLIENT_INFO),
        Place::Tenant { key, .. } => ("tenant", key),
        Place::Forge { key, .. } => ("forge", key),
    };
    // with the length, no two places make one text
    format!("{VERSION} {kind} {} {}{key}", place.owner().len(), place.owner())
}

fn named(place: Place<'_>) -> String {
    format!("the value of {:?} of {:?} cannot be opened", place.key(), place.owner())
}

fn altered(place: Place<'_>) -> StoreError {
    StoreError::Refused(format!("{}: it was altered, cut, or moved there from another place", named(place)))
}
