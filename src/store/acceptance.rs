//! x
use crate::config::StoreConfig;
use secrecy::SecretString;
pub(crate) fn config(url: &str) -> StoreConfig {
    StoreConfig {
        url: SecretString::from(url),
        source: "the test".to_owned(),
        table: "AddonSetting".to_owned(),
        pool_size: 4,
        ssl: None,
        auto_migrate: false,
        production: false,
    }
}
