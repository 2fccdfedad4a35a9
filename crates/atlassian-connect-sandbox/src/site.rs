//! The sites of the sandbox, and their users.

use std::sync::Mutex;

use super::api::Data;
use super::draft::Draft;
use super::news::News;
use super::user::USERS;
use atlassian_connect_actix::config::Product;
use atlassian_connect_testing::TestTenant;
use atlassian_connect_testing::internal::lock;

/// What every Forge installation's id begins with.
const INSTALLATION_ARI: &str = "ari:cloud:ecosystem::installation/";

/// A site: a tenant of the add-on's as soon as it has installed it.
pub(super) struct Site {
    /// In the sandbox's URLs: `jira`.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) product: Product,
    /// The site's part of its base URL: `/jira`, `/confluence/wiki`.
    pub(super) path: &'static str,
    /// What its REST API answers.
    pub(super) data: Mutex<Data>,
    tenant: Mutex<TestTenant>,
    status: Mutex<Status>,
    /// One of each kind.
    drafts: Mutex<Vec<Draft>>,
}

/// What the site thinks of the add-on.
#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    pub(super) installed: bool,
    pub(super) enabled: bool,
    /// What came of the last click.
    pub(super) news: Option<News>,
}

impl Status {
    /// A real site shows no pages of such an add-on.
    pub(super) fn is_disabled(&self) -> bool {
        self.installed && !self.enabled
    }
}

impl Site {
    /// The sites, below `localhost` and `127.0.0.1`, port `port`. The second Jira is seen under another URL than its
    /// base URL, as a site with a domain of its own is.
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
            // the same in every run, as the clientKey is: the add-on's store outlives the sandbox
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
        lock(&self.tenant).clone()
    }

    pub(super) fn set_tenant(&self, tenant: TestTenant) {
        *lock(&self.tenant) = tenant;
    }

    pub(super) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// What Forge would invoke the add-on with from here.
    pub(super) fn drafts(&self) -> Vec<Draft> {
        lock(&self.drafts).clone()
    }

    /// In place of the one of its kind.
    pub(super) fn keep_draft(&self, draft: &Draft) {
        lock(&self.drafts).iter_mut().filter(|kept| kept.kind == draft.kind).for_each(|kept| kept.clone_from(draft));
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_site_is_a_forge_installation_of_its_own_and_the_same_in_every_run() {
        let ids = || {
            let sites = Site::all(3001, || "secret".to_owned());
            sites
                .iter()
                .map(|site| (site.tenant().installation_id.unwrap(), site.tenant().cloud_id))
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(), ids());
        let (installations, clouds): (HashSet<_>, HashSet<_>) = ids().into_iter().unzip();
        assert_eq!((installations.len(), clouds.len()), (3, 3));
        let payload = Site::all(3001, || "secret".to_owned())[0].tenant().payload("addon", "installed");
        assert_eq!(payload["installationId"], "ari:cloud:ecosystem::installation/00000001-0000-4000-8000-5a4db0f00000");
    }
}
