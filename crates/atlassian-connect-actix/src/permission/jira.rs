//! Jira's permissions.
//!
//! Source: Atlassian, REST API 3, "Get bulk permissions" (`POST /rest/api/3/permissions/check`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::{Names, denied, undetermined};
use super::subject::{Inquiry, text};
use crate::config::Product;
use crate::error::Error;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    global_permissions: Names,
    project_permissions: Vec<ProjectQuestion<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ProjectQuestion<'a> {
    permissions: Names,
    projects: Vec<&'a Value>,
    issues: Vec<&'a Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    global_permissions: Vec<String>,
    #[serde(default)]
    project_permissions: Vec<ProjectGrant>,
    #[serde(default)]
    errors: Option<Value>,
    #[serde(default)]
    error_messages: Option<Value>,
}

#[derive(Deserialize)]
struct ProjectGrant {
    permission: String,
    #[serde(default)]
    projects: Vec<Value>,
    #[serde(default)]
    issues: Vec<Value>,
}

/// Checks that the user has all of `project` (for the project and issue in the context) and all of `global`.
pub(super) async fn authorize(inquiry: &Inquiry<'_>, project: Names, global: Names) -> Result<(), Error> {
    let (mut project_id, mut issue_id) = (None, None);
    if !project.is_empty() {
        (project_id, issue_id) = (inquiry.id("jira", "project")?, inquiry.id("jira", "issue")?);
        if project_id.is_none() && issue_id.is_none() {
            return Err(Error::forbidden(
                "Your permissions could not be determined: there is no project and no issue here.",
                "project permissions are required, but the context has neither project nor issue",
            ));
        }
    }
    let question = format!("jira {project:?} {project_id:?} {issue_id:?} {global:?}");
    let inquiry = &inquiry.of_product(Product::Jira)?;
    let ask = ask(inquiry, project, project_id, issue_id, global);
    if inquiry.remembered(question, ask).await? {
        Ok(())
    } else {
        Err(denied(&[("in the project", project), ("on the site", global)]))
    }
}

async fn ask(
    inquiry: &Inquiry<'_>,
    project: Names,
    project_id: Option<&Value>,
    issue_id: Option<&Value>,
    global: Names,
) -> Result<bool, Error> {
    let needs_project = ProjectQuestion {
        permissions: project,
        projects: project_id.into_iter().collect(),
        issues: issue_id.into_iter().collect(),
    };
    let question = Question {
        global_permissions: global,
        project_permissions: if project.is_empty() { Vec::new() } else { vec![needs_project] },
        account_id: inquiry.user,
    };
    let request = inquiry.host.post("/rest/api/3/permissions/check");
    let request = request.header("X-Atlassian-Token", "no-check").json(&question);
    let answer: Answer = request.retry(true).send().await.map_err(undetermined)?.json().await.map_err(undetermined)?;
    if let Some(errors) =
        [&answer.errors, &answer.error_messages].into_iter().flatten().find(|errors| !is_empty(errors))
    {
        return Err(undetermined(format!("the host answered {errors}")));
    }
    let granted = |permission: &str| {
        answer.project_permissions.iter().any(|grant| {
            grant.permission == permission && names(&grant.projects, project_id) && names(&grant.issues, issue_id)
        })
    };
    Ok(global.iter().all(|permission| answer.global_permissions.iter().any(|granted| granted == permission))
        && project.iter().all(|permission| granted(permission)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// Whether a grant contains the id that was asked for, if there was one.
fn names(granted: &[Value], asked: Option<&Value>) -> bool {
    asked.is_none_or(|asked| granted.iter().any(|id| text(id).is_some() && text(id) == text(asked)))
}
