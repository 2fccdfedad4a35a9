//! The progress of a long command, on standard error: a bar at a terminal, one line a minute elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::output::complain;

/// How often there is a line where there is no terminal.
const LINES: Duration = Duration::from_secs(60);

/// The progress of one part of a command. The bar goes when this is dropped.
pub(super) enum Progress {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

impl Progress {
    /// `what` is being done: `asking sites`. `total` is `None` where the number is not known before.
    pub(super) fn start(what: &'static str, total: Option<usize>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(Mutex::new(Lines::new(what, total, Instant::now())));
        }
        let (bar, template) = match total {
            Some(total) => {
                let total = u64::try_from(total).unwrap_or(u64::MAX);
                (ProgressBar::new(total), "{msg} {wide_bar} {pos} of {len}, {eta} left")
            }
            None => (ProgressBar::no_length(), "{spinner} {msg}: {pos} in {elapsed}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self::Bar(bar)
    }

    /// One more is done.
    pub(super) fn advance(&self) {
        match self {
            Self::Bar(bar) => bar.inc(1),
            Self::Lines(lines) => {
                let line = lines.lock().advance(Instant::now());
                if let Some(line) = line {
                    complain(&line);
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// What was done, and when it was last said.
pub(super) struct Lines {
    what: &'static str,
    total: Option<usize>,
    done: usize,
    said: Instant,
}

impl Lines {
    fn new(what: &'static str, total: Option<usize>, now: Instant) -> Self {
        Self { what, total, done: 0, said: now }
    }

    /// The line to print, if a minute has passed.
    fn advance(&mut self, now: Instant) -> Option<String> {
        self.done = self.done.saturating_add(1);
        if now.saturating_duration_since(self.said) < LINES {
            return None;
        }
        self.said = now;
        let of = self.total.map(|total| format!(" of {total}")).unwrap_or_default();
        Some(format!("{}: {}{of}", self.what, self.done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_line_a_minute() {
        let begun = Instant::now();
        let at = |seconds: u64| begun + Duration::from_secs(seconds);
        let mut lines = Lines::new("asking sites", Some(500), begun);
        let said: Vec<_> =
            (1..=200).filter_map(|second| lines.advance(at(second)).map(|line| (second, line))).collect();
        let expected = [(60, "60"), (120, "120"), (180, "180")];
        assert_eq!(said, expected.map(|(second, done)| (second, format!("asking sites: {done} of 500"))));
        let mut unknown = Lines::new("values", None, begun);
        assert_eq!(unknown.advance(at(61)).as_deref(), Some("values: 1"));
    }
}
