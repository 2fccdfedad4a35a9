//! The Forge invocations that a site's page offers. Each can be edited, sent, and sent again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::news::News;
use super::user::User;
use atlassian_connect_actix::config::Product;

/// The kind of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A page of the app that a user views.
    Page,
    /// An event in the product.
    Event,
    /// A scheduled trigger.
    Schedule,
}

impl Kind {
    /// The name in forms and URLs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Event => "event",
            Self::Schedule => "schedule",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Page => "A page calls the backend",
            Self::Event => "An event of the product",
            Self::Schedule => "A scheduled trigger",
        }
    }

    /// Whether there is a user.
    pub(super) fn has_user(self) -> bool {
        self == Self::Page
    }
}

/// An invocation as edited in the form.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    /// Chosen by a page; all other kinds are a POST.
    #[serde(default = "post")]
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) app_token: bool,
    #[serde(default)]
    pub(super) user_token: bool,
    /// A JSON merge patch of the token's claims.
    #[serde(default)]
    pub(super) claims: String,
    #[serde(default)]
    pub(super) body: String,
    #[serde(skip)]
    pub(super) outcome: Option<Outcome>,
}

fn post() -> String {
    "POST".to_owned()
}

/// The result of an invocation.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) news: News,
    /// The answer's body; JSON is formatted.
    pub(super) body: Option<String>,
}

impl Draft {
    /// One of each kind, with data that the site's REST API knows. The paths are the starter's.
    pub(super) fn all(product: Product, actor: User) -> Vec<Self> {
        let draft = |kind: Kind, path: &str, claims: &Value, body: &Value| Self {
            kind,
            method: post(),
            path: path.to_owned(),
            app_token: true,
            user_token: kind.has_user(),
            claims: laid_out(claims),
            body: laid_out(body),
            outcome: None,
        };
        let (extension, event) = if product == Product::Confluence {
            (
                json!({ "type": "confluence:globalPage", "space": { "id": "98304", "key": "DOCS" } }),
                json!({
                    "eventType": "avi:confluence:created:page",
                    "atlassianId": actor.account_id,
                    "content": { "id": "98305", "type": "page", "title": "Welcome" },
                }),
            )
        } else {
            (
                json!({
                    "type": "jira:issuePanel",
                    "issue": { "id": "10001", "key": "JRA-1" },
                    "project": { "id": "10000", "key": "JRA" },
                }),
                json!({
                    "eventType": "avi:jira:created:issue",
                    "atlassianId": actor.account_id,
                    "issue": { "id": "10001", "key": "JRA-1" },
                }),
            )
        };
        vec![
            draft(Kind::Page, "/forge/resource", &json!({ "context": { "extension": extension } }), &json!({})),
            draft(Kind::Event, "/forge/events", &json!({}), &event),
            draft(Kind::Schedule, "/forge/events", &json!({ "app": { "module": { "key": "hourly" } } }), &json!({})),
        ]
    }
}

/// Formats JSON for people.
pub(super) fn laid_out(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap_or_default()
}
