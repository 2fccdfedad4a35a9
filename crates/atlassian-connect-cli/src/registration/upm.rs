//! A site's Universal Plugin Manager: installs an add-on from its descriptor's URL, and uninstalls it.
//!
//! Source: atlassian-connect-express 11.5.3, `lib/internal/registration/register-jira-conf.js` (its requests, not its
//! code). Atlassian does not document this API.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use awc::ClientRequest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::credentials::SiteCredentials;

const PLUGINS: &str = "/rest/plugins/1.0/";
const SETTINGS: &str = "/rest/plugins/1.0/settings";
const INSTALL_TYPE: &str = "application/vnd.atl.plugins.remote.install+json";
/// The setting that allows private add-ons.
const DEVELOPMENT_MODE: &str = "connectDeveloperListingsEnabled";
/// The timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The timeout of an installation.
const INSTALLATION: Duration = Duration::from_secs(30);
/// The shortest time between two polls, and the default.
const PING: Duration = Duration::from_millis(200);
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// The result of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The site has installed the add-on. One that was disabled before stays disabled.
    Installed {
        /// Whether it is enabled.
        enabled: bool,
    },
    /// The site already had it, and it was not installed again.
    AlreadyInstalled,
}

/// Why a site does not accept the add-on. Texts contain no credentials.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UpmError {
    /// It cannot be reached, or does not answer in time.
    #[error("the site cannot be reached: {0}")]
    Unreachable(String),
    /// It rejects these credentials.
    #[error("the site rejects the username or the API token in credentials.json ({0})")]
    Credentials(StatusCode),
    /// Its development mode is off.
    #[error(
        "the site's development mode is off: turn it on under Manage apps, Settings, so that private add-ons can be installed"
    )]
    DevelopmentMode,
    /// An unexpected answer.
    #[error("the site answered {status} to the request for {what}")]
    Answer {
        /// Its status.
        status: StatusCode,
        /// The request.
        what: &'static str,
    },
    /// The installation failed, with the site's reason.
    #[error("the site could not install the add-on: {0}")]
    Failed(String),
    /// The installation has not finished.
    #[error("the site did not finish the installation within {} s", INSTALLATION.as_secs())]
    TimedOut,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn with_status(self, what: &'static str, expected: impl Fn(StatusCode) -> bool) -> Result<Self, UpmError> {
        match self.status {
            status if expected(status) => Ok(self),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(UpmError::Credentials(status)),
            status => Err(UpmError::Answer { status, what }),
        }
    }
}

/// Installs the add-on whose descriptor is at `descriptor_url`. With `again`, even if the site already has it.
///
/// # Errors
/// [`UpmError`].
pub(crate) async fn register(
    site: &SiteCredentials,
    descriptor_url: &str,
    key: &str,
    again: bool,
) -> Result<Outcome, UpmError> {
    let settings = get(site, SETTINGS).await?.with_status("its settings", |status| status.is_success())?;
    let named = |setting: &&Value| setting["key"] == DEVELOPMENT_MODE;
    let mode = settings.body["settings"].as_array().and_then(|settings| settings.iter().find(named));
    if mode.is_none_or(|mode| mode["value"] != true) {
        return Err(UpmError::DevelopmentMode);
    }
    let plugins = get(site, PLUGINS).await?.with_status("the list of its apps", |status| status.is_success())?;
    let is_installed = plugins.body["plugins"].as_array().is_some_and(|all| all.iter().any(|one| one["key"] == key));
    if is_installed && !again {
        return Ok(Outcome::AlreadyInstalled);
    }
    let token = plugins.headers.get("upm-token").and_then(|token| token.to_str().ok()).unwrap_or_default();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let request = client().post(format!("{}?{query}", site.url(PLUGINS))).content_type(INSTALL_TYPE);
    let answer = send(site, request, json!({ "pluginUri": descriptor_url }).to_string()).await?;
    let answer = answer.with_status("the installation", |status| status == StatusCode::ACCEPTED)?;
    finished(site, answer.body).await
}

/// Polls the task until the site has installed the add-on or reports a failure.
async fn finished(site: &SiteCredentials, mut task: Value) -> Result<Outcome, UpmError> {
    let Some(mut path) = task.pointer("/links/self").and_then(Value::as_str).map(str::to_owned) else {
        return Err(UpmError::Failed("its answer has no link to the task".into()));
    };
    let deadline = Instant::now() + INSTALLATION;
    loop {
        let Some(next) = next_look(Instant::now(), &task).filter(|next| *next <= deadline) else {
            return Err(UpmError::TimedOut);
        };
        tokio::time::sleep_until(next).await;
        let answer = get(site, &path).await?;
        if answer.status == StatusCode::SEE_OTHER {
            // only the path: the site may use another host name than the configured one
            let location =
                answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
            path = url::Url::parse(location).map_or_else(|_| location.to_owned(), |url| url.path().to_owned());
            task = Value::Null;
            continue;
        }
        task = answer.with_status("the state of the installation", |status| status.is_success())?.body;
        if task.pointer("/status/done") == Some(&Value::Bool(true)) {
            // a finished task has failed: a successful one redirects to the add-on itself
            let reason = task.pointer("/status/errorMessage").or_else(|| task.pointer("/status/subCode"));
            return Err(UpmError::Failed(reason.and_then(Value::as_str).unwrap_or("it does not say why").to_owned()));
        }
        if task["key"].is_string() {
            return Ok(Outcome::Installed { enabled: task["enabled"] != false });
        }
    }
}

/// When to poll `task` next. `None`: too late to represent.
fn next_look(now: Instant, task: &Value) -> Option<Instant> {
    let named = task["pingAfter"].as_u64().map_or(PING, Duration::from_millis);
    now.checked_add(named.max(PING))
}

/// Uninstalls the add-on. Succeeds if the site does not have it.
///
/// # Errors
/// [`UpmError`].
pub(crate) async fn deregister(site: &SiteCredentials, key: &str) -> Result<(), UpmError> {
    let request = client().delete(site.url(&format!("{PLUGINS}{key}-key")));
    let answer = send(site, request, String::new()).await?;
    answer.with_status("the removal", |status| status.is_success() || status == StatusCode::NOT_FOUND).map(drop)
}

fn client() -> awc::Client {
    atlassian_connect_actix::internal::transport::client()
}

async fn get(site: &SiteCredentials, path: &str) -> Result<Answer, UpmError> {
    send(site, client().get(site.url(path)), String::new()).await
}

async fn send(site: &SiteCredentials, request: ClientRequest, body: String) -> Result<Answer, UpmError> {
    let request =
        request.basic_auth(site.username(), site.password()).insert_header((header::ACCEPT, "application/json"));
    let unreachable = |error: &dyn std::fmt::Display| UpmError::Unreachable(error.to_string());
    let exchange = async {
        let sent = if body.is_empty() { request.send() } else { request.send_body(body) };
        let mut response = sent.await.map_err(|error| unreachable(&error))?;
        let bytes = response.body().limit(ANSWER_LIMIT).await.map_err(|error| unreachable(&error))?;
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        })
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(UpmError::Unreachable("no answer in time".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_names_a_time_within_reason() {
        let now = Instant::now();
        for (ping, milliseconds) in [
            (json!(300), Some(300)),
            (json!(200), Some(200)),
            (json!(199), Some(200)),
            (json!(0), Some(200)),
            (json!(-1), Some(200)),
            (json!(0.5), Some(200)),
            (json!(1e300), Some(200)),
            (json!("300"), Some(200)),
            (Value::Null, Some(200)),
            (json!(i64::MAX), Some(9_223_372_036_854_775_807)),
            (json!(u64::MAX), Some(u64::MAX)),
        ] {
            let waits = next_look(now, &json!({ "pingAfter": ping })).map(|next| next.duration_since(now));
            assert_eq!(waits, milliseconds.map(Duration::from_millis), "{ping}");
        }
    }
}
