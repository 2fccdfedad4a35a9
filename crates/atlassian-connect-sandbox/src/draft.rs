//! The invocations that a site's page offers: each can be changed, sent, and sent again.

use serde::Deserialize;
use serde_json::{Value, json};

use super::news::News;
use super::user::User;
use atlassian_connect_actix::config::Product;

/// What invokes the add-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// A page of the app's that a user looks at.
    Page,
    /// Something happened in the product.
    Event,
    /// It is time.
    Schedule,
}

impl Kind {
    /// In forms and URLs.
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

    /// Whether a user is there.
    pub(super) fn has_user(self) -> bool {
        self == Self::Page
    }
}

/// An invocation as it stands in the form.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    /// A page chooses it; everything else is a POST.
    #[serde(default = "post")]
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) app_token: bool,
    #[serde(default)]
    pub(super) user_token: bool,
    /// A merge patch of the token's claims.
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

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) news: News,
    /// The answer's body, JSON laid out.
    pub(super) body: Option<String>,
}

impl Draft {
    /// One of each kind, about what the site's REST API knows. The paths are those of the starter.
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

/// JSON as people read it.
pub(super) fn laid_out(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap_or_default()
}
