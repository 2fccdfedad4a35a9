//! A request below `/rest`, and its answer.

use serde_json::{Value, json};

use crate::user::User;

/// In whose name a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Addon,
    /// The account id; one that no user has is never seen here.
    User(&'static str),
    Anonymous,
}

/// A request below `/rest`.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) method: &'a str,
    /// Below the site's base URL, decoded, without empty ones: `rest`, `api`, `3`, `myself`.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) asker: Asker,
    pub(super) base_url: &'a str,
    pub(super) addon_key: &'a str,
}

/// A status and its body; null: none.
pub(super) type Reply = (u16, Value);

impl Question<'_> {
    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number of the query.
    pub(super) fn number(&self, name: &str, default: usize) -> usize {
        self.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// The user who asks; `None`: the add-on, or nobody.
    pub(super) fn user(&self) -> Option<User> {
        match self.asker {
            Asker::User(account_id) => User::of_account(account_id),
            Asker::Addon | Asker::Anonymous => None,
        }
    }
}

/// An error in Jira's form, which Confluence's clients find their `message` in as well.
pub(super) fn refusal(status: u16, text: impl Into<String>) -> Reply {
    let text = text.into();
    (status, json!({ "errorMessages": [text], "errors": {}, "message": text, "statusCode": status }))
}
