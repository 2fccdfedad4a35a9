//! The Jira REST API of a site: `/rest/api/2` and `/rest/api/3`, as far as add-ons usually need it.

use serde_json::{Value, json};

use super::data::{Data, full, position};
use super::question::{ApiRequest, Caller, Reply, refusal};
use super::records::{described, found, id_of_key, issue};
use crate::user::{USERS, User};

/// The permissions of a member. An administrator has all permissions.
const MEMBER: [&str; 6] =
    ["BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "CREATE_ATTACHMENTS", "TRANSITION_ISSUES"];
/// How many issues a search returns per page.
const PAGE: usize = 50;

pub(super) fn answer(data: &mut Data, question: &ApiRequest<'_>) -> Option<Reply> {
    let path: Vec<&str> = question.path.iter().map(String::as_str).collect();
    let ["rest", "api", "2" | "3" | "latest", rest @ ..] = path.as_slice() else { return None };
    Some(match (question.method, rest) {
        ("GET", ["myself"]) => myself(question),
        ("GET", ["serverInfo"]) => {
            (200, json!({ "baseUrl": question.base_url, "version": "1001.0.0-SNAPSHOT", "deploymentType": "Cloud" }))
        }
        ("GET", ["user"]) => match question.parameter("accountId").and_then(User::of_account) {
            Some(user) if !user.anonymous => (200, described(user, question.base_url)),
            _ => refusal(404, "There is no user with that account id."),
        },
        ("GET", ["users" | "user", "search"] | ["users"]) => {
            let query = question.parameter("query").unwrap_or_default();
            (200, found(query).map(|user| described(user, question.base_url)).collect::<Vec<_>>().into())
        }
        ("GET", ["user", "bulk"]) => {
            let named = question.query.iter().filter(|(name, _)| name == "accountId");
            let users = named.filter_map(|(_, id)| User::of_account(id)).filter(|user| !user.anonymous);
            (200, page("values", users.map(|user| described(user, question.base_url)).collect(), 0, PAGE))
        }
        ("GET", ["project"]) => (200, json!([project()])),
        ("GET", ["project", "search"]) => (200, page("values", vec![project()], 0, PAGE)),
        ("GET", ["project", "JRA" | "10000"]) => (200, project()),
        ("GET", ["issuetype"]) => (200, json!([{ "id": "10100", "name": "Task", "subtask": false }])),
        ("GET", ["field"]) => (200, json!([{ "id": "summary", "key": "summary", "name": "Summary", "custom": false }])),
        ("GET", ["mypermissions"]) => permissions(question),
        ("POST", ["permissions", "check"]) => check(question),
        ("GET" | "POST", ["search"] | ["search", "jql"]) => search(data, question),
        ("POST", ["issue"]) => create(data, question),
        ("GET" | "PUT" | "DELETE", ["issue", key]) => one(data, question, key),
        ("GET" | "POST", ["issue", key, "comment"]) => comments(data, question, key),
        _ => return None,
    })
}

fn myself(question: &ApiRequest<'_>) -> Reply {
    match (question.caller, question.user()) {
        (_, Some(user)) => (200, described(user, question.base_url)),
        (Caller::Addon, None) => (
            200,
            json!({ "accountId": "557058:sandbox-addon", "accountType": "app", "displayName": question.addon_key, "active": true }),
        ),
        _ => refusal(401, "Nobody is logged in."),
    }
}

fn project() -> Value {
    json!({
        "id": "10000", "key": "JRA", "name": "Sandbox project", "projectTypeKey": "software", "simplified": false,
        "lead": described(USERS[0], ""),
    })
}

fn page(name: &str, items: Vec<Value>, start: usize, most: usize) -> Value {
    let total = items.len();
    let items: Vec<Value> = items.into_iter().skip(start).take(most).collect();
    let is_last = start + items.len() >= total;
    json!({ "startAt": start, "maxResults": most, "total": total, "isLast": is_last, name: items })
}

/// Whether the user has a permission, global or in a project.
fn has(user: Option<User>, permission: &str) -> bool {
    user.is_some_and(|user| !user.anonymous && (user.admin || MEMBER.contains(&permission)))
}

fn permissions(question: &ApiRequest<'_>) -> Reply {
    let Some(asked) = question.parameter("permissions").filter(|asked| !asked.is_empty()) else {
        return refusal(400, "The parameter permissions must list the permissions to check.");
    };
    let entry = |name: &str| {
        let granted = question.caller == Caller::Addon || has(question.user(), name);
        (name.to_owned(), json!({ "key": name, "name": name, "havePermission": granted }))
    };
    (200, json!({ "permissions": asked.split(',').map(entry).collect::<serde_json::Map<_, _>>() }))
}

/// Source: Jira's REST API, "Get bulk permissions".
fn check(question: &ApiRequest<'_>) -> Reply {
    let user = question.body.get("accountId").and_then(Value::as_str).and_then(User::of_account);
    let user = user.or_else(|| question.user());
    let names = |of: &Value| -> Vec<String> {
        let list = of.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str).filter(|name| has(user, name)).map(str::to_owned).collect()
    };
    let of_projects = question.body.get("projectPermissions").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut granted = Vec::new();
    for entry in &of_projects {
        for name in names(&entry["permissions"]) {
            granted.push(json!({ "permission": name, "projects": entry["projects"], "issues": entry["issues"] }));
        }
    }
    let global = question.body.get("globalPermissions").map(names).unwrap_or_default();
    (200, json!({ "globalPermissions": global, "projectPermissions": granted }))
}

/// Of JQL it only supports `key = X` and `issuekey in (X, Y)`. Any other query finds all issues.
fn search(data: &Data, question: &ApiRequest<'_>) -> Reply {
    let of_body = question.body.get("jql").and_then(Value::as_str);
    let jql = question.parameter("jql").or(of_body).unwrap_or_default();
    let words: Vec<&str> =
        jql.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|w| !w.is_empty()).collect();
    let keys: Vec<&&str> = words.iter().filter(|word| word.starts_with("JRA-")).collect();
    let wanted = |issue: &&Value| keys.is_empty() || keys.iter().any(|key| issue["key"] == **key);
    let issues: Vec<Value> = data.issues.iter().filter(wanted).cloned().collect();
    let most = question.number("maxResults", PAGE).clamp(1, 100);
    (200, page("issues", issues, question.number("startAt", 0), most))
}

fn create(data: &mut Data, question: &ApiRequest<'_>) -> Reply {
    if let Some(reply) = full(data.issues.len()) {
        return reply;
    }
    if question.caller == Caller::Anonymous {
        return refusal(401, "Nobody is logged in.");
    }
    let fields = question.body.get("fields").and_then(Value::as_object);
    let summary = fields.and_then(|fields| fields.get("summary")).and_then(Value::as_str).map(str::trim);
    let Some(summary) = summary.filter(|summary| !summary.is_empty()) else {
        let (status, mut body) = refusal(400, "You must specify a summary of the issue.");
        body["errors"] = json!({ "summary": "You must specify a summary of the issue." });
        return (status, body);
    };
    let number = data.issues.len() as u64 + 1;
    let id = 10_000 + number;
    let mut issue = issue(id, number, summary, question.user().unwrap_or(USERS[0]));
    merge(&mut issue["fields"], fields);
    issue["fields"]["project"] = json!({ "id": "10000", "key": "JRA", "name": "Sandbox project" });
    let created = json!({ "id": issue["id"], "key": issue["key"], "self": format!("{}/rest/api/3/issue/{id}", question.base_url) });
    data.issues.push(issue);
    (201, created)
}

fn merge(fields: &mut Value, changes: Option<&serde_json::Map<String, Value>>) {
    for (name, value) in changes.into_iter().flatten() {
        fields[name.as_str()] = value.clone();
    }
}

fn one(data: &mut Data, question: &ApiRequest<'_>, key: &str) -> Reply {
    let Some(at) = position(data, key) else {
        return refusal(404, "Issue does not exist or you do not have permission to see it.");
    };
    if question.caller == Caller::Anonymous {
        return refusal(404, "Issue does not exist or you do not have permission to see it.");
    }
    match question.method {
        "PUT" => {
            merge(&mut data.issues[at]["fields"], question.body.get("fields").and_then(Value::as_object));
            (204, Value::Null)
        }
        "DELETE" => {
            // keeps its index, so that the next issue gets a new number
            data.issues[at] = json!({ "id": null, "key": null });
            (204, Value::Null)
        }
        _ => (200, data.issues[at].clone()),
    }
}

fn comments(data: &mut Data, question: &ApiRequest<'_>, key: &str) -> Reply {
    if position(data, key).is_none() || question.caller == Caller::Anonymous {
        return refusal(404, "Issue does not exist or you do not have permission to see it.");
    }
    let id = id_of_key(key);
    if question.method == "POST" {
        if let Some(reply) = full(data.comments.values().map(Vec::len).sum()) {
            return reply;
        }
        let comment = json!({
            "id": data.next().to_string(),
            "author": question.user().map(|user| described(user, question.base_url)),
            "body": question.body.get("body"),
        });
        data.comments.entry(id).or_default().push(comment.clone());
        return (201, comment);
    }
    (200, page("comments", data.comments.get(&id).cloned().unwrap_or_default(), 0, PAGE))
}
