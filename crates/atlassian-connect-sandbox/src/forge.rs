//! The sandbox as Forge: the app, and the key that signs its invocations.

use url::Url;

use super::secret::new_secret;
use super::signing_key::SigningKey;
use super::site::Site;
use super::sources::PlatformKeys;
use atlassian_connect_actix::internal::keys::ForgeKeys;

/// The app's id where none is configured.
const APP_ID: &str = "sandbox";
/// Where the keys are.
pub(super) const JWKS: &str = "/forge/jwks.json";

/// What invokes: the app, and the key that signs.
pub(super) struct Platform {
    pub(super) app_id: String,
    /// Most sandboxes never need it.
    pub(super) key: SigningKey,
}

impl Platform {
    pub(super) fn new(app_id: Option<&str>) -> Self {
        Self { app_id: app_id.unwrap_or(APP_ID).to_owned(), key: SigningKey::new(fresh_id) }
    }

    /// What proves its invocations to the add-on.
    pub(super) fn keys(&self, sites: &[Site], origin: &str) -> PlatformKeys {
        PlatformKeys {
            app_id: self.app_id.clone(),
            installations: sites.iter().filter_map(|site| site.tenant().installation_id).collect(),
            keys: ForgeKeys::new(Url::parse(&format!("{origin}{JWKS}")).ok().as_ref(), None),
        }
    }
}

/// The id of a key, which no other key has.
fn fresh_id() -> String {
    format!("sandbox-{}", &new_secret()[..12])
}
