//! Confluence's permissions.
//!
//! Source: Atlassian, Confluence REST API, "Get user" (`expand=operations`) and "Check content permission".

use futures_util::future::try_join;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::{Names, denied, undetermined};
use super::subject::{Inquiry, text};
use crate::config::Product;
use crate::error::Error;

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation: String,
    target_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentAnswer {
    has_permission: bool,
    #[serde(default)]
    errors: Vec<Value>,
}

/// Checks that the user may do all of `application`, and `content` with the content in the context.
pub(super) async fn authorize(inquiry: &Inquiry<'_>, application: Names, content: Option<&str>) -> Result<(), Error> {
    let user = inquiry.user.ok_or_else(|| undetermined("the token names no user"))?;
    let content_id;
    let asked = match content {
        None => None,
        Some(operation) => {
            content_id = inquiry.id("confluence", "content")?.and_then(text).ok_or_else(|| {
                Error::forbidden(
                    "Your permissions could not be determined: there is no content here.",
                    "a content operation is required, but the context has no content",
                )
            })?;
            if !is_content_id(&content_id) {
                return Err(undetermined("the content's id is not valid"));
            }
            Some((operation, &*content_id))
        }
    };
    let question = format!("confluence {application:?} {asked:?}");
    let inquiry = &inquiry.of_product(Product::Confluence)?;
    let ask = async {
        let (application, content) =
            try_join(may_use(inquiry, user, application), may_change(inquiry, user, asked)).await?;
        Ok(application && content)
    };
    if inquiry.remembered(question, ask).await? {
        return Ok(());
    }
    let of_content = content.map(|operation| [operation]);
    let of_content = of_content.as_ref().map_or(&[][..], |operation| &operation[..]);
    Err(denied(&[("on the content", of_content), ("in Confluence", application)]))
}

/// Whether an id can become a path segment: it must not climb in the path.
fn is_content_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

async fn may_use(inquiry: &Inquiry<'_>, user: &str, application: Names) -> Result<bool, Error> {
    if application.is_empty() {
        return Ok(true);
    }
    let request = inquiry.host.get("/rest/api/user").query([("accountId", user), ("expand", "operations")]);
    let user: User = request.send().await.map_err(undetermined)?.json().await.map_err(undetermined)?;
    let granted = |wanted: &str| {
        user.operations.iter().any(|granted| granted.operation == wanted && granted.target_type == "application")
    };
    Ok(application.iter().all(|wanted| granted(wanted)))
}

async fn may_change(inquiry: &Inquiry<'_>, user: &str, asked: Option<(&str, &str)>) -> Result<bool, Error> {
    let Some((operation, id)) = asked else { return Ok(true) };
    let question = json!({ "subject": { "type": "user", "identifier": user }, "operation": operation });
    let request = inquiry.host.post(format!("/rest/api/content/{id}/permission/check"));
    let request = request.header("X-Atlassian-Token", "no-check").json(&question).retry(true);
    let answer: ContentAnswer = request.send().await.map_err(undetermined)?.json().await.map_err(undetermined)?;
    if !answer.errors.is_empty() {
        return Err(undetermined("the host answered with errors"));
    }
    Ok(answer.has_permission)
}
