//! The keys that an installation is stored under.

/// The key of an installation, as ACE writes it.
pub const CLIENT_INFO: &str = "clientInfo";
/// The installation of a tenant that has uninstalled the add-on. ACE does not find it there either.
pub const CLIENT_INFO_UNINSTALLED: &str = "clientInfo:uninstalled";
/// The older of two rows of one tenant, after a signed install has decided which one counts.
pub const CLIENT_INFO_SUPERSEDED: &str = "clientInfo:superseded";
/// When a tenant uninstalled the add-on: whole seconds since 1970, as a number. Missing if the add-on that handled the
/// uninstall did not write it.
pub const CLIENT_INFO_UNINSTALLED_AT: &str = "clientInfo:uninstalledAt";
