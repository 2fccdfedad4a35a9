//! An example body for each webhook, which the user can edit.

use serde_json::{Value, json};

use super::records::{described, issue};
use crate::user::{USERS, User};
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::jwt::now;

/// The body of `event`, formatted.
pub(crate) fn sample(product: Product, event: &str, user: User, base_url: &str) -> String {
    let mut body = json!({ "timestamp": now() * 1000 });
    if product == Product::Confluence {
        body["event"] = event.into();
        body["userAccountId"] = user.account_id.into();
        let kind = if event.starts_with("space") { "space" } else { "page" };
        body[kind] = match kind {
            "space" => json!({ "key": "DOCS", "title": "Documentation" }),
            _ => {
                json!({ "id": 98_305, "title": "Welcome", "spaceKey": "DOCS", "self": format!("{base_url}/spaces/DOCS/pages/98305") })
            }
        };
    } else {
        body["webhookEvent"] = event.into();
        if !user.anonymous {
            body["user"] = described(user, base_url);
        }
        for (named, value) in [
            ("issue", issue(10_001, 1, "Write the add-on", USERS[0])),
            ("comment", json!({ "id": "10700", "body": "A comment", "author": described(USERS[0], base_url) })),
            ("project", json!({ "id": 10_000, "key": "JRA", "name": "Sandbox project" })),
        ] {
            let about_issue = named == "issue" && event.contains("comment");
            if event.contains(named) || about_issue {
                body[named] = value;
            }
        }
    }
    serde_json::to_string_pretty(&body).unwrap_or_else(|_: serde_json::Error| Value::Null.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_says_what_the_body_is_about() {
        let keys = |product, event: &str| {
            let body: Value = serde_json::from_str(&sample(product, event, USERS[0], "http://x")).unwrap();
            body.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(Product::Jira, "jira:issue_created"), "timestamp webhookEvent user issue");
        assert_eq!(keys(Product::Jira, "comment_created"), "timestamp webhookEvent user issue comment");
        assert_eq!(keys(Product::Jira, "project_created"), "timestamp webhookEvent user project");
        assert_eq!(keys(Product::Confluence, "page_created"), "timestamp event userAccountId page");
    }
}
