//! `docs/configuration.md` has every key and every variable that the framework reads, and no other.

use atlassian_connect_actix::config::{Config, Vars};

use crate::{cells, code, read};

const DOCUMENT: &str = "docs/configuration.md";
/// The framework's own list of keys and variables.
const KEYS: &str = "crates/atlassian-connect-actix/src/config/keys.rs";

/// The texts in the code of the list: keys, objects of keys, variables, adapters.
fn names_in_code() -> Vec<String> {
    let code = read(KEYS);
    let (list, _) = code.split_once("pub(super) fn is_section").unwrap();
    let list: Vec<&str> = list.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    list.join("\n").split('"').skip(1).step_by(2).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_key_and_variable_of_the_code_is_in_the_document() {
    let names = names_in_code();
    for known in ["port", "AC_BIND", "validityInMinutes", "MONGODB_URI"] {
        assert!(names.iter().any(|name| name == known), "{KEYS} is written in another way: {known} was not found");
    }
    let text = read(DOCUMENT);
    let documented: Vec<&str> = text.lines().flat_map(code).collect();
    for name in names {
        let is_there = |code: &&str| *code == name || code.split('.').any(|part| part == name);
        assert!(documented.iter().any(is_there), "{DOCUMENT} lacks `{name}`");
    }
}

/// A key that the framework does not know makes a warning.
pub(super) fn is_known(key: &str) -> bool {
    let (objects, last) = key.rsplit_once('.').map_or((vec![], key), |(path, last)| (path.split('.').collect(), last));
    let mut file = format!("{{ {last:?}: null }}");
    for object in objects.into_iter().rev() {
        file = format!("{{ {object:?}: {file} }}");
    }
    let config = Config::from_parts(Some(&file), &Vars::from([("AC_OPTS", "no-reg")]));
    config.unwrap_or_else(|error| panic!("{key}: {error}")).warnings().is_empty()
}

#[test]
fn every_key_and_variable_of_the_document_is_in_the_code() {
    assert!(is_known("limits.body") && !is_known("limits.bodies") && !is_known("prot"));
    let names = names_in_code();
    let mut seen = 0;
    let text = read(DOCUMENT);
    let rows = text.lines().filter_map(cells).skip_while(|row| row[0] != "key").filter(|row| row.len() == 3);
    for row in rows {
        for key in code(row[0]) {
            assert!(is_known(key), "{DOCUMENT}: the framework does not know the key `{key}`");
            seen += 1;
        }
        for variable in code(row[1]).filter(|variable| *variable != "AC_OPTS") {
            assert!(names.iter().any(|name| name == variable), "{DOCUMENT}: the framework does not read {variable}");
        }
    }
    assert!(seen > 50, "only {seen} keys were found: the tables are written in another way");
}
