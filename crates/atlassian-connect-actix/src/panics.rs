//! Panics of the app's code: caught where they must not affect others, and written to the log.
//!
//! Panics must unwind: with `panic = "abort"` in a profile, the first one would end the process.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use actix_web::rt::task::JoinHandle;
use futures_util::FutureExt as _;

/// The longest part of a panic's message that is kept, in bytes; an escape may exceed it.
const LONGEST: usize = 1000;

/// A panic that was caught. Its text is only for the log: the message may contain anything.
#[derive(Debug, Clone, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panic(String);

/// Runs `work` to its end or its panic. Data that it borrows may be left half-changed: use it for work whose data is
/// dropped afterwards.
///
/// # Errors
/// The panic.
pub async fn caught<F: Future>(work: F) -> Result<F::Output, Panic> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| Panic(message(payload.as_ref())))
}

/// The same for synchronous work.
///
/// # Errors
/// The panic.
pub fn caught_now<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panic(message(payload.as_ref())))
}

/// Spawns `work` on this thread. A panic is logged with `what`, since nothing awaits the task.
pub fn spawn(what: &'static str, work: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    actix_web::rt::spawn(async move {
        if let Err(panic) = caught(work).await {
            tracing::error!(%panic, "a background task ended early: {what}");
        }
    })
}

/// Installs a panic hook: a panic on any thread becomes an ERROR line of the log, in the span of its request if there
/// is one. The default hook writes raw text between the lines. With `RUST_BACKTRACE` the line has the backtrace.
pub(crate) fn log_all() {
    set_hook(Box::new(|info| {
        let (reason, location) = (message(info.payload()), info.location().map(ToString::to_string));
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        let thread = std::thread::current();
        tracing::error!(reason, location, thread = thread.name(), backtrace, "panicked");
    }));
}

/// The message of a panic on one line, shortened, with control characters escaped.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "with a value that is not a string",
    };
    let mut shown = String::new();
    for character in text.chars() {
        if shown.len() >= LONGEST {
            shown.push('…');
            break;
        }
        if character.is_control() { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;
    use std::process::Command;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        let of = |work: fn()| caught_now(work).unwrap_err().to_string();
        assert_eq!(of(|| panic!("boom")), "panicked: boom");
        assert_eq!(of(|| panic!("a\nb\u{1b}[31m {}", 7)), "panicked: a\\nb\\u{1b}[31m 7");
        assert_eq!(of(|| panic_any(7)), "panicked: with a value that is not a string");
        for long in [|| panic!("{}", "ü".repeat(3000)), || panic!("{}", "\n".repeat(3000))] {
            let shown = of(long);
            assert!(shown.len() <= 1024, "{} bytes", shown.len());
            assert!(shown.ends_with('…'));
        }
    }

    #[actix_web::test]
    async fn a_panic_is_caught_before_and_after_the_first_await() {
        let waits = async {
            tokio::task::yield_now().await;
            panic!("late")
        };
        assert_eq!(caught::<std::pin::Pin<Box<dyn Future<Output = ()>>>>(Box::pin(waits)).await.unwrap_err().0, "late");
        assert_eq!(caught(async { 1 }).await.unwrap(), 1);
        assert!(spawn("a test", async { panic!("boom") }).await.is_ok(), "the task itself did not panic");
    }

    /// Run by the test below in a separate process: the hook and the log belong to the process.
    #[actix_web::test]
    #[ignore = "part of another test"]
    async fn panics_with_a_log() {
        crate::log::start(true, None);
        let span = tracing::info_span!("request", id = "request-1");
        let inside = async { drop(caught_now(|| panic!("first\nline of {}", "ü".repeat(3000)))) };
        tracing::Instrument::instrument(inside, span).await;
        drop(std::thread::Builder::new().name("worker".into()).spawn(|| panic!("second")).unwrap().join());
    }

    #[test]
    fn a_panic_is_a_line_of_the_log_and_not_raw_text() {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "panics::tests::panics_with_a_log", "--include-ignored", "--nocapture"])
            .env_remove("RUST_BACKTRACE")
            .output()
            .unwrap();
        let (log, raw) = (String::from_utf8(child.stdout).unwrap(), String::from_utf8(child.stderr).unwrap());
        assert!(!raw.contains("panicked"), "{raw}");
        let lines = log.lines().filter(|line| line.contains("panicked"));
        let lines: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let [first, second] = lines.as_slice() else { panic!("two lines in {log}") };
        assert_eq!((&first["level"], &first["span"]["id"]), (&"ERROR".into(), &"request-1".into()), "{first}");
        assert!(first["location"].as_str().unwrap().contains("panics.rs:"), "{first}");
        let reason = first["reason"].as_str().unwrap();
        assert!(reason.starts_with("first\\nline of ü") && reason.len() < 1100, "{reason}");
        assert_eq!((&second["reason"], &second["thread"]), (&"second".into(), &"worker".into()), "{second}");
    }
}
