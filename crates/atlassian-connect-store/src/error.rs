//! What can go wrong in a store.

/// Errors of a store. Texts never contain a password or a value.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The server or file is not reachable, or does not answer in time. A later try may succeed.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store answers, but with an error: a missing table, a value that is not valid JSON, a rejected statement.
    #[error("the store failed: {0}")]
    Refused(String),
    /// A value is encrypted, and none of the add-on's keys decrypts it. The text names the missing key. The value must
    /// not be treated as missing or overwritten.
    #[error("{0}")]
    Sealed(String),
    /// The configuration of the store cannot work. The text says what to do.
    #[error("{0}")]
    Configuration(String),
}
