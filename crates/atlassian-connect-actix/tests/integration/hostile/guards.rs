//! The guarded routes, each in its own add-on at the same path, so that the same requests are sent to all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::PageContext;
use atlassian_connect_actix::auth::{ContextJwt, SessionToken};
use atlassian_connect_actix::internal::jwt::RsaSigner;
use atlassian_connect_actix::store::MemoryStore;
use atlassian_connect_testing::{TestHost, TestTenant};
use serde_json::{Value, json};

use super::draft::Actor;

use crate::support::fixture;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Guard {
    /// GET, `PageContext`.
    Page,
    /// POST of a form, `PageContext` and the form.
    Form,
    /// GET, `SessionToken`.
    Token,
    /// GET, `ContextJwt`.
    Context,
    Webhook,
    Enabled,
    Disabled,
    Installed,
    Uninstalled,
}

pub(super) const GUARDS: [Guard; 9] = [
    Guard::Page,
    Guard::Form,
    Guard::Token,
    Guard::Context,
    Guard::Webhook,
    Guard::Enabled,
    Guard::Disabled,
    Guard::Installed,
    Guard::Uninstalled,
];

/// The path of the guarded callback in the descriptor; the app's own routes are at the same path.
const CALLBACK: &str = "/r/${first}/${second}";

impl Guard {
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Page | Self::Token | Self::Context => "GET",
            _ => "POST",
        }
    }

    /// Whether tokens are signed with the install key.
    pub(super) fn is_install(self) -> bool {
        matches!(self, Self::Installed | Self::Uninstalled)
    }

    /// The status of an accepted request.
    pub(super) fn accepted(self) -> u16 {
        match self {
            Self::Page | Self::Form | Self::Token | Self::Context => 200,
            _ => 204,
        }
    }

    fn descriptor(self, mut descriptor: Value) -> Value {
        match self {
            Self::Webhook => {
                descriptor["modules"]["webhooks"] = json!([{ "event": "jira:issue_created", "url": CALLBACK }]);
            }
            Self::Enabled => descriptor["lifecycle"]["enabled"] = CALLBACK.into(),
            Self::Disabled => descriptor["lifecycle"]["disabled"] = CALLBACK.into(),
            Self::Installed => descriptor["lifecycle"]["installed"] = CALLBACK.into(),
            Self::Uninstalled => descriptor["lifecycle"]["uninstalled"] = CALLBACK.into(),
            Self::Page | Self::Form | Self::Token | Self::Context => {}
        }
        descriptor
    }

    fn routes(self, cfg: &mut ServiceConfig) {
        let route = match self {
            Self::Page => web::get().to(|_: PageContext| async { "" }),
            Self::Form => web::post().to(|_: PageContext, _: web::Form<HashMap<String, String>>| async { "" }),
            Self::Token => web::get().to(|_: SessionToken| async { "" }),
            Self::Context => web::get().to(|_: ContextJwt| async { "" }),
            _ => return,
        };
        cfg.route("/r/{first}/{second}", route);
    }
}

/// An add-on for each guard, with all sites installed.
pub(super) struct Hosts {
    hosts: BTreeMap<Guard, TestHost>,
    tenants: Vec<TestTenant>,
}

impl Hosts {
    pub(super) async fn start(tenants: usize) -> Self {
        let tenants: Vec<TestTenant> = (0..tenants).map(|_| TestTenant::new()).collect();
        // one store for those that only read it
        let shared = Arc::new(MemoryStore::new());
        let mut hosts = BTreeMap::new();
        for guard in GUARDS {
            let store = if guard.is_install() { Arc::new(MemoryStore::new()) } else { Arc::clone(&shared) };
            let builder = fixture::builder().addon(|addon| {
                addon.store(store).descriptor_transformer(move |descriptor, _| guard.descriptor(descriptor))
            });
            let host = builder.start(move |cfg: &mut ServiceConfig| guard.routes(cfg)).await;
            hosts.insert(guard, host);
        }
        for tenant in &tenants {
            hosts[&Guard::Page].install(tenant).await;
        }
        Self { hosts, tenants }
    }

    pub(super) fn of(&self, guard: Guard) -> &TestHost {
        &self.hosts[&guard]
    }

    /// One for each site, with the next site as the other one.
    pub(super) fn actors(&self) -> Vec<Actor> {
        let other_rsa = Arc::new(RsaSigner::generate().unwrap());
        let base_urls: BTreeMap<Guard, String> =
            self.hosts.iter().map(|(guard, host)| (*guard, host.base_url().to_owned())).collect();
        let addon_key = self.of(Guard::Page).addon().state().descriptor().key().to_owned();
        self.tenants
            .iter()
            .enumerate()
            .map(|(number, tenant)| Actor {
                tenant: tenant.clone(),
                other: self.tenants[(number + 1) % self.tenants.len()].clone(),
                addon_key: addon_key.clone(),
                base_urls: base_urls.clone(),
                other_rsa: Arc::clone(&other_rsa),
            })
            .collect()
    }
}
