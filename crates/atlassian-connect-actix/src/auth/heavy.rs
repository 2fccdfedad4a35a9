//! Work on a large form, beside the event loop that serves everybody else.

use std::time::Duration;

use actix_web::web;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::Error;

/// Text of this size is looked at where it is: that takes less time than handing it over.
const LIGHT: usize = 16 * 1024;
/// Large forms that are looked at at once: the threads are the store's as well.
static PERMITS: Semaphore = Semaphore::const_new(2);
/// How long a large form waits for its turn.
const TURN: Duration = Duration::from_secs(10);

/// Runs `work`, which looks at so many bytes; on the blocking pool if they are many.
pub(super) async fn on_bytes<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if bytes <= LIGHT {
        return Ok(work());
    }
    let turn = timeout(TURN, PERMITS.acquire()).await;
    let Ok(Ok(_permit)) = turn else {
        return Err(Error::Unavailable { detail: "too many large forms are being authenticated".into() });
    };
    web::block(work).await.map_err(Error::internal)
}
