//! The error of request handling: every HTTP status is chosen here.
//!
//! Each concern (configuration, descriptor, store, JWT) has its own error type, which is converted into this one when
//! it reaches a request. The middleware renders errors by `Accept`, see [`crate::middleware`].

use std::borrow::Cow;
use std::error::Error as _;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

use crate::config::ConfigError;
use crate::store::StoreError;

/// Why a request failed.
///
/// Each variant holds the details for the *log*, which `Display` shows. The *caller* reads [`Error::public_message`],
/// which never contains a token, a secret or anything internal.
///
/// ```
/// use atlassian_connect_actix::Error;
/// use actix_web::ResponseError;
///
/// let error = Error::forbidden("You need to administer this site", "ADMINISTER not granted to 557058:1");
/// assert_eq!(error.status_code(), 403);
/// assert_eq!(error.public_message(), "You need to administer this site");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller is not authenticated: 401 with `WWW-Authenticate`.
    #[error("not authenticated: {detail}")]
    Unauthorized {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
        /// The authentication scheme that the route requires: `JWT` for Connect, `Bearer` for Forge.
        scheme: &'static str,
        /// A word for the check that failed, as metrics name it: `expired`, `signature`, `other` …
        reason: &'static str,
    },
    /// The caller is authenticated but not permitted: 403.
    #[error("not permitted: {detail}")]
    Forbidden {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// The request itself is malformed: 400.
    #[error("bad request: {detail}")]
    BadRequest {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
        /// The invalid field of a [`crate::Form`], or parameter of a [`crate::Query`].
        field: Option<String>,
    },
    /// The route or the resource does not exist: 404.
    #[error("not found: {detail}")]
    NotFound {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// The request conflicts with the current state: 409.
    #[error("conflict: {detail}")]
    Conflict {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// The route does not accept this type of body: 415.
    #[error("unsupported media type: {detail}")]
    UnsupportedMediaType {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// The route does not support this method: 405.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The body is larger than the limit, in bytes: 413.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The result would be larger than allowed: 413.
    #[error("too large: {public}")]
    ContentTooLarge {
        /// For the caller.
        public: Cow<'static, str>,
    },
    /// The body is compressed in an unsupported way: 415.
    #[error("the body's Content-Encoding is {encoding:?}, not gzip")]
    UnsupportedEncoding {
        /// The header's value, shortened to 40 characters.
        encoding: String,
    },
    /// The body did not arrive completely: 400.
    #[error("the body could not be read: {detail}")]
    Body {
        /// For the log.
        detail: String,
    },
    /// The body was too slow: 408.
    #[error("the body was sent too slowly")]
    BodyTimeout,
    /// A server that we depend on (store, key server) is unavailable: 503 with `Retry-After`.
    #[error("temporarily unavailable: {detail}")]
    Unavailable {
        /// For the log.
        detail: String,
    },
    /// The request to the host failed: 502.
    #[error("the host could not be called: {detail}")]
    BadGateway {
        /// For the log.
        detail: String,
    },
    /// The host did not answer in time: 504.
    #[error("the host did not answer in time: {detail}")]
    GatewayTimeout {
        /// For the log.
        detail: String,
    },
    /// A fault of the framework or of the app's code: 500.
    #[error("internal error: {detail}")]
    Internal {
        /// For the log.
        detail: String,
    },
}

impl Error {
    /// A 401 with the usual message; `detail` is only logged.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::unauthorized_because("The request could not be authenticated.", detail)
    }

    /// A 401 with the message `public`.
    pub fn unauthorized_because(public: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Unauthorized { public: public.into(), detail: detail.into(), scheme: "JWT", reason: "other" }
    }

    /// A 401 for another authentication scheme than Connect's; any other error is returned unchanged.
    #[must_use]
    pub fn asking_for(mut self, asked: &'static str) -> Self {
        if let Self::Unauthorized { scheme, .. } = &mut self {
            *scheme = asked;
        }
        self
    }

    /// The same error with a word for the check that failed, if it is a 401.
    #[must_use]
    pub(crate) fn with_reason(mut self, word: &'static str) -> Self {
        if let Self::Unauthorized { reason, .. } = &mut self {
            *reason = word;
        }
        self
    }

    /// How an authentication ended, and why, in words for metrics.
    pub(crate) fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Unauthorized { reason, .. } => ("refused", reason),
            Self::Forbidden { .. } => ("refused", "not_permitted"),
            Self::Unavailable { .. } | Self::BadGateway { .. } | Self::GatewayTimeout { .. } => {
                ("failed", "unavailable")
            }
            Self::Internal { .. } => ("failed", "internal"),
            _ => ("refused", "malformed"),
        }
    }

    /// A 403 with the message `public`.
    pub fn forbidden(public: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Forbidden { public: public.into(), detail: detail.into() }
    }

    /// A 403 for an authenticated request that needs a user, but nobody is logged in.
    pub(crate) fn no_user(detail: impl Into<String>) -> Self {
        Self::forbidden("You must be logged in to do this.", detail)
    }

    /// The same error for a request whose invocation token has been verified: Forge reads a 401 as an invalid token.
    ///
    /// Source: Atlassian, "Forge Remote essentials".
    pub(crate) fn of_verified_invocation(self) -> Self {
        match self {
            Self::Unauthorized { public, detail, .. } => Self::Forbidden { public, detail },
            error => error,
        }
    }

    /// A 400 with the message `public`, which is also logged.
    pub fn bad_request(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::BadRequest { detail: public.clone().into_owned(), public, field: None }
    }

    /// A 400 because of one field.
    pub(crate) fn bad_field(field: impl Into<String>, public: String) -> Self {
        Self::BadRequest { detail: public.clone(), public: public.into(), field: Some(field.into()) }
    }

    /// The invalid field, if [`crate::Form`] or [`crate::Query`] found one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::BadRequest { field, .. } => field.as_deref(),
            _ => None,
        }
    }

    /// A 404 with the message `public`, which is also logged.
    pub fn not_found(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::NotFound { detail: public.clone().into_owned(), public }
    }

    /// A 413 for something other than the body of a request.
    pub(crate) fn content_too_large(public: impl Into<Cow<'static, str>>) -> Self {
        Self::ContentTooLarge { public: public.into() }
    }

    /// A 404 for an address without a route.
    pub(crate) fn no_route() -> Self {
        Self::NotFound {
            public: Cow::Borrowed("There is nothing at this address."),
            detail: "no such route".to_owned(),
        }
    }

    /// A 409 with the message `public`, which is also logged.
    pub fn conflict(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::Conflict { detail: public.clone().into_owned(), public }
    }

    /// A 415 with the message `public`, which is also logged.
    pub fn unsupported_media_type(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::UnsupportedMediaType { detail: public.clone().into_owned(), public }
    }

    /// A 500; `detail` is only logged.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        Self::Internal { detail: detail.to_string() }
    }

    /// The message for the caller. It is not escaped: escape it when you write it into HTML.
    #[must_use]
    pub fn public_message(&self) -> Cow<'static, str> {
        match self {
            Self::Unauthorized { public, .. }
            | Self::Forbidden { public, .. }
            | Self::BadRequest { public, .. }
            | Self::NotFound { public, .. }
            | Self::Conflict { public, .. }
            | Self::UnsupportedMediaType { public, .. }
            | Self::ContentTooLarge { public } => public.clone(),
            Self::MethodNotAllowed => Cow::Borrowed("This address does not support that method."),
            Self::TooLarge { limit } => Cow::Owned(format!("The body is larger than {limit} bytes.")),
            Self::UnsupportedEncoding { encoding } => Cow::Owned(format!(
                "The body's Content-Encoding \"{encoding}\" is not supported. Send it compressed with gzip, or uncompressed."
            )),
            Self::Body { .. } => Cow::Borrowed("The body could not be read."),
            Self::BodyTimeout => Cow::Borrowed("The body did not arrive in time."),
            Self::Unavailable { .. } => {
                Cow::Borrowed("The add-on is not available at the moment. Try again in a few seconds.")
            }
            Self::BadGateway { .. } => Cow::Borrowed("The host could not be called."),
            Self::GatewayTimeout { .. } => Cow::Borrowed("The host did not answer in time."),
            Self::Internal { .. } => Cow::Borrowed("Something went wrong in the add-on."),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::BadRequest { .. } | Self::Body { .. } => StatusCode::BAD_REQUEST,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } | Self::ContentTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType { .. } | Self::UnsupportedEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway { .. } => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Plain text; inside the add-on's scope the middleware renders the body by `Accept`.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Unauthorized { scheme, .. } => response.insert_header((header::WWW_AUTHENTICATE, *scheme)),
            Self::UnsupportedEncoding { .. } => response.insert_header((header::ACCEPT_ENCODING, "gzip")),
            Self::Unavailable { .. } => response.insert_header((header::RETRY_AFTER, "5")),
            _ => &mut response,
        };
        response.content_type("text/plain; charset=utf-8").body(self.public_message().into_owned())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        // the cause shows its type and code only, so that no value gets into the log
        let detail = match error.source() {
            Some(cause) => format!("{error} [{cause}]"),
            None => error.to_string(),
        };
        match error {
            StoreError::Unavailable(_) => Self::Unavailable { detail },
            _ => Self::Internal { detail },
        }
    }
}

/// For a query of the app: a missing row is a 404, a duplicate one a 409, a text that the database cannot store a 400.
impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as E};
        match error {
            E::NotFound => {
                Self::NotFound { public: "This does not exist.".into(), detail: "a query found no row".to_owned() }
            }
            E::DatabaseError(Kind::UniqueViolation, information) => {
                // MySQL's message contains the value
                let constraint = information.constraint_name().unwrap_or("a unique value");
                Self::Conflict { public: "This already exists.".into(), detail: format!("{constraint} already exists") }
            }
            E::DatabaseError(Kind::Unknown, information) if is_nul_refused(information.message()) => {
                Self::bad_request("A text contains a NUL character, which cannot be stored.")
            }
            // PostgreSQL puts values of the row into its details, MySQL into its message, in quotes
            E::DatabaseError(_, information) => {
                Self::internal(format!("the database: {}", without_quoted(information.message())))
            }
            E::DeserializationError(_) => Self::internal("a column does not match the type that it is read into"),
            error => Self::internal(format!("the database: {error}")),
        }
    }
}

/// Whether this is PostgreSQL's refusal of a NUL character, `invalid byte sequence for encoding "UTF8": 0x00`. The
/// words before the colon are in the server's language, and diesel does not expose the SQLSTATE.
fn is_nul_refused(message: &str) -> bool {
    message.ends_with(": 0x00")
}

/// A text without the parts between single quotes.
fn without_quoted(text: &str) -> String {
    let parts = text.split('\'').enumerate();
    parts.map(|(number, part)| if number % 2 == 0 { part } else { "'…'" }).collect()
}

/// For JSON that the app reads or writes. The error's own text may contain a value.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(format!(
            "JSON could not be read or written ({:?}, line {}, column {})",
            error.classify(),
            error.line(),
            error.column()
        ))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_what_caused_an_error_of_the_store_without_its_text() {
        let cause = std::io::Error::other("hush");
        let error = Error::from(StoreError::unavailable("no answer in time").caused_by(cause));
        let Error::Unavailable { detail } = &error else { panic!("{error:?}") };
        assert_eq!(detail, "the store is not available: no answer in time [std::io::error::Error (Other)]");
        assert!(!error.public_message().contains("no answer"), "{error:?}");
    }

    #[test]
    fn text_quoted_by_a_database_is_removed() {
        assert_eq!(
            without_quoted("Incorrect string value: 'hush' for column 'text'"),
            "Incorrect string value: '…' for column '…'"
        );
        assert_eq!(without_quoted("relation \"notes\" does not exist"), "relation \"notes\" does not exist");
        assert_eq!(without_quoted("half 'hush"), "half '…'");
    }
}
