//! The one error of request handling: every HTTP status is chosen here.
//!
//! A concern (configuration, descriptor, store, JWT) has an error type of its own beside its code and turns into
//! this one where it reaches a request. Rendering by `Accept` is the middleware's, see [`crate::middleware`].

use std::borrow::Cow;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

use crate::config::ConfigError;
use crate::store::StoreError;

/// Why a request is not answered as asked.
///
/// Each variant holds what the *log* may say. What the *caller* may read is [`Error::public_message`]: it never holds
/// a token, a secret or anything of the inside. `Display` is the log's form.
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
    /// Who calls is not proven: 401 with `WWW-Authenticate`.
    #[error("not authenticated: {detail}")]
    Unauthorized {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
        /// What the route asks for: `JWT` on a Connect route, `Bearer` on one of Forge's.
        scheme: &'static str,
    },
    /// Who calls is known and may not: 403.
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
    },
    /// Nothing is served here, or what is asked for is not there: 404.
    #[error("not found: {detail}")]
    NotFound {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// It does not go together with what is there: 409.
    #[error("conflict: {detail}")]
    Conflict {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// The body is of a type that is not taken here: 415.
    #[error("unsupported media type: {detail}")]
    UnsupportedMediaType {
        /// For the caller.
        public: Cow<'static, str>,
        /// For the log.
        detail: String,
    },
    /// The route knows other methods: 405.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The body is larger than the limit, in bytes: 413.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// The body is compressed in a way that is not understood: 415.
    #[error("the body's Content-Encoding is {encoding:?}, not gzip")]
    UnsupportedEncoding {
        /// What the header says, 40 characters at most.
        encoding: String,
    },
    /// The body did not arrive whole: 400, for whoever still listens.
    #[error("the body could not be read: {detail}")]
    Body {
        /// For the log.
        detail: String,
    },
    /// The body came too slowly: 408.
    #[error("the body came too slowly")]
    BodyTimeout,
    /// A server that we need (store, key server) is away: 503 with `Retry-After`.
    #[error("temporarily unavailable: {detail}")]
    Unavailable {
        /// For the log.
        detail: String,
    },
    /// The host failed us: 502.
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
    /// A fault of ours or of the add-on's code: 500.
    #[error("internal error: {detail}")]
    Internal {
        /// For the log.
        detail: String,
    },
}

impl Error {
    /// A 401 with our usual sentence; `detail` goes to the log alone.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::unauthorized_because("The request could not be authenticated.", detail)
    }

    /// A 401 whose caller is told `public`.
    pub fn unauthorized_because(public: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Unauthorized { public: public.into(), detail: detail.into(), scheme: "JWT" }
    }

    /// A 401 of a route that asks for another scheme than Connect's; any other error stays as it is.
    #[must_use]
    pub fn asking_for(mut self, asked: &'static str) -> Self {
        if let Self::Unauthorized { scheme, .. } = &mut self {
            *scheme = asked;
        }
        self
    }

    /// A 403 whose caller is told `public`.
    pub fn forbidden(public: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Forbidden { public: public.into(), detail: detail.into() }
    }

    /// A 403 of a caller that is authenticated, where a user is needed and nobody is logged in.
    pub(crate) fn no_user(detail: impl Into<String>) -> Self {
        Self::forbidden("This needs a user, and nobody is logged in.", detail)
    }

    /// The same error for a caller whose invocation token has verified: to Forge, 401 means that the token did not.
    ///
    /// Source: Atlassian, "Forge Remote essentials".
    pub(crate) fn of_verified_invocation(self) -> Self {
        match self {
            Self::Unauthorized { public, detail, .. } => Self::Forbidden { public, detail },
            error => error,
        }
    }

    /// A 400 whose caller is told `public`, which the log says too.
    pub fn bad_request(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::BadRequest { detail: public.clone().into_owned(), public }
    }

    /// A 404 whose caller is told `public`, which the log says too.
    pub fn not_found(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::NotFound { detail: public.clone().into_owned(), public }
    }

    /// A 404 of an address that nothing answers.
    pub(crate) fn no_route() -> Self {
        Self::NotFound {
            public: Cow::Borrowed("There is nothing at this address."),
            detail: "no such route".to_owned(),
        }
    }

    /// A 409 whose caller is told `public`, which the log says too.
    pub fn conflict(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::Conflict { detail: public.clone().into_owned(), public }
    }

    /// A 415 whose caller is told `public`, which the log says too.
    pub fn unsupported_media_type(public: impl Into<Cow<'static, str>>) -> Self {
        let public = public.into();
        Self::UnsupportedMediaType { detail: public.clone().into_owned(), public }
    }

    /// A 500; `detail` goes to the log alone.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        Self::Internal { detail: detail.to_string() }
    }

    /// What the caller reads. Not escaped: whoever writes it into HTML escapes it.
    #[must_use]
    pub fn public_message(&self) -> Cow<'static, str> {
        match self {
            Self::Unauthorized { public, .. }
            | Self::Forbidden { public, .. }
            | Self::BadRequest { public, .. }
            | Self::NotFound { public, .. }
            | Self::Conflict { public, .. }
            | Self::UnsupportedMediaType { public, .. } => public.clone(),
            Self::MethodNotAllowed => Cow::Borrowed("This address does not answer that method."),
            Self::TooLarge { limit } => Cow::Owned(format!("The body is larger than {limit} bytes.")),
            Self::UnsupportedEncoding { encoding } => Cow::Owned(format!(
                "The body's Content-Encoding \"{encoding}\" is not supported. Send it with gzip, or not compressed."
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
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType { .. } | Self::UnsupportedEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway { .. } => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The plain form; inside the add-on's scope the middleware renders the body by `Accept`.
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
        match error {
            StoreError::Unavailable(_) => Self::Unavailable { detail: error.to_string() },
            _ => Self::Internal { detail: error.to_string() },
        }
    }
}

/// Of a query of the app. A row that is not there is a 404, one that is there twice a 409.
impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as E};
        match error {
            E::NotFound => {
                Self::NotFound { public: "It is not there.".into(), detail: "a query found no row".to_owned() }
            }
            E::DatabaseError(Kind::UniqueViolation, information) => {
                // MySQL's message holds the value
                let constraint = information.constraint_name().unwrap_or("a unique value");
                Self::Conflict {
                    public: "It is there already.".into(),
                    detail: format!("{constraint} is there already"),
                }
            }
            // PostgreSQL puts values of the row into its details, MySQL into its message, in quotes
            E::DatabaseError(_, information) => {
                Self::internal(format!("the database: {}", without_quoted(information.message())))
            }
            E::DeserializationError(_) => Self::internal("a column does not fit the type that it is read as"),
            error => Self::internal(format!("the database: {error}")),
        }
    }
}

/// A text without what stands between single quotes.
fn without_quoted(text: &str) -> String {
    let parts = text.split('\'').enumerate();
    parts.map(|(number, part)| if number % 2 == 0 { part } else { "'…'" }).collect()
}

/// Of JSON that the app reads or writes. The error's own text may hold a value.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(format!(
            "JSON does not fit ({:?}, line {}, column {})",
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
    fn what_a_database_quotes_is_left_out() {
        assert_eq!(
            without_quoted("Incorrect string value: 'hush' for column 'text'"),
            "Incorrect string value: '…' for column '…'"
        );
        assert_eq!(without_quoted("relation \"notes\" does not exist"), "relation \"notes\" does not exist");
        assert_eq!(without_quoted("half 'hush"), "half '…'");
    }
}
