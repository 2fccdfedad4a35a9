//! A request below `/rest`, and its answer.

use serde_json::{Value, json};

use crate::user::User;

/// Who a request is answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Addon,
    /// The account id of an existing user.
    User(&'static str),
    Anonymous,
}

/// A request below `/rest`.
#[derive(Debug)]
pub(super) struct ApiRequest<'a> {
    pub(super) method: &'a str,
    /// Relative to the site's base URL, decoded, without empty segments: `rest`, `api`, `3`, `myself`.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) caller: Caller,
    pub(super) base_url: &'a str,
    pub(super) addon_key: &'a str,
}

/// A status and its body. Null means no body.
pub(crate) type Reply = (u16, Value);

impl ApiRequest<'_> {
    /// A parameter in the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A number in the query.
    pub(super) fn number(&self, name: &str, default: usize) -> usize {
        self.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// The requesting user. `None`: the add-on, or nobody.
    pub(super) fn user(&self) -> Option<User> {
        match self.caller {
            Caller::User(account_id) => User::of_account(account_id),
            Caller::Addon | Caller::Anonymous => None,
        }
    }
}

/// An error in Jira's format. Confluence's clients find their `message` in it, too.
pub(crate) fn refusal(status: u16, text: impl Into<String>) -> Reply {
    let text = text.into();
    (status, json!({ "errorMessages": [text], "errors": {}, "message": text, "statusCode": status }))
}
