//! The contract's routes that call the host.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{get, post};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
use atlassian_connect_actix::host::{HostRequest, Multipart};
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(me)
        .service(issues)
        .service(host)
        .service(admin)
        .service(project)
        .service(content)
        .service(site)
        .service(resource);
}

/// A description of a call to the host.
#[derive(Deserialize)]
struct Call {
    #[serde(default, rename = "as")]
    identity: Option<String>,
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default)]
    query: Map<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    form: Option<Map<String, Value>>,
    #[serde(default)]
    multipart: Option<BTreeMap<String, File>>,
    #[serde(default)]
    anonymous: bool,
}

#[derive(Deserialize)]
struct File {
    value: String,
    #[serde(default)]
    filename: Option<String>,
}

async fn answer(request: HostRequest) -> Result<Json<Value>, Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    let body = match serde_json::from_slice(&bytes) {
        Ok(json) => json,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(_) => String::from_utf8_lossy(&bytes).into_owned().into(),
    };
    Ok(Json(json!({ "status": status, "body": body })))
}

#[get("/api/me")]
async fn me(session: SessionToken) -> Result<Json<Value>, Error> {
    answer(session.host().as_user(session.require_account_id()?).get("/rest/api/3/myself")).await
}

#[post("/api/issues")]
async fn issues(session: SessionToken, issue: Json<Value>) -> Result<Json<Value>, Error> {
    answer(session.host().post("/rest/api/3/issue").json(&issue)).await
}

#[post("/api/host")]
async fn host(session: SessionToken, call: Json<Call>) -> Result<Json<Value>, Error> {
    let call = call.into_inner();
    let client = match call.identity.as_deref() {
        Some("user") => session.host().as_user(session.require_account_id()?),
        _ => session.host(),
    };
    let method = call.method.as_deref().unwrap_or("GET").parse::<Method>();
    let mut request = client.request(method.map_err(|_| Error::bad_request("method"))?, &call.url);
    request = request.query(pairs(&call.query));
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    if let Some(json) = &call.json {
        request = request.json(json);
    }
    if let Some(body) = call.body {
        let content_type = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        request = request.body(content_type.map_or("text/plain", |(_, value)| value.as_str()), body);
    }
    if let Some(form) = &call.form {
        request = request.form(pairs(form));
    }
    if let Some(parts) = call.multipart {
        let add = |form: Multipart, (name, file): (String, File)| match file.filename {
            Some(filename) => form.bytes(&name, &filename, "application/octet-stream", file.value),
            None => form.text(&name, file.value),
        };
        request = request.multipart(parts.into_iter().fold(Multipart::new(), add));
    }
    if call.anonymous {
        request = request.anonymous();
    }
    answer(request).await
}

/// A list becomes a repeated parameter.
fn pairs(map: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    map.iter()
        .flat_map(|(name, value)| match value {
            Value::Array(values) => values.iter().map(|value| (name.clone(), text(value))).collect(),
            value => vec![(name.clone(), text(value))],
        })
        .collect()
}

#[post("/forge/resource")]
async fn resource(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    let shown = |token: Option<&SecretString>| token.map(|token| token.expose_secret().to_owned());
    let connect = invocation.connect_tenant().await?.map(|tenant| {
        let (client_key, base_url) = (tenant.client_key(), tenant.base_url());
        json!({ "clientKey": client_key, "hostBaseUrl": base_url, "userAccountId": invocation.account_id() })
    });
    Ok(Json(json!({
        "installationId": invocation.installation_id(),
        "apiBaseUrl": invocation.api_base_url(),
        "principal": invocation.account_id(),
        "appToken": shown(invocation.app_token()),
        "userToken": shown(invocation.user_token()),
        "connect": connect,
    })))
}

macro_rules! guarded {
    ($($route:literal $handler:ident $permission:ident = $needed:expr;)*) => {$(
        struct $permission;

        impl Permission for $permission {
            const NEEDED: Needed = $needed;
        }

        #[get($route)]
        async fn $handler(_: Authorized<$permission>) -> Json<Value> {
            Json(json!({ "ok": true }))
        }
    )*};
}

guarded! {
    "/admin" admin Administer = Needed::Jira { project: &[], global: &["ADMINISTER"] };
    "/project" project EditIssues = Needed::Jira { project: &["BROWSE_PROJECTS", "EDIT_ISSUES"], global: &[] };
    "/content" content UpdateContent = Needed::Confluence { application: &["use", "administer"], content: Some("update") };
    "/site" site AdministerSite = Needed::Confluence { application: &["administer"], content: None };
}
