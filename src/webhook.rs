//! The webhooks of the descriptor: mounted by themselves, delivered as events of the add-on.

use std::collections::BTreeMap;

use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use serde_json::Value;

use crate::auth::ConnectJwt;
use crate::descriptor::{Descriptor, Webhook};
use crate::error::Error;
use crate::events::{Occurrence, names};
use crate::state::Shared;

/// Mounts every webhook of `descriptor` at the path of its URL.
pub fn routes(cfg: &mut web::ServiceConfig, descriptor: &Descriptor) {
    let mut by_path: BTreeMap<String, Vec<Webhook>> = BTreeMap::new();
    for webhook in descriptor.webhooks() {
        by_path.entry(pattern(&webhook.url)).or_default().push(webhook);
    }
    for (path, webhooks) in by_path {
        let webhooks = web::Data::new(webhooks);
        cfg.service(
            web::resource(path)
                .app_data(webhooks)
                .route(web::post().to(receive))
                .default_service(web::to(|| async { Err::<HttpResponse, _>(Error::MethodNotAllowed) })),
        );
    }
}

/// The pattern of a URL of the descriptor: its path, `${…}` standing for a segment's part, without query and fragment.
#[must_use]
pub fn pattern(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut pattern = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        pattern.push('/');
    }
    let mut parts = path.split("${");
    push_literal(&mut pattern, parts.next().unwrap_or_default());
    for (number, part) in parts.enumerate() {
        pattern.extend(["{v", &number.to_string(), "}"]);
        push_literal(&mut pattern, part.split_once('}').map_or("", |(_, rest)| rest));
    }
    pattern
}

/// The pattern of a path that stands for itself.
pub(crate) fn literal(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    push_literal(&mut pattern, path);
    pattern
}

/// Actix compares with a path whose escapes are resolved, but for those of `%`, `/` and `+`, and reads braces as a variable.
fn push_literal(pattern: &mut String, path: &str) {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if !b"%/+".contains(&byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    for character in String::from_utf8_lossy(&bytes).chars() {
        // a name that no other variable of the pattern has: where it stands
        let name = pattern.len().to_string();
        match character {
            '{' => pattern.extend(["{b", &name, r":\x7B}"]),
            '}' => pattern.extend(["{b", &name, r":\x7D}"]),
            other => pattern.push(other),
        }
    }
}

async fn receive(request: HttpRequest, payload: web::Payload, addon: Shared) -> Result<HttpResponse, Error> {
    let limit = addon.config.limits.listener;
    let triggered = Occurrence::new(names::WEBHOOK_AUTH_VERIFICATION_TRIGGERED, None, Value::Null);
    addon.events.emit(triggered, limit).await?;
    let caller = ConnectJwt::extract(&request).await?;
    let tenant = caller.tenant().clone();
    let successful = Occurrence::new(names::WEBHOOK_AUTH_VERIFICATION_SUCCESSFUL, Some(tenant.clone()), Value::Null);
    addon.events.emit(successful, limit).await?;

    let bytes = payload.to_bytes_limited(addon.config.limits.body).await;
    let bytes = bytes.map_err(|_| Error::TooLarge { limit: addon.config.limits.body })?;
    let body = crate::lifecycle::json(&bytes.map_err(|error| Error::Body { detail: error.to_string() })?)?;
    let webhooks =
        request.app_data::<web::Data<Vec<Webhook>>>().map(|webhooks| webhooks.as_slice()).unwrap_or_default();
    for event in events(webhooks, request.query_string(), &body) {
        addon.events.emit(Occurrence::new(event, Some(tenant.clone()), body.clone()), limit).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Which of the webhooks at one path this request is. Where several share the path, the fixed part of their queries
/// tells, then what the body says of itself; if nothing does, it is each of them.
fn events<'a>(webhooks: &'a [Webhook], query: &str, body: &Value) -> Vec<&'a str> {
    let sent: Vec<&str> = query.split('&').collect();
    let fits = |webhook: &&Webhook| {
        let fixed = webhook.url.split_once('?').map_or("", |(_, query)| query);
        fixed.split('&').filter(|pair| !pair.is_empty() && !pair.contains("${")).all(|pair| sent.contains(&pair))
    };
    let mut candidates: Vec<&Webhook> = webhooks.iter().filter(fits).collect();
    let named = body.get("webhookEvent").and_then(Value::as_str);
    if let Some(exact) = candidates.iter().copied().find(|webhook| Some(webhook.event.as_str()) == named) {
        candidates = vec![exact];
    }
    // the one with the most to its query is the one that was meant
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
    fn the_path_of_a_url_is_its_pattern() {
        for (url, expected) in [
            ("/webhook/issue-updated?issue=${issue.key}", "/webhook/issue-updated"),
            ("/p/${project.key}/i/${issue.key}#x", "/p/{v0}/i/{v1}"),
            ("webhook", "/webhook"),
            ("/open/${x", "/open/{v0}"),
            ("/a%20b/${x}%2Fc%zz", "/a b/{v0}%2Fc%zz"),
            ("/ü", "/ü"),
            ("/%C3%BC", "/ü"),
        ] {
            assert_eq!(pattern(url), expected, "{url}");
        }
    }

    #[test]
    fn a_literal_is_what_actix_compares_with() {
        for (path, sent) in [
            ("/a{b}c", "/a{b}c"),
            ("/a{b}c", "/a%7Bb%7Dc"),
            ("/a%7Bb%7Dc", "/a%7bb%7dc"),
            ("/{{}}%2F{x}", "/{{}}%2F{x}"),
            ("/a%20b", "/%61%20b"),
            ("/a%2Fb%25%2B+", "/a%2Fb%25%2B+"),
        ] {
            let sent = actix_web::dev::Url::new(sent.parse().unwrap());
            let definition = actix_web::dev::ResourceDef::new(literal(path));
            assert!(definition.is_match(sent.path()), "{path} {}", sent.path());
        }
        assert!(!actix_web::dev::ResourceDef::new(literal("/a{b}c")).is_match("/abc"));
    }

    #[test]
    fn webhooks_that_share_a_path_are_told_apart() {
        let webhook = |event: &str, url: &str| Webhook { event: event.into(), url: url.into() };
        let by_body = [webhook("created", "/w"), webhook("updated", "/w")];
        assert_eq!(events(&by_body, "", &json!({"webhookEvent": "updated"})), ["updated"]);
        assert_eq!(events(&by_body, "", &Value::Null), ["created", "updated"]);
        let by_query = [webhook("created", "/w"), webhook("updated", "/w?e=u&key=${issue.key}")];
        assert_eq!(events(&by_query, "e=u&key=A-1", &Value::Null), ["updated"]);
        assert_eq!(events(&by_query, "", &Value::Null), ["created"]);
        assert_eq!(events(&[webhook("one", "/w")], "user_id=x", &json!({"webhookEvent": "other"})), ["one"]);
    }
}
