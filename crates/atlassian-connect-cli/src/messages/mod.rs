//! The messages of `doctor`, of `descriptor --validate` and of the start, with what to do. `docs/troubleshooting.md`
//! explains each of them; the starter's tests compare it with these tables.

pub(crate) mod doctor;
mod start;
mod validator;

pub use doctor::DOCTOR;
pub use start::START;
pub use validator::VALIDATOR;

/// A message and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is about: the name of doctor's check, the part of the descriptor, or the part of the start.
    pub check: &'static str,
    /// What is wrong. `{name}` stands for a value in [`DOCTOR`], `…` for any text in the other tables.
    pub text: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Message {
    const fn new(check: &'static str, text: &'static str, remedy: &'static str) -> Self {
        Self { check, text, remedy }
    }
}

/// Replaces each `{name}` of `template` by its value.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = values.iter().find(|(known, _)| *known == name).map_or(name, |(_, value)| *value);
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_become_their_values_once() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]), "{b} and x");
        assert_eq!(fill("no placeholder", &[]), "no placeholder");
    }

    #[test]
    fn each_message_appears_once() {
        for table in [DOCTOR, VALIDATOR, START] {
            for (index, message) in table.iter().enumerate() {
                let is_same = |other: &Message| (other.check, other.text) == (message.check, message.text);
                assert!(!table[..index].iter().any(is_same), "{message:?}");
            }
        }
    }
}
