//! The answer of a host.

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, BytesMut};
use futures_util::stream::LocalBoxStream;
use futures_util::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::HostError;

/// How much of an error's body is reported.
const ERROR_BODY: usize = 2048;

/// An answer whose body has not been read yet.
pub struct HostResponse {
    pub(super) url: Url,
    /// Whether the URL has the tenant's own origin, and no redirect has left it.
    pub(super) is_own: bool,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: LocalBoxStream<'static, Result<Bytes, PayloadError>>,
    pub(super) host: String,
    pub(super) deadline: Instant,
    pub(super) body_limit: usize,
    /// The number of bytes still to come, if the host announced it.
    pub(super) announced: Option<u64>,
}

impl std::fmt::Debug for HostResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostResponse").field("status", &self.status).field("host", &self.host).finish_non_exhaustive()
    }
}

impl HostResponse {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The URL of the answer: after redirects, the last one. Do not log it: its query may contain a token.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The answer itself if its status is below 400, otherwise an error.
    ///
    /// # Errors
    /// [`HostError::Status`] with the start of the body.
    pub async fn error_for_status(self) -> Result<Self, HostError> {
        if !self.status.is_client_error() && !self.status.is_server_error() {
            return Ok(self);
        }
        let status = self.status;
        let mut body = Vec::new();
        let mut chunks = Box::pin(self.into_stream());
        while let Some(Ok(chunk)) = chunks.next().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ERROR_BODY {
                break;
            }
        }
        body.truncate(ERROR_BODY);
        Err(HostError::Status { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// [`HostError::TooLarge`], [`HostError::Timeout`], or [`HostError::Unreachable`] if the connection breaks.
    pub async fn bytes(self) -> Result<Bytes, HostError> {
        let limit = self.body_limit;
        let mut body = BytesMut::new();
        let mut chunks = Box::pin(self.into_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if body.len() + chunk.len() > limit {
                return Err(HostError::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Reads the body as text.
    ///
    /// # Errors
    /// As [`HostResponse::bytes`]; [`HostError::Answer`] if it is not UTF-8.
    pub async fn text(self) -> Result<String, HostError> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into()).map_err(|_| HostError::Answer("it is not UTF-8".into()))
    }

    /// Reads the body as JSON, if the status is below 400.
    ///
    /// # Errors
    /// As [`HostResponse::bytes`] and [`HostResponse::error_for_status`]; [`HostError::Answer`] if it does not match
    /// the type.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, HostError> {
        let bytes = self.error_for_status().await?.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| HostError::Answer(error.to_string()))
    }

    /// The body as a stream without a size limit, for downloads.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, HostError>> {
        futures_util::stream::unfold(Some(self), |response| async move {
            let mut response = response?;
            let host = response.host.clone();
            let error = match tokio::time::timeout_at(response.deadline, response.body.next()).await {
                // awc reads the end of the connection as the end of the body
                Ok(None) if response.announced.is_some_and(|rest| rest > 0) => HostError::Unreachable {
                    host,
                    reason: "the connection ended before the answer was complete".into(),
                },
                Ok(None) => return None,
                Ok(Some(Ok(chunk))) => {
                    response.announced = response.announced.map(|rest| rest.saturating_sub(chunk.len() as u64));
                    return Some((Ok(chunk), Some(response)));
                }
                Ok(Some(Err(error))) => HostError::Unreachable { host, reason: error.to_string() },
                Err(_) => HostError::Timeout(host),
            };
            Some((Err(error), None))
        })
    }
}
