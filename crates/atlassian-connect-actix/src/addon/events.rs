//! What happens to the add-on, and who wants to know: listeners by ACE's names, or by type.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::web::Data;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Addon;
use crate::emission::{Emission, names};
use crate::error::Error;
use crate::host::{HostClient, site_ari};
use crate::panics;
use crate::settings::Settings;
use crate::state::{Listeners, State};
use crate::tenants::Tenant;

pub use super::forge_events::{AppInstalled, AppUpgraded, PreUninstall};
pub use crate::emission::ForgeOrigin;

/// Why a listener could not do its work. The host is answered 500, so that it tries again.
pub type ListenerError = Box<dyn std::error::Error>;

/// Something that happened: its name as in ACE, the tenant it happened to, and what the host sent.
#[derive(Clone)]
#[non_exhaustive]
pub struct Occurrence {
    /// `jira:issue_created`, `host_settings_saved`, `enabled` …
    pub event: String,
    /// The tenant that proved itself; absent before anybody has.
    pub tenant: Option<Arc<Tenant>>,
    /// Where it comes from, if Forge has sent it.
    pub forge: Option<Arc<ForgeOrigin>>,
    /// The body of the request, without its `sharedSecret`; null when there is none.
    pub body: Arc<Value>,
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
    /// The tenant's clientKey; empty when no tenant is known.
    #[must_use]
    pub fn client_key(&self) -> &str {
        self.tenant.as_ref().map_or("", |tenant| tenant.client_key())
    }

    /// The body as a type of the add-on's own.
    ///
    /// # Errors
    /// When the body is of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self.body.as_ref())
    }

    /// The add-on that it happened to.
    #[must_use]
    pub fn addon(&self) -> Addon {
        self.addon.clone()
    }

    /// A client for the tenant's product, as the app.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] where no tenant is known and no token of the Forge installation,
    /// [`Error::Unavailable`] when the store is away.
    pub async fn host(&self) -> Result<HostClient, Error> {
        match (&self.tenant, &self.forge) {
            (Some(tenant), _) => Ok(HostClient::new(self.addon.shared_state(), Arc::clone(tenant))),
            (None, Some(origin)) => self.addon.forge_client(&origin.installation_id).await,
            (None, None) => Err(Error::unauthorized("no tenant is known")),
        }
    }

    /// The settings of the tenant: those that [`crate::PageContext::settings`] has.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] where no tenant is known.
    pub fn settings(&self) -> Result<Settings, Error> {
        let key = match (&self.tenant, &self.forge) {
            (Some(tenant), _) => tenant.client_key().to_owned(),
            // as `ForgeInvocation::tenant_key` names it
            (None, Some(origin)) => {
                origin.api_base_url.as_deref().and_then(site_ari).unwrap_or_else(|| origin.installation_id.clone())
            }
            (None, None) => return Err(Error::unauthorized("no tenant is known")),
        };
        Ok(Settings::of_tenant(self.addon.shared_state(), key))
    }
}

/// A kind of occurrence with a Rust type: implement it for a webhook's payload, or use those of this module.
pub trait Event: Sized + 'static {
    /// The name under which it is known.
    const NAME: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// When the occurrence is of another shape; the host is answered 500.
    fn read(occurrence: &Occurrence) -> Result<Self, ListenerError>;
}

/// An event has the methods of the occurrence that it was read from.
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
            /// The tenant it happened to.
            pub tenant: Arc<Tenant>,
            /// What the host sent, without its `sharedSecret`.
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
    /// A tenant has uninstalled the add-on; its data may go, its secret opens nothing any more.
    Uninstalled = "uninstalled",
    /// A tenant has enabled the add-on.
    Enabled = "enabled",
    /// A tenant has disabled the add-on.
    Disabled = "disabled",
}

/// All that was stored for a tenant has been removed for good, by the command `tenants remove` or `tenants purge`: what
/// the app keeps of it in tables of its own goes too. It may be told again, also of a tenant that nobody knows any more.
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
    /// Calls `listener` at each occurrence of the event of that name, ACE's `addon.on(name, …)`.
    pub(crate) fn on<F, R>(&self, event: impl Into<String>, listener: F)
    where
        F: Fn(Occurrence) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), ListenerError>> + 'static,
    {
        let listener: Listener = Arc::new(move |occurrence| Box::pin(listener(occurrence)));
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        listeners.entry(event.into()).or_default().push(listener);
    }

    /// Calls `listener` with each `E`.
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

    /// Tells the listeners of `occurrence.event`, one after the other, and waits for each, all in all for `limit`.
    async fn tell(&self, occurrence: Occurrence, limit: Duration) -> Result<(), Error> {
        let listeners = {
            let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
            listeners.get(&occurrence.event).cloned().unwrap_or_default()
        };
        let told = async {
            let mut failures = Vec::new();
            for listener in &listeners {
                // the call itself may panic too, and so may the text of an error
                failures.extend(outcome(async { listener(occurrence.clone()).await }).await.err());
            }
            failures
        };
        match tokio::time::timeout(limit, told).await {
            Ok(failures) if failures.is_empty() => Ok(()),
            Ok(failures) => Err(Error::internal(format!("listener of {}: {}", occurrence.event, failures.join("; ")))),
            Err(_) => Err(Error::internal(format!("listeners of {} took longer than {limit:?}", occurrence.event))),
        }
    }
}

/// What came of work of the add-on's: why it failed, or panicked.
pub(super) async fn outcome(work: impl Future<Output = Result<(), ListenerError>>) -> Result<(), String> {
    let outcome = panics::caught(async { work.await.map_err(|error| error.to_string()) }).await;
    outcome.unwrap_or_else(|panic| Err(panic.to_string()))
}

impl Listeners for Events {
    fn emit(
        self: Arc<Self>,
        state: Data<State>,
        emission: Emission,
        limit: Duration,
    ) -> LocalBoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            let Emission { event, tenant, forge, body } = emission;
            let addon = Addon::of(state, Arc::clone(&self));
            self.tell(Occurrence { event, tenant, forge, body, addon }, limit).await
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
        let Emission { event, tenant, forge, body } = Emission::new(event, None, body);
        Occurrence { event, tenant, forge, body, addon: addon().await }
    }

    async fn created(body: Value) -> Occurrence {
        occurrence("jira:issue_created", body).await
    }

    #[actix_web::test]
    async fn listeners_hear_their_event_by_name_and_by_type() {
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
        events.tell(created(serde_json::json!({"issue": "A-1"})).await, second).await.unwrap();
        events.tell(occurrence("other", Value::Null).await, second).await.unwrap();
        assert_eq!(*heard.lock().unwrap(), ["jira:issue_created", "A-1"]);
        assert!(events.tell(created(Value::Null).await, second).await.is_err(), "a body of another shape is a failure");
    }

    #[actix_web::test]
    async fn a_failure_is_told_and_does_not_silence_the_others() {
        let events = Events::default();
        let heard = Arc::new(Mutex::new(0));
        let count = Arc::clone(&heard);
        events.on("jira:issue_created", |_| async { Err("no disk".into()) });
        events.on("jira:issue_created", move |_| {
            *count.lock().unwrap() += 1;
            async { Ok(()) }
        });
        let error = events.tell(created(Value::Null).await, Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "internal error: listener of jira:issue_created: no disk");
        assert_eq!(*heard.lock().unwrap(), 1);
    }

    #[actix_web::test]
    async fn a_panic_is_a_failure_and_does_not_silence_the_others() {
        /// An error whose text panics.
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
            let error = events.tell(created(Value::Null).await, Duration::from_secs(1)).await.unwrap_err();
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
        assert!(events.tell(created(Value::Null).await, Duration::from_millis(5)).await.is_err());
    }
}
