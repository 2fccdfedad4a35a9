//! The sites of the sandbox, and their users.

use std::sync::Mutex;

use serde::Serialize;

use super::api::Data;
use super::draft::Draft;
use crate::config::Product;
use crate::fake_host::{TestTenant, lock};

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

/// What came of something, for whoever clicked.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) good: bool,
    pub(super) text: String,
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

/// Somebody who looks at the add-on's pages.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    /// In the sandbox's URLs: `ada`.
    #[serde(skip)]
    pub(super) key: &'static str,
    pub(super) account_id: &'static str,
    pub(super) display_name: &'static str,
    #[serde(skip)]
    pub(super) email: &'static str,
    pub(super) anonymous: bool,
    #[serde(skip)]
    pub(super) admin: bool,
    pub(super) time_zone: &'static str,
    pub(super) locale: &'static str,
}

/// The users of every site; the last one is nobody.
pub(super) const USERS: [User; 3] = [
    User {
        key: "ada",
        account_id: "557058:sandbox-ada",
        display_name: "Ada Admin",
        email: "ada@sandbox.example",
        anonymous: false,
        admin: true,
        time_zone: "Europe/London",
        locale: "en_GB",
    },
    User {
        key: "mia",
        account_id: "557058:sandbox-mia",
        display_name: "Mia Member",
        email: "mia@sandbox.example",
        anonymous: false,
        admin: false,
        time_zone: "America/New_York",
        locale: "en_US",
    },
    User {
        key: "anonymous",
        account_id: "",
        display_name: "Anonymous",
        email: "",
        anonymous: true,
        admin: false,
        time_zone: "UTC",
        locale: "en_US",
    },
];

impl User {
    /// The account id; `None`: nobody is logged in.
    pub(super) fn account(self) -> Option<&'static str> {
        (!self.anonymous).then_some(self.account_id)
    }

    /// The user of that key; the first one where there is none.
    pub(super) fn of_key(key: &str) -> Self {
        USERS.into_iter().find(|user| user.key == key).unwrap_or(USERS[0])
    }

    /// The user of an account id; the empty one is nobody's.
    pub(super) fn of_account(account_id: &str) -> Option<Self> {
        USERS.into_iter().find(|user| user.account_id == account_id)
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
