//! Root members that are not part of a manifest.

use serde_json::Value;

use super::conversion::Conversion;
use super::exceptions::{API_VERSION, LISTING, NAME, NOT_JWT, OTHER_MEMBER, PUBLIC_KEY};
use atlassian_connect_actix::internal::descriptor;

/// Members that other files of this module convert.
const CONVERTED: [&str; 13] = [
    "key",
    "baseUrl",
    "description",
    "enableLicensing",
    "editionsEnabled",
    "regionBaseUrls",
    "dataResidency",
    "lifecycle",
    "modules",
    "translations",
    "cloudAppMigration",
    "scopes",
    "authentication",
];

impl Conversion<'_> {
    pub(super) fn root(&mut self) {
        for name in self.descriptor.value().as_object().into_iter().flat_map(serde_json::Map::keys) {
            let exception = match name.as_str() {
                "name" => NAME,
                "vendor" | "links" => LISTING,
                "apiVersion" => API_VERSION,
                name if CONVERTED.contains(&name) => continue,
                _ => OTHER_MEMBER,
            };
            self.report(&exception, descriptor::member("$", name));
        }
        // jwt is the default of app.connect
        let Some(authentication) = self.object("authentication") else { return };
        let kind = authentication.get("type").and_then(Value::as_str);
        if kind.is_none_or(|kind| !kind.eq_ignore_ascii_case("jwt")) {
            let path = if authentication.contains_key("type") { "$.authentication.type" } else { "$.authentication" };
            self.report(&NOT_JWT, path);
        }
        if authentication.contains_key("publicKey") {
            self.report(&PUBLIC_KEY, "$.authentication.publicKey");
        }
    }
}
