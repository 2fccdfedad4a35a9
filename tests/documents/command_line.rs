//! `docs/command-line.md` has every command and every option that `--help` lists, and no other.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{cells, code, read};

const DOCUMENT: &str = "docs/command-line.md";

fn help(command: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_atlassian-connect-actix");
    let output = Command::new(program).args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The first words of the lines below a heading of a help.
fn listed<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect()
}

/// Adds `command: option` for each option, and `command` itself, to `found`.
fn explore(command: &[&str], found: &mut BTreeSet<String>) {
    let help = help(command);
    let commands: Vec<&str> = listed(&help, "Commands:").into_iter().filter(|name| *name != "help").collect();
    if commands.is_empty() {
        let name = command.join(" ");
        let options = help.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(str::split_whitespace);
        for option in options.filter(|word| word.starts_with("--") && *word != "--help") {
            found.insert(format!("{name}: {option}"));
        }
        found.insert(name);
    }
    for name in commands {
        explore(&[command, &[name]].concat(), found);
    }
}

#[test]
fn the_document_has_every_command_and_option() {
    let mut in_help = BTreeSet::new();
    explore(&[], &mut in_help);

    let mut in_document = BTreeSet::new();
    let mut command = String::new();
    for line in read(DOCUMENT).lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            command = heading.trim_matches('`').to_owned();
            in_document.insert(command.clone());
        } else if let Some(row) = cells(line) {
            let options = code(row[0]).filter(|option| option.starts_with("--"));
            in_document.extend(options.filter_map(|option| Some(format!("{command}: {}", option.split(' ').next()?))));
        }
    }
    assert_eq!(in_document, in_help, "{DOCUMENT} and --help differ");
}
