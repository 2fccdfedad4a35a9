//! The keys that encrypt values in the store.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretBox};

/// The length of a key in bytes.
const LENGTH: usize = 32;

/// A key of `storeEncryptionKeys`: 32 bytes, written as base64 (either alphabet, padded or not) or hex.
///
/// ```
/// use atlassian_connect_store::EncryptionKey;
///
/// let key: EncryptionKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f".parse()?;
/// assert_eq!(format!("{key:?}"), "EncryptionKey");
/// assert!("too short".parse::<EncryptionKey>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKey(Arc<SecretBox<[u8; LENGTH]>>);

impl EncryptionKey {
    /// A key of these bytes. They must be random: not a password, and not the hash of one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    pub(crate) fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }
}

/// The text is not a key of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a key of 32 bytes in base64 or hex")]
pub struct BadEncryptionKey;

impl FromStr for EncryptionKey {
    type Err = BadEncryptionKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 64 hex digits are also valid base64 (of 48 bytes), so the length decides
        let bytes = if text.len() == 2 * LENGTH { from_hex(text) } else { from_base64(text) };
        let bytes = bytes.and_then(|bytes| <[u8; LENGTH]>::try_from(bytes).ok());
        bytes.map(Self::from_bytes).ok_or(BadEncryptionKey)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks_exact(2).map(|pair| Some(digit(&pair[0])? << 4 | digit(&pair[1])?)).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url_safe = text.replace('+', "-").replace('/', "_");
    GeneralPurpose::new(&alphabet::URL_SAFE, lenient).decode(url_safe).ok()
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_any_of_these_forms() {
        let bytes: [u8; LENGTH] = std::array::from_fn(|n| u8::try_from(n * 8).unwrap());
        for text in [
            "AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg=",
            "AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg",
            "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8",
            "0008101820283038404850586068707880889098A0A8B0B8C0C8D0D8E0E8F0F8",
        ] {
            assert_eq!(text.parse::<EncryptionKey>().unwrap().expose(), &bytes, "{text}");
        }
        for text in ["//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=", "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"] {
            assert_eq!(text.parse::<EncryptionKey>().unwrap().expose()[..3], [255, 254, 253], "{text}");
        }
    }

    #[test]
    fn invalid_keys_are_refused() {
        let short = "AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8A==";
        let long = "00".repeat(33);
        let no_hex = "g".repeat(64);
        let of_48 = "A".repeat(64);
        for text in ["", "hunter2", short, &long, &no_hex, "ä", &"ä".repeat(32)] {
            assert_eq!(text.parse::<EncryptionKey>().err(), Some(BadEncryptionKey), "{text}");
        }
        assert!(of_48.parse::<EncryptionKey>().is_ok(), "it is hex, and not base64 of 48 bytes");
    }
}
