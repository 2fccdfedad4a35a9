//! The descriptor, and `credentials.json`.

use std::path::Path;

use super::finding::Finding;
use crate::registration::{CREDENTIALS_FILE, credentials};
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::descriptor::{Descriptor, Severity};

/// The descriptor, where it can be served.
pub(super) fn descriptor(builder: &AddonBuilder, config: &Config) -> (Option<Descriptor>, Vec<Finding>) {
    match builder.load_descriptor(config) {
        Ok(descriptor) => {
            let findings = validation(&descriptor, config);
            (Some(descriptor), findings)
        }
        Err(error) => {
            let remedy = "correct the descriptor; the add-on does not start without";
            (None, vec![Finding::problem("descriptor", error.to_string(), remedy)])
        }
    }
}

/// What is to be said of a descriptor that can be served; hints are for its author alone.
fn validation(descriptor: &Descriptor, config: &Config) -> Vec<Finding> {
    let (check, found) = ("descriptor", descriptor.check(config));
    let told = found.iter().filter(|found| found.severity != Severity::Hint).map(|found| {
        let remedy = "correct it; descriptor --validate says all that is odd";
        match found.severity {
            Severity::Error => Finding::problem(check, found.to_string(), remedy),
            _ => Finding::warning(check, found.to_string(), remedy),
        }
    });
    let mut findings: Vec<Finding> = told.collect();
    if findings.is_empty() {
        findings.push(Finding::ok(check, format!("{}, {:?}", descriptor.key(), descriptor.name())));
    }
    findings
}

/// `credentials.json`, where there is one: can it be read, and by whom.
pub(super) fn credentials() -> Vec<Finding> {
    let (file, check) = (Path::new(CREDENTIALS_FILE), "credentials");
    if !file.exists() {
        return Vec::new();
    }
    let mut findings = vec![match credentials::load(file, &[]) {
        Ok(credentials) => {
            let sites: Vec<_> = credentials.sites.iter().map(credentials::Site::shown).collect();
            Finding::ok(
                check,
                format!(
                    "{CREDENTIALS_FILE} names {}",
                    if sites.is_empty() { "no site".to_owned() } else { sites.join(", ") }
                ),
            )
        }
        Err(error) => Finding::problem(check, error.to_string(), "correct it after credentials.json.sample"),
    }];
    findings.extend(for_others(check, file));
    findings
}

/// A file with secrets that others than its owner may read or write.
#[cfg(unix)]
pub(super) fn for_others(check: &'static str, file: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().ok()?.permissions().mode() & 0o777;
    let shown = file.strip_prefix(".").unwrap_or(file).display();
    (mode & 0o077 != 0).then(|| {
        let message = format!("{shown} holds secrets, and is not for its owner alone (mode {mode:o})");
        Finding::warning(check, message, format!("chmod 600 {shown}"))
    })
}

/// Other systems have no such mode.
#[cfg(not(unix))]
pub(super) fn for_others(_: &'static str, _: &Path) -> Option<Finding> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_for_its_owner_alone_is_well() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, is_well) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(for_others("x", file.path()).is_none(), is_well, "{mode:o}");
        }
        assert!(for_others("x", Path::new("nowhere")).is_none());
    }
}
