//! The log of a test program, as JSON lines. All of its tests share it.

use std::io::Write;
use std::sync::Once;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;

static LINES: Mutex<Vec<u8>> = parking_lot::const_mutex(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Starts the log with this filter. Only the first call counts.
pub(crate) fn start(filter: &str) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Lines);
        log.with_env_filter(EnvFilter::new(filter)).init();
    });
}

/// All that was logged so far.
pub(crate) fn text() -> String {
    String::from_utf8_lossy(&LINES.lock()).into_owned()
}
