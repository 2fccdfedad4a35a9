//! The lifecycle callbacks installed, uninstalled, enabled and disabled, at the paths of the descriptor.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, guard, web};
use serde_json::Value;

use crate::association;
use crate::audit::{self, Before};
use crate::auth::{CallbackJwt, InstallJwt, json_body, read_inflated};
use crate::connection;
use crate::descriptor::{Descriptor, Lifecycle};
use crate::emission::{Emission, names};
use crate::error::Error;
use crate::panics;
use crate::pattern;
use crate::state::{AddonState, State};
use crate::store::StoreError;
use crate::store::internal::Arrival;
use crate::tenants::{Installation, Saved, Tenant};

/// The longest time in which settings are copied while the host waits for its answer.
const BRINGING: Duration = Duration::from_secs(5);

/// Mounts the callbacks that `descriptor` names; `installed` only if `setup_install_route` is set.
pub(crate) fn routes(cfg: &mut web::ServiceConfig, descriptor: &Descriptor, setup_install_route: bool) {
    for callback in Lifecycle::ALL {
        let Some(path) = descriptor.lifecycle(callback) else { continue };
        let resource = web::resource(pattern::of_url(path)).guard(guard::Post());
        cfg.service(match callback {
            Lifecycle::Installed if !setup_install_route => continue,
            Lifecycle::Installed => resource.to(installed),
            Lifecycle::Uninstalled => resource.to(uninstalled),
            Lifecycle::Enabled => resource.to(enabled),
            Lifecycle::Disabled => resource.to(disabled),
        });
    }
}

/// The arrival time of a request. It must be the first extractor: the first one is created before the body is read and
/// a key is fetched.
pub(crate) struct Arrived(Arrival);

impl FromRequest for Arrived {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Arrival::now())))
    }
}

/// Runs `work`, unless the caller closes the connection: it would never get the answer.
async fn while_heard<T>(request: &HttpRequest, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Error> {
    tokio::select! {
        biased;
        done = work => Ok(done?),
        () = connection::hung_up(request) => Err(Error::Unavailable { detail: "the caller closed the connection".to_owned() }),
    }
}

/// Stores a signed install. The answer comes after the listeners, so that the host tries again if one fails.
///
/// An install without a usable secret is refused: it would lock the tenant out. If an install or uninstall that arrived
/// later is done first, this one is answered but not stored: the later one would have replaced it.
///
/// # Errors
/// 400 without a usable secret, 503 when the store is unavailable or takes too long, 500 when a listener fails.
pub(crate) async fn installed(
    Arrived(arrival): Arrived,
    request: HttpRequest,
    install: InstallJwt,
    addon: AddonState,
) -> Result<HttpResponse, Error> {
    let installation = install.installation();
    if !installation.has_usable_secret() {
        return Err(Error::bad_request("The body needs a sharedSecret."));
    }
    let limit = addon.config.limits.listener;
    bring_settings(&addon, installation).await;
    match while_heard(&request, addon.tenants.save(arrival, installation, install.payload())).await {
        Ok(None) => {
            tracing::info!(client_key = installation.client_key, "an install was overtaken by a later request");
            Ok(HttpResponse::NoContent().finish())
        }
        Ok(Some(Saved { tenant, before })) => {
            tracing::info!(client_key = tenant.client_key(), base_url = tenant.base_url(), "installed");
            let change = audit::Install {
                client_key: tenant.client_key(),
                base_url: tenant.base_url(),
                installation: tenant.installation().installation_id.as_deref(),
                account_id: install.claims().sub.as_deref(),
            };
            audit::installed(&change, compared(before.as_deref(), &tenant));
            note(addon.0.clone(), Arc::clone(&tenant));
            let emission = Emission::new("host_settings_saved", Some(tenant), install.payload().clone());
            State::emit(&addon.0, emission, limit).await?;
            Ok(HttpResponse::NoContent().finish())
        }
        Err(error) => {
            tracing::error!(client_key = installation.client_key, %error, "an install could not be stored");
            let body = serde_json::json!({ "clientKey": installation.client_key, "err": error.to_string() });
            let emitted = State::emit(&addon.0, Emission::new(names::HOST_SETTINGS_NOT_SAVED, None, body), limit).await;
            // the host must get the store's error, whatever the listeners return
            if let Err(error) = emitted {
                tracing::error!(%error, "a listener failed");
            }
            Err(error)
        }
    }
}

fn compared(before: Option<&Tenant>, tenant: &Tenant) -> Before {
    match before {
        None => Before::Nothing,
        Some(before) if before.page_fingerprint().ok() == tenant.page_fingerprint().ok() => Before::SameSecret,
        Some(_) => Before::OtherSecret,
    }
}

/// What the app has stored for the site through Forge is there when its listeners hear of the install.
async fn bring_settings(state: &State, installation: &Installation) {
    let Some(installation_id) = installation.installation_id.as_deref().filter(|id| !id.is_empty()) else { return };
    let client_key = &installation.client_key;
    let brought = tokio::time::timeout(BRINGING, association::bring_settings(state, installation_id, client_key)).await;
    let failure =
        brought.map_or_else(|_| Some("it took too long".to_owned()), |done| done.err().map(|e| e.to_string()));
    if let Some(error) = failure {
        tracing::warn!(client_key, installation_id, error, "the settings of a site could not be copied to its tenant");
    }
}

/// Remembers, in the background, what an install says about the Forge installations of its site: it helps to recognise
/// the tenant there, and the install does not depend on it.
fn note(state: web::Data<State>, tenant: Arc<Tenant>) {
    if let Some(installation_id) = &tenant.installation().installation_id {
        state.outbound.associations.wake(installation_id);
    }
    panics::spawn("recording the URL of a tenant", async move {
        let (client_key, base_url) = (tenant.client_key(), tenant.base_url());
        match state.tenants.record_url(&tenant).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(client_key, base_url, "another tenant had this URL");
                state.outbound.associations.wake_all();
            }
            Err(error) => tracing::warn!(client_key, %error, "the URL of a tenant could not be recorded"),
        }
    });
}

/// Marks the tenant as uninstalled. An unknown tenant is not an error: the host may send the callback twice. In order
/// with installs, see [`installed`].
///
/// # Errors
/// 503 when the store is unavailable or takes too long, 500 when a listener fails.
pub(crate) async fn uninstalled(
    Arrived(arrival): Arrived,
    request: HttpRequest,
    install: InstallJwt,
    addon: AddonState,
) -> Result<HttpResponse, Error> {
    let client_key = &install.installation().client_key;
    let Some(uninstalled) = while_heard(&request, addon.tenants.uninstall(arrival, client_key)).await? else {
        tracing::info!(client_key, "an uninstall was overtaken by a later request");
        return Ok(HttpResponse::NoContent().finish());
    };
    tracing::info!(client_key, was_installed = uninstalled.was_installed, "uninstalled");
    if uninstalled.was_installed {
        let base_url = uninstalled.tenant.as_ref().map(|tenant| tenant.base_url());
        audit::uninstalled(client_key, base_url, install.claims().sub.as_deref());
    }
    if let Some(tenant) = uninstalled.tenant {
        let emission = Emission::new(Lifecycle::Uninstalled.name(), Some(tenant), install.payload().clone());
        State::emit(&addon.0, emission, addon.config.limits.listener).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The tenant enabled the add-on.
///
/// # Errors
/// 400 when the body is not valid JSON or names another tenant, 500 when a listener fails.
pub(crate) async fn enabled(
    caller: CallbackJwt,
    addon: AddonState,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    switched(Lifecycle::Enabled, &caller, &addon, &request, payload).await
}

/// The tenant disabled the add-on.
///
/// # Errors
/// The same as [`enabled`].
pub(crate) async fn disabled(
    caller: CallbackJwt,
    addon: AddonState,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    switched(Lifecycle::Disabled, &caller, &addon, &request, payload).await
}

/// Reads the body and emits the event.
async fn switched(
    callback: Lifecycle,
    caller: &CallbackJwt,
    addon: &AddonState,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let body = read_inflated(&mut payload.into_inner(), request, addon.config.limits.body).await?;
    let body = json_body(&body)?;
    let named = body.get("clientKey").and_then(Value::as_str);
    if named.is_some_and(|client_key| client_key != caller.tenant_key()) {
        return Err(Error::bad_request("The body names another tenant than the token."));
    }
    let emission = Emission::new(callback.name(), caller.connect_tenant(), body);
    State::emit(&addon.0, emission, addon.config.limits.listener).await?;
    Ok(HttpResponse::NoContent().finish())
}
