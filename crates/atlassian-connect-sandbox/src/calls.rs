//! The requests of the sandbox's sites to the add-on: lifecycle callbacks and webhooks, signed like Atlassian's.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::Value;

use super::context;
use super::news::News;
use super::secret::new_secret;
use super::selection::Selection;
use super::shared::Sandbox;
use super::site::SandboxSite;
use atlassian_connect_actix::internal::claims_of_site;
use atlassian_connect_actix::internal::descriptor::Lifecycle;
use atlassian_connect_actix::internal::jwt::{JwtError, qsh};
use atlassian_connect_testing::internal::LIFETIME;
use atlassian_connect_testing::{TestTenant, claims_for};

/// The User-Agent of the sandbox's requests to the add-on.
pub(super) const USER_AGENT: &str = concat!("atlassian-connect-actix-sandbox/", env!("CARGO_PKG_VERSION"));
/// Slightly longer than a listener's timeout.
const TIMEOUT: Duration = Duration::from_secs(70);
/// How much of an answer is read.
const ANSWER: usize = 16 * 1024;

/// The add-on's answer, or why there is none.
pub(super) type Answer = Result<(u16, String), String>;

impl Sandbox {
    /// Installs the add-on like a site: signed with the install key, followed by `enabled`. `renew`: with a new secret,
    /// like a site that installs it again.
    pub(super) async fn install(&self, site: &SandboxSite, renew: bool) {
        let before = site.tenant();
        let mut tenant = before.clone();
        if renew {
            tenant.shared_secret = new_secret();
        }
        self.ledger.name_addon(self.state.descriptor().key());
        // the add-on may call the site before it answers
        self.ledger.know(&tenant);
        site.set_tenant(tenant.clone());
        let news = match self.callback(Lifecycle::Installed, &tenant).await {
            // Source: Atlassian, "Installation callback success rate"
            Some(Ok((200 | 204, _))) => {
                site.update(|status| (status.installed, status.enabled) = (true, true));
                let enabled = self.callback(Lifecycle::Enabled, &tenant).await;
                match enabled.filter(|answer| !is_good(answer)) {
                    None if renew => good("Installed again, with a new secret."),
                    None => good("Installed and enabled."),
                    Some(answer) => bad("Installed, but the add-on did not accept \"enabled\"", &answer),
                }
            }
            answer => {
                // if the install failed, the old secret is still valid
                self.ledger.know(&before);
                site.set_tenant(before);
                match answer {
                    None => refused("The descriptor does not name lifecycle.installed.".to_owned()),
                    Some(Ok((status @ 200..=299, _))) => refused(format!(
                        "Not installed: the add-on answered {status}, but only 200 and 204 count as success."
                    )),
                    Some(answer) => bad("Not installed", &answer),
                }
            }
        };
        site.update(|status| status.news = Some(news));
    }

    /// Sends `enabled`, `disabled` or `uninstalled`.
    pub(super) async fn switch(&self, site: &SandboxSite, callback: Lifecycle) {
        if !site.status().installed {
            let news = refused(format!("Not sent: {} has not installed the add-on.", site.name));
            return site.update(|status| status.news = Some(news));
        }
        let answer = self.callback(callback, &site.tenant()).await;
        let done = match callback {
            Lifecycle::Enabled => "Enabled.",
            Lifecycle::Disabled => "Disabled: a real site shows no pages of the add-on now.",
            _ => "Uninstalled: the add-on must refuse this site's pages now.",
        };
        let news = match &answer {
            Some(answer) if !is_good(answer) => bad("The add-on did not accept it", answer),
            _ => good(done),
        };
        site.update(|status| {
            match callback {
                Lifecycle::Enabled => status.enabled = true,
                Lifecycle::Disabled => status.enabled = false,
                // a site removes an add-on whatever it answers
                _ => (status.installed, status.enabled) = (false, false),
            }
            status.news = Some(news);
        });
    }

    /// `None`: the descriptor does not name the callback.
    async fn callback(&self, callback: Lifecycle, tenant: &TestTenant) -> Option<Answer> {
        let descriptor = self.state.descriptor();
        let path = descriptor.lifecycle(callback)?;
        let token = match callback {
            Lifecycle::Installed | Lifecycle::Uninstalled => {
                let claims = claims_for(tenant, self.state.config.local_base_url.as_str(), path);
                match self.key.get().await {
                    Ok(key) => key.sign(&claims),
                    Err(error) => Err(error),
                }
            }
            Lifecycle::Enabled | Lifecycle::Disabled => request_token(tenant, path, None),
        };
        let payload = tenant.payload(descriptor.key(), callback.name());
        Some(match token {
            Ok(token) => self.send(Method::POST, path, &[authorization(&token)], payload.to_string()).await,
            Err(error) => Err(error.to_string()),
        })
    }

    /// Sends a webhook to `url`, a URL in the descriptor whose context parameters are filled.
    pub(super) async fn webhook(
        &self,
        site: &SandboxSite,
        event: &str,
        url: &str,
        body: String,
        selection: &Selection,
    ) -> News {
        if !self.state.descriptor().webhooks().iter().any(|webhook| webhook.event == event && webhook.url == url) {
            return refused(format!("Not sent: the descriptor has no webhook {event} at {url}."));
        }
        if !site.status().installed {
            return refused(format!("Not sent: {} has not installed the add-on.", site.name));
        }
        let tenant = site.tenant();
        // without a module: the values of the site
        let values = context::values(site.product, selection.user, None, &selection.overrides);
        let url = context::fill(url, &values);
        let token = match request_token(&tenant, &url, selection.user.account()) {
            Ok(token) => token,
            Err(error) => return bad("Not sent", &Err(error.to_string())),
        };
        // a retried webhook keeps its identifier
        let headers = [
            authorization(&token),
            ("X-Atlassian-Webhook-Identifier", new_secret()),
            ("X-Atlassian-Webhook-Flow", "Primary".to_owned()),
        ];
        let answer = self.send(Method::POST, &url, &headers, body).await;
        if is_good(&answer) {
            good(&format!("The add-on accepted {event}."))
        } else {
            bad(&format!("The add-on did not accept {event}"), &answer)
        }
    }

    /// Sends a request to the add-on, with a JSON body if there is one.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Answer {
        // after the base URL, "@other.example" would change the host
        if !path.starts_with('/') {
            return Err(format!("{path} does not begin with /"));
        }
        let url = format!("{}{path}", self.state.config.local_base_url.as_str());
        let exchange = async {
            let mut request = atlassian_connect_actix::internal::transport::client().request(method, &url);
            if !body.is_empty() {
                request = request.content_type("application/json");
            }
            for (name, value) in headers {
                request = request.insert_header((*name, value.as_str()));
            }
            let request =
                request.insert_header(("Accept", "application/json")).insert_header(("User-Agent", USER_AGENT));
            let mut response = request.send_body(body).await.map_err(|error| error.to_string())?;
            let text = response.body().limit(ANSWER).await.map_err(|error| error.to_string())?;
            Ok((response.status().as_u16(), String::from_utf8_lossy(&text).into_owned()))
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err("no answer in time".into()))
    }
}

fn authorization(token: &str) -> (&'static str, String) {
    ("Authorization", format!("JWT {token}"))
}

/// A token for a POST to `url`, relative to the add-on's base URL.
fn request_token(tenant: &TestTenant, url: &str, account_id: Option<&str>) -> Result<String, JwtError> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let hash = qsh::hash("POST", path, query);
    tenant.try_sign(&claims_of_site(&tenant.client_key, account_id, &hash, LIFETIME))
}

pub(super) fn is_good(answer: &Answer) -> bool {
    matches!(answer, Ok((200..=299, _)))
}

pub(super) fn good(text: &str) -> News {
    News { good: true, text: text.to_owned() }
}

pub(super) fn refused(text: String) -> News {
    News { good: false, text }
}

pub(super) fn bad(what: &str, answer: &Answer) -> News {
    let text = match answer {
        Ok((status, body)) => {
            let message = serde_json::from_str::<Value>(body).ok();
            let message = message.as_ref().and_then(|body| body.get("message")?.as_str()).unwrap_or_default();
            format!("{what}: the add-on answered {status}. {message} The journal says why.")
        }
        Err(reason) => format!("{what}: {reason}."),
    };
    News { good: false, text }
}
