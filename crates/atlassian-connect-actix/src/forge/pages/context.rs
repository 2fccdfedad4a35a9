//! What the user looks at, from Forge's words into Connect's.

use serde_json::{Map, Value, json};

use crate::error::Error;

/// Objects of a module's extension that name things, and which of their members identify them.
const THINGS: [(&str, &[&str]); 9] = [
    ("issue", &["id", "key", "type", "typeId"]),
    ("project", &["id", "key", "type"]),
    ("board", &["id", "type"]),
    ("content", &["id", "type", "subtype"]),
    ("space", &["id", "key"]),
    ("portal", &["id"]),
    ("request", &["key", "typeId"]),
    ("dashboard", &["id"]),
    ("gadget", &["id"]),
];
/// Things of Confluence; all others are Jira's.
const OF_CONFLUENCE: [&str; 2] = ["content", "space"];
/// Bytes of a member at most: ids and keys are short.
const LONGEST: usize = 255;
/// Bytes of all values at most: they travel in a URL.
const LIMIT: usize = 4 * 1024;

/// The members of the context that identify something, and nothing else of it: a macro's configuration or body does
/// not belong into a URL.
pub(super) struct Identities<'a>(Vec<(&'static str, Vec<(&'static str, &'a Value)>)>);

impl<'a> Identities<'a> {
    /// # Errors
    /// 400 if an id or a key is there and is not valid: without it, the page would be about something else.
    pub(super) fn of(extension: &'a Value) -> Result<Self, Error> {
        let mut found = Vec::new();
        for (thing, members) in THINGS {
            let Some(Value::Object(given)) = extension.get(thing) else { continue };
            let mut known = Vec::new();
            for name in members {
                match given.get(*name) {
                    None | Some(Value::Null) => {}
                    Some(value) if is_identity(value) => known.push((*name, value)),
                    Some(value) if !is_identifying(name) || value.as_str() == Some("") => {}
                    Some(_) => return Err(Error::bad_request(format!("The {name} of the {thing} cannot be read."))),
                }
            }
            if !known.is_empty() {
                found.push((thing, known));
            }
        }
        Ok(Self(found))
    }

    /// A member of a thing: `("issue", "key")`.
    pub(super) fn get(&self, thing: &str, member: &str) -> Option<&'a Value> {
        let (_, members) = self.0.iter().find(|(name, _)| *name == thing)?;
        members.iter().find(|(name, _)| *name == member).map(|(_, value)| *value)
    }

    /// The length of all values as JSON, at most: a control character takes six bytes, a number has at most 24 digits.
    fn bytes(&self) -> usize {
        let length = |text: &str| text.len() + 5 * text.bytes().filter(u8::is_ascii_control).count();
        let values = self.0.iter().flat_map(|(_, members)| members).map(|(_, value)| value);
        values.map(|value| value.as_str().map_or(24, length)).sum()
    }
}

/// Other members describe.
fn is_identifying(name: &str) -> bool {
    matches!(name, "id" | "key" | "typeId")
}

fn is_identity(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && text.len() <= LONGEST,
        value => value.is_number(),
    }
}

/// Connect's `context` claim: `{"jira": {"issue": {"id", "key", "issuetype": {"id"}}, "project": {…}}}`. `None`: there is
/// nothing to name.
///
/// # Errors
/// 413 where it is too much for a URL.
///
/// Source: Atlassian, "Understanding JWT for Connect apps", "Context claim".
pub(super) fn of_connect(identities: &Identities<'_>) -> Result<Option<Value>, Error> {
    if identities.bytes() > LIMIT {
        return Err(Error::content_too_large("The context of this page is too large for its URL."));
    }
    let (mut jira, mut confluence) = (Map::new(), Map::new());
    for (thing, given) in &identities.0 {
        let mut members = Map::new();
        for (name, value) in given {
            match (*thing, *name) {
                ("issue", "type") => {}
                ("issue", "typeId") => drop(members.insert("issuetype".to_owned(), json!({ "id": value }))),
                _ => drop(members.insert((*name).to_owned(), (*value).clone())),
            }
        }
        let product = if OF_CONFLUENCE.contains(thing) { &mut confluence } else { &mut jira };
        product.insert((*thing).to_owned(), Value::Object(members));
    }
    let mut context = Map::new();
    for (name, things) in [("jira", jira), ("confluence", confluence)] {
        if !things.is_empty() {
            context.insert(name.to_owned(), Value::Object(things));
        }
    }
    if context.is_empty() {
        return Ok(None);
    }
    Ok(Some(Value::Object(context)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(extension: &Value) -> Option<Value> {
        of_connect(&Identities::of(extension).unwrap()).unwrap()
    }

    #[test]
    fn an_extension_becomes_connects_context() {
        for (extension, expected) in [
            (
                json!({ "type": "jira:issuePanel", "issue": { "id": "1", "key": "A-1", "type": "Bug", "typeId": "7" },
                        "project": { "id": "2", "key": "A", "type": "software" }, "isNewToIssue": true }),
                json!({ "jira": { "issue": { "id": "1", "key": "A-1", "issuetype": { "id": "7" } },
                                  "project": { "id": "2", "key": "A", "type": "software" } } }),
            ),
            (
                json!({ "type": "macro", "content": { "id": "5", "type": "page" }, "space": { "id": "6", "key": "S" },
                        "config": { "secret": "x" }, "macro": { "body": {} } }),
                json!({ "confluence": { "content": { "id": "5", "type": "page" }, "space": { "id": "6", "key": "S" } } }),
            ),
            (
                json!({ "issue": { "id": 10001, "key": "A-1" } }),
                json!({ "jira": { "issue": { "id": 10001, "key": "A-1" } } }),
            ),
        ] {
            assert_eq!(context(&extension), Some(expected), "{extension}");
        }
    }

    #[test]
    fn what_identifies_nothing_is_left_out() {
        let long = "x".repeat(256);
        for extension in [
            json!(null),
            json!("issue"),
            json!({ "type": "jira:globalPage", "location": "https://x" }),
            json!({ "issue": "A-1" }),
            json!({ "issue": { "id": "", "key": null, "summary": "hush" }, "content": { "type": null, "subtype": {} } }),
        ] {
            assert_eq!(context(&extension), None, "{extension}");
        }
        for odd in [
            json!({ "issue": { "id": { "$ne": 1 }, "key": "A-1" } }),
            json!({ "issue": { "id": "1", "key": ["A-1"] } }),
            json!({ "project": { "id": true } }),
            json!({ "space": { "key": long } }),
        ] {
            assert!(Identities::of(&odd).is_err(), "{odd}");
        }
        let most = "x".repeat(255);
        let all: Map<String, Value> = THINGS
            .iter()
            .map(|(thing, members)| {
                let members = members.iter().map(|name| ((*name).to_owned(), json!(most)));
                ((*thing).to_owned(), Value::Object(members.collect()))
            })
            .collect();
        assert!(of_connect(&Identities::of(&Value::Object(all)).unwrap()).is_err(), "too much for a URL");
    }
}
