//! Asks a site which one it is, and whether it still knows the tenant.

use std::time::Duration;

use actix_web::http::header::LOCATION;
use serde_json::Value;
use url::Url;

use atlassian_connect_actix::host::{HostClient, HostResponse};
use atlassian_connect_actix::internal::association::Check;
use atlassian_connect_actix::internal::installation::is_cloud_id;
use atlassian_connect_actix::internal::tenants::origin_of;

/// How long one request may take, with its answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer, in bytes. A real one has some hundred.
const BODY_LIMIT: usize = 64 * 1024;
/// How often a redirect within the site is followed.
const REDIRECTS: usize = 3;

/// What `tenant_info` said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// The site's cloudId.
    CloudId(String),
    /// The site is at another origin now.
    Moved(String),
    /// It does not say (this status refused it), so that only the site's refusal counts.
    Unnamed(Option<u16>),
    /// No answer, or not a useful one.
    Unknown(Option<u16>),
}

/// What the site said to a call that was signed with the tenant's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Accepted(u16),
    Refused(u16),
    Moved(String),
    Unknown(Option<u16>),
}

/// What became of a tenant, from both answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) result: Check,
    pub(super) status: Option<u16>,
    pub(super) moved_to: Option<String>,
}

/// Asks for the cloudId of the site at `origin`, now. The request carries no credentials.
///
/// Source: Atlassian, "How to get the cloudId": `GET {site}/_edge/tenant_info` answers `{"cloudId": "…"}` to anybody.
///
/// # Errors
/// Those of `turn`, which waits until a redirect may be followed.
pub(super) async fn cloud_id<E>(
    anonymous: &HostClient,
    origin: &str,
    turn: impl AsyncFn() -> Result<(), E>,
) -> Result<Named, E> {
    let mut url = format!("{origin}/_edge/tenant_info");
    for request in 0..=REDIRECTS {
        if request > 0 {
            turn().await?;
        }
        let request = anonymous.get(&url).follow_redirects(false).retry(false).timeout(TIMEOUT).body_limit(BODY_LIMIT);
        let Ok(response) = request.send().await else { return Ok(Named::Unknown(None)) };
        let status = response.status().as_u16();
        match status {
            200..=299 => {
                let Ok(info) = response.json::<Value>().await else { return Ok(Named::Unknown(Some(status))) };
                let cloud_id = info.get("cloudId").and_then(Value::as_str).filter(|id| is_cloud_id(id));
                let unknown = Named::Unknown(Some(status));
                return Ok(cloud_id.map_or(unknown, |id| Named::CloudId(id.to_owned())));
            }
            300..=399 => match redirected(&response) {
                Some(target) if !is_at(&target, origin) => {
                    return Ok(moved(&target).map_or(Named::Unknown(Some(status)), Named::Moved));
                }
                Some(target) => url = target.into(),
                None => return Ok(Named::Unknown(Some(status))),
            },
            401 | 403 | 404 => return Ok(Named::Unnamed(Some(status))),
            _ => return Ok(Named::Unknown(Some(status))),
        }
    }
    Ok(Named::Unknown(None))
}

/// Asks the site for the app, signed with the tenant's secret. `app_key` is the key under which it installed the app.
///
/// Source: Atlassian, "Connect app properties and add-on resource": `GET /rest/atlassian-connect/1/addons/{key}`.
pub(super) async fn proof(client: &HostClient, origin: &str, app_key: &str) -> Proof {
    let request = client.get(format!("/rest/atlassian-connect/1/addons/{app_key}"));
    // what another origin answers is not the site's answer
    let Ok(response) = request.follow_redirects(false).timeout(TIMEOUT).body_limit(BODY_LIMIT).send().await else {
        return Proof::Unknown(None);
    };
    let status = response.status().as_u16();
    match status {
        200..=299 => match response.json::<Value>().await {
            Ok(app) if is_app(&app, app_key) => Proof::Accepted(status),
            _ => Proof::Unknown(Some(status)),
        },
        300..=399 => match redirected(&response).filter(|target| !is_at(target, origin)) {
            Some(target) => moved(&target).map_or(Proof::Unknown(Some(status)), Proof::Moved),
            None => Proof::Unknown(Some(status)),
        },
        401 | 403 | 404 => Proof::Refused(status),
        _ => Proof::Unknown(Some(status)),
    }
}

/// Whether an answer is about this app: a server that answers 200 to everything proves nothing.
fn is_app(answer: &Value, app_key: &str) -> bool {
    answer.as_object().is_some_and(|app| app.get("key").is_none_or(|key| key == app_key))
}

fn redirected(response: &HostResponse) -> Option<Url> {
    let location = response.headers().get(LOCATION)?;
    response.url().join(std::str::from_utf8(location.as_bytes()).ok()?).ok()
}

fn is_at(target: &Url, origin: &str) -> bool {
    target.origin().ascii_serialization() == origin
}

fn moved(target: &Url) -> Option<String> {
    origin_of(target.as_str())
}

impl Verdict {
    /// `named` decides alone if it is final, see [`Named::is_final`]. `has_ended`: Connect has ended, and a refusal says
    /// nothing.
    pub(super) fn of(named: &Named, proof: &Proof, has_ended: bool) -> Self {
        let verdict = |result, status| Self { result, status, moved_to: None };
        match (named, proof) {
            (Named::Moved(to), _) | (_, Proof::Moved(to)) => {
                Self { result: Check::Renamed, status: None, moved_to: Some(to.clone()) }
            }
            // in the second case the site knows the tenant, but nobody says which site it is
            (Named::Unknown(status), _)
            | (Named::Unnamed(status), Proof::Accepted(_))
            | (_, Proof::Unknown(status)) => verdict(Check::Unreachable, *status),
            (_, Proof::Refused(status)) if has_ended => verdict(Check::Unreachable, Some(*status)),
            (_, Proof::Refused(status)) => verdict(Check::Stale, Some(*status)),
            (Named::CloudId(_), Proof::Accepted(status)) => verdict(Check::Accepted, Some(*status)),
        }
    }
}

impl Named {
    /// Whether there is no need to ask for a proof.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Moved(_) | Self::Unknown(_))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_answers_make_the_verdict() {
        let cloud = || Named::CloudId("c".to_owned());
        let to = || "https://b.example".to_owned();
        for (named, proof, result, status) in [
            (cloud(), Proof::Accepted(200), Check::Accepted, Some(200)),
            (cloud(), Proof::Refused(401), Check::Stale, Some(401)),
            (cloud(), Proof::Unknown(Some(503)), Check::Unreachable, Some(503)),
            (cloud(), Proof::Unknown(None), Check::Unreachable, None),
            (cloud(), Proof::Moved(to()), Check::Renamed, None),
            (Named::Moved(to()), Proof::Unknown(None), Check::Renamed, None),
            (Named::Unknown(Some(200)), Proof::Unknown(None), Check::Unreachable, Some(200)),
            (Named::Unknown(None), Proof::Accepted(200), Check::Unreachable, None),
            (Named::Unnamed(Some(404)), Proof::Refused(404), Check::Stale, Some(404)),
            (Named::Unnamed(Some(403)), Proof::Accepted(200), Check::Unreachable, Some(403)),
            (Named::Unnamed(Some(403)), Proof::Unknown(Some(500)), Check::Unreachable, Some(500)),
        ] {
            let verdict = Verdict::of(&named, &proof, false);
            assert_eq!((verdict.result, verdict.status), (result, status), "{named:?} {proof:?}");
            assert_eq!(verdict.moved_to.is_some(), result == Check::Renamed, "{named:?} {proof:?}");
        }
    }

    #[test]
    fn after_the_end_of_connect_a_refusal_says_nothing() {
        let verdict = |proof| Verdict::of(&Named::CloudId("c".to_owned()), &proof, true);
        assert_eq!(verdict(Proof::Refused(401)).result, Check::Unreachable);
        assert_eq!(verdict(Proof::Accepted(200)).result, Check::Accepted, "a proof is one all the same");
    }

    #[test]
    fn an_answer_about_something_else_is_no_proof() {
        for (answer, is_proof) in [
            (json!({ "key": "app", "state": "ENABLED" }), true),
            (json!({ "state": "ENABLED" }), true),
            (json!({ "key": "other" }), false),
            (json!({ "key": null }), false),
            (json!(["app"]), false),
            (json!("app"), false),
        ] {
            assert_eq!(is_app(&answer, "app"), is_proof, "{answer}");
        }
    }
}
