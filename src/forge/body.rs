//! [`ForgeBody`].

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use crate::auth::ProofFuture;
use crate::error::Error;
use crate::state::State;

/// The JSON body of a Forge invocation: `limits.forgeBody` bytes at most, Forge's own limit, where `web::Json` stops at
/// `limits.body`. It proves nothing: take a [`crate::auth::ForgeInvocation`] beside it.
#[derive(Debug, Clone)]
pub struct ForgeBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for ForgeBody<T> {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), web::Payload::from_request(request, payload));
        Box::pin(async move {
            let limit = State::of(&request)?.config.limits.forge_body;
            let payload = payload.await.map_err(Error::internal)?;
            let bytes = payload.to_bytes_limited(limit).await.map_err(|_| Error::TooLarge { limit })?;
            let bytes = bytes.map_err(|error| Error::Body { detail: error.to_string() })?;
            let body = serde_json::from_slice(&bytes);
            body.map(Self).map_err(|error| Error::bad_request(format!("The body does not fit: {error}")))
        })
    }
}
