//! The key that signs a fake host's lifecycle callbacks.

use serde::Serialize;

use atlassian_connect_actix::internal::jwt::{JwtError, RsaSigner};

/// A key pair, and the id under which its public half is served.
#[derive(Debug)]
pub struct InstallKey {
    kid: String,
    signer: RsaSigner,
}

impl InstallKey {
    /// Makes a key pair: tens of milliseconds of work, in a debug build more.
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

    /// What signs.
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

    /// What a key server answers for `kid`, in PEM.
    ///
    /// # Errors
    /// [`JwtError::Key`].
    pub fn public_pem(&self) -> Result<String, JwtError> {
        self.signer.public_pem()
    }
}
