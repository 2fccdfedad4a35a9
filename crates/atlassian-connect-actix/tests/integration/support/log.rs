//! The log of the current thread.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

/// A text with which an attacker would try to forge a line of the log.
pub(crate) const FORGED: &str = "\n2026-01-01T00:00:00Z  INFO FORGED \u{1b}[31mred\r\nFORGED";

/// No line of the log is [`FORGED`], and none contains terminal escapes.
pub(crate) fn assert_lines_are_ours(log: &str, environment: &str) {
    assert!(!log.contains('\u{1b}'), "{environment}: escapes of terminals in\n{log}");
    for line in log.lines() {
        let is_ours = line.starts_with('{') || line.starts_with("20");
        assert!(
            is_ours && !line.starts_with("FORGED") && !line.starts_with("2026-01-01T00:00:00Z"),
            "{environment}: a line of a stranger's, {line:?}, in\n{log}"
        );
    }
}

pub(crate) struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

/// A second subscriber. If there is only one, tracing asks the first thread that reaches a line whether anybody
/// listens, and caches a no for all threads: tests that run concurrently would silence the log of this one.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Everything that is logged on this thread until the value is dropped.
pub(crate) fn captured() -> Log {
    LazyLock::force(&SECOND);
    let text = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&text);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || Sink(Arc::clone(&sink)))
        .finish();
    Log { text, _guard: tracing::subscriber::set_default(subscriber) }
}

struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
