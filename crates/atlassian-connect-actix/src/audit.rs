//! The audit log: who is installed, which keys change, what is removed. One INFO event each, with the target `audit`.
//! No event has a secret. docs/deploying.md lists them.

/// A command that a person has run.
const OPERATOR: &str = "command line";

/// A tenant that a signed callback has installed.
#[derive(Debug)]
pub(crate) struct Install<'a> {
    pub client_key: &'a str,
    pub base_url: &'a str,
    /// The Forge installation that the install names.
    pub installation: Option<&'a str>,
    /// The account id of the person, if the token names one.
    pub account_id: Option<&'a str>,
}

/// What was known of the tenant before its install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// It was not installed.
    Nothing,
    SameSecret,
    OtherSecret,
}

/// A signed callback has installed a tenant.
pub(crate) fn installed(install: &Install<'_>, before: Before) {
    let Install { client_key, base_url, installation, account_id: actor } = install;
    let event = if before == Before::Nothing { "installed" } else { "reinstalled" };
    tracing::info!(target: "audit", event, client_key, base_url, installation, actor, "a tenant was installed");
    if before == Before::OtherSecret {
        tracing::info!(
            target: "audit", event = "secret_rotated", client_key, base_url, actor,
            "the shared secret of a tenant was replaced"
        );
    }
}

/// A signed callback has uninstalled a tenant.
pub(crate) fn uninstalled(client_key: &str, base_url: Option<&str>, account_id: Option<&str>) {
    tracing::info!(target: "audit", event = "uninstalled", client_key, base_url, actor = account_id, "a tenant was uninstalled");
}

/// A Forge installation or a site was associated with a tenant.
pub(crate) fn associated(client_key: &str, installation: &str) {
    tracing::info!(target: "audit", event = "associated", client_key, installation, "an installation was associated");
}

/// A command has made a new key for the tokens of pages on Forge.
pub(crate) fn page_key_rotated() {
    tracing::info!(target: "audit", event = "page_key_rotated", actor = OPERATOR, "a new page key signs");
}

/// A command has removed all data of a tenant.
pub fn removed(client_key: &str) {
    tracing::info!(target: "audit", event = "removed", client_key, actor = OPERATOR, "a tenant was removed");
}

/// A command has removed all data of a tenant that was uninstalled long ago.
pub fn purged(client_key: &str) {
    tracing::info!(target: "audit", event = "purged", client_key, actor = OPERATOR, "a tenant was removed");
}

/// A command has encrypted all values with the key of this id, or decrypted them (`None`).
pub fn converted(key_id: Option<&str>, values: u64) {
    let event = if key_id.is_some() { "encrypted" } else { "decrypted" };
    tracing::info!(target: "audit", event, key_id, values, actor = OPERATOR, "the values of the store were converted");
}
