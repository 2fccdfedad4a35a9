//! Whether the descriptor's URLs are answered.

use actix_web::http::Method;
use serde_json::{Map, Value};

use super::TestHost;
use crate::descriptor::Lifecycle;

/// Fails the test unless a route answers every URL of the descriptor: lifecycle callbacks and webhooks to POST, the
/// `url` of every other module to GET (or POST). Refusing an unsigned request is an answer.
pub async fn assert_descriptor_routes(host: &TestHost) {
    let descriptor = host.addon().state().descriptor();
    let mut missing = Vec::new();
    let lifecycle = Lifecycle::ALL.into_iter().filter_map(|callback| descriptor.lifecycle(callback));
    for url in lifecycle.map(str::to_owned).chain(descriptor.webhooks().into_iter().map(|webhook| webhook.url)) {
        if !answers(host, &Method::POST, &url).await {
            missing.push(format!("POST {url}"));
        }
    }
    let mut pages = Vec::new();
    if let Some(modules) = descriptor.value().get("modules").and_then(Value::as_object) {
        modules.iter().filter(|(kind, _)| *kind != "webhooks").for_each(|(_, module)| urls(module, &mut pages));
    }
    for url in pages {
        if !answers(host, &Method::GET, &url).await && !answers(host, &Method::POST, &url).await {
            missing.push(format!("GET {url}"));
        }
    }
    assert!(missing.is_empty(), "no route answers these URLs of the descriptor: {missing:#?}");
}

/// The members called `url`, however deep, that are below the base URL.
fn urls(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| urls(item, found)),
        Value::Object(members) => {
            found.extend(own_url(members));
            members.values().for_each(|member| urls(member, found));
        }
        _ => {}
    }
}

fn own_url(members: &Map<String, Value>) -> Option<String> {
    members
        .get("url")
        .and_then(Value::as_str)
        .filter(|url| url.starts_with('/') && !url.starts_with("//"))
        .map(str::to_owned)
}

async fn answers(host: &TestHost, method: &Method, url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    // a host fills {issue.key} and ${issue.key} before it calls
    let mut filled = String::from(if path.starts_with('/') { "" } else { "/" });
    let mut depth = 0;
    for character in path.replace("${", "{").chars() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                filled.push('1');
            }
            other if depth == 0 => filled.push(other),
            _ => {}
        }
    }
    let status = host.send(host.request(method.clone(), &filled), Vec::new()).await.status;
    status != 404 && status != 405
}
