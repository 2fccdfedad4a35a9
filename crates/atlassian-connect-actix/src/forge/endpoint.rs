//! The endpoints for events, scheduled triggers, and `preUninstall`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, guard};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::{ledger, worker};
use crate::association::end_installation;
use crate::auth::{ForgeInvocation, json_body, read_inflated};
use crate::deliveries::Delivery;
use crate::emission::{ForgeOrigin, forge_names};
use crate::error::Error;
use crate::jwt::{ForgeClaims, to_hex};
use crate::pattern;
use crate::state::{AddonState, State};

/// The platform waits for 55 seconds before it uninstalls.
const LAST_MOMENT: Duration = Duration::from_secs(50);

/// Mounts an endpoint for events and scheduled triggers at `path`. An event is authenticated, stored and answered 204.
/// Its listeners run afterwards, in the background (ACE's `addon.on` by name, [`crate::events::Event`] by type):
///
/// ```no_run
/// use actix_web::web::ServiceConfig;
/// use atlassian_connect_actix::{events::AppInstalled, forge};
///
/// fn routes(cfg: &mut ServiceConfig) {
///     cfg.configure(forge::events("/forge/events"));
/// }
///
/// # fn listen(addon: &atlassian_connect_actix::Addon) {
/// addon.listen(|installed: AppInstalled| async move {
///     println!("{}", installed.installation_id);
///     Ok(())
/// });
/// addon.on("avi:jira:created:issue", |_occurrence| async { Ok(()) });
/// addon.on("forge:hourly", |_occurrence| async { Ok(()) });
/// # }
/// ```
///
/// Only calls by Forge itself are accepted. A page's token is answered 403: `requestRemote` gives one to every visitor,
/// logged in or not. So is a token whose `app.module.type` is not that of an event, a schedule or a hook. A call of the
/// app's own function has no user and no context either. If its token has the module type `core:endpoint`, it cannot be
/// told from Forge's own call. The app is responsible for what such a function sends to this path.
///
/// An event's name is its `eventType`. A scheduled trigger has none: its name is `forge:` and the key of its module in
/// the manifest, from the body's `context.moduleKey`. If the body has no key, the token's module key is used, which may
/// be that of the endpoint: several schedules of one endpoint then have the same name. Any invocation brings the app's
/// token if the endpoint asks for it. So a schedule without a listener is enough to keep that token fresh.
///
/// A repeated event is answered 204 and not processed again. If a listener fails, it is tried twice more. Events that
/// are not done when the process ends are taken up at the next start, or by another node. A 503 means that too many
/// events are under way, or that the store is unavailable; Forge then tries again.
pub fn events(path: &str) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let path = pattern::of_url(path);
    move |cfg| {
        cfg.service(web::resource(path).guard(guard::Post()).to(receive));
    }
}

/// Mounts the endpoint of the manifest's `preUninstall` module. It waits for the listeners of
/// [`crate::events::PreUninstall`], for at most 50 seconds: afterwards the app's token is no longer valid.
///
/// Callers are authenticated as for [`events`].
pub fn pre_uninstall(path: &str) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let path = pattern::of_url(path);
    move |cfg| {
        cfg.service(web::resource(path).guard(guard::Post()).to(before_uninstall));
    }
}

async fn receive(
    invocation: ForgeInvocation,
    request: HttpRequest,
    payload: web::Payload,
    addon: AddonState,
) -> Result<HttpResponse, Error> {
    let delivery = read(&invocation, &request, payload, &addon).await?;
    let store = addon.tenants.store().as_ref();
    if delivery.event == forge_names::UNINSTALLED {
        end(&addon, invocation.installation_id()).await?;
    }
    let (content, retries) = content(&delivery);
    let id = format!("{content}.{}", short(invocation.claims().jti.as_deref().unwrap_or_default()));
    // a repeated event has another token, and the same event may also happen twice
    let start = if retries > 0 { &content } else { &id };
    let repeated = || {
        addon.count_forge_event(&delivery.event, "repeated");
        tracing::info!(event = delivery.event, retries, "a Forge event was repeated");
        Ok(HttpResponse::NoContent().finish())
    };
    if addon.deliveries.get(&id).is_some() || ledger::is_known(store, start, retries).await? {
        return repeated();
    }
    let Some(place) = addon.deliveries.reserve(&id, &delivery) else {
        addon.count_forge_event(&delivery.event, "refused");
        return Err(Error::Unavailable { detail: "too many Forge events are under way".to_owned() });
    };
    if !ledger::accept(store, &id, &delivery, retries).await? {
        return repeated();
    }
    place.hand_over();
    addon.count_forge_event(&delivery.event, "accepted");
    Ok(HttpResponse::NoContent().finish())
}

async fn before_uninstall(
    invocation: ForgeInvocation,
    request: HttpRequest,
    payload: web::Payload,
    addon: AddonState,
) -> Result<HttpResponse, Error> {
    let mut delivery = read(&invocation, &request, payload, &addon).await?;
    // the app will be uninstalled, whatever the listeners return
    end(&addon, invocation.installation_id()).await?;
    forge_names::PRE_UNINSTALL.clone_into(&mut delivery.event);
    worker::call_listeners(&addon.0, &delivery, LAST_MOMENT).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The installation ends: its pages are over, and it does not count as one that is without a tenant.
async fn end(state: &State, installation_id: &str) -> Result<(), Error> {
    state.pages.end(state.tenants.store().as_ref(), installation_id).await?;
    end_installation(state, installation_id).await
}

async fn read(
    invocation: &ForgeInvocation,
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
) -> Result<Delivery, Error> {
    expect_forge_itself(invocation)?;
    let body = read_inflated(&mut payload.into_inner(), request, state.config.limits.forge_body).await?;
    let body = json_body(&body)?;
    let claims = invocation.claims();
    let event = event_name(&body, claims.module_key());
    let origin = ForgeOrigin {
        installation_id: invocation.installation_id().to_owned(),
        api_base_url: invocation.api_base_url().map(str::to_owned),
        cloud_id: claims.cloud_id().map(str::to_owned),
        account_id: invocation.account_id().map(str::to_owned),
        keys: invocation.site_keys(),
        apis: invocation.apis().clone(),
    };
    Ok(Delivery {
        event,
        origin: Arc::new(origin),
        body: Arc::new(body),
        failures: 0,
        is_taken_over: false,
        is_value: false,
    })
}

/// Refuses calls of a page: `requestRemote` gives a token to every visitor. It authenticates a visitor, perhaps an
/// anonymous one, but not an event or a hook. Also refuses calls of the app's functions and web triggers, as far as the
/// token shows them: see [`ForgeClaims::is_of_forge_itself`].
pub(super) fn expect_forge_itself(invocation: &ForgeInvocation) -> Result<(), Error> {
    if invocation.claims().is_of_forge_itself() {
        return Ok(());
    }
    let claims = invocation.claims();
    let kind = claims.module_type().unwrap_or_default();
    let detail = if claims.is_unattended() {
        format!("it comes from a module of type {kind:?}, not from Forge itself")
    } else {
        let visitor = invocation.account_id().unwrap_or(ForgeClaims::ANONYMOUS);
        format!("it comes from a page that {visitor:?} has open (module type {kind:?}), not from Forge itself")
    };
    Err(Error::forbidden("Only Forge itself may call this endpoint.", detail))
}

/// Source: Atlassian, "Scheduled trigger" (the body for functions, `context.moduleKey`). The body for remotes is not
/// documented.
fn event_name(body: &Value, key_of_token: Option<&str>) -> String {
    if let Some(event) = text_at(body, "/eventType") {
        return event.to_owned();
    }
    let key = text_at(body, "/context/moduleKey").or(key_of_token);
    format!("forge:{}", key.unwrap_or_default())
}

/// A non-empty string, at `pointer` or there below `payload`.
fn text_at<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    let found = [body.pointer(pointer), body.pointer(&format!("/payload{pointer}"))];
    found.into_iter().flatten().filter_map(Value::as_str).find(|text| !text.is_empty())
}

/// The identity of an event, the same each time it is sent, and the number of its retry.
///
/// Source: Atlassian, "Sending product events": `retryContext`.
fn content(delivery: &Delivery) -> (String, u64) {
    let mut body = delivery.body.as_ref().clone();
    let mut retries = 0;
    for parent in ["", "/payload"] {
        if let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut)
            && let Some(context) = fields.shift_remove("retryContext")
        {
            retries = context.get("retryCount").and_then(Value::as_u64).unwrap_or_default();
        }
    }
    let text = serde_json::json!([delivery.origin.installation_id, delivery.event, body]).to_string();
    (short(&text), retries)
}

/// A name of 32 characters.
fn short(text: &str) -> String {
    let mut name = to_hex(digest(&SHA256, text.as_bytes()).as_ref());
    name.truncate(32);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content_of(body: Value) -> (String, u64) {
        content(&Delivery {
            event: "e".into(),
            origin: Arc::default(),
            body: Arc::new(body),
            failures: 0,
            is_taken_over: false,
            is_value: false,
        })
    }

    #[test]
    fn a_repeated_event_has_the_same_identity() {
        let (first, none) = content_of(json!({ "issue": 1 }));
        assert_eq!(none, 0);
        for again in [
            json!({ "issue": 1, "retryContext": { "retryCount": 2, "retryReason": "TIMEOUT_ERROR" } }),
            json!({ "retryContext": { "retryCount": 2 }, "issue": 1 }),
        ] {
            assert_eq!(content_of(again), (first.clone(), 2));
        }
        assert_ne!(content_of(json!({ "issue": 2 })).0, first);
        let (inner, _) = content_of(json!({ "payload": { "issue": 1 } }));
        assert_eq!(content_of(json!({ "payload": { "issue": 1, "retryContext": { "retryCount": 1 } } })), (inner, 1));
        assert_eq!(content_of(json!({ "issue": 1, "retryContext": null })), (first, 0));
    }

    #[test]
    fn the_name_of_an_event() {
        for (body, name) in [
            (json!({ "eventType": "a" }), "a"),
            (json!({ "eventType": "", "payload": { "eventType": "b" } }), "b"),
            (json!({ "eventType": "a", "context": { "moduleKey": "nightly" } }), "a"),
            (json!({ "context": { "cloudId": "c", "moduleKey": "nightly" } }), "forge:nightly"),
            (json!({ "payload": { "context": { "moduleKey": "nightly" } } }), "forge:nightly"),
            (json!({ "eventType": 7, "context": { "moduleKey": "nightly" } }), "forge:nightly"),
            (json!({ "context": { "moduleKey": "" } }), "forge:endpoint"),
            (json!({ "context": { "moduleKey": 7 } }), "forge:endpoint"),
            (json!({ "context": { "moduleKey": ["nightly"] } }), "forge:endpoint"),
            (json!({ "context": "nightly" }), "forge:endpoint"),
            (json!({ "eventType": 7 }), "forge:endpoint"),
            (json!([]), "forge:endpoint"),
            (Value::Null, "forge:endpoint"),
        ] {
            assert_eq!(event_name(&body, Some("endpoint")), name, "{body}");
        }
        assert_eq!(event_name(&json!({}), None), "forge:");
    }
}
