//! The clock of the stores.

/// The current time in the format of [`crate::names::CLIENT_INFO_UNINSTALLED_AT`].
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
