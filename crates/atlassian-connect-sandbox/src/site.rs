//! The sites of the sandbox.

use parking_lot::Mutex;

use super::api::Data;
use super::draft::Draft;
use super::news::News;
use super::user::USERS;
use atlassian_connect_actix::config::Product;
use atlassian_connect_testing::TestTenant;

/// The prefix of every Forge installation's id.
const INSTALLATION_ARI: &str = "ari:cloud:ecosystem::installation/";

/// A site. It becomes a tenant of the add-on when it installs the add-on.
pub(super) struct SandboxSite {
    /// The name in the sandbox's URLs: `jira`.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) product: Product,
    /// The path of its base URL: `/jira`, `/confluence/wiki`.
    pub(super) path: &'static str,
    /// The data of its REST API.
    pub(super) data: Mutex<Data>,
    tenant: Mutex<TestTenant>,
    status: Mutex<Status>,
    /// One of each kind.
    drafts: Mutex<Vec<Draft>>,
}

/// The state of the add-on at the site.
#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    pub(super) installed: bool,
    pub(super) enabled: bool,
    /// The result of the last click.
    pub(super) news: Option<News>,
}

impl Status {
    /// Whether a real site would not show the add-on's pages.
    pub(super) fn is_disabled(&self) -> bool {
        self.installed && !self.enabled
    }
}

impl SandboxSite {
    /// The sites, below `localhost` and `127.0.0.1` on `port`. The second Jira is seen under another URL than its base
    /// URL, like a site with a custom domain.
    pub(super) fn all(port: u16, secret: impl Fn() -> String) -> Vec<Self> {
        let origin = format!("http://localhost:{port}");
        let site = |number: u32, key, name, product, path: &'static str, display_url: Option<String>| {
            let mut tenant = TestTenant::new();
            tenant.client_key = format!("sandbox-{key}");
            tenant.shared_secret = secret();
            tenant.base_url = format!("{origin}{path}");
            tenant.display_url = display_url;
            tenant.product = if product == Product::Confluence { "confluence".into() } else { "jira".into() };
            tenant.description = format!("{name}, a site of the sandbox");
            // the same in every run, like the clientKey, because the add-on's store outlives the sandbox
            tenant.cloud_id = format!("{number:08x}-0000-4000-8000-5a4db0c00000");
            tenant.installation_id = Some(format!("{INSTALLATION_ARI}{number:08x}-0000-4000-8000-5a4db0f00000"));
            Self {
                key,
                name,
                product,
                path,
                data: Mutex::new(Data::new()),
                tenant: Mutex::new(tenant),
                status: Mutex::default(),
                drafts: Mutex::new(Draft::all(product, USERS[0])),
            }
        };
        vec![
            site(1, "jira", "Acme Jira", Product::Jira, "/jira", None),
            site(2, "globex", "Globex Jira", Product::Jira, "/globex", Some(format!("http://127.0.0.1:{port}/globex"))),
            site(3, "confluence", "Acme Confluence", Product::Confluence, "/confluence/wiki", None),
        ]
    }

    pub(super) fn tenant(&self) -> TestTenant {
        self.tenant.lock().clone()
    }

    pub(super) fn set_tenant(&self, tenant: TestTenant) {
        *self.tenant.lock() = tenant;
    }

    pub(super) fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// The Forge invocations that can be sent from here.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        self.drafts.lock().clone()
    }

    /// Replaces the one of its kind.
    pub(super) fn keep_draft(&self, draft: &Draft) {
        self.drafts.lock().iter_mut().filter(|kept| kept.kind == draft.kind).for_each(|kept| kept.clone_from(draft));
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_site_is_a_forge_installation_of_its_own_and_the_same_in_every_run() {
        let ids = || {
            let sites = SandboxSite::all(3001, || "secret".to_owned());
            sites
                .iter()
                .map(|site| (site.tenant().installation_id.unwrap(), site.tenant().cloud_id))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(), ids());
        let (installations, clouds): (HashSet<_>, HashSet<_>) = ids().into_iter().unzip();
        assert_eq!((installations.len(), clouds.len()), (3, 3));
        let payload = SandboxSite::all(3001, || "secret".to_owned())[0].tenant().payload("addon", "installed");
        assert_eq!(payload["installationId"], "ari:cloud:ecosystem::installation/00000001-0000-4000-8000-5a4db0f00000");
    }
}
