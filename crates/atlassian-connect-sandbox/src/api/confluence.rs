//! The Confluence REST API of a site: `/rest/api` and a part of `/api/v2`, as far as add-ons usually need it.

use serde_json::{Value, json};

use super::data::{Data, full};
use super::question::{ApiRequest, Caller, Reply, refusal};
use super::records::{described, found, page, space};
use crate::user::User;

/// The body of every macro, in Confluence's storage format.
const MACRO_BODY: &str = include_str!("macro_body.html");

fn results(items: &[Value]) -> Reply {
    (200, json!({ "size": items.len(), "start": 0, "limit": 25, "results": items, "_links": {} }))
}

pub(super) fn answer(data: &mut Data, question: &ApiRequest<'_>) -> Option<Reply> {
    let path: Vec<&str> = question.path.iter().map(String::as_str).collect();
    let rest = match path.as_slice() {
        ["rest", "api", rest @ ..] => rest,
        ["api", "v2", rest @ ..] => return second(data, question, rest),
        _ => return None,
    };
    Some(match (question.method, rest) {
        ("GET", ["user", "current"]) => current(question),
        ("GET", ["user"]) => match question.parameter("accountId").and_then(User::of_account) {
            Some(user) if !user.anonymous => (200, with_operations(user, question.base_url)),
            _ => refusal(404, "There is no user with that account id."),
        },
        ("GET", ["search", "user"]) => {
            let user = |user| json!({ "user": described(user, question.base_url), "title": user.display_name });
            results(&found("").map(user).collect::<Vec<_>>())
        }
        ("GET", ["space"]) => results(&[space()]),
        ("GET", ["space", "DOCS"]) => (200, space()),
        ("GET", ["content" | "search"] | ["content", "search"]) => results(&data.pages),
        ("POST", ["content"]) => create(data, question),
        ("GET", ["content", id]) => match data.pages.iter().find(|page| page["id"] == *id) {
            Some(page) => (200, page.clone()),
            None => refusal(404, "There is no content with that id."),
        },
        ("PUT", ["content", id]) => update(data, question, id),
        ("DELETE", ["content", id]) => {
            let before = data.pages.len();
            data.pages.retain(|page| page["id"] != *id);
            if data.pages.len() < before {
                (204, Value::Null)
            } else {
                refusal(404, "There is no content with that id.")
            }
        }
        ("POST", ["content", id, "permission", "check"]) => check(data, question, id),
        ("GET", ["content", id, "child", "attachment"]) => results(&data.attachments_of(Some(*id))),
        ("GET", ["content", id, "history", _, "macro", "id" | "hash", named]) => macro_body(data, id, named),
        _ => return None,
    })
}

fn second(data: &Data, question: &ApiRequest<'_>, rest: &[&str]) -> Option<Reply> {
    Some(match (question.method, rest) {
        ("GET", ["spaces"]) => (200, json!({ "results": [space()], "_links": { "base": question.base_url } })),
        ("GET", ["pages"]) => (200, json!({ "results": data.pages, "_links": {} })),
        ("GET", ["attachments"]) => (200, listed(data, None)),
        ("GET", ["pages", id, "attachments"]) if data.pages.iter().any(|page| page["id"] == *id) => {
            (200, listed(data, Some(*id)))
        }
        ("GET", ["attachments", id]) => {
            let id = id.strip_prefix("att").unwrap_or(id);
            match data.attachments_of(None).iter().find(|described| described["id"] == *id) {
                Some(described) => (200, attachment(described)),
                None => refusal(404, "There is no attachment with that id."),
            }
        }
        ("POST", ["users-bulk"]) => users(question),
        ("GET", ["pages", id]) => match data.pages.iter().find(|page| page["id"] == *id) {
            Some(page) => (200, page.clone()),
            None => refusal(404, "There is no page with that id."),
        },
        _ => return None,
    })
}

fn listed(data: &Data, page: Option<&str>) -> Value {
    let attachments: Vec<Value> = data.attachments_of(page).iter().map(attachment).collect();
    json!({ "results": attachments, "_links": {} })
}

/// Source: Confluence's REST API v2, "Get attachment by id".
fn attachment(described: &Value) -> Value {
    let id = described["id"].as_str().unwrap_or_default();
    json!({
        "id": format!("att{id}"),
        "status": "current",
        "title": described["title"],
        "mediaType": described["mimeType"],
        "fileSize": described["size"],
        "pageId": described["pageId"],
        "version": { "number": 1 },
        "downloadLink": format!("/rest/api/attachment/content/{id}"),
        "_links": {},
    })
}

/// Source: Confluence's REST API v2, "Create bulk user lookup using ids".
fn users(question: &ApiRequest<'_>) -> Reply {
    let Some(ids) = question.body.get("accountIds").and_then(Value::as_array) else {
        return refusal(400, "The body must contain accountIds, a list of account ids.");
    };
    let users = ids.iter().filter_map(Value::as_str).filter_map(User::of_account).filter(|user| !user.anonymous);
    let users: Vec<Value> = users.map(|user| described(user, question.base_url)).collect();
    (200, json!({ "results": users, "_links": {} }))
}

/// Source: Confluence's REST API, "Get macro body by macro ID". The body is always the same, because the sandbox does
/// not save what a macro's editor stores.
fn macro_body(data: &Data, page: &str, named: &str) -> Reply {
    if !data.pages.iter().any(|known| known["id"] == page) {
        return refusal(404, "There is no content with that id.");
    }
    (200, json!({ "name": named, "body": MACRO_BODY.trim_end(), "parameters": {}, "_links": {} }))
}

fn current(question: &ApiRequest<'_>) -> Reply {
    match (question.caller, question.user()) {
        (_, Some(user)) => (200, with_operations(user, question.base_url)),
        (Caller::Addon, None) => {
            (200, json!({ "type": "known", "accountType": "app", "displayName": question.addon_key }))
        }
        _ => (200, json!({ "type": "anonymous", "displayName": "Anonymous" })),
    }
}

/// Source: Confluence's REST API, "Get user", expansion `operations`.
fn with_operations(user: User, base_url: &str) -> Value {
    let mut described = described(user, base_url);
    let names: &[&str] = if user.admin { &["use", "administer"] } else { &["use"] };
    described["operations"] =
        names.iter().map(|name| json!({ "operation": name, "targetType": "application" })).collect();
    described
}

/// Source: Confluence's REST API, "Check content permission".
fn check(data: &Data, question: &ApiRequest<'_>, id: &str) -> Reply {
    if !data.pages.iter().any(|page| page["id"] == *id) {
        return refusal(404, "There is no content with that id.");
    }
    let user = question.body.pointer("/subject/identifier").and_then(Value::as_str).and_then(User::of_account);
    let operation = question.body.get("operation").and_then(Value::as_str).unwrap_or_default();
    let granted = user.is_some_and(|user| match operation {
        "read" => true,
        "update" | "create" => !user.anonymous,
        _ => user.admin,
    });
    (200, json!({ "hasPermission": granted }))
}

fn create(data: &mut Data, question: &ApiRequest<'_>) -> Reply {
    if let Some(reply) = full(data.pages.len()) {
        return reply;
    }
    if question.caller == Caller::Anonymous {
        return refusal(401, "Nobody is logged in.");
    }
    let Some(title) = question.body.get("title").and_then(Value::as_str).filter(|title| !title.is_empty()) else {
        return refusal(400, "A page needs a title.");
    };
    let mut new = page(&data.next().to_string(), title);
    if let Some(body) = question.body.get("body") {
        new["body"] = body.clone();
    }
    data.pages.push(new.clone());
    (200, new)
}

fn update(data: &mut Data, question: &ApiRequest<'_>, id: &str) -> Reply {
    let Some(page) = data.pages.iter_mut().find(|page| page["id"] == *id) else {
        return refusal(404, "There is no content with that id.");
    };
    let number = question.body.pointer("/version/number").and_then(Value::as_u64);
    if number != page.pointer("/version/number").and_then(Value::as_u64).and_then(|number| number.checked_add(1)) {
        return refusal(409, "The version must be the page's version plus one.");
    }
    for name in ["title", "body", "version"] {
        if let Some(value) = question.body.get(name) {
            page[name] = value.clone();
        }
    }
    (200, page.clone())
}
