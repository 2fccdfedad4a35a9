//! The webhooks of the descriptor: mounted automatically, delivered as events of the add-on.

use std::collections::BTreeMap;

use actix_web::{FromRequest as _, HttpRequest, HttpResponse, guard, web};
use serde_json::Value;

use crate::auth::{CallbackJwt, json_body, read_inflated};
use crate::descriptor::{Descriptor, Webhook};
use crate::emission::{Emission, names};
use crate::error::Error;
use crate::measure;
use crate::pattern;
use crate::state::{AddonState, State};

/// Mounts every webhook of `descriptor` at the path of its URL.
pub(crate) fn routes(cfg: &mut web::ServiceConfig, descriptor: &Descriptor) {
    let mut by_path: BTreeMap<String, Vec<Webhook>> = BTreeMap::new();
    for webhook in descriptor.webhooks() {
        by_path.entry(pattern::of_url(&webhook.url)).or_default().push(webhook.clone());
    }
    for (path, webhooks) in by_path {
        // the guard leaves other methods to a page of the app at the same path
        cfg.service(web::resource(path).guard(guard::Post()).app_data(web::Data::new(webhooks)).to(receive));
    }
}

async fn receive(request: HttpRequest, payload: web::Payload, addon: AddonState) -> Result<HttpResponse, Error> {
    let limit = addon.config.limits.listener;
    let triggered = Emission::new(names::WEBHOOK_AUTH_VERIFICATION_TRIGGERED, None, Value::Null);
    State::emit(&addon.0, triggered, limit).await?;
    let caller = CallbackJwt::extract(&request).await?;
    let tenant = caller.connect_tenant();
    let successful = Emission::new(names::WEBHOOK_AUTH_VERIFICATION_SUCCESSFUL, tenant.clone(), Value::Null);
    State::emit(&addon.0, successful, limit).await?;

    let body = read_inflated(&mut payload.into_inner(), &request, addon.config.limits.body).await?;
    let body = json_body(&body)?;
    let webhooks =
        request.app_data::<web::Data<Vec<Webhook>>>().map(|webhooks| webhooks.as_slice()).unwrap_or_default();
    for event in events(webhooks, request.query_string(), &body) {
        let outcome = State::emit(&addon.0, Emission::new(event, tenant.clone(), body.clone()), limit).await;
        measure::webhook(event, if outcome.is_ok() { "processed" } else { "failed" });
        outcome?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Which of the webhooks with the same path a request is for. The fixed part of their queries decides, then the body's
/// event name; if neither does, all of them.
fn events<'a>(webhooks: &'a [Webhook], query: &str, body: &Value) -> Vec<&'a str> {
    let sent: Vec<&str> = query.split('&').collect();
    let fits = |webhook: &&Webhook| {
        let fixed = webhook.url.split_once('?').map_or("", |(_, query)| query);
        fixed.split('&').filter(|pair| !pair.is_empty() && !pair.contains('{')).all(|pair| sent.contains(&pair))
    };
    let mut candidates: Vec<&Webhook> = webhooks.iter().filter(fits).collect();
    if candidates.is_empty() {
        // a host that rewrites the query must not make its webhooks vanish
        candidates = webhooks.iter().collect();
    }
    let named = body.get("webhookEvent").and_then(Value::as_str);
    if let Some(exact) = candidates.iter().copied().find(|webhook| Some(webhook.event.as_str()) == named) {
        candidates = vec![exact];
    }
    // the webhook with the longest matching query is meant
    let most = candidates.iter().map(|webhook| webhook.url.matches('=').count()).max();
    let mut events: Vec<&str> = candidates
        .into_iter()
        .filter(|webhook| Some(webhook.url.matches('=').count()) == most)
        .map(|webhook| webhook.event.as_str())
        .collect();
    events.dedup();
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn webhooks_with_the_same_path_are_distinguished() {
        let webhook = |event: &str, url: &str| Webhook { event: event.into(), url: url.into() };
        let by_body = [webhook("created", "/w"), webhook("updated", "/w")];
        assert_eq!(events(&by_body, "", &json!({"webhookEvent": "updated"})), ["updated"]);
        assert_eq!(events(&by_body, "", &Value::Null), ["created", "updated"]);
        let by_query = [webhook("created", "/w"), webhook("updated", "/w?e=u&key=${issue.key}")];
        assert_eq!(events(&by_query, "e=u&key=A-1", &Value::Null), ["updated"]);
        assert_eq!(events(&by_query, "", &Value::Null), ["created"]);
        let filled = [webhook("one", "/w?key={issue.key}"), webhook("other", "/w?key={issue.key}&e=o")];
        assert_eq!(events(&filled, "key=A-1", &Value::Null), ["one"], "both forms of a context parameter");
        assert_eq!(
            events(&filled[1..], "key=A-1&e=%6F", &Value::Null),
            ["other"],
            "the only one, with an encoded query"
        );
        assert_eq!(events(&[webhook("one", "/w")], "user_id=x", &json!({"webhookEvent": "other"})), ["one"]);
    }
}
