//! The section `remotes`: the add-on's URLs.

use serde_json::{Map, Value, json};

use super::app::REMOTE;
use super::conversion::Conversion;
use super::exceptions::{NOT_HTTPS, ODD_TYPE, OTHER_REGION};
use super::yaml::{Item, Node, member};
use atlassian_connect_actix::internal::descriptor;

/// Source: npm `@forge/manifest` 13.7.0.
const REGIONS: [&str; 11] = ["AU", "CA", "CH", "DE", "EU", "GB", "IN", "JP", "KR", "SG", "US"];

const OPERATIONS: &str = "\
How the remote uses data that leaves Atlassian. Without this Forge assumes that it stores end-user data, as stated
here; if it stores none, set inScopeEUD to false. invokeRemote needs compute.";

const AUTH: &str = "Tokens for Forge functions that call this remote. Endpoints configure their own.";

impl Conversion<'_> {
    pub(super) fn remotes(&mut self, base_url: &Value) -> Vec<Item> {
        if !self.descriptor.base_url().starts_with("https://") {
            self.report(&NOT_HTTPS, "$.baseUrl");
        }
        let tokens = "auth:\n  appSystemToken:\n    enabled: true\n  appUserToken:\n    enabled: true";
        let connect = vec![
            member("key", REMOTE),
            member("baseUrl", base_url),
            Item::Prose(OPERATIONS),
            member("operations", &json!(["storage", "compute"])),
            member("storage", &json!({ "inScopeEUD": true })),
            Item::Prose(AUTH),
            Item::Proposal(tokens.to_owned()),
        ];
        let mut remotes = vec![Item::Element(connect.into())];
        remotes.extend(self.remote_of_pages(base_url));
        vec![member("remotes", Node::Items(remotes))]
    }

    /// One URL, or one per region.
    pub(super) fn base_url(&mut self) -> Value {
        let default = self.descriptor.base_url();
        let mut urls = Map::from_iter([("default".to_owned(), default.into())]);
        for (region, url) in self.object("regionBaseUrls").into_iter().flatten() {
            let path = descriptor::member("$.regionBaseUrls", region);
            if !REGIONS.contains(&region.as_str()) {
                self.report(&OTHER_REGION, path);
            } else if url.is_string() {
                urls.insert(region.clone(), url.clone());
            } else {
                self.report_with(&ODD_TYPE, path, "a text");
            }
        }
        if urls.len() == 1 { default.into() } else { urls.into() }
    }
}
