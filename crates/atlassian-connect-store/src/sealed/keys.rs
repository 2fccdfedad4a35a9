//! The format of an encrypted value, and the keys that encrypt and decrypt it.
//!
//! `{"$sealed": "v1.<id of the key>.<nonce, ciphertext and tag in base64url>"}`: JSON, because the column is JSON. An
//! object with only this member is always an encrypted value: [`super::SealedStore`] refuses to write any other.

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

/// The length of the cipher's nonce in bytes: random ones never repeat in practice.
const NONCE: usize = 24;

struct Key {
    /// Identifies the key without revealing it.
    id: String,
    cipher: XChaCha20Poly1305,
}

impl Key {
    fn new(key: &EncryptionKey) -> Self {
        Self { id: key_id(key), cipher: XChaCha20Poly1305::new(key.expose().into()) }
    }
}

/// The id of a key: eight hex digits that reveal nothing about it.
#[must_use]
pub fn key_id(key: &EncryptionKey) -> String {
    let named = [b"atlassian-connect-actix, the id of a store's key: ".as_slice(), key.expose()].concat();
    let start = digest(&SHA256, &named).as_ref().first_chunk().map_or(0, |start| u32::from_be_bytes(*start));
    format!("{start:08x}")
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealState {
    Clear,
    /// Encrypted with the first key.
    Sealed,
    /// Encrypted with another available key.
    SealedBefore,
}

/// The first key encrypts, all decrypt.
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    pub(crate) fn new(keys: &[EncryptionKey]) -> Self {
        Self(keys.iter().map(Key::new).collect())
    }

    /// The id of the encrypting key.
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(|key| key.id.as_str())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    /// The value as it is written to the store.
    pub(crate) fn seal(&self, place: Place<'_>, value: &Value) -> Result<Value, StoreError> {
        if sealed(value).is_some() {
            let reason = format!("an object with the one member {MEMBER:?} is reserved for encrypted values");
            return Err(StoreError::refused(reason));
        }
        let Some(key) = self.0.first() else { return Ok(value.clone()) };
        if is_for_the_store(place) {
            return Ok(value.clone());
        }
        let mut nonce = [0; NONCE];
        let failed = || StoreError::unavailable("the system provides no random numbers to encrypt with");
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed())?;
        let (text, bound) = (value.to_string(), bound_to(place));
        let payload = Payload { msg: text.as_bytes(), aad: bound.as_bytes() };
        let ciphertext = key.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| failed())?;
        let data = URL_SAFE_NO_PAD.encode([nonce.as_slice(), &ciphertext].concat());
        Ok(json!({ MEMBER: format!("{VERSION}.{}.{data}", key.id) }))
    }

    /// The decrypted value. A value in clear is returned unchanged.
    pub(crate) fn open(&self, place: Place<'_>, stored: Value) -> Result<Value, StoreError> {
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

    /// How `stored` is encrypted. Does not check that it decrypts.
    pub(crate) fn find(&self, place: Place<'_>, stored: &Value) -> Result<SealState, StoreError> {
        Ok(match self.key_of(place, stored)? {
            None => SealState::Clear,
            Some((key, _)) if Some(key.id.as_str()) == self.first() => SealState::Sealed,
            Some(_) => SealState::SealedBefore,
        })
    }

    /// The key that encrypted `stored`, and the ciphertext. `None`: it is in clear.
    fn key_of<'a>(&self, place: Place<'_>, stored: &'a Value) -> Result<Option<(&Key, &'a str)>, StoreError> {
        let Some(text) = sealed(stored) else { return Ok(None) };
        let mut parts = text.as_str().unwrap_or_default().splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(VERSION), Some(id), Some(data)) => match self.0.iter().find(|key| key.id == id) {
                Some(key) => Ok(Some((key, data))),
                None => Err(StoreError::sealed(format!("{}: {}", named(place), self.missing(id)))),
            },
            (Some(version), Some(_), Some(_)) if version.starts_with('v') => Err(StoreError::sealed(format!(
                "{}: it is encrypted in the format {version:?} of a newer version of the add-on",
                named(place)
            ))),
            _ => Err(altered(place)),
        }
    }

    fn missing(&self, id: &str) -> String {
        // the text comes from the row's writer, so it is filtered
        let id: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
        let ids: Vec<_> = self.ids().collect();
        if ids.is_empty() {
            format!("it is encrypted with key {id}, and {VARIABLE} is not set")
        } else {
            format!("it is encrypted with key {id}, which is not in {VARIABLE} (its keys are {})", ids.join(", "))
        }
    }
}

/// The content of an encrypted value; `None` for a value in clear.
fn sealed(value: &Value) -> Option<&Value> {
    value.as_object().filter(|members| members.len() == 1)?.get(MEMBER)
}

/// Values that the store itself reads and writes stay in clear: they are not secret, and a `Store` has no keys.
pub(crate) fn is_for_the_store(place: Place<'_>) -> bool {
    matches!(place, Place::Tenant { key: CLIENT_INFO_UNINSTALLED_AT, .. })
}

/// The associated data of the encryption, so that a value only decrypts at its own address. An installation moves
/// between three keys without being decrypted, so these three count as one.
fn bound_to(place: Place<'_>) -> String {
    let (kind, key) = match place {
        Place::Tenant { key: CLIENT_INFO_UNINSTALLED | CLIENT_INFO_SUPERSEDED, .. } => ("tenant", CLIENT_INFO),
        Place::Tenant { key, .. } => ("tenant", key),
        Place::Forge { key, .. } => ("forge", key),
    };
    // with the length, two addresses never produce the same text
    format!("{VERSION} {kind} {} {}{key}", place.owner().len(), place.owner())
}

fn named(place: Place<'_>) -> String {
    format!("the value of {:?} of {:?} cannot be decrypted", place.key(), place.owner())
}

fn altered(place: Place<'_>) -> StoreError {
    StoreError::refused(format!("{}: it was altered, truncated, or copied from elsewhere", named(place)))
}
