//! The settings of a tenant: the app's own values, by key.

use std::rc::Rc;

use actix_web::web::Data;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::state::State;
use crate::store::{Place, StoreError};

/// The prefixes of the framework's own keys.
const RESERVED: [&str; 4] = ["clientInfo", "bearer:", "appToken", "atlassian-connect:"];

/// Whether a key is one of the framework's own.
pub(crate) fn is_reserved(key: &str) -> bool {
    RESERVED.iter().any(|reserved| key.starts_with(reserved))
}

/// The settings of one tenant: values of any serde type, by key. The authenticated caller decides the tenant, so no
/// handler has to name one.
///
/// ```no_run
/// use actix_web::post;
/// use atlassian_connect_actix::{Error, auth::SessionToken};
///
/// #[post("/greeting")]
/// async fn greet(session: SessionToken) -> Result<String, Error> {
///     let settings = session.settings();
///     let times: u32 = settings.get("greeted").await?.unwrap_or_default();
///     settings.set("greeted", &(times + 1)).await?;
///     Ok(format!("Hello for the {}. time", times + 1))
/// }
/// ```
///
/// They are ACE's rows, `addon.settings.get(key, clientKey)`, and encrypted like everything in the store. A site that
/// uses the app only through Forge has them under its own key. They are kept when a tenant uninstalls, and deleted when
/// it is removed. If two requests change the same key at the same time, one of the two values remains.
#[derive(Clone)]
pub struct Settings {
    state: Data<State>,
    owner: SettingsOwner,
}

#[derive(Clone)]
enum SettingsOwner {
    Tenant(String),
    /// Looked up when it is needed.
    Later(Rc<dyn Fn() -> LocalBoxFuture<'static, Result<String, Error>>>),
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

impl Settings {
    pub(crate) fn of_tenant(state: Data<State>, tenant_key: String) -> Self {
        Self { state, owner: SettingsOwner::Tenant(tenant_key) }
    }

    pub(crate) fn of_caller(
        state: Data<State>,
        tenant_key: impl Fn() -> LocalBoxFuture<'static, Result<String, Error>> + 'static,
    ) -> Self {
        Self { state, owner: SettingsOwner::Later(Rc::new(tenant_key)) }
    }

    /// The value under `key`, if there is one.
    ///
    /// # Errors
    /// [`Error::Internal`] when the value does not match `T`, or the key is one of the framework's;
    /// [`Error::Unavailable`] when the store is unavailable.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let owner = self.owner(key).await?;
        let Some(value) = self.state.tenants.store().get(Place::of_tenant(&owner, key)).await? else { return Ok(None) };
        T::deserialize(&value).map(Some).map_err(|_| misfit::<T>(key, &value))
    }

    /// Writes `value` under `key`, and replaces the previous value.
    ///
    /// # Errors
    /// [`Error::Internal`] when the value cannot be written as JSON, the key is one of the framework's or longer than
    /// 255 characters; [`Error::Unavailable`] when the store is unavailable.
    pub async fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        let owner = self.owner(key).await?;
        let value = serde_json::to_value(value).map_err(Error::from)?;
        Ok(self.state.tenants.store().set(Place::of_tenant(&owner, key), &value).await?)
    }

    /// Removes the value under `key`. Returns whether there was one.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        let owner = self.owner(key).await?;
        Ok(self.state.tenants.store().delete(Place::of_tenant(&owner, key)).await?)
    }

    async fn owner(&self, key: &str) -> Result<String, Error> {
        if is_reserved(key) {
            return Err(StoreError::refused(format!("the setting {key:?} is the framework's own")).into());
        }
        match &self.owner {
            SettingsOwner::Tenant(key) => Ok(key.clone()),
            SettingsOwner::Later(find) => find().await,
        }
    }
}

/// The error names the key and both types, never the value.
fn misfit<T>(key: &str, value: &Value) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Error::internal(format!(
        "the setting {key:?} is stored as {found}, which does not match {}",
        std::any::type_name::<T>()
    ))
}
