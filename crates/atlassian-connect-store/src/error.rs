//! What can go wrong in a store.

use std::error::Error as StdError;
use std::fmt;

use crate::cause::Cause;

/// Errors of a store. Texts never contain a password or a value.
///
/// The error of a driver or of the system that caused it is its [`source`](StdError::source), as a [`Cause`].
///
/// ```
/// use std::error::Error;
///
/// use atlassian_connect_store::{Cause, StoreError};
///
/// let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
/// let error = StoreError::unavailable("the shelf is full").caused_by(full);
/// assert_eq!(error.to_string(), "the store is not available: the shelf is full");
/// let cause = error.source().and_then(|source| source.downcast_ref::<Cause>()).unwrap();
/// assert_eq!(cause.downcast_ref::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::StorageFull);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreError {
    /// The server or file is not reachable, or does not answer in time. A later try may succeed.
    Unavailable(Reason),
    /// The store answers, but with an error: a missing table, a value that is not valid JSON, a rejected statement.
    Refused(Reason),
    /// A value is encrypted, and none of the add-on's keys decrypts it. The text names the missing key. The value must
    /// not be treated as missing or overwritten.
    Sealed(Reason),
    /// The configuration of the store cannot work. The text says what to do.
    Configuration(Reason),
}

impl StoreError {
    /// [`StoreError::Unavailable`] for this reason, which contains no password and no value.
    #[must_use]
    pub fn unavailable(reason: impl Into<Reason>) -> Self {
        Self::Unavailable(reason.into())
    }

    /// [`StoreError::Refused`] for this reason, which contains no password and no value.
    #[must_use]
    pub fn refused(reason: impl Into<Reason>) -> Self {
        Self::Refused(reason.into())
    }

    /// [`StoreError::Sealed`] for this reason, which contains no password and no value.
    #[must_use]
    pub fn sealed(reason: impl Into<Reason>) -> Self {
        Self::Sealed(reason.into())
    }

    /// [`StoreError::Configuration`] for this reason, which contains no password and no value.
    #[must_use]
    pub fn configuration(reason: impl Into<Reason>) -> Self {
        Self::Configuration(reason.into())
    }

    /// Keeps the error that caused this one. Its text is never shown, so it may contain values.
    #[must_use]
    pub fn caused_by(self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.map(|reason| reason.caused_by(cause))
    }

    /// The same error with another text.
    pub(crate) fn explained(self, text: impl FnOnce(&str) -> String) -> Self {
        self.map(|reason| Reason { text: text(&reason.text), ..reason })
    }

    pub(crate) fn into_reason(self) -> Reason {
        let (Self::Unavailable(reason) | Self::Refused(reason) | Self::Sealed(reason) | Self::Configuration(reason)) =
            self;
        reason
    }

    fn map(self, change: impl FnOnce(Reason) -> Reason) -> Self {
        match self {
            Self::Unavailable(reason) => Self::Unavailable(change(reason)),
            Self::Refused(reason) => Self::Refused(change(reason)),
            Self::Sealed(reason) => Self::Sealed(change(reason)),
            Self::Configuration(reason) => Self::Configuration(change(reason)),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "the store is not available: {reason}"),
            Self::Refused(reason) => write!(f, "the store failed: {reason}"),
            Self::Sealed(reason) | Self::Configuration(reason) => write!(f, "{reason}"),
        }
    }
}

// By hand: thiserror cannot take the source from inside a field.
impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let (Self::Unavailable(reason) | Self::Refused(reason) | Self::Sealed(reason) | Self::Configuration(reason)) =
            self;
        reason.cause.as_ref().map(|cause| cause as _)
    }
}

/// Why a store failed: a text for the operator, and the error that caused it, if there is one.
#[derive(Debug, Clone)]
pub struct Reason {
    pub(crate) text: String,
    pub(crate) cause: Option<Cause>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, cause: None }
    }
}

impl Reason {
    /// Keeps the error that caused it.
    pub(crate) fn caused_by(self, cause: impl StdError + Send + Sync + 'static) -> Self {
        Self { cause: Some(Cause::new(cause)), ..self }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
