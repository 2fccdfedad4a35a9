//! Events and their listeners, by ACE's names or by type.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use futures_util::future::LocalBoxFuture;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Addon;
use crate::emission::{Emission, names};
use crate::error::Error;
use crate::host::HostClient;
use crate::panics;
use crate::settings::Settings;
use crate::state::{Listeners, State};
use crate::tenants::Tenant;

pub use super::forge_events::{AppInstalled, AppUpgraded, PreUninstall};
pub use crate::emission::ForgeOrigin;

/// Why a listener failed. The host is answered 500, so that it tries again.
pub type ListenerError = Box<dyn std::error::Error>;

/// An event that occurred: its name as in ACE, the tenant, and the body that the host sent.
#[derive(Clone)]
#[non_exhaustive]
pub struct Occurrence {
    /// `jira:issue_created`, `host_settings_saved`, `enabled` …
    pub event: String,
    /// The authenticated tenant; `None` if the request has none.
    pub tenant: Option<Arc<Tenant>>,
    /// Which installation and event it comes from, if Forge sent it.
    pub forge: Option<Arc<ForgeOrigin>>,
    /// The body of the request without its `sharedSecret`; null if there is none.
    pub body: Arc<Value>,
    tenant_key: Option<String>,
    addon: Addon,
}

impl std::fmt::Debug for Occurrence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Occurrence")
            .field("event", &self.event)
            .field("client_key", &self.client_key())
            .field("forge", &self.forge)
            .finish_non_exhaustive()
    }
}

impl Occurrence {
    /// The tenant's clientKey; empty if there is no tenant.
    #[must_use]
    pub fn client_key(&self) -> &str {
        self.tenant.as_ref().map_or("", |tenant| tenant.client_key())
    }

    /// The body as a type of the app.
    ///
    /// # Errors
    /// The body does not fit the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.body.as_ref())
    }

    /// The add-on that received the event.
    #[must_use]
    pub fn addon(&self) -> Addon {
        self.addon.clone()
    }

    /// A client for the tenant's product, as the app. An event of Forge is answered through Forge, as long as there is a
    /// token of its installation: the Connect tenant that may be known as well ends with Connect.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if there is neither a tenant nor a token of the Forge installation,
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn host(&self) -> Result<HostClient, Error> {
        let connect = self.tenant.as_ref().map(|tenant| HostClient::new(self.addon.shared_state(), Arc::clone(tenant)));
        let Some(origin) = &self.forge else {
            return connect.ok_or_else(|| Error::unauthorized("no tenant is known"));
        };
        match (HostClient::of_origin(self.addon.shared_state(), origin).await, connect) {
            (Err(Error::Unauthorized { .. }), Some(connect)) => Ok(connect),
            (client, _) => client,
        }
    }

    /// The key under which the app stores data of the tenant, the same as
    /// [`Caller::tenant_key`](crate::auth::Caller::tenant_key).
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if no tenant is known.
    pub fn tenant_key(&self) -> Result<String, Error> {
        self.tenant_key.clone().ok_or_else(|| Error::unauthorized("no tenant is known"))
    }

    /// The settings of the tenant, the same as [`crate::PageContext::settings`].
    ///
    /// # Errors
    /// As [`Occurrence::tenant_key`].
    pub fn settings(&self) -> Result<Settings, Error> {
        Ok(Settings::of_tenant(self.addon.shared_state(), self.tenant_key()?))
    }
}

/// An event with a Rust type: implement it for a webhook's payload, or use the types of this module.
pub trait Event: Sized + 'static {
    /// The name of the event.
    const NAME: &'static str;

    /// Makes the typed event from an occurrence.
    ///
    /// # Errors
    /// The occurrence does not fit the type; the host is answered 500.
    fn read(occurrence: &Occurrence) -> Result<Self, ListenerError>;
}

/// An event has all methods of its occurrence.
macro_rules! has_occurrence {
    ($type:ident) => {
        impl std::ops::Deref for $type {
            type Target = Occurrence;

            fn deref(&self) -> &Occurrence {
                &self.occurrence
            }
        }
    };
}
pub(super) use has_occurrence;

macro_rules! lifecycle_events {
    ($($(#[$doc:meta])* $type:ident = $name:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct $type {
            /// The tenant.
            pub tenant: Arc<Tenant>,
            /// The body that the host sent, without its `sharedSecret`.
            pub body: Arc<Value>,
            occurrence: Occurrence,
        }

        has_occurrence!($type);

        impl Event for $type {
            const NAME: &'static str = $name;

            fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
                let tenant = occurrence.tenant.clone().ok_or("no tenant is known")?;
                Ok(Self { tenant, body: Arc::clone(&occurrence.body), occurrence: occurrence.clone() })
            }
        }
    )*};
}

lifecycle_events! {
    /// A signed install has been stored: the tenant is installed, or has a new secret.
    HostSettingsSaved = "host_settings_saved",
    /// A tenant has uninstalled the add-on. Its secret is no longer accepted, and its data may be deleted.
    Uninstalled = "uninstalled",
    /// A tenant has enabled the add-on.
    Enabled = "enabled",
    /// A tenant has disabled the add-on.
    Disabled = "disabled",
}

/// All stored data of a tenant has been deleted, by the command `tenants remove` or `tenants purge`. Delete the
/// tenant's rows in the app's own tables as well. The event may come again, also for an unknown tenant.
///
/// ```no_run
/// # fn listen(addon: &atlassian_connect_actix::Addon) {
/// use atlassian_connect_actix::events::TenantRemoved;
///
/// addon.listen(|removed: TenantRemoved| async move {
///     let database = removed.addon().database()?;
///     database.write(move |_connection| Ok(removed.client_key.len())).await?;
///     Ok(())
/// });
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TenantRemoved {
    /// The tenant's clientKey.
    pub client_key: String,
    occurrence: Occurrence,
}

has_occurrence!(TenantRemoved);

impl Event for TenantRemoved {
    const NAME: &'static str = names::TENANT_REMOVED;

    fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
        let client_key = occurrence.body.get("clientKey").and_then(Value::as_str).ok_or("no clientKey")?.to_owned();
        Ok(Self { client_key, occurrence: occurrence.clone() })
    }
}

/// A site that used the app only through Forge is now known as a Connect tenant. Its settings have moved to the clientKey;
/// move the rows in the app's own tables as well. The event may come again, with the same keys: also when there is
/// nothing left to move.
///
/// ```no_run
/// # fn listen(addon: &atlassian_connect_actix::Addon) {
/// use atlassian_connect_actix::events::TenantAssociated;
///
/// addon.listen(|associated: TenantAssociated| async move {
///     let database = associated.addon().database()?;
///     let (from, to) = (associated.from.clone(), associated.to.clone());
///     // such as: diesel::update(notes::table.filter(notes::tenant.eq(from))).set(notes::tenant.eq(to))
///     database.write(move |_connection| Ok((from.len(), to.len()))).await?;
///     Ok(())
/// });
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TenantAssociated {
    /// The key of the site, under which the app stored data until now.
    pub from: String,
    /// The clientKey.
    pub to: String,
    occurrence: Occurrence,
}

has_occurrence!(TenantAssociated);

impl Event for TenantAssociated {
    const NAME: &'static str = names::TENANT_ASSOCIATED;

    fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
        let text = |name: &'static str| occurrence.body.get(name).and_then(Value::as_str).ok_or(name);
        Ok(Self { from: text("from")?.to_owned(), to: text("to")?.to_owned(), occurrence: occurrence.clone() })
    }
}

type Listener = Arc<dyn Fn(Occurrence) -> LocalBoxFuture<'static, Result<(), ListenerError>> + Send + Sync>;

/// The listeners of an add-on.
#[derive(Default)]
pub(crate) struct Events {
    listeners: RwLock<HashMap<String, Vec<Listener>>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    /// Calls `listener` for each occurrence of the event with that name, ACE's `addon.on(name, …)`.
    pub(crate) fn on<F, R>(&self, event: impl Into<String>, listener: F)
    where
        F: Fn(Occurrence) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        let listener: Listener = Arc::new(move |occurrence| Box::pin(listener(occurrence)));
        let mut listeners = self.listeners.write();
        listeners.entry(event.into()).or_default().push(listener);
    }

    /// Calls `listener` for each `E`.
    pub(crate) fn listen<E, F, R>(&self, listener: F)
    where
        E: Event,
        F: Fn(E) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        let listener = Arc::new(listener);
        self.on(E::NAME, move |occurrence| {
            let listener = Arc::clone(&listener);
            async move { listener(E::read(&occurrence)?).await }
        });
    }

    /// Calls the listeners of `occurrence.event`, one after the other, for at most `limit` in total.
    async fn call_listeners(&self, occurrence: Occurrence, limit: Duration) -> Result<(), Error> {
        let listeners = {
            let listeners = self.listeners.read();
            listeners.get(&occurrence.event).cloned().unwrap_or_default()
        };
        let calls = async {
            let mut failures = Vec::new();
            for listener in &listeners {
                // the call itself may panic too, and so may formatting the error
                failures.extend(outcome(async { listener(occurrence.clone()).await }).await.err());
            }
            failures
        };
        match tokio::time::timeout(limit, calls).await {
            Ok(failures) if failures.is_empty() => Ok(()),
            Ok(failures) => Err(Error::internal(format!("listener of {}: {}", occurrence.event, failures.join("; ")))),
            Err(_) => Err(Error::internal(format!("listeners of {} took longer than {limit:?}", occurrence.event))),
        }
    }
}

/// Runs work of the app. The error says why it failed or panicked.
pub(super) async fn outcome(work: impl Future<Output = Result<(), ListenerError>>) -> Result<(), String> {
    let outcome = panics::caught(async { work.await.map_err(|error| error.to_string()) }).await;
    outcome.unwrap_or_else(|panic| Err(panic.to_string()))
}

impl Listeners for Events {
    fn hear(&self, event: &str) -> bool {
        self.listeners.read().contains_key(event)
    }

    fn emit(
        self: Arc<Self>,
        state: Data<State>,
        emission: Emission,
        limit: Duration,
    ) -> LocalBoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            let Emission { event, tenant, tenant_key, forge, body } = emission;
            let addon = Addon::of(state, Arc::clone(&self));
            self.call_listeners(Occurrence { event, tenant, forge, body, tenant_key, addon }, limit).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Vars};
    use std::sync::Mutex;

    #[derive(Debug, serde::Deserialize)]
    struct IssueCreated {
        issue: String,
    }

    impl Event for IssueCreated {
        const NAME: &'static str = "jira:issue_created";

        fn read(occurrence: &Occurrence) -> Result<Self, ListenerError> {
            Ok(occurrence.json()?)
        }
    }

    async fn addon() -> Addon {
        let vars = [("APP_ENV", "test"), ("DATABASE_URL", "memory:"), ("AC_LOCAL_BASE_URL", "https://addon.example")];
        let config = Config::from_parts(None, &Vars::from(vars)).unwrap();
        let descriptor = r#"{"key":"k","name":"n","baseUrl":"https://addon.example","authentication":{"type":"jwt"}}"#;
        Addon::builder().config(config).fallback_descriptor(descriptor).build().await.unwrap()
    }

    async fn occurrence(event: &str, body: Value) -> Occurrence {
        let Emission { event, tenant, tenant_key, forge, body } = Emission::new(event, None, body);
        Occurrence { event, tenant, forge, body, tenant_key, addon: addon().await }
    }

    async fn created(body: Value) -> Occurrence {
        occurrence("jira:issue_created", body).await
    }

    #[actix_web::test]
    async fn listeners_get_their_event_by_name_and_by_type() {
        let events = Events::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (by_name, by_type) = (Arc::clone(&heard), Arc::clone(&heard));
        events.on("jira:issue_created", move |o| {
            let heard = Arc::clone(&by_name);
            async move {
                heard.lock().unwrap().push(o.event.clone());
                Ok(())
            }
        });
        events.listen(move |event: IssueCreated| {
            let heard = Arc::clone(&by_type);
            async move {
                heard.lock().unwrap().push(event.issue);
                Ok(())
            }
        });
        let second = Duration::from_secs(1);
        events.call_listeners(created(serde_json::json!({"issue": "A-1"})).await, second).await.unwrap();
        events.call_listeners(occurrence("other", Value::Null).await, second).await.unwrap();
        assert_eq!(*heard.lock().unwrap(), ["jira:issue_created", "A-1"]);
        assert!(
            events.call_listeners(created(Value::Null).await, second).await.is_err(),
            "a body of another shape is a failure"
        );
    }

    #[actix_web::test]
    async fn a_failure_is_reported_and_does_not_stop_the_other_listeners() {
        let events = Events::default();
        let heard = Arc::new(Mutex::new(0));
        let count = Arc::clone(&heard);
        events.on("jira:issue_created", |_| async { Err("no disk".into()) });
        events.on("jira:issue_created", move |_| {
            *count.lock().unwrap() += 1;
            async { Ok(()) }
        });
        let error = events.call_listeners(created(Value::Null).await, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "internal error: listener of jira:issue_created: no disk");
        assert_eq!(*heard.lock().unwrap(), 1);
    }

    #[actix_web::test]
    async fn a_panic_is_a_failure_and_does_not_stop_the_other_listeners() {
        /// An error that panics when it is formatted.
        #[derive(Debug)]
        struct Mute;

        impl std::fmt::Display for Mute {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("in the text")
            }
        }

        impl std::error::Error for Mute {}

        let events = Events::default();
        let heard = Arc::new(Mutex::new(0));
        let count = Arc::clone(&heard);
        events.on("jira:issue_created", |occurrence| {
            assert!(occurrence.body.is_object(), "in the call");
            async { Ok(()) }
        });
        events.on("jira:issue_created", |_| async {
            tokio::task::yield_now().await;
            panic!("in the future")
        });
        events.on("jira:issue_created", |_| async { Err(Mute.into()) });
        events.on("jira:issue_created", move |_| {
            *count.lock().unwrap() += 1;
            async { Ok(()) }
        });
        for times in 1..=2 {
            let error = events.call_listeners(created(Value::Null).await, Duration::from_secs(1)).await.unwrap_err();
            assert_eq!(
                error.to_string(),
                "internal error: listener of jira:issue_created: panicked: in the call; panicked: in the future; \
                 panicked: in the text"
            );
            assert_eq!(*heard.lock().unwrap(), times);
        }
    }

    #[actix_web::test]
    async fn a_listener_has_a_time_limit() {
        let events = Events::default();
        events.on("jira:issue_created", |_| std::future::pending());
        assert!(events.call_listeners(created(Value::Null).await, Duration::from_millis(5)).await.is_err());
    }
}
