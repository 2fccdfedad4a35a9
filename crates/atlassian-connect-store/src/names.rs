//! The keys under which an installation is kept.

/// The key of an installation, as ACE writes it.
pub const CLIENT_INFO: &str = "clientInfo";
/// Where the installation of a tenant that uninstalled the add-on is kept: ACE does not find it there either.
pub const CLIENT_INFO_UNINSTALLED: &str = "clientInfo:uninstalled";
/// Where the older of two rows of one tenant is kept once a signed install has settled which one counts.
pub const CLIENT_INFO_SUPERSEDED: &str = "clientInfo:superseded";
/// Since when a tenant is uninstalled: whole seconds since 1970, as a number. Absent where the add-on that took the
/// uninstall did not write it.
pub const CLIENT_INFO_UNINSTALLED_AT: &str = "clientInfo:uninstalledAt";
