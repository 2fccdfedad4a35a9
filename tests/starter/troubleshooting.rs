//! `docs/troubleshooting.md` explains each message of `doctor`, of `descriptor --validate` and of the start, and no other.

use atlassian_connect_cli::internal::{DOCTOR, Message, START, VALIDATOR};

const DOCUMENT: &str = include_str!("../../docs/troubleshooting.md");

/// The cells of the table's rows below a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[track_caller]
fn assert_explained(heading: &str, messages: &[Message]) {
    let rows: Vec<Vec<String>> = rows(heading);
    for message in messages {
        let expected = [message.check.to_owned(), format!("`{}`", message.text)];
        let is_row = |row: &&Vec<String>| row.starts_with(&expected);
        let row = rows.iter().find(is_row).unwrap_or_else(|| panic!("{heading} lacks {expected:?}"));
        // the remedy of some messages depends on the error
        let remedy = if message.remedy == "{remedy}" { "do what the message says" } else { message.remedy };
        assert_eq!(row.last().unwrap(), remedy, "what to do about {:?}", message.text);
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
    assert_eq!(rows.len(), messages.len(), "{heading} has rows that the code does not have, or one twice");
}

#[test]
fn each_message_is_explained_and_no_other() {
    assert_explained("doctor", DOCTOR);
    assert_explained("descriptor --validate", VALIDATOR);
    assert_explained("Start", START);
}

#[test]
fn it_stays_short() {
    assert!(DOCUMENT.len() < 20_000, "{} bytes", DOCUMENT.len());
}
