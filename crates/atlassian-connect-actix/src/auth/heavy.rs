//! Runs work on large forms outside the event loop.

use std::time::Duration;

use actix_web::web;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::Error;

/// A text of this size is processed in place: that is faster than moving it to another thread.
const LIGHT: usize = 16 * 1024;
/// How many large forms are processed at once. The store uses the same threads.
static PERMITS: Semaphore = Semaphore::const_new(2);
/// How long a large form waits for a permit.
const TURN: Duration = Duration::from_secs(10);

/// Runs `work`, which processes `bytes` bytes: on the blocking pool if they are many.
pub(super) async fn on_bytes<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if bytes <= LIGHT {
        return Ok(work());
    }
    let permit = timeout(TURN, PERMITS.acquire()).await;
    let Ok(Ok(_permit)) = permit else {
        return Err(Error::Unavailable { detail: "too many large forms are being authenticated".into() });
    };
    web::block(work).await.map_err(Error::internal)
}
