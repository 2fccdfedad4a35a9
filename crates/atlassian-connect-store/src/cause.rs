//! The error of a driver or of the system that made a store fail, without its text.

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The error that caused a [`StoreError`](crate::StoreError), for classifying it. A database's text may quote a value,
/// and a URL may hold a password, so only the error's type and code are shown, and [`source`](StdError::source) ends
/// here. Who reads the error itself, with [`Cause::downcast_ref`], must not log its text.
///
/// Shows as `tokio_postgres::error::Error (SQLSTATE 28P01)`.
#[derive(Clone)]
pub struct Cause {
    error: Arc<dyn StdError + Send + Sync>,
    type_name: &'static str,
}

impl Cause {
    pub(crate) fn new<E: StdError + Send + Sync + 'static>(error: E) -> Self {
        Self { error: Arc::new(error), type_name: type_name::<E>() }
    }

    /// The first error of type `E` among the error and its own causes.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.errors().find_map(<dyn StdError>::downcast_ref)
    }

    /// The error and its own causes.
    fn errors(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        let first: &(dyn StdError + 'static) = self.error.as_ref();
        std::iter::successors(Some(first), |&error| error.source())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<_> = self.errors().filter_map(code).collect();
        f.write_str(self.type_name)?;
        if codes.is_empty() { Ok(()) } else { write!(f, " ({})", codes.join(", ")) }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cause({self})")
    }
}

impl StdError for Cause {}

/// What is known about one error beside its text.
fn code(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<diesel::result::Error>() {
        use diesel::result::Error as E;
        return Some(match error {
            E::DatabaseError(kind, _) => format!("{kind:?}"),
            E::NotFound => "NotFound".to_owned(),
            E::QueryBuilderError(_) => "QueryBuilderError".to_owned(),
            E::DeserializationError(_) => "DeserializationError".to_owned(),
            E::SerializationError(_) => "SerializationError".to_owned(),
            E::RollbackErrorOnCommit { commit_error, rollback_error } => {
                let codes = [code(commit_error.as_ref()), code(rollback_error.as_ref())];
                format!("RollbackErrorOnCommit: {}", codes.into_iter().flatten().collect::<Vec<_>>().join(", "))
            }
            _ => return None,
        });
    }
    if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
        return error.code().map(|code| format!("SQLSTATE {}", code.code()));
    }
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        let number = error.raw_os_error().map(|number| format!(", os error {number}")).unwrap_or_default();
        return Some(format!("{:?}{number}", error.kind()));
    }
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return Some(format!("{:?} at line {}, column {}", error.classify(), error.line(), error.column()));
    }
    if let Some(error) = error.downcast_ref::<tokio::task::JoinError>() {
        return Some(if error.is_panic() { "panicked" } else { "cancelled" }.to_owned());
    }
    of_optional_drivers(error)
}

#[cfg_attr(
    not(any(feature = "mysql", feature = "redis", feature = "mongodb")),
    expect(unused_variables, reason = "every driver is optional")
)]
fn of_optional_drivers(error: &(dyn StdError + 'static)) -> Option<String> {
    #[cfg(feature = "mysql")]
    if let Some(mysql_async::Error::Server(error)) = error.downcast_ref() {
        return Some(format!("error {}", error.code));
    }
    #[cfg(feature = "redis")]
    if let Some(error) = error.downcast_ref::<redis::RedisError>() {
        return Some(crate::redis::code_of(error).map_or_else(|| format!("{:?}", error.kind()), str::to_owned));
    }
    #[cfg(feature = "mongodb")]
    if let Some(error) = error.downcast_ref::<mongodb::error::Error>() {
        return Some(crate::mongodb::error_code(error));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io;

    use diesel::result::{DatabaseErrorKind, Error};

    use super::*;
    use crate::StoreError;
    use crate::acceptance::backends::shown;

    fn check(cause: impl StdError + Send + Sync + 'static, code: &str) {
        let error = StoreError::refused("a reason").caused_by(cause);
        let shown = shown(&error.clone());
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains(code) && shown.contains("a reason"), "{shown}");
    }

    #[test]
    fn what_a_driver_says_is_kept_but_not_shown() {
        let refused = || Error::DatabaseError(DatabaseErrorKind::UniqueViolation, Box::new("hush".to_owned()));
        check(refused(), "diesel::result::Error (UniqueViolation)");
        check(Error::QueryBuilderError("hush".into()), "QueryBuilderError");
        check(Error::DeserializationError("hush".into()), "DeserializationError");
        check(
            Error::RollbackErrorOnCommit { rollback_error: Box::new(refused()), commit_error: Box::new(refused()) },
            "RollbackErrorOnCommit: UniqueViolation, UniqueViolation",
        );
        check(io::Error::other("hush"), "(Other)");
        check(io::Error::from_raw_os_error(2), "(NotFound, os error 2)");
        check(serde_json::from_str::<u8>(r#""hush""#).unwrap_err(), "(Data at line 1, column 6)");
        let url = "postgres://u:hush@h:hush/d".parse::<tokio_postgres::Config>().unwrap_err();
        check(url, "tokio_postgres::error::Error");
        let error = StoreError::refused("a reason").caused_by(refused());
        let cause = error.source().unwrap().downcast_ref::<Cause>().unwrap();
        let Some(Error::DatabaseError(_, told)) = cause.downcast_ref() else { panic!("{error:?}") };
        assert_eq!(told.message(), "hush");
    }

    #[test]
    fn the_cause_of_a_cause_is_found() {
        #[derive(Debug, thiserror::Error)]
        #[error("hush")]
        struct Outer(#[source] io::Error);

        check(Outer(io::ErrorKind::TimedOut.into()), "Outer (TimedOut)");
        let error = StoreError::unavailable("no answer").caused_by(Outer(io::ErrorKind::TimedOut.into()));
        let cause = error.source().unwrap().downcast_ref::<Cause>().unwrap();
        assert_eq!(cause.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn an_error_of_mysql_shows_its_number() {
        let server =
            mysql_async::ServerError { code: 1062, message: "Duplicate entry 'hush'".into(), state: "23000".into() };
        check(mysql_async::Error::Server(server), "(error 1062)");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn an_error_of_redis_shows_its_word() {
        let error = |text: &str| redis::parse_redis_value(text.as_bytes()).unwrap().extract_error().unwrap_err();
        check(error("-NOPERM hush\r\n"), "(NOPERM)");
        check(error("-ERR unknown command 'GET', with args beginning with: 'hush'\r\n"), "redis::");
        check(error("-hush hush\r\n"), "redis::");
    }

    #[cfg(feature = "mongodb")]
    #[test]
    fn an_error_of_mongodb_shows_its_number() {
        check(mongodb::error::Error::custom("hush".to_owned()), "mongodb::error::Error (Custom)");
    }
}
