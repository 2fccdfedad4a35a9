//! Where a tenant's site is.

use url::Url;

use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::tenants::origin_of;

/// The origin of a base URL that may be asked: its host is one that may install the app. Anybody may write any
/// `baseUrl` where the whitelist is open, and a host that is not on it has not been allowed to install.
pub(super) fn askable_origin(base_url: &str, config: &Config) -> Option<String> {
    let host = Url::parse(base_url).ok()?.host_str()?.to_owned();
    config.whitelist.matches(&host).then(|| origin_of(base_url)).flatten()
}
