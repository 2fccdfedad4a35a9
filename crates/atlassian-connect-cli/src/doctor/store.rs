//! The store and its tenants.

use std::time::Duration;

use url::Url;

use super::files;
use super::finding::Finding;
use crate::known::{self, Known, State};
use crate::output::{plain, some_of};
use crate::store_access::existing_store;
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::tenants::Installation;
use atlassian_connect_actix::store::internal::{Census, Survey, TablesFound};
use atlassian_connect_actix::store::{self, StoreError};

/// How long the store may take.
const STORE: Duration = Duration::from_secs(10);
const CHECK: &str = "store";
const ENCRYPTION: &str = "encryption";

/// Values that are opened to see whether the keys do; each is a read of its own.
const LOOKED_AT: u64 = 2000;

/// What is to be said of the store, and the base URLs of the sites that have the add-on.
pub(super) async fn check(builder: &AddonBuilder, config: &Config) -> (Vec<Finding>, Vec<String>) {
    let Ok(found) = tokio::time::timeout(STORE, looked_at(builder, config)).await else {
        let message = format!("{} does not answer within {} s", config.store.redacted_url(), STORE.as_secs());
        return (vec![Finding::problem(CHECK, message, away(config))], Vec::new());
    };
    found
}

fn away(config: &Config) -> String {
    format!("start the database, or name another one: this was chosen by {}", config.store.source)
}

/// Where the store's own words do not hold the remedy.
fn remedy(error: &StoreError, config: &Config) -> String {
    match error {
        StoreError::Unavailable(_) => away(config),
        StoreError::Sealed(_) => "add the key that is missing to AC_STORE_ENCRYPTION_KEYS, after the first".to_owned(),
        _ => format!("correct it, or name another store: this was chosen by {}", config.store.source),
    }
}

async fn looked_at(builder: &AddonBuilder, config: &Config) -> (Vec<Finding>, Vec<String>) {
    let mut findings = Vec::new();
    if builder.own_store().is_some() {
        findings.push(Finding::ok(CHECK, "one of the add-on's own"));
    } else {
        let survey = match store::internal::survey(&config.store).await {
            Ok(survey) => survey,
            Err(error) => {
                return (vec![Finding::problem(CHECK, error.to_string(), remedy(&error, config))], Vec::new());
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
            findings.push(Finding::problem("tenants", error.to_string(), remedy(&error, config)));
            return (findings, Vec::new());
        }
    };
    match store.census(LOOKED_AT).await {
        Ok(census) => findings.extend(sealed(&census, store.key_id())),
        Err(error) => findings.push(Finding::problem(ENCRYPTION, error.to_string(), remedy(&error, config))),
    }
    match known::all(store.as_ref()).await {
        Ok(tenants) => {
            findings.extend(judged(&tenants, config));
            let installed = tenants.iter().filter(|tenant| tenant.state() == State::Installed);
            (findings, installed.filter_map(Known::base_url).collect())
        }
        Err(error) => {
            findings.push(Finding::problem("tenants", error.to_string(), remedy(&error, config)));
            (findings, Vec::new())
        }
    }
}

/// Whether the keys open what is there; nothing where there are neither keys nor sealed values.
fn sealed(census: &Census, key: Option<&str>) -> Option<Finding> {
    let among = if census.is_whole { "" } else { "the first " };
    let values = format!("{among}{} values", census.values());
    if let Some(reason) = census.reasons.first() {
        let message = format!("{} of {values} do not open: {}", census.unopened, plain(reason));
        let remedy = "add the key that is missing to AC_STORE_ENCRYPTION_KEYS, after the first; what was altered comes \
                      back from a backup, or when the site installs the add-on again";
        return Some(Finding::problem(ENCRYPTION, message, remedy));
    }
    let key = key?;
    let Census { sealed, sealed_before, clear, .. } = census;
    if sealed_before + clear == 0 {
        return Some(Finding::ok(ENCRYPTION, format!("the keys open all of {values}, sealed with key {key}")));
    }
    let message = format!(
        "the keys open all of {values}: {sealed} are sealed with key {key}, {sealed_before} with an older key, {clear} \
         stand there in clear"
    );
    Some(Finding::warning(ENCRYPTION, message, "once every node has these keys, run `tenants encrypt`"))
}

fn surveyed(survey: &Survey, config: &Config) -> Vec<Finding> {
    let (shown, source) = (config.store.redacted_url(), &config.store.source);
    let made = "start the add-on, or run the command migrate: either makes the tables";
    let mut findings = vec![match &survey.tables {
        TablesFound::InMemory => {
            Finding::ok(CHECK, format!("in memory, chosen by {source}: a restart forgets every installation"))
        }
        TablesFound::NoFile => Finding::warning(CHECK, format!("{shown} ({source}) does not exist yet"), made),
        TablesFound::None => Finding::warning(CHECK, format!("{shown} ({source}) has no tables yet"), made),
        TablesFound::Wrong(reason) => {
            let remedy = format!("as said, or name another store: this was chosen by {source}");
            Finding::problem(CHECK, format!("{shown}: {reason}"), remedy)
        }
        TablesFound::All(table) => Finding::ok(CHECK, format!("{shown} ({source}), table {table}")),
        TablesFound::NotNeeded => Finding::ok(CHECK, format!("{shown} ({source}) answers; it needs no tables")),
    }];
    findings.extend(survey.file.as_deref().and_then(|file| files::for_others(CHECK, file)));
    if matches!(survey.tables, TablesFound::All(_)) {
        findings.push(schema(survey, config.store.auto_migrate));
        findings.extend(of_ace(survey, !config.store.encryption_keys.is_empty()));
    }
    findings
}

/// What happens to a database that ACE made, which is one with its tables and no record of ours.
fn of_ace(survey: &Survey, seals: bool) -> Option<Finding> {
    if survey.applied.is_empty() && survey.unknown.is_empty() {
        let check = "ACE";
        return Some(if seals {
            Finding::warning(
                check,
                "atlassian-connect-express made these tables; it cannot read what AC_STORE_ENCRYPTION_KEYS seal",
                "leave the keys out until you are sure that you will not go back to it; then run tenants encrypt",
            )
        } else {
            Finding::ok(
                check,
                "atlassian-connect-express made these tables: they are used as they stand, and no site has to install \
                 again. What is written (installs, uninstalls, values, tokens, associations of Forge) it can read: to \
                 go back, start it on this database again",
            )
        });
    }
    None
}

fn schema(survey: &Survey, auto_migrate: bool) -> Finding {
    let check = "schema";
    let Survey { pending, unknown, .. } = survey;
    if !unknown.is_empty() {
        let message = format!("newer than this binary: it does not know the migrations {}", unknown.join(", "));
        return Finding::warning(check, message, "deploy the newer release again; steps only add, so this one works");
    }
    match (pending.as_slice(), auto_migrate) {
        ([], _) => Finding::ok(check, "every migration has run"),
        (pending, true) => Finding::ok(check, format!("the next start runs {}", pending.join(", "))),
        (pending, false) => Finding::warning(
            check,
            format!("migrations that have not run: {}", pending.join(", ")),
            "run the command migrate; on ACE's database it adds what is missing and changes no row",
        ),
    }
}

fn judged(tenants: &[Known], config: &Config) -> Vec<Finding> {
    let check = "tenants";
    let of = |state| tenants.iter().filter(move |tenant: &&Known| tenant.state() == state);
    let names = |those: &[&Known]| some_of(those.iter().map(|tenant| tenant.client_key.as_str()));
    let (installed, uninstalled) = (of(State::Installed).count(), of(State::Uninstalled).count());
    let mut findings = vec![Finding::ok(check, format!("{installed} installed, {uninstalled} uninstalled and kept"))];
    let mut warn = |those: Vec<&Known>, what: &str, remedy: &str| {
        if !those.is_empty() {
            findings.push(Finding::warning(check, format!("{what}: {}", names(&those)), remedy));
        }
    };
    warn(
        tenants.iter().filter(|tenant| tenant.rows_in_use() > 1).collect(),
        "several rows of one installation, all of whose secrets are tried",
        "nothing has to be done: the next signed install of the site settles it",
    );
    warn(
        of(State::Installed).filter(|tenant| !can_prove(tenant)).collect(),
        "installations without a usable sharedSecret, whose every request is refused",
        "have the add-on installed again there, or remove them by `tenants remove`",
    );
    warn(
        of(State::Installed).filter(|tenant| !is_whitelisted(tenant, config)).collect(),
        "sites that are not on the whitelist: they may use the add-on and cannot install it again",
        "add their hosts to AC_HOST_WHITELIST, or remove them by `tenants remove`",
    );
    let superseded: Vec<_> = tenants.iter().filter(|tenant| tenant.rows_superseded() > 0).collect();
    if !superseded.is_empty() {
        let message = format!("rows that a later install took the place of are kept: {}", names(&superseded));
        findings.push(Finding::ok(check, message));
    }
    findings
}

fn can_prove(tenant: &Known) -> bool {
    let installation = tenant.installation.as_ref().and_then(Installation::read);
    installation.is_some_and(|installation| installation.has_usable_secret())
}

/// A site without a base URL, as old installations are, cannot be judged.
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
        let of = |applied: &[&str], seals| {
            let applied = applied.iter().map(|&name| name.to_owned()).collect();
            of_ace(&Survey { applied, ..survey(&["a"], &[]) }, seals).map(|finding| finding.level)
        };
        assert_eq!((of(&[], false), of(&[], true)), (Some(Ok), Some(Warning)));
        assert_eq!((of(&["a"], false), of(&["a"], true)), (None, None));
    }

    #[test]
    fn schemas_older_and_newer() {
        for (pending, unknown, auto, level, words) in [
            (&[][..], &[][..], false, Ok, "every migration has run"),
            (&["a", "b"], &[], true, Ok, "the next start runs a, b"),
            (&["a"], &[], false, Warning, "have not run: a"),
            (&[], &["2099"], true, Warning, "newer than this binary"),
            (&["a"], &["2099"], false, Warning, "newer than this binary"),
        ] {
            let finding = schema(&survey(pending, unknown), auto);
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
    }
}
