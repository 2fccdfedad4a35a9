//! [`ForgeBody`].

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use crate::auth::{ProofFuture, read_inflated, without_mark};
use crate::error::Error;
use crate::state::State;

/// The JSON body of a Forge invocation, of at most `limits.forgeBody` bytes, which is Forge's own limit; `web::Json`
/// stops at `limits.body`. It does not authenticate the caller: add a [`crate::auth::ForgeInvocation`].
#[derive(Debug, Clone)]
pub struct ForgeBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for ForgeBody<T> {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), web::Payload::from_request(request, payload));
        Box::pin(async move {
            let state = State::of(&request)?;
            let payload = payload.await.map_err(Error::internal)?;
            parse(&read_inflated(&mut payload.into_inner(), &request, state.config.limits.forge_body).await?).map(Self)
        })
    }
}

/// Reads a body of at most `limits.forgeBody` bytes.
pub(super) async fn read(payload: web::Payload, state: &State) -> Result<web::Bytes, Error> {
    let limit = state.config.limits.forge_body;
    let bytes = payload.to_bytes_limited(limit).await.map_err(|_| Error::TooLarge { limit })?;
    bytes.map_err(|error| Error::of_body(&error))
}

/// Parses a JSON body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(without_mark(body))
        .map_err(|error| Error::bad_request(format!("The body is not valid: {error}")))
}
