//! The clock of the stores.

/// Now, as [`crate::names::CLIENT_INFO_UNINSTALLED_AT`] has it.
pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
