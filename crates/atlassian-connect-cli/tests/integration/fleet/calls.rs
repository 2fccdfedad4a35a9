//! What the customers send to the nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use atlassian_connect_actix::internal::association::site_record;
use atlassian_connect_actix::store::Store;
use atlassian_connect_testing::internal::JwksServer;
use atlassian_connect_testing::{KeyServer, TestTenant, claims_for};
use serde_json::{Value, json};

use super::APP_ID;
use super::budget::Sent;
use super::customers::{First, Fleet, Installation, Installed};
use crate::support::wire::{Answer, Connection};
use crate::support::{eventually, fixture, poll};

/// How many calls are under way at the same time.
const SENDERS: usize = 8;
/// Longer than a node knows the tenant of an installation from its cache.
const CACHED: Duration = Duration::from_secs(30);

/// The keys of Forge.
pub(super) struct Forge {
    pub(super) keys: JwksServer,
    /// Those of the Isolated Clouds.
    pub(super) isolated: JwksServer,
}

/// Sends calls of all customers.
pub(super) struct Calls {
    fleet: Arc<Fleet>,
    forge: Arc<Forge>,
}

impl Calls {
    pub(super) fn new(fleet: Arc<Fleet>, forge: Arc<Forge>) -> Self {
        Self { fleet, forge }
    }

    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The tenants of this wave install the app; some uninstall it.
    pub(super) fn install(&self, wave: usize, nodes: &[String; 2]) {
        each(&self.fleet.of_wave(wave), |number, installed| {
            let node = &nodes[number % 2];
            let mut connection = Connection::to(node);
            let mut send = |event: &str| {
                let answer = connection.send(&lifecycle(node, event, &installed.tenant)).unwrap();
                assert_eq!(answer.status, 204, "{event} {}: {}", installed.tenant.client_key, answer.text());
            };
            send("installed");
            if installed.is_gone {
                send("uninstalled");
            }
        });
    }

    /// The nodes note in the background which tenant has installed from a URL last.
    pub(super) async fn until_installed(&self, wave: usize, store: &dyn Store) {
        for Installed { tenant, is_gone, .. } in self.fleet.of_wave(wave) {
            if *is_gone || tenant.product == "bitbucket" {
                continue;
            }
            let id = format!("atlassian-connect:url:{}", tenant.base_url);
            eventually("the URL of a tenant is noted", async || {
                store.client_key_of_installation(&id).await.unwrap().as_ref() == Some(&tenant.client_key)
            })
            .await;
        }
    }

    pub(super) fn send_early(&self, nodes: &[String; 2]) {
        for installation in self.fleet.installations().filter(|installation| installation.first == First::ItsCall) {
            let answer = Connection::to(&nodes[0]).send(&self.schedule(installation, 0)).unwrap();
            assert_eq!(answer.status, 204, "{}", answer.text());
        }
    }

    /// Those that call early are known, with their sites.
    pub(super) async fn until_early_are_known(&self, store: &dyn Store) {
        for installation in self.fleet.installations().filter(|installation| installation.first == First::ItsCall) {
            let key = installation.keys[0].as_str();
            eventually("the site is known", async || {
                site_record(store, key).await.unwrap().is_some_and(|record| record.is_done)
            })
            .await;
        }
    }

    /// The schedule of all installations, in turns on the one node and the other. An answer that did not come is that of
    /// a node that was killed.
    pub(super) fn send_round(&self, round: usize, nodes: &[String; 2]) -> Vec<Sent> {
        let installations: Vec<&Installation> = self.fleet.installations().collect();
        each(&installations, |number, installation| {
            let mut connection = Connection::to(&nodes[number % 2]);
            if round == 1 && installation.first == First::AVisitor {
                let answer = connection.send(&self.visit(installation));
                assert!(answer.is_none_or(|answer| answer.status == 200));
            }
            let begun = Instant::now();
            let answer = connection.send(&self.schedule(installation, round));
            let took = begun.elapsed();
            if let Some(answer) = &answer {
                assert_eq!(answer.status, 204, "{}: {}", installation.id, answer.text());
            }
            let key = connection.send(&self.ask_key(installation));
            if let Some(key) = key {
                let key = text(&key);
                assert!(installation.own.contains(&key) || key == installation.keys[0], "{}: {key}", installation.id);
            }
            Sent { took, was_answered: answer.is_some() }
        })
    }

    /// The schedule of these installations.
    pub(super) fn send_again(&self, nodes: &[String; 2], ids: &[String]) {
        for installation in self.fleet.installations().filter(|installation| ids.contains(&installation.id)) {
            let answer = Connection::to(&nodes[0]).send(&self.schedule(installation, 3)).unwrap();
            assert_eq!(answer.status, 204, "{}", answer.text());
        }
    }

    /// Both nodes come to the tenants that are known in the end.
    pub(super) fn assert_answers(&self, nodes: &[String; 2]) {
        let installations: Vec<&Installation> = self.fleet.installations().collect();
        for node in nodes {
            each(&installations, |_, installation| {
                let mut connection = Connection::to(node);
                let expected = installation.known.as_ref().unwrap_or(&installation.keys[0]);
                poll(&format!("{} has {expected}", installation.id), CACHED, || {
                    let answer = connection.send(&self.ask_key(installation))?;
                    (text(&answer) == *expected).then_some(())
                });
            });
        }
    }

    fn schedule(&self, installation: &Installation, round: usize) -> Vec<u8> {
        let body = json!({ "context": { "moduleKey": "hourly" }, "hour": round });
        self.invocation("/forge/events", installation, installation.token.as_deref(), &body)
    }

    /// Without a token of the app, so that it changes nothing.
    fn ask_key(&self, installation: &Installation) -> Vec<u8> {
        self.invocation("/forge/key", installation, None, &json!({}))
    }

    fn invocation(&self, path: &str, installation: &Installation, app_token: Option<&str>, body: &Value) -> Vec<u8> {
        post(path, &self.sign(installation, &installation.claims(APP_ID)), app_token, body)
    }

    /// A visitor of a page may send anything as the token of the app.
    fn visit(&self, installation: &Installation) -> Vec<u8> {
        let token = self.sign(installation, &installation.claims_of_page(APP_ID));
        post("/forge/key", &token, Some("made-up"), &json!({}))
    }

    fn sign(&self, installation: &Installation, claims: &Value) -> String {
        let keys = if installation.is_isolated { &self.forge.isolated } else { &self.forge.keys };
        format!("Bearer {}", keys.sign(claims))
    }
}

/// Does this with all of them, several at the same time.
fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut results = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let Some(item) = items.get(number) else { return results };
                        results.push(work(number, item));
                    }
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice::<String>(&answer.body).unwrap()
}

fn lifecycle(node: &str, event: &str, tenant: &TestTenant) -> Vec<u8> {
    let path = format!("/{event}");
    let token = KeyServer::sign(&claims_for(tenant, node, &path));
    post(&path, &format!("JWT {token}"), None, &tenant.payload(fixture::KEY, event))
}

fn post(path: &str, authorization: &str, app_token: Option<&str>, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let app_token = app_token.map(|token| format!("x-forge-oauth-system: {token}\r\n")).unwrap_or_default();
    format!(
        "POST {path} HTTP/1.1\r\nHost: addon\r\nAuthorization: {authorization}\r\n{app_token}Content-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
