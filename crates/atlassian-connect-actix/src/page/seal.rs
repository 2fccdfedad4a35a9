//! Sealing what the store keeps of a page session, with a key that is derived from `pageKeys`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

/// Keeps this use of the keys apart from others.
const PURPOSE: &[u8] = b"atlassian-connect: tokens of page sessions";

/// Seals with the first key and opens with all.
pub(super) struct Sealer(Vec<RandomizedNonceKey>);

impl Sealer {
    pub(super) fn new(keys: &[SecretString]) -> Self {
        Self(keys.iter().filter_map(derive).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `place` is where it will stand: what is sealed for one place does not open at another.
    pub(super) fn seal(&self, place: &str, text: &str) -> Option<String> {
        let mut bytes = text.as_bytes().to_vec();
        let nonce = self.0.first()?.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut bytes).ok()?;
        Some(STANDARD_NO_PAD.encode([nonce.as_ref().as_slice(), &bytes].concat()))
    }

    pub(super) fn open(&self, place: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        self.0.iter().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut sealed = sealed.to_vec();
            let opened = key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut sealed).ok()?;
            String::from_utf8(opened.to_vec()).ok()
        })
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({} keys)", self.0.len())
    }
}

fn derive(key: &SecretString) -> Option<RandomizedNonceKey> {
    let mut bytes = [0; 32];
    let derived = Salt::new(HKDF_SHA256, &[]).extract(key.expose_secret().as_bytes());
    derived.expand(&[PURPOSE], HKDF_SHA256).ok()?.fill(&mut bytes).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_with_any_of_the_keys() {
        let keys = ["first key", "second key"].map(SecretString::from);
        let (old, new) = (Sealer::new(&keys[1..]), Sealer::new(&keys));
        let sealed = old.seal("here", "a token").unwrap();
        assert!(!sealed.contains("token"));
        assert_eq!(new.open("here", &sealed).as_deref(), Some("a token"));
        for (place, sealed) in
            [("there", &*sealed), ("here", &sealed[4..]), ("here", ""), ("here", "?"), ("here", "AAAA")]
        {
            assert_eq!(new.open(place, sealed), None, "{place} {sealed}");
        }
        assert_eq!(old.open("here", &new.seal("here", "a token").unwrap()), None);
        assert!(Sealer::new(&[]).is_empty() && Sealer::new(&[]).seal("here", "x").is_none());
    }
}
