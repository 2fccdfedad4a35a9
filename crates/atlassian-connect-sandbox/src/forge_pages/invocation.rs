//! `invokeRemote`: Forge's proxy between the shell and the add-on, with its rules.
//!
//! Source: Atlassian, "Forge Remote essentials", "Invocation limits"; npm `@forge/bridge` 7.2.0 for the shapes.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::gateway::Refusal;
use super::manifest;
use super::view::View;
use crate::calls::USER_AGENT;
use crate::forge::{METHODS, Tokens};
use crate::secret::new_secret;
use crate::shared::Sandbox;
use crate::site::SandboxSite;
use atlassian_connect_actix::internal::transport;
use atlassian_connect_testing::TestInvocation;

/// How long the add-on may take.
const TIMEOUT: Duration = Duration::from_secs(25);
/// Bytes of a request's body.
const REQUEST: usize = 500_000;
/// Bytes of an answer's body.
const ANSWER: usize = 5_000_000;
/// What `invokeRemote` says it is.
const REMOTE: &str = "ui-remote-fetch";
/// Headers that are Forge's own, or the connection's.
const RESERVED: [&str; 13] = [
    "accept-encoding",
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
];

/// Headers of an answer that are about the way to the gateway.
const NOT_HANDED_ON: [&str; 5] =
    ["connection", "content-encoding", "content-length", "set-cookie", "transfer-encoding"];

/// A call of `invokeRemote`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation {
    pub(super) path: String,
    pub(super) method: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
    invoke_type: String,
}

/// The add-on's answer, as the bridge passes it to the page.
pub(super) async fn perform(
    sandbox: &Sandbox,
    site: &SandboxSite,
    view: &View,
    call: &Invocation,
) -> Result<Value, Refusal> {
    if call.invoke_type != REMOTE {
        return Err(refused("The app has no container."));
    }
    let method = METHODS.into_iter().find(|method| *method == call.method);
    let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let method = method.ok_or_else(|| refused("The method must be GET, POST, PUT, PATCH or DELETE."))?;
    let url = resolve(sandbox.state.config.local_base_url.as_str(), &call.path)?;
    let body = match &call.body {
        None => String::new(),
        Some(body @ Value::Object(_)) => body.to_string(),
        Some(_) => return Err(refused("The body must be a JSON object.")),
    };
    if body.len() > REQUEST {
        return Err(refused(format!("The body is larger than {REQUEST} bytes.")));
    }
    let headers = own_headers(&call.headers)?;
    let signed = signed_headers(sandbox, site, view).await.map_err(Refusal)?;

    let exchange = async {
        let mut request = transport::client().request(method, url.as_str());
        for (name, value) in &headers {
            request = request.append_header((name, value));
        }
        request = request.insert_header(("User-Agent", USER_AGENT));
        for (name, value) in &signed {
            request = request.insert_header((*name, value.as_str()));
        }
        if !body.is_empty() {
            request = request.insert_header(("Content-Type", "application/json"));
        }
        let mut response = request.send_body(body).await.map_err(|error| {
            tracing::debug!(%error, "an invocation did not reach the add-on");
            refused("The app could not be reached.")
        })?;
        let body = response.body().limit(ANSWER).await;
        let body =
            body.map_err(|_| refused(format!("The app's answer broke off, or is larger than {ANSWER} bytes.")))?;
        judge(response.status().as_u16(), response.headers(), &body)
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(refused("The app did not answer within 25 s.")))
}

fn refused(reason: impl Into<String>) -> Refusal {
    Refusal(reason.into())
}

/// The URL of a call. Forge resolves the path against the remote's base URL by the URL standard; a shell's remote is an
/// origin.
fn resolve(base_url: &str, path: &str) -> Result<Url, Refusal> {
    let base = Url::parse(base_url).map_err(|_| refused("The remote's base URL is not valid."))?;
    let mut remote = base.clone();
    remote.set_path("/");
    let url = remote.join(path).map_err(|_| refused("The path is not valid."))?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if url.origin() != base.origin() || !is_plain {
        return Err(refused("The path leads to another server than the remote."));
    }
    Ok(url)
}

/// The headers that a caller chose.
fn own_headers(headers: &Map<String, Value>) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let mut own = Vec::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || ["x-forge-", "x-b3-"].iter().any(|start| lower.starts_with(start)) {
            continue;
        }
        let name = HeaderName::try_from(name.as_str()).ok();
        let value = value.as_str().and_then(|value| HeaderValue::try_from(value).ok());
        let (Some(name), Some(value)) = (name, value) else {
            return Err(refused("The headers must be texts that HTTP allows."));
        };
        own.push((name, value));
    }
    Ok(own)
}

/// The invocation token, of what the sandbox itself knows of the view, and the tokens that the manifest's scopes allow.
async fn signed_headers(
    sandbox: &Sandbox,
    site: &SandboxSite,
    view: &View,
) -> Result<Vec<(&'static str, String)>, String> {
    let tenant = site.tenant();
    let invocation = TestInvocation::of(&tenant)
        .claim("/context", view.context.clone())
        .claim("/app/license", json!({ "isActive": view.is_licensed }))
        .claim("/jti", new_secret());
    let invocation = match view.user.account() {
        Some(account) => invocation.claim("/principal", account),
        None => invocation.without("/principal"),
    };
    let (app, user) = manifest::tokens(&sandbox.folder);
    let tokens = Tokens { app, user: view.user.account().filter(|_| user) };
    sandbox.invocation_headers(&tenant, &invocation, tokens).await
}

/// What Forge makes of an answer.
fn judge(status: u16, headers: &HeaderMap, body: &Bytes) -> Result<Value, Refusal> {
    match status {
        // Source: "Forge Remote essentials": it says that the invocation token was not accepted
        401 => return Err(refused("The app did not accept the invocation token (401).")),
        300..=399 => return Err(refused(format!("The app answered {status}. Forge follows no redirect."))),
        _ => {}
    }
    let is_success = (200..=299).contains(&status);
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = if body.is_empty() && is_success {
        None
    } else if kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        let parsed = serde_json::from_slice::<Value>(body);
        Some(parsed.map_err(|error| refused(format!("The app answered {status} with broken JSON: {error}.")))?)
    } else {
        return Err(refused(format!("The app answered {status} without JSON: its Content-Type is {kind:?}.")));
    };
    let mut names = Map::new();
    for (name, value) in headers {
        if NOT_HANDED_ON.contains(&name.as_str()) {
            continue;
        }
        let values = names.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(String::from_utf8_lossy(value.as_bytes()).into());
        }
    }
    let mut answer = json!({ "status": status, "headers": names });
    if let Some(body) = body {
        answer["body"] = body;
    }
    Ok(if is_success {
        json!({ "success": true, "payload": answer })
    } else {
        json!({ "success": false, "error": answer })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_at_the_remote() {
        let base = "http://localhost:3000/app";
        for (path, expected) in [
            ("/app/forge/open", Some("http://localhost:3000/app/forge/open")),
            ("/forge/open?a=1", Some("http://localhost:3000/forge/open?a=1")),
            ("forge/open", Some("http://localhost:3000/forge/open")),
            ("/app/../forge/open", Some("http://localhost:3000/forge/open")),
            ("http://localhost:3000/x", Some("http://localhost:3000/x")),
            ("//evil.example/x", None),
            ("/\\evil.example/x", None),
            ("\t//evil.example", None),
            ("https://localhost:3000/x", None),
            ("http://localhost:3001/x", None),
            ("http://user@localhost:3000/x", None),
            ("//user:pass@localhost:3000/x", None),
            ("javascript:alert(1)", None),
            ("file:///etc/passwd", None),
            ("@evil.example/x", Some("http://localhost:3000/@evil.example/x")),
            ("http://", None),
        ] {
            assert_eq!(resolve(base, path).ok().map(String::from).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn forges_headers_are_not_a_callers() {
        let headers = json!({
            "Accept": "application/json", "Authorization": "Bearer x", "X-Forge-OAuth-User": "x", "x-b3-traceid": "1",
            "Cookie": "a=b", "Host": "evil.example", "X-Own": "1", "content-length": "5",
        });
        let own = own_headers(headers.as_object().unwrap()).ok().unwrap();
        let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accept", "x-own"]);
        for odd in [json!({ "a b": "1" }), json!({ "x": "a\r\nb: c" }), json!({ "x": 1 })] {
            assert!(own_headers(odd.as_object().unwrap()).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_answer_is_judged_as_forge_judges_it() {
        let told = |status: u16, kind: &'static str, body: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(HeaderName::from_static("content-type"), HeaderValue::from_static(kind));
            headers.append(HeaderName::from_static("x-two"), HeaderValue::from_static("1"));
            headers.append(HeaderName::from_static("x-two"), HeaderValue::from_static("2"));
            headers.append(HeaderName::from_static("set-cookie"), HeaderValue::from_static("a=b"));
            judge(status, &headers, &Bytes::from_static(body.as_bytes())).map_err(|Refusal(reason)| reason)
        };
        let headers = json!({ "content-type": ["application/json"], "x-two": ["1", "2"] });
        assert_eq!(
            told(200, "application/json", r#"{"a":1}"#),
            Ok(json!({ "success": true, "payload": { "status": 200, "headers": headers, "body": { "a": 1 } } }))
        );
        assert_eq!(
            told(403, "application/json", r#"{"message":"no"}"#),
            Ok(
                json!({ "success": false, "error": { "status": 403, "headers": headers, "body": { "message": "no" } } })
            )
        );
        assert!(told(204, "text/plain", "").is_ok());
        assert!(told(200, "application/json; charset=utf-8", "[]").is_ok());
        for (status, kind, body, reason) in [
            (401, "application/json", "{}", "did not accept the invocation token"),
            (302, "application/json", "{}", "follows no redirect"),
            (404, "text/html", "<p>", "answered 404 without JSON"),
            (500, "text/plain", "", "answered 500 without JSON"),
            (200, "text/html", "<p>", "answered 200 without JSON"),
            (200, "application/json", "{", "broken JSON"),
        ] {
            let refusal = told(status, kind, body).unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
        }
    }
}
