//! A Forge installation, as the claims of a verified invocation token describe it: its products, and the keys of its
//! tenant.

mod apis;
mod keys;

use crate::config::Config;

pub(crate) use apis::{Api, Apis};
pub(crate) use keys::{Installed, ari_of_key, site_ari, site_keys};
pub use keys::{is_cloud_id, is_site_key, plain_of, product_of_key, site_key};

/// The type of the app's environment that the deployment is for: in production the first that it serves. `None`: any.
#[must_use]
pub fn own_environment(config: &Config) -> Option<&str> {
    let first = config.forge_environments.as_ref()?.first()?;
    config.environment.is_production().then_some(first.as_str())
}
