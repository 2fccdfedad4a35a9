//! The data of a site, in memory, and the REST API that Jira and Confluence share: properties, attachments, the add-on
//! itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::question::{ApiRequest, Caller, Reply, refusal};
use super::records::{self, id_of_key};
use super::upload::File;
use crate::user::USERS;

/// The size limit and the number limit of kept attachments; the oldest are removed.
const ATTACHMENTS: (usize, usize) = (32 * 1024 * 1024, 1000);
/// The size limit of a property. Source: Jira's and Confluence's REST APIs, "entity properties".
const PROPERTY: usize = 32_768;
/// The number of issues, pages, comments or properties that a site keeps, so that an add-on in a loop does not fill the
/// memory.
const MOST: usize = 5000;

/// The data of one site.
#[derive(Debug)]
pub(crate) struct Data {
    pub(super) issues: Vec<Value>,
    pub(super) pages: Vec<Value>,
    pub(super) comments: BTreeMap<String, Vec<Value>>,
    attachments: BTreeMap<u64, (Value, File)>,
    /// The total size of the attachments.
    attached: usize,
    properties: BTreeMap<(String, String), Value>,
    next: u64,
}

impl Data {
    /// Starts with three issues and two pages.
    pub(crate) fn new() -> Self {
        let mut data = Self {
            issues: Vec::new(),
            pages: Vec::new(),
            comments: BTreeMap::new(),
            attachments: BTreeMap::new(),
            attached: 0,
            properties: BTreeMap::new(),
            next: 11_000,
        };
        for (number, summary) in ["Write the add-on", "Try it in the sandbox", "Ship it"].iter().enumerate() {
            data.issues.push(records::issue(10_001 + number as u64, number as u64 + 1, summary, USERS[0]));
        }
        for (id, title) in [("98305", "Welcome"), ("98310", "Notes")] {
            data.pages.push(records::page(id, title));
        }
        // the attachments that the context parameter attachment.id names in Jira and in Confluence
        for (id, owner) in [(10_800, "10001"), (98_307, "98305")] {
            let bytes = actix_web::web::Bytes::from_static(b"A file of the sandbox.");
            data.keep(id, owner, File { name: "notes.txt".to_owned(), mime: "text/plain".to_owned(), bytes });
        }
        data
    }

    /// Stores a file as an attachment of `owner` (an issue's or a page's id) and returns its description.
    fn keep(&mut self, id: u64, owner: &str, file: File) -> Value {
        let described = json!({
            "id": id.to_string(), "filename": file.name, "title": file.name, "mimeType": file.mime,
            "size": file.bytes.len(), "pageId": owner,
        });
        self.attached += file.bytes.len();
        self.attachments.insert(id, (described.clone(), file));
        described
    }

    /// The attachments, or only those of `page`.
    pub(super) fn attachments_of(&self, page: Option<&str>) -> Vec<Value> {
        let all = self.attachments.values().map(|(described, _)| described);
        all.filter(|described| page.is_none_or(|page| described["pageId"] == page)).cloned().collect()
    }

    /// An unused number.
    pub(super) fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Answers what is the same for all products. `None`: another path.
pub(super) fn common(data: &mut Data, question: &ApiRequest<'_>) -> Option<Reply> {
    let path: Vec<&str> = question.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["rest", "atlassian-connect", "1", "addons", key, rest @ ..] => Some(addon(data, question, key, rest)),
        ["rest", "api", _, owner @ .., "properties"] if question.method == "GET" => {
            Some(list(data, &owner_of(question, owner)))
        }
        ["rest", "api", _, owner @ .., "properties", key] if !owner.is_empty() => {
            Some(property(data, question, &owner_of(question, owner), key))
        }
        ["rest", "api", _, "attachment", "content", id] => Some(content(data, id)),
        ["rest", "api", _, "attachment", id] => Some(attachment(data, question, id)),
        _ => None,
    }
}

/// `issue/JRA-1` and `issue/10001` are the same owner. For a user's properties, the query names the user.
fn owner_of(question: &ApiRequest<'_>, owner: &[&str]) -> String {
    match owner {
        ["user"] => format!("user/{}", question.parameter("accountId").unwrap_or_default()),
        ["issue", key] => format!("issue/{}", id_of_key(key)),
        other => other.join("/"),
    }
}

/// The host's description of the add-on, and the add-on's own properties, which only the add-on may access.
fn addon(data: &mut Data, question: &ApiRequest<'_>, key: &str, rest: &[&str]) -> Reply {
    if question.caller != Caller::Addon || key != question.addon_key {
        return refusal(403, "Only the add-on itself may call this.");
    }
    let owner = format!("addon/{key}");
    match rest {
        [] => (200, json!({ "key": key, "version": "1.0.0", "state": "ENABLED", "host": { "product": "sandbox" } })),
        ["properties"] => list(data, &owner),
        ["properties", name] => property(data, question, &owner, name),
        _ => refusal(404, "The add-on has no such resource."),
    }
}

/// The index of the issue with that key or id.
pub(super) fn position(data: &Data, key: &str) -> Option<usize> {
    data.issues.iter().position(|issue| issue["key"] == key || issue["id"] == key)
}

/// A refusal if a site has too many of something.
pub(super) fn full(count: usize) -> Option<Reply> {
    (count >= MOST).then(|| refusal(400, format!("A site of the sandbox keeps at most {MOST} of these.")))
}

fn list(data: &Data, owner: &str) -> Reply {
    let keys = data.properties.keys().filter(|(of, _)| of == owner).map(|(_, key)| json!({ "key": key }));
    (200, json!({ "keys": keys.collect::<Vec<_>>() }))
}

fn property(data: &mut Data, question: &ApiRequest<'_>, owner: &str, key: &str) -> Reply {
    if question.caller == Caller::Anonymous && question.method != "GET" {
        return refusal(401, "Nobody is logged in.");
    }
    let at = (owner.to_owned(), key.to_owned());
    match question.method {
        "GET" => match data.properties.get(&at) {
            Some(value) => (200, json!({ "key": key, "value": value })),
            None => refusal(404, format!("There is no property {key}.")),
        },
        "PUT" if question.body.is_null() => refusal(400, "A property needs a JSON value."),
        "PUT" if question.body.to_string().len() > PROPERTY => {
            refusal(400, format!("The value of a property may have at most {PROPERTY} bytes."))
        }
        "PUT" => {
            if let Some(reply) = full(data.properties.len()) {
                return reply;
            }
            let is_new = data.properties.insert(at, question.body.clone()).is_none();
            (if is_new { 201 } else { 200 }, Value::Null)
        }
        "DELETE" => match data.properties.remove(&at) {
            Some(_) => (204, Value::Null),
            None => refusal(404, format!("There is no property {key}.")),
        },
        _ => refusal(405, "A property only supports GET, PUT and DELETE."),
    }
}

/// Attaches files to an issue or a page.
pub(super) fn attach(data: &mut Data, path: &[String], files: Vec<File>, caller: Caller) -> Reply {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (owner, is_known) = match path.as_slice() {
        ["rest", "api", _, "issue", key, "attachments"] => (id_of_key(key), position(data, key).is_some()),
        ["rest", "api", "content", id, "child", "attachment"] => {
            ((*id).to_owned(), data.pages.iter().any(|page| page["id"] == *id))
        }
        _ => return refusal(404, "Nothing can be attached here."),
    };
    if !is_known {
        return refusal(404, "There is nothing with this key to attach to.");
    }
    if caller == Caller::Anonymous {
        return refusal(401, "Nobody is logged in.");
    }
    let mut added = Vec::new();
    for file in files {
        let id = data.next();
        added.push(data.keep(id, &owner, file));
    }
    while data.attached > ATTACHMENTS.0 || data.attachments.len() > ATTACHMENTS.1 {
        let Some((_, (_, oldest))) = data.attachments.pop_first() else { break };
        data.attached -= oldest.bytes.len();
    }
    if path.contains(&"content") {
        (200, json!({ "results": added, "size": added.len() }))
    } else {
        (200, added.into())
    }
}

fn attachment(data: &mut Data, question: &ApiRequest<'_>, id: &str) -> Reply {
    let id = id.parse().unwrap_or_default();
    match question.method {
        "DELETE" => match data.attachments.remove(&id) {
            Some((_, file)) => {
                data.attached -= file.bytes.len();
                (204, Value::Null)
            }
            None => refusal(404, "There is no such attachment."),
        },
        "GET" => match data.attachments.get(&id) {
            Some((described, _)) => (200, described.clone()),
            None => refusal(404, "There is no such attachment."),
        },
        _ => refusal(404, "There is no such attachment."),
    }
}

/// As text, because this API only answers JSON.
fn content(data: &Data, id: &str) -> Reply {
    match data.attachments.get(&id.parse().unwrap_or_default()) {
        Some((_, file)) => (200, String::from_utf8_lossy(&file.bytes).into()),
        None => refusal(404, "There is no such attachment."),
    }
}
