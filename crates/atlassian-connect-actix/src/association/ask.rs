//! Asks a site for its clientKey.
//!
//! The answer counts only for a tenant of that site: the property decides whose data the app shows, so a site must not
//! be able to name the tenant of another one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::Value;

use super::draft::Draft;
use super::observe::{Observed, SiteOf};
use super::pace;
use super::record::{Answer, InstallationRecord, Named, SITES, tenant_record};
use super::site_origin::{is_of_site, is_of_workspace, is_workspace, site_origin};
use crate::error::Error;
use crate::host::{ForgeSite, HostClient, HostError};
use crate::installation::{Apis, ari_of_key, product_of_key};
use crate::state::State;
use crate::store::internal::now;
use crate::tenants::{Tenant, is_key};

/// The app property that holds the clientKey of a site. Neither it nor `installationId` survives the end of Connect, so
/// the result is stored.
///
/// Source: Atlassian, "Migrate the Connect clientKey".
pub const CLIENT_KEY_PROPERTY: &str = "connect_client_key_019cdff3-8bfb-71fe-9628-875b700aebb8";
/// The beginning of the day on which Connect ends, 2027-01-31 in UTC, in seconds since 1970.
///
/// Source: Atlassian, "Connect end of support" (CHANGE-3383).
pub const END_OF_CONNECT: u64 = 1_801_353_600;
/// How long that day is somewhere on Earth, in seconds.
const LAST_DAY: u64 = 36 * 60 * 60;
/// A site is asked once in this time, in seconds.
const DAY: u64 = 24 * 60 * 60;
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 16 * 1024;

/// Asks the site, if it may be asked now. The time and the answer are in the record.
pub(super) async fn tenant_of_site(
    state: &Data<State>,
    observed: &Observed,
    draft: &mut Draft<'_>,
) -> Result<Option<Arc<Tenant>>, Error> {
    let Some(token) = observed.app_token.as_ref().filter(|_| observed.has_connect) else { return Ok(None) };
    let host = |site: &SiteOf| {
        let apis = Apis::only(Some(&site.api));
        let site = ForgeSite { app_token: Some(token.clone()), ..ForgeSite::new(&observed.installation_id, apis) };
        HostClient::of_forge_site(state.clone(), site)
    };
    let (site, answer) = if let Some((site, client_key)) = named(observed, &draft.record) {
        (site, Ok(client_key))
    } else {
        let Some(site) = turn_to_ask(state, observed, draft).await? else { return Ok(None) };
        let answer = property(state, &host(site)).await;
        // kept before anything else can fail: the site is not asked again today
        let client_key = answer.as_ref().ok();
        draft.record.named =
            client_key.map(|client_key| Named { site: site.key.clone(), client_key: client_key.clone() });
        draft.save().await?;
        (site, answer)
    };
    let answer = match answer {
        Ok(client_key) => check(state, observed, site, &host(site), &client_key).await?,
        Err(answer) => Err(answer),
    };
    draft.record.named = None;
    draft.record.answers.retain(|key, _| observed.sites.iter().any(|site| site.key == *key));
    match &answer {
        Ok(_) => draft.record.answers.clear(),
        Err(answer) => drop(draft.record.answers.insert(site.key.clone(), *answer)),
    }
    draft.record.answer = together(&draft.record.answers, observed.sites.len());
    draft.save().await?;
    Ok(answer.ok())
}

/// The product that has named a clientKey, which was not checked yet.
fn named<'a>(observed: &'a Observed, record: &InstallationRecord) -> Option<(&'a SiteOf, String)> {
    let Named { site, client_key } = record.named.clone()?;
    Some((observed.sites.iter().find(|known| known.key == site)?, client_key))
}

/// Waits for the turn of this installation. Returns the product to ask, if it is to be asked now.
async fn turn_to_ask<'a>(
    state: &State,
    observed: &'a Observed,
    draft: &mut Draft<'_>,
) -> Result<Option<&'a SiteOf>, Error> {
    let lost = || Error::Unavailable { detail: "another node works on this installation".to_owned() };
    if !is_due(&draft.record, observed.is_sure, now()) {
        return Ok(None);
    }
    let is_new = draft.is_new();
    // of the nodes that see a new installation, one writes its first record
    if !draft.save().await? && !is_new {
        return Err(lost());
    }
    pace::turn(state).await?;
    // another node may have asked meanwhile
    draft.reread().await?;
    let record = &mut draft.record;
    if !is_due(record, observed.is_sure, now()) {
        return Ok(None);
    }
    // a page's token that does not work says nothing about the one of Forge
    let site = if observed.is_sure {
        let site = next_site(&observed.sites, record);
        (record.asked, record.asked_site) = (Some(now()), site.map(|site| site.key.clone()));
        site
    } else {
        record.asked_by_page = Some(now());
        observed.sites.first()
    };
    if draft.save().await? { Ok(site) } else { Err(lost()) }
}

/// What the answers of an installation's products say: that there is no clientKey only if each of them says so.
fn together(answers: &BTreeMap<String, Answer>, products: usize) -> Option<Answer> {
    let told = answers.values().copied().find(|answer| *answer != Answer::None);
    told.or_else(|| (answers.len() >= products && products > 0).then_some(Answer::None))
}

/// Whether the site may be asked again.
fn is_due(record: &InstallationRecord, is_sure: bool, now: u64) -> bool {
    if now >= END_OF_CONNECT + LAST_DAY {
        return false;
    }
    let is_past = |time: Option<u64>| time.is_none_or(|time| now.abs_diff(time) >= DAY);
    // where Forge itself brings a token every day, those of pages are not needed
    is_past(record.asked) && (is_sure || is_past(record.asked_by_page))
}

/// The first product that has not answered: the first time the one of the tenant's key, and again that one if the process
/// ended before it answered. When all have, the product after the one that was asked last.
fn next_site<'a>(sites: &'a [SiteOf], record: &InstallationRecord) -> Option<&'a SiteOf> {
    if let Some(site) = sites.iter().find(|site| !record.answers.contains_key(&site.key)) {
        return Some(site);
    }
    let last = record.asked_site.as_ref();
    let position = last.and_then(|last| sites.iter().position(|site| site.key == *last));
    sites.iter().cycle().nth(position.map_or(0, |position| position + 1))
}

/// Whether the tenant that the site has named is one of this site.
async fn check(
    state: &State,
    observed: &Observed,
    site: &SiteOf,
    host: &HostClient,
    client_key: &str,
) -> Result<Result<Arc<Tenant>, Answer>, Error> {
    let Some(tenant) = state.tenants.current(client_key).await? else { return Ok(Err(Answer::UnknownTenant)) };
    let id = &observed.installation_id;
    if tenant.is_of_bitbucket() || is_workspace(&site.key) {
        if is_of_workspace(&tenant, &site.key) {
            return Ok(Ok(tenant));
        }
        tracing::warn!(
            client_key,
            site = site.key,
            installation_id = id,
            "a workspace names the Connect tenant of another workspace: it is not associated"
        );
        return Ok(Err(Answer::OtherSite));
    }
    if observed.site_url.is_none() {
        pace::turn(state).await?;
    }
    let Some(origin) = site_origin(observed.site_url.as_deref(), Some(&site.key), host).await else {
        tracing::warn!(
            client_key,
            installation_id = id,
            "the URL of a site that names a Connect tenant is not known: it is not associated"
        );
        return Ok(Err(Answer::NoSiteUrl));
    };
    if !is_of_site(&tenant, &origin) {
        tracing::warn!(
            client_key,
            base_url = tenant.base_url(),
            site = origin,
            installation_id = id,
            "a site names the Connect tenant of another site: it is not associated"
        );
        return Ok(Err(Answer::OtherSite));
    }
    if let Some(other) = other_site(state, client_key, &site.key).await? {
        tracing::warn!(
            client_key,
            site = site.key,
            other,
            installation_id = id,
            "a site names a Connect tenant that another site of the same product has: it is not associated"
        );
        return Ok(Err(Answer::OtherSite));
    }
    Ok(Ok(tenant))
}

/// Another site of the same product that the tenant already has. A tenant is one site of a product: a clone, or a
/// customer who has taken over the name, says the same.
async fn other_site(state: &State, client_key: &str, site_key: &str) -> Result<Option<String>, Error> {
    let store = state.tenants.store().as_ref();
    let sites: Vec<String> = tenant_record(store, client_key, SITES).await?.unwrap_or_default();
    for other in sites {
        let is_other = product_of_key(&other) == product_of_key(site_key) && ari_of_key(&other) != ari_of_key(site_key);
        if is_other && state.tenants.is_associated(&other, client_key).await? {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// The clientKey that the site's property names.
async fn property(state: &State, host: &HostClient) -> Result<String, Answer> {
    let key = state.descriptor().key().to_owned();
    let path = format!("/rest/atlassian-connect/1/addons/{key}/properties/{CLIENT_KEY_PROPERTY}");
    let unreachable = |error: HostError| {
        tracing::debug!(%error, "the site could not be asked for its clientKey");
        Answer::Unreachable
    };
    // what another origin answers is not the site's answer
    let request = host.get(path).follow_redirects(false).retry(false).timeout(TIMEOUT).body_limit(ANSWER_LIMIT);
    let response = request.send().await;
    let response = response.map_err(unreachable)?;
    match response.status() {
        StatusCode::OK => {
            let answer: Value = response.json().await.map_err(unreachable)?;
            answer["value"].as_str().filter(|key| is_key(key)).map(str::to_owned).ok_or(Answer::Unreachable)
        }
        // after the end of Connect the property is gone
        StatusCode::NOT_FOUND if now() < END_OF_CONNECT => Err(Answer::None),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Answer::Refused),
        _ => Err(Answer::Unreachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_asked_once_a_day() {
        let now = 10 * DAY;
        let (just, long_ago) = (Some(now - DAY + 1), Some(now - DAY));
        for (asked, asked_by_page, sure, page) in [
            (None, None, true, true),
            (just, None, false, false),
            (long_ago, None, true, true),
            (None, just, true, false),
            (None, long_ago, true, true),
            (long_ago, just, true, false),
            (Some(now + DAY - 1), None, false, false),
            (Some(u64::MAX), None, true, true),
        ] {
            let record = InstallationRecord { asked, asked_by_page, ..InstallationRecord::default() };
            assert_eq!((is_due(&record, true, now), is_due(&record, false, now)), (sure, page), "{record:?}");
        }
    }

    #[test]
    fn the_products_of_an_installation_take_turns() {
        let sites = ["a", "b"].map(|key| SiteOf { key: key.into(), api: String::new() });
        for (asked, answered, expected) in [
            (None, &[][..], "a"),
            (Some("a"), &["a"][..], "b"),
            (Some("a"), &["a", "b"], "b"),
            (Some("b"), &["a", "b"], "a"),
            (Some("gone"), &["a", "b"], "a"),
            // the answer was lost
            (Some("a"), &[], "a"),
            (Some("b"), &["a"], "b"),
        ] {
            let answers = answered.iter().map(|key| ((*key).to_owned(), Answer::None)).collect();
            let asked_site = asked.map(str::to_owned);
            let record = InstallationRecord { asked_site, answers, ..InstallationRecord::default() };
            let next = next_site(&sites, &record).map(|site| site.key.as_str());
            assert_eq!(next, Some(expected), "{asked:?} {answered:?}");
        }
        assert!(next_site(&[], &InstallationRecord::default()).is_none());
    }

    #[test]
    fn there_is_no_client_key_only_if_every_product_says_so() {
        let of = |answers: &[Answer]| {
            together(&answers.iter().enumerate().map(|(n, answer)| (n.to_string(), *answer)).collect(), 2)
        };
        for (answers, expected) in [
            (&[][..], None),
            (&[Answer::None], None),
            (&[Answer::None, Answer::None], Some(Answer::None)),
            (&[Answer::None, Answer::Refused], Some(Answer::Refused)),
            (&[Answer::OtherSite, Answer::None], Some(Answer::OtherSite)),
        ] {
            assert_eq!(of(answers), expected, "{answers:?}");
        }
    }

    #[test]
    fn nobody_is_asked_after_the_end_of_connect() {
        let record = InstallationRecord::default();
        for (now, expected) in [
            (END_OF_CONNECT - 1, true),
            (END_OF_CONNECT + LAST_DAY - 1, true),
            (END_OF_CONNECT + LAST_DAY, false),
            (u64::MAX, false),
        ] {
            assert_eq!(is_due(&record, true, now), expected, "{now}");
        }
    }
}
