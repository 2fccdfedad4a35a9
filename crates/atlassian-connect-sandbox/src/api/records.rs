//! Issues, pages and users in the format of the REST APIs.

use serde_json::{Value, json};

use crate::user::{USERS, User};

/// An issue of the project JRA.
pub(super) fn issue(id: u64, number: u64, summary: &str, reporter: User) -> Value {
    json!({
        "id": id.to_string(),
        "key": format!("JRA-{number}"),
        "fields": {
            "summary": summary,
            "project": { "id": "10000", "key": "JRA", "name": "Sandbox project" },
            "issuetype": { "id": "10100", "name": "Task", "subtask": false },
            "status": { "id": "1", "name": "To Do" },
            "reporter": described(reporter, ""),
        },
    })
}

/// The id of one of the first issues by its key. Their properties are stored under it.
pub(super) fn id_of_key(key: &str) -> String {
    let number = key.strip_prefix("JRA-").and_then(|number| number.parse::<u64>().ok()?.checked_add(10_000));
    number.map_or_else(|| key.to_owned(), |id| id.to_string())
}

/// A page of the space DOCS.
pub(super) fn page(id: &str, title: &str) -> Value {
    json!({
        "id": id, "type": "page", "status": "current", "title": title,
        "space": space(),
        "version": { "number": 1, "by": described(USERS[0], "") },
        "body": { "storage": { "value": title, "representation": "storage" } },
    })
}

pub(super) fn space() -> Value {
    json!({ "id": 98_304, "key": "DOCS", "name": "Documentation", "type": "global" })
}

/// A user in the format of Jira and Confluence.
pub(super) fn described(user: User, base_url: &str) -> Value {
    json!({
        "self": format!("{base_url}/rest/api/3/user?accountId={}", user.account_id),
        "type": "known",
        "accountId": user.account_id,
        "accountType": "atlassian",
        "emailAddress": user.email,
        "displayName": user.display_name,
        "publicName": user.display_name,
        "active": true,
        "timeZone": user.time_zone,
        "locale": user.locale,
    })
}

/// The users that match a search.
pub(super) fn found(query: &str) -> impl Iterator<Item = User> {
    let query = query.to_lowercase();
    USERS.into_iter().filter(move |user| !user.anonymous && user.display_name.to_lowercase().contains(&query))
}
