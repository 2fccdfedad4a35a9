//! The descriptor, and `credentials.json`.

use std::path::Path;

use super::diagnosis::{Diagnosis, Level};
use crate::messages::{Message, doctor as message};
use crate::registration::{CREDENTIALS_FILE, credentials};
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::descriptor::{Descriptor, Severity};

/// The descriptor, if it can be served.
pub(super) fn descriptor(builder: &AddonBuilder, config: &Config) -> (Option<Descriptor>, Vec<Diagnosis>) {
    match builder.load_descriptor(config) {
        Ok(descriptor) => {
            let findings = validation(&descriptor, config);
            (Some(descriptor), findings)
        }
        Err(error) => (None, vec![Diagnosis::problem(&message::DESCRIPTOR_UNUSABLE, &[("error", &error.to_string())])]),
    }
}

/// The findings about a descriptor that can be served, without hints: those are for its author.
fn validation(descriptor: &Descriptor, config: &Config) -> Vec<Diagnosis> {
    let (check, found) = ("descriptor", descriptor.check(config));
    let shown = found.iter().filter(|found| found.severity != Severity::Hint).map(|found| {
        let level = if found.severity == Severity::Error { Level::Problem } else { Level::Warning };
        Diagnosis::of(level, &message::DESCRIPTOR_ODD, &[("finding", &found.to_string())])
    });
    let mut findings: Vec<Diagnosis> = shown.collect();
    if findings.is_empty() {
        findings.push(Diagnosis::ok(check, format!("{}, {:?}", descriptor.key(), descriptor.name())));
    }
    findings
}

/// `credentials.json`, if it exists: whether it is valid, and who can read it.
pub(super) fn credentials() -> Vec<Diagnosis> {
    let (file, check) = (Path::new(CREDENTIALS_FILE), "credentials");
    if !file.exists() {
        return Vec::new();
    }
    let mut findings = vec![match credentials::load(file, &[]) {
        Ok(credentials) => {
            let sites: Vec<_> = credentials.sites.iter().map(credentials::SiteCredentials::shown).collect();
            Diagnosis::ok(
                check,
                format!(
                    "{CREDENTIALS_FILE} names {}",
                    if sites.is_empty() { "no site".to_owned() } else { sites.join(", ") }
                ),
            )
        }
        Err(error) => Diagnosis::problem(&message::CREDENTIALS, &[("error", &error.to_string())]),
    }];
    findings.extend(for_others(&message::FILE_OF_CREDENTIALS, file));
    findings
}

/// Warns if users other than the owner can access a file with secrets.
#[cfg(unix)]
pub(super) fn for_others(message: &Message, file: &Path) -> Option<Diagnosis> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().ok()?.permissions().mode() & 0o777;
    let is_open_to_others = mode & 0o077 != 0;
    if !is_open_to_others {
        return None;
    }
    let shown = file.strip_prefix(".").unwrap_or(file).display().to_string();
    Some(Diagnosis::warning(message, &[("file", &shown), ("mode", &format!("{mode:o}"))]))
}

/// Other systems have no such permissions.
#[cfg(not(unix))]
pub(super) fn for_others(_: &Message, _: &Path) -> Option<Diagnosis> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::FILE_OF_STORE;

    #[cfg(unix)]
    #[test]
    fn only_files_that_others_can_access_are_reported() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, is_private) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(for_others(&FILE_OF_STORE, file.path()).is_none(), is_private, "{mode:o}");
        }
        assert!(for_others(&FILE_OF_STORE, Path::new("nowhere")).is_none());
    }
}
