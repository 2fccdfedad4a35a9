//! `docs/limits.md`: its keys and their defaults are those of `docs/configuration.md`, its metrics those of
//! `docs/monitoring.md`, its figures and the texts that it quotes those of the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::configuration::is_known;
use crate::{cells, code, read};

const DOCUMENT: &str = "docs/limits.md";
const CONFIGURATION: &str = "docs/configuration.md";
/// Where the code has each figure.
const IN_CODE: &str = "tests/documents/limits_in_code.txt";

/// A row of a table of bounds.
struct Bound {
    name: String,
    /// The key if there is one, and the figure.
    default: String,
    /// What shows that it was met.
    shown: String,
}

fn bounds() -> Vec<Bound> {
    let text = read(DOCUMENT);
    let rows = text.lines().filter_map(cells).filter(|row| row.len() == 5);
    let rows = rows.filter(|row| row[0] != "bound" && !row[0].starts_with("---"));
    rows.map(|row| Bound { name: row[0].to_owned(), default: row[1].to_owned(), shown: row[4].to_owned() }).collect()
}

#[test]
fn each_bound_has_a_default_and_says_what_shows_it() {
    let bounds = bounds();
    assert!(bounds.len() > 100, "only {} bounds were found: the tables are written in another way", bounds.len());
    let mut names = BTreeSet::new();
    for Bound { name, default, shown } in &bounds {
        let is_fixed = ["fixed: ", "fixed by ", "no bound"].iter().any(|start| default.starts_with(start));
        assert!(is_fixed || code(default).next().is_some_and(is_known), "{DOCUMENT}: {name}: {default}");
        let is_there = shown == "none"
            || default == "no bound"
            || ["log: ", "`connect_", "the message", "the line"].iter().any(|way| shown.contains(way));
        assert!(is_there, "{DOCUMENT}: {name}: {shown:?} does not say what shows it");
        assert!(names.insert(name), "{DOCUMENT} has two rows called {name:?}");
    }
}

/// The figure of a default with a key: what is between the key and the first comma.
fn figure_of_key(default: &str) -> &str {
    let (_, figure) = default.split_once("`: ").unwrap_or_default();
    figure.split(',').next().unwrap_or_default()
}

/// Whether a text begins with a figure, and not with a longer one.
fn begins_with(text: &str, figure: &str) -> bool {
    !figure.is_empty() && text.strip_prefix(figure).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

#[test]
fn the_default_of_a_key_is_that_of_the_configuration() {
    assert!(begins_with("10 seconds, at most 60", "10 seconds") && !begins_with("10 seconds", "10 second"));
    let configuration = read(CONFIGURATION);
    let mut seen = BTreeSet::new();
    for Bound { name, default, .. } in bounds() {
        let Some(key) = code(&default).next().filter(|_| default.starts_with('`')) else { continue };
        let mut rows = configuration.lines().filter_map(cells).filter(|row| row.len() == 3);
        let row = rows.find(|row| code(row[0]).any(|known| known == key));
        let documented = row.unwrap_or_else(|| panic!("{CONFIGURATION} has no row for {key}"))[2];
        let is_same = begins_with(documented, figure_of_key(&default));
        assert!(is_same, "{name}: {DOCUMENT} says {default:?}, and {CONFIGURATION} {documented:?}");
        seen.insert(key.to_owned());
    }
    assert!(seen.len() > 15, "only {} keys were found: {seen:?}", seen.len());
}

#[test]
fn each_limit_and_each_age_of_the_configuration_is_there() {
    let bounds = bounds();
    let configuration = read(CONFIGURATION);
    for row in configuration.lines().filter_map(cells).filter(|row| row.len() == 3) {
        for key in code(row[0]).filter(|key| key.starts_with("limits.") || key.starts_with("cache.")) {
            let is_there = bounds.iter().any(|bound| code(&bound.default).next() == Some(key));
            assert!(is_there, "{DOCUMENT} has no row for {key}");
        }
    }
}

#[test]
fn each_metric_is_one_of_the_framework() {
    let (document, monitoring) = (read(DOCUMENT), read("docs/monitoring.md"));
    let families = read("crates/atlassian-connect-actix/src/measure/families.rs");
    let metrics: BTreeSet<&str> = document.lines().flat_map(code).filter(|word| word.starts_with("connect_")).collect();
    assert!(metrics.len() > 10, "{metrics:?}");
    for metric in metrics {
        let row = format!("| `{metric}` |");
        assert!(monitoring.lines().any(|line| line.starts_with(&row)), "docs/monitoring.md has no row for {metric}");
        assert!(families.contains(&format!("\"{metric}\"")), "the framework has no metric {metric}");
    }
}

/// Adds the Rust code of a folder, with texts over several lines in one.
fn add_code(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_code(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            let mut pieces = text.split("\\\n");
            all.push_str(pieces.next().unwrap_or_default());
            for piece in pieces {
                all.push_str(piece.trim_start());
            }
        }
    }
}

#[test]
fn each_text_that_is_quoted_is_in_the_code() {
    let mut all = String::new();
    for framework in ["actix", "store"] {
        add_code(Path::new(&format!("crates/atlassian-connect-{framework}/src")), &mut all);
    }
    let document = read(DOCUMENT);
    let quoted =
        document.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('"').skip(1).step_by(2));
    let mut seen = 0;
    for text in quoted {
        for part in text.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(all.contains(part), "{DOCUMENT}: the code has no text {part:?}");
        }
        seen += 1;
    }
    assert!(seen > 30, "only {seen} texts were found");
}

/// Whether a text has a figure, and not as a part of a longer number.
fn has_figure(text: &str, figure: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let mut pieces = text.split(figure);
    let mut before = pieces.next().unwrap_or_default();
    pieces.any(|after| {
        let is_whole = !before.ends_with(digit) && !after.starts_with(digit);
        before = after;
        is_whole
    })
}

#[test]
fn each_figure_is_that_of_the_code() {
    assert!(has_figure("16 places, 5 seconds", "5 seconds") && !has_figure("15 seconds", "5 seconds"));
    let bounds = bounds();
    let (list, mut name, mut checked) = (read(IN_CODE), "", BTreeSet::new());
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(place) = line.strip_prefix("    ") else {
            name = line;
            continue;
        };
        let parts = place.split_once(": ").and_then(|(file, rest)| Some((file, rest.rsplit_once(" => ")?)));
        let (file, (text, figure)) = parts.unwrap_or_else(|| panic!("{IN_CODE}: {place}"));
        let file = format!("crates/atlassian-connect-{file}");
        assert!(read(&file).contains(text), "{name}: {file} no longer has `{text}`: see {DOCUMENT} and {IN_CODE}");
        let bound = bounds.iter().find(|bound| bound.name == name);
        let bound = bound.unwrap_or_else(|| panic!("{DOCUMENT} has no row {name:?}: see {IN_CODE}"));
        assert!(has_figure(&bound.default, figure), "{name}: {DOCUMENT} says {:?}, not {figure:?}", bound.default);
        checked.insert(name);
    }
    for Bound { name, default, .. } in &bounds {
        let is_of_others = default == "no bound" || default.starts_with("fixed by ");
        assert!(is_of_others || checked.contains(name.as_str()), "{IN_CODE} does not say where the code has {name:?}");
    }
}
