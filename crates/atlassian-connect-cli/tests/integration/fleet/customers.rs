//! The customers of the fleet: their sites, their Connect tenants, and their Forge installations.

use std::collections::HashSet;
use std::net::TcpListener;

use atlassian_connect_testing::{TestInvocation, TestTenant};
use serde_json::{Value, json};

use super::site::{Answer, Site, Sites};

/// Customers, and what is true of them.
pub(super) struct Case {
    /// What sort of customers they are.
    pub(super) sort: &'static str,
    /// Their tenants, in the order in which they install.
    pub(super) tenants: Vec<Installed>,
    /// Their Forge installations.
    pub(super) installations: Vec<Installation>,
}

/// A Connect tenant.
pub(super) struct Installed {
    pub(super) tenant: TestTenant,
    /// Its status in the report.
    pub(super) status: &'static str,
    pub(super) moved_to: Option<String>,
    /// Whether it has uninstalled the app again.
    pub(super) is_gone: bool,
}

/// What happens before Forge calls for an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Nothing,
    /// It calls once, before all others.
    ItsCall,
    /// A visitor of a page sends a made-up token of the app.
    AVisitor,
}

/// A Forge installation.
pub(super) struct Installation {
    pub(super) id: String,
    pub(super) site: usize,
    pub(super) product: &'static str,
    /// The keys of its sites. The first is the one that its data is under without a tenant.
    pub(super) keys: Vec<String>,
    /// The app's token that Forge sends, if it sends one.
    pub(super) token: Option<String>,
    invocation: TestInvocation,
    pub(super) is_isolated: bool,
    pub(super) first: First,
    /// The tenants of the same customer. It may never have another one.
    pub(super) own: Vec<String>,
    /// Its tenant, after the servers alone have worked.
    pub(super) served: Option<String>,
    /// Its tenant in the end.
    pub(super) known: Option<String>,
    /// What its site answers to the question for the clientKey; null if it does not name a tenant.
    pub(super) answer: Value,
    /// How often its site may be asked for the clientKey.
    pub(super) questions: usize,
    /// How often its product may be asked for the URL of the site.
    pub(super) url_questions: usize,
    /// Whether it is known where its data must be in the end.
    pub(super) has_data: bool,
}

impl Installation {
    /// The tenant that Forge's token leads to: after the servers have worked, and in the end.
    pub(super) fn becomes(mut self, tenant: &TestTenant) -> Self {
        self.served = Some(tenant.client_key.clone());
        self.questions = usize::from(self.token.is_some());
        self.ends_with(tenant)
    }

    /// The tenant that only the command finds.
    pub(super) fn ends_with(mut self, tenant: &TestTenant) -> Self {
        self.known = Some(tenant.client_key.clone());
        self.own.push(tenant.client_key.clone());
        self
    }

    /// What its site answers, if it does not name its tenant.
    pub(super) fn hears(mut self, answer: &str) -> Self {
        self.answer = answer.into();
        self.questions = 1;
        self
    }

    pub(super) fn claims(&self, app_id: &str) -> Value {
        self.invocation.claims(app_id)
    }

    /// The claims of a visitor's page.
    pub(super) fn claims_of_page(&self, app_id: &str) -> Value {
        let page = self.invocation.clone().claim("/principal", "557058:visitor");
        page.claim("/context/extension", json!({ "type": "jira:globalPage" })).claims(app_id)
    }

    pub(super) fn without_site_url(mut self) -> Self {
        self.invocation = self.invocation.without("/context/siteUrl");
        self.url_questions = 1;
        self
    }

    pub(super) fn claim(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.invocation = self.invocation.claim(pointer, value);
        self
    }
}

/// The fleet while it is built, and its sites.
#[derive(Default)]
pub(super) struct Fleet {
    pub(super) sites: Sites,
    pub(super) cases: Vec<Case>,
    listeners: Vec<TcpListener>,
    number: usize,
}

impl Fleet {
    /// Answers on all ports.
    pub(super) fn serve(&mut self) {
        self.sites.serve(std::mem::take(&mut self.listeners));
    }

    pub(super) fn add(&mut self, sort: &'static str, tenants: Vec<Installed>, installations: Vec<Installation>) {
        self.cases.push(Case { sort, tenants, installations });
    }

    pub(super) fn next(&mut self) -> usize {
        self.number += 1;
        self.number
    }

    /// A site with its own origin and cloudId.
    pub(super) fn site(&mut self) -> usize {
        let cloud_id = format!("cloud-{}", self.next());
        let (site, listener) = self.sites.add(&cloud_id);
        self.listeners.push(listener);
        site
    }

    pub(super) fn of(&self, site: usize) -> Site {
        self.sites.get(site)
    }

    /// A tenant of Jira whose secret the site accepts.
    pub(super) fn tenant(&mut self, site: usize) -> TestTenant {
        self.tenant_of(site, "jira")
    }

    pub(super) fn tenant_of(&mut self, site: usize, product: &str) -> TestTenant {
        let tenant = self.former_tenant_of(site, product);
        self.sites.change(site, |site| {
            site.former.retain(|former| former.client_key != tenant.client_key);
            site.accepted.push(tenant.clone());
        });
        tenant
    }

    /// A tenant whose base URL this is, but whose secret the site refuses.
    pub(super) fn former_tenant(&mut self, site: usize) -> TestTenant {
        self.former_tenant_of(site, "jira")
    }

    fn former_tenant_of(&mut self, site: usize, product: &str) -> TestTenant {
        let mut tenant = TestTenant::new();
        let number = self.next();
        tenant.client_key = format!("tenant-{number}");
        tenant.base_url = self.of(site).url;
        tenant.cloud_id = self.of(site).cloud_id;
        if product == "confluence" {
            tenant.base_url += "/wiki";
        }
        product.clone_into(&mut tenant.product);
        self.sites.change(site, |site| site.former.push(tenant.clone()));
        tenant
    }

    /// An installation on a site, in production, without a tenant, and without a token of the app.
    pub(super) fn installation(&mut self, site: usize, product: &'static str) -> Installation {
        let id = format!("ari:cloud:ecosystem::installation/{:08}-0000-4000-8000-000000000000", self.next());
        let Site { url, cloud_id, .. } = self.of(site);
        let api = |product: &str| format!("{url}/ex/{product}/{cloud_id}");
        let context = json!({ "name": product, "cloudId": cloud_id, "apiBaseUrl": api(product) });
        let invocation = TestInvocation::new()
            .without("/principal")
            .claim("/app/apiBaseUrl", api(product))
            .claim("/app/installation/contexts", json!([context]))
            .claim("/context", json!({ "cloudId": cloud_id, "siteUrl": url }))
            .installation(&id);
        Installation {
            id,
            site,
            product,
            keys: vec![format!("ari:cloud:{product}::site/{cloud_id}")],
            token: None,
            invocation,
            is_isolated: false,
            first: First::Nothing,
            own: Vec::new(),
            served: None,
            known: None,
            answer: Value::Null,
            questions: 0,
            url_questions: 0,
            has_data: true,
        }
    }

    /// The same, and Forge sends the app's token: the site answers this to it.
    pub(super) fn asking(&mut self, site: usize, product: &'static str, property: Answer) -> Installation {
        let mut installation = self.installation(site, product);
        self.give_token(&mut installation, property);
        installation
    }

    /// The same: the site names `tenant`.
    pub(super) fn naming(&mut self, site: usize, product: &'static str, tenant: &TestTenant) -> Installation {
        self.asking(site, product, names(tenant))
    }

    pub(super) fn give_token(&mut self, installation: &mut Installation, property: Answer) {
        let token = format!("app-token-of-{}", installation.id.rsplit('/').next().unwrap());
        let key = (token.clone(), installation.product.to_owned());
        self.sites.change(installation.site, |site| drop(site.properties.insert(key, property)));
        installation.token = Some(token);
    }
}

/// The property names a tenant.
pub(super) fn names(tenant: &TestTenant) -> Answer {
    Answer::Json(200, json!({ "key": "connect_client_key", "value": tenant.client_key }))
}

/// There is no such property.
pub(super) fn no_property() -> Answer {
    Answer::Json(404, json!({ "message": "no such property" }))
}

/// A tenant with its status in the report.
pub(super) fn with_status(tenant: TestTenant, status: &'static str) -> Installed {
    Installed { tenant, status, moved_to: None, is_gone: false }
}

pub(super) fn associated(tenant: TestTenant) -> Installed {
    with_status(tenant, "associated")
}

impl Fleet {
    pub(super) fn installations(&self) -> impl Iterator<Item = &Installation> {
        self.cases.iter().flat_map(|case| &case.installations)
    }

    /// The tenants that install the app at about the same time: the first of each case, then the second.
    pub(super) fn of_wave(&self, wave: usize) -> Vec<&Installed> {
        self.cases.iter().filter_map(|case| case.tenants.get(wave)).collect()
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = &Installed> {
        self.cases.iter().flat_map(|case| &case.tenants)
    }

    /// The keys of the sites that accept their tenants, each with its tenant.
    pub(super) fn sites_of_tenants(&self) -> Vec<(String, String)> {
        let sites = (0..self.sites.len()).map(|site| self.of(site));
        let tenants = sites.flat_map(|site| site.accepted).filter(|tenant| tenant.product != "bitbucket");
        let keys = tenants
            .map(|tenant| (format!("ari:cloud:{}::site/{}", tenant.product, tenant.cloud_id), tenant.client_key));
        keys.collect()
    }

    /// How many sites `tenants associate` has to ask.
    pub(super) fn sites_with_tenants(&self) -> usize {
        let tenants = self.tenants().filter(|installed| !installed.is_gone && installed.tenant.product != "bitbucket");
        let urls: HashSet<&str> =
            tenants.map(|installed| installed.tenant.base_url.trim_end_matches("/wiki")).collect();
        urls.len()
    }
}

impl Fleet {
    /// Whether the site at this URL names its cloudId.
    pub(super) fn info_is_usual(&self, url: &str) -> bool {
        let sites = (0..self.sites.len()).map(|site| self.of(site));
        sites.into_iter().any(|site| url.trim_end_matches("/wiki") == site.url && site.info.is_none())
    }
}
