//! The middleware around every route of the add-on, mounted with its one scope so that none of it can be forgotten.
//! Bodies wait for the authentication, errors get a body by `Accept`, panics become errors, answers get their headers,
//! and each request is logged.

mod compression;
mod errors;
mod forge_errors;
mod headers;
mod measure;
mod observe;
mod span;
mod stand_in;
mod stream;
#[cfg(feature = "otel")]
mod trace;

pub(crate) use compression::unmark;
pub(crate) use measure::measured;
pub(crate) use observe::observed;
pub(crate) use span::RequestSpan;
#[cfg(feature = "otel")]
pub(crate) use trace::traced;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, ResponseError as _, web};

use crate::error::Error;
use crate::panics;
use crate::state::State;
use stand_in::StandIn;

/// The middleware of the add-on's scope.
///
/// # Errors
/// None: errors and panics of handlers, and errors of the app's own middleware, are answered here.
pub(crate) async fn around<B: MessageBody + 'static>(
    state: web::Data<State>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let limit = state.config.limits.body;
    let stand_in = StandIn::of(&request);
    let answered = panics::caught(async {
        crate::auth::prepare(&mut request, limit);
        let response = match next.call(request).await {
            Ok(response) => response.map_into_boxed_body(),
            // a middleware of the app has failed and has dropped the request
            Err(error) => stand_in.to_request(&state).error_response(error),
        };
        let outcome = Outcome::of(&response, limit);
        (response, outcome)
    });
    let (response, outcome) = match answered.await {
        Ok(answered) => answered,
        Err(panic) => {
            let error = Error::internal(format!("the handler {panic}"));
            (stand_in.to_request(&state).error_response(error.clone()), Outcome::Error(error))
        }
    };
    let response = match &outcome {
        Outcome::Answer => response.map_body(|_, body| stream::watched(body)),
        Outcome::Error(error) => errors::answer(&state, response, error),
    };
    let mut response = forge_errors::in_json(response);
    headers::add(&mut response, outcome.error());
    compression::mark(&mut response, &state.config);
    if let Outcome::Error(error) = outcome {
        response.request().extensions_mut().insert(Answered(error));
    }
    Ok(response)
}

/// The error that answered a request, in the request's extensions: the answer itself does not hold the reason.
struct Answered(Error);

/// The answer of a route.
enum Outcome {
    /// The route's own answer.
    Answer,
    /// An error whose body we write.
    Error(Error),
}

impl Outcome {
    fn error(&self) -> Option<&Error> {
        match self {
            Self::Answer => None,
            Self::Error(error) => Some(error),
        }
    }

    fn of(response: &ServiceResponse<BoxBody>, limit: usize) -> Self {
        let status = response.status();
        if let Some(error) = response.response().error() {
            if let Some(ours) = error.as_error::<Error>() {
                let ours = ours.clone();
                let is_verified = forge_errors::is_verified_invocation(response.request());
                return Self::Error(if is_verified { ours.of_verified_invocation() } else { ours });
            }
            // the only extractor error that no configuration of actix turns into ours
            if let Some(error) = error.as_error::<PayloadError>() {
                return Self::Error(match error {
                    PayloadError::Overflow => Error::TooLarge { limit },
                    error => Error::of_payload(error),
                });
            }
            // the text of a 4xx from actix or a handler is for the caller, that of a 5xx is not
            return match status {
                StatusCode::NOT_FOUND => Self::Error(Error::no_route()),
                status if status.is_server_error() => Self::Error(Error::internal(error)),
                _ => Self::Answer,
            };
        }
        let is_empty = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
        [Error::no_route(), Error::MethodNotAllowed]
            .into_iter()
            .find(|error| is_empty && error.status_code() == status)
            .map_or(Self::Answer, Self::Error)
    }
}
