//! The callbacks of a host: installed, uninstalled, enabled, disabled, at the paths that the descriptor names.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, guard, web};
use serde_json::Value;

use crate::auth::{CallbackJwt, InstallJwt, json_body, read_inflated};
use crate::connection;
use crate::descriptor::{Descriptor, Lifecycle};
use crate::emission::{Emission, names};
use crate::error::Error;
use crate::pattern;
use crate::state::{AddonState, State};
use crate::store::StoreError;
use crate::store::internal::Arrival;

/// Mounts the callbacks that `descriptor` names; `installed` only where `setup_install_route` says so.
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

/// Of extractors the first is made first, before the body is read and a key is fetched: so this is when the head of the
/// request was there.
pub(crate) struct Arrived(Arrival);

impl FromRequest for Arrived {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Arrival::now())))
    }
}

/// What `work` ends with. A caller that has closed its side would never hear of it: then it is not done any more.
async fn while_heard<T>(request: &HttpRequest, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Error> {
    tokio::select! {
        biased;
        done = work => Ok(done?),
        () = connection::hung_up(request) => Err(Error::Unavailable { detail: "the caller has hung up".to_owned() }),
    }
}

/// Stores a signed install; the answer comes after the listeners, so that the host tries again when one fails.
///
/// An install without a usable secret is refused: it would lock the tenant out. Where an install or uninstall that
/// arrived later is done before it, it is answered and not stored: the later one would have replaced it.
///
/// # Errors
/// 400 without a usable secret, 503 when the store is away or takes too long, 500 when a listener fails.
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
    match while_heard(&request, addon.tenants.save(arrival, installation, install.payload())).await {
        Ok(None) => {
            tracing::info!(client_key = installation.client_key, "an install was overtaken by a later request");
            Ok(HttpResponse::NoContent().finish())
        }
        Ok(Some(tenant)) => {
            tracing::info!(client_key = tenant.client_key(), base_url = tenant.base_url(), "installed");
            let emission = Emission::new("host_settings_saved", Some(tenant), install.payload().clone());
            State::emit(&addon.0, emission, limit).await?;
            Ok(HttpResponse::NoContent().finish())
        }
        Err(error) => {
            tracing::error!(client_key = installation.client_key, %error, "an install could not be stored");
            let body = serde_json::json!({ "clientKey": installation.client_key, "err": error.to_string() });
            let told = State::emit(&addon.0, Emission::new(names::HOST_SETTINGS_NOT_SAVED, None, body), limit).await;
            // the store's failure is what the host must hear of, whatever the listeners say
            if let Err(error) = told {
                tracing::error!(%error, "a listener failed");
            }
            Err(error)
        }
    }
}

/// Marks the tenant as uninstalled. A tenant that is not there is no error: the host may send it twice. In order with
/// installs, as [`installed`] says.
///
/// # Errors
/// 503 when the store is away or takes too long, 500 when a listener fails.
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
    if named.is_some_and(|client_key| client_key != caller.client_key()) {
        return Err(Error::bad_request("The body names another tenant than the token."));
    }
    let emission = Emission::new(callback.name(), Some(caller.tenant().clone()), body);
    State::emit(&addon.0, emission, addon.config.limits.listener).await?;
    Ok(HttpResponse::NoContent().finish())
}
