//! Text for the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use serde::Serialize;

use super::failure::Failure;
use atlassian_connect_actix::internal::descriptor::{Finding, Severity};

/// Writes a result to standard output. Ignores a closed pipe.
pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The same for JSON, indented. It is written piece by piece: a list may be long.
pub(super) fn print_json(value: &impl Serialize) {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let _ = serde_json::to_writer_pretty(&mut out, value);
    let _ = writeln!(out);
}

/// Writes an error to standard error.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Shows what is about to happen and asks for confirmation.
pub(super) fn confirmed(what: &str, question: &str) -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    complain(what);
    if !stdin.is_terminal() {
        return Err(Failure::Usage(
            "this needs a confirmation, but there is no terminal: add --yes to remove it".to_owned(),
        ));
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// `text` on one line of a terminal. Control characters and characters that reorder text are shown as escapes, because
/// hosts choose the names and URLs in the store.
pub(super) fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `2 errors, 1 warning, 0 hints`.
pub(super) fn summary(findings: &[Finding]) -> String {
    let count = |severity: Severity| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        format!("{count} {severity}{}", if count == 1 { "" } else { "s" })
    };
    [Severity::Error, Severity::Warning, Severity::Hint].map(count).join(", ")
}

/// Aligns rows in columns, two spaces apart.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// At most ten of many names, safe for a terminal.
pub(super) fn some_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<String> = names.into_iter().map(plain).collect();
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        insta::assert_snapshot!(columns(&[row(["A", "LONGER", "C"]), row(["zoë", "b", ""]), row(["", "x", "y"])]), @r"
        A    LONGER  C
        zoë  b
             x       y
        ");
        assert_eq!(columns::<1>(&[]), "");
    }

    #[test]
    fn what_steers_a_terminal_is_shown_by_its_number() {
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}c"), r"a\u{1b}[31m\u{a}b\u{202e}c");
        assert_eq!(plain("Zoë & Søn ☃ 日本"), "Zoë & Søn ☃ 日本");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let some = |count: usize| some_of(names[..count].iter().map(String::as_str));
        assert_eq!(some(2), "0, 1");
        assert_eq!(some(10), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(some(12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
