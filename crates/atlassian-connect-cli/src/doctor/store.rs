//! The store and its tenants.

use std::time::Duration;

use url::Url;

use super::diagnosis::Diagnosis;
use super::files;
use crate::known::{self, Known, State};
use crate::messages::{Message, doctor as message, fill};
use crate::output::{plain, some_of};
use crate::store_access::existing_store;
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::tenants::Installation;
use atlassian_connect_actix::store::StoreError;
use atlassian_connect_actix::store::internal::admin::{self, Census, Survey, TablesFound};

/// The timeout of the store.
const STORE: Duration = Duration::from_secs(10);
const CHECK: &str = "store";
const ENCRYPTION: &str = "encryption";

/// How many values are decrypted to check the keys; each is a separate read.
const LOOKED_AT: u64 = 2000;

/// Checks the store, and returns the base URLs of the sites that have the add-on.
pub(super) async fn check(builder: &AddonBuilder, config: &Config) -> (Vec<Diagnosis>, Vec<String>) {
    let Ok(found) = tokio::time::timeout(STORE, looked_at(builder, config)).await else {
        let (store, seconds) = (config.store.redacted_url(), STORE.as_secs().to_string());
        let values = [("store", store.as_str()), ("seconds", &seconds), ("source", &config.store.source)];
        return (vec![Diagnosis::problem(&message::STORE_SILENT, &values)], Vec::new());
    };
    found
}

/// A problem with `message`, whose remedy depends on the error.
fn failed(message: &Message, error: &StoreError, config: &Config) -> Diagnosis {
    let source = [("source", config.store.source.as_str())];
    let remedy = match error {
        StoreError::Unavailable(_) => fill(message::STORE_SILENT.remedy, &source),
        StoreError::Sealed(_) => "append the missing key to AC_STORE_ENCRYPTION_KEYS".to_owned(),
        _ => fill(message::STORE_UNUSABLE.remedy, &source),
    };
    Diagnosis::problem(message, &[("error", &error.to_string()), ("remedy", &remedy)])
}

async fn looked_at(builder: &AddonBuilder, config: &Config) -> (Vec<Diagnosis>, Vec<String>) {
    let mut findings = Vec::new();
    if builder.own_store().is_some() {
        findings.push(Diagnosis::ok(CHECK, "the add-on's own store"));
    } else {
        let survey = match admin::survey(&config.store).await {
            Ok(survey) => survey,
            Err(error) => {
                return (vec![failed(&message::STORE_FAILED, &error, config)], Vec::new());
            }
        };
        let usable = matches!(survey.tables, TablesFound::All(_) | TablesFound::NotNeeded);
        findings.extend(surveyed(&survey, config));
        if !usable {
            return (findings, Vec::new());
        }
    }
    let (store, _) = match existing_store(builder, &config.store).await {
        Ok(store) => store,
        Err(error) => {
            findings.push(failed(&message::TENANTS_UNREADABLE, &error, config));
            return (findings, Vec::new());
        }
    };
    match store.census(LOOKED_AT).await {
        Ok(census) => findings.extend(sealed(&census, store.key_id())),
        Err(error) => findings.push(failed(&message::ENCRYPTION_UNCHECKED, &error, config)),
    }
    match known::all(store.as_ref()).await {
        Ok(tenants) => {
            findings.extend(judged(&tenants, config));
            let installed = tenants.iter().filter(|tenant| tenant.state() == State::Installed);
            (findings, installed.filter_map(Known::base_url).collect())
        }
        Err(error) => {
            findings.push(failed(&message::TENANTS_UNREADABLE, &error, config));
            (findings, Vec::new())
        }
    }
}

/// Checks that the keys decrypt the stored values. `None` if there are neither keys nor encrypted values.
fn sealed(census: &Census, key: Option<&str>) -> Option<Diagnosis> {
    let (first, plural) =
        (if census.is_whole { "" } else { "the first " }, if census.values() == 1 { "" } else { "s" });
    let values = format!("{first}{} value{plural}", census.values());
    if let Some(reason) = census.reasons.first() {
        let (count, reason) = (census.unopened.to_string(), plain(reason));
        let values = [("count", count.as_str()), ("values", &values), ("reason", &reason)];
        return Some(Diagnosis::problem(&message::NOT_DECRYPTED, &values));
    }
    let key = key?;
    let Census { sealed, sealed_before, clear, .. } = census;
    if sealed_before + clear == 0 {
        return Some(Diagnosis::ok(ENCRYPTION, format!("the keys decrypt {values}, all encrypted with key {key}")));
    }
    let [sealed, older, clear] = [sealed, sealed_before, clear].map(u64::to_string);
    let values = [("values", values.as_str()), ("sealed", &sealed), ("key", key), ("older", &older), ("clear", &clear)];
    Some(Diagnosis::warning(&message::NOT_ALL_ENCRYPTED, &values))
}

fn surveyed(survey: &Survey, config: &Config) -> Vec<Diagnosis> {
    let (shown, source) = (config.store.redacted_url(), &config.store.source);
    let values = [("store", shown.as_str()), ("source", source)];
    let mut findings = vec![match &survey.tables {
        TablesFound::InMemory => {
            Diagnosis::ok(CHECK, format!("in memory ({source}): a restart loses every installation"))
        }
        TablesFound::NoFile => Diagnosis::warning(&message::STORE_MISSING, &values),
        TablesFound::None => Diagnosis::warning(&message::STORE_EMPTY, &values),
        TablesFound::Wrong(reason) => {
            let values = [("store", shown.as_str()), ("error", reason), ("source", source)];
            Diagnosis::problem(&message::STORE_UNUSABLE, &values)
        }
        TablesFound::All(table) => Diagnosis::ok(CHECK, format!("{shown} ({source}), table {table}")),
        TablesFound::NotNeeded => Diagnosis::ok(CHECK, format!("{shown} ({source}) answers; it needs no tables")),
    }];
    findings.extend(survey.file.as_deref().and_then(|file| files::for_others(&message::FILE_OF_STORE, file)));
    if matches!(survey.tables, TablesFound::All(_)) {
        findings.push(schema(survey, config.store.auto_migrate));
        findings.extend(of_ace(survey, !config.store.encryption_keys.is_empty()));
    }
    findings
}

/// The migration that the start runs on any database, because ACE has no table of events.
const EVENTS_STEP: &str = "_create_forge_events";

/// Recognizes a database that ACE created: it has the tables but no record of the migrations that make them.
fn of_ace(survey: &Survey, encrypts: bool) -> Option<Diagnosis> {
    if survey.applied.iter().all(|name| name.ends_with(EVENTS_STEP)) && survey.unknown.is_empty() {
        return Some(if encrypts {
            Diagnosis::warning(&message::NO_WAY_BACK, &[])
        } else {
            Diagnosis::ok(
                "ACE",
                "atlassian-connect-express created these tables. They are used unchanged, and no site has to install \
                 the add-on again. To go back, start atlassian-connect-express on this database: it can read everything \
                 that is written",
            )
        });
    }
    None
}

fn schema(survey: &Survey, auto_migrate: bool) -> Diagnosis {
    let check = "schema";
    let Survey { pending, unknown, .. } = survey;
    if !unknown.is_empty() {
        return Diagnosis::warning(&message::SCHEMA_NEWER, &[("names", &unknown.join(", "))]);
    }
    match (pending.as_slice(), auto_migrate) {
        ([], _) => Diagnosis::ok(check, "every migration has run"),
        (pending, true) => Diagnosis::ok(check, format!("the next start runs {}", pending.join(", "))),
        (pending, false) => Diagnosis::warning(&message::SCHEMA_OLDER, &[("names", &pending.join(", "))]),
    }
}

fn judged(tenants: &[Known], config: &Config) -> Vec<Diagnosis> {
    let check = "tenants";
    let of = |state| tenants.iter().filter(move |tenant: &&Known| tenant.state() == state);
    let names = |those: &[&Known]| some_of(those.iter().map(|tenant| tenant.client_key.as_str()));
    let (installed, uninstalled) = (of(State::Installed).count(), of(State::Uninstalled).count());
    let mut findings = vec![Diagnosis::ok(check, format!("{installed} installed, {uninstalled} uninstalled and kept"))];
    let mut warn = |message: &Message, tenants: Vec<&Known>| {
        if !tenants.is_empty() {
            findings.push(Diagnosis::warning(message, &[("names", &names(&tenants))]));
        }
    };
    warn(&message::SEVERAL_ROWS, tenants.iter().filter(|tenant| tenant.rows_in_use() > 1).collect());
    warn(&message::NO_SECRET, of(State::Installed).filter(|tenant| !has_secret(tenant)).collect());
    warn(&message::NOT_WHITELISTED, of(State::Installed).filter(|tenant| !is_whitelisted(tenant, config)).collect());
    let superseded: Vec<_> = tenants.iter().filter(|tenant| tenant.rows_superseded() > 0).collect();
    if !superseded.is_empty() {
        let message = format!("rows that a later install replaced are kept: {}", names(&superseded));
        findings.push(Diagnosis::ok(check, message));
    }
    findings
}

fn has_secret(tenant: &Known) -> bool {
    let installation = tenant.installation.as_ref().and_then(Installation::read);
    installation.is_some_and(|installation| installation.has_usable_secret())
}

/// True for a site without a base URL, as in old installations: there is nothing to check.
fn is_whitelisted(tenant: &Known, config: &Config) -> bool {
    let Some(url) = tenant.base_url() else { return true };
    Url::parse(&url).is_ok_and(|url| url.host_str().is_some_and(|host| config.whitelist.matches(host)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level::{Ok, Warning};

    fn survey(pending: &[&str], unknown: &[&str]) -> Survey {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Survey {
            file: None,
            tables: TablesFound::All("AddonSettings".to_owned()),
            applied: Vec::new(),
            pending: owned(pending),
            skipped: Vec::new(),
            unknown: owned(unknown),
        }
    }

    #[test]
    fn a_database_of_ace_is_recognised() {
        let of = |applied: &[&str], encrypts| {
            let applied = applied.iter().map(|&name| name.to_owned()).collect();
            of_ace(&Survey { applied, ..survey(&["a"], &[]) }, encrypts).map(|finding| finding.level)
        };
        assert_eq!((of(&[], false), of(&[], true)), (Some(Ok), Some(Warning)));
        let started = ["2026-11-29-000001_create_forge_events"];
        assert_eq!((of(&started, false), of(&started, true)), (Some(Ok), Some(Warning)));
        assert_eq!((of(&["a"], false), of(&["a"], true)), (None, None));
    }

    #[test]
    fn schemas_older_and_newer() {
        for (pending, unknown, auto, level, words) in [
            (&[][..], &[][..], false, Ok, "every migration has run"),
            (&["a", "b"], &[], true, Ok, "the next start runs a, b"),
            (&["a"], &[], false, Warning, "pending migrations: a"),
            (&[], &["2099"], true, Warning, "is newer than this binary"),
            (&["a"], &["2099"], false, Warning, "is newer than this binary"),
        ] {
            let finding = schema(&survey(pending, unknown), auto);
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
    }
}
