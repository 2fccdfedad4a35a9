//! The log: readable lines in development, JSON in production. `RUST_LOG` selects what is logged.
//!
//! `RUST_LOG=info,http=debug` shows every request in both directions, with method, URL, status, duration and the id of
//! the request that it belongs to. It is like `NODE_DEBUG=request` for atlassian-connect-express, but without the
//! tokens.

use std::io::{IsTerminal as _, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::TestWriter;

use crate::{panics, redact};

/// The default filter, without `RUST_LOG`.
const DEFAULT: &str = "info,actix_server=warn";

/// Starts the log of this process; a second call changes nothing. `filter` has the syntax of `RUST_LOG`.
///
/// It also sets the panic hook of the process: a panic becomes an ERROR line with its message and location. To use your
/// own hook, set it afterwards.
pub fn start(json: bool, filter: Option<&str>) {
    let asked = filter.map(EnvFilter::try_new);
    let refused = asked.as_ref().and_then(|asked| asked.as_ref().err().map(ToString::to_string));
    let filter = asked.and_then(Result::ok).unwrap_or_else(|| EnvFilter::new(DEFAULT));
    let form = if json { redact::json_line } else { redact::line };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Redacted { form, sink: std::io::stdout() });
    let started = if json {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        builder.with_target(false).with_ansi(std::io::stdout().is_terminal()).try_init()
    };
    // a log that other code has started is kept, and so is its panic hook
    if started.is_ok() {
        panics::log_all();
    }
    if let Some(reason) = refused {
        tracing::warn!("RUST_LOG is not valid ({reason}): using {DEFAULT}");
    }
}

/// Starts the log of a command whose result goes to standard output: the log goes to standard error, with this
/// `filter`.
#[doc(hidden)]
pub fn start_beside(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(|| Redacted { form: redact::line, sink: std::io::stderr() });
    let _ = builder.with_ansi(std::io::stderr().is_terminal()).try_init();
}

/// Starts the log of a test, with this `filter`, by default errors only. libtest captures it and shows it if the test
/// fails. A log that the test has set up is kept. It sets no panic hook: libtest's says more.
#[doc(hidden)]
pub fn start_in_test(filter: Option<&str>) {
    let asked = filter.filter(|filter| !filter.is_empty()).and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = asked.unwrap_or_else(|| EnvFilter::new("error"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| Redacted { form: redact::line, sink: TestWriter::new() });
    let _ = builder.try_init();
}

/// Removes tokens and very long values from all lines, whoever logged them: other crates log what peers send, too. Each
/// write is one line.
struct Redacted<W> {
    form: fn(&str) -> std::borrow::Cow<'_, str>,
    sink: W,
}

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        self.sink.write_all((self.form)(&line).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}
