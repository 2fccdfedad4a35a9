//! What several themes need.

pub mod process;
pub mod rng;
pub mod vectors;
pub mod wire;

use std::time::{Duration, Instant};

/// Tries until `attempt` gives something, and fails the test when that takes longer than `limit`.
#[track_caller]
pub fn poll<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(begun.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs what blocks on a thread of its own, so that the fake host goes on serving.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match actix_web::rt::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
