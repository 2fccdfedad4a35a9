//! The key that signs a fake host's lifecycle callbacks.

use serde::Serialize;

use atlassian_connect_actix::internal::jwt::{JwtError, RsaSigner};

/// A key pair, and the id of its public key.
#[derive(Debug)]
pub struct InstallKey {
    kid: String,
    signer: RsaSigner,
}

impl InstallKey {
    /// Generates a key pair. Takes tens of milliseconds, more in a debug build.
    ///
    /// # Errors
    /// [`JwtError::Key`].
    pub fn generate(kid: &str) -> Result<Self, JwtError> {
        Ok(Self { kid: kid.to_owned(), signer: RsaSigner::generate()? })
    }

    /// The id of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The signer.
    pub fn signer(&self) -> &RsaSigner {
        &self.signer
    }

    /// Signs `claims` with RS256, as the host does.
    ///
    /// # Errors
    /// [`JwtError::Signing`].
    pub fn sign(&self, claims: &impl Serialize) -> Result<String, JwtError> {
        self.signer.sign(&self.kid, claims)
    }

    /// The public key in PEM, as a key server returns it.
    ///
    /// # Errors
    /// [`JwtError::Key`].
    pub fn public_pem(&self) -> Result<String, JwtError> {
        self.signer.public_pem()
    }
}
