//! `fetchProduct`: the product's REST API, called as the user who looks at the page.

use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::gateway::Refusal;
use crate::api::{self, Ask, Body, File};
use crate::shared::Sandbox;
use crate::site::SandboxSite;
use crate::user::User;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::jwt::qsh::relative_path;

/// A call of `requestJira` or `requestConfluence`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductCall {
    product: String,
    pub(super) rest_path: String,
    #[serde(default)]
    fetch_request_init: Init,
    #[serde(default)]
    is_multipart_form_data: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Init {
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<String>,
}

impl ProductCall {
    pub(super) fn method(&self) -> &str {
        self.fetch_request_init.method.as_deref().unwrap_or("GET")
    }
}

pub(super) async fn perform(
    sandbox: &Sandbox,
    site: &SandboxSite,
    user: User,
    call: &ProductCall,
) -> Result<Value, Refusal> {
    let product = if site.product == Product::Confluence { "confluence" } else { "jira" };
    if call.product != product {
        return Err(Refusal(format!("{} has no {}.", site.name, call.product)));
    }
    let method = call.method().to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Refusal("The method is not valid.".to_owned()))?;
    let (path, query) = target(&call.rest_path, site.product)?;
    let init = &call.fetch_request_init;
    let mut headers = HeaderMap::new();
    for (name, value) in &init.headers {
        let name = HeaderName::try_from(name.as_str()).ok();
        if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
            headers.append(name, value);
        }
    }
    let text = init.body.clone().unwrap_or_default();
    let body = if call.is_multipart_form_data { Body::Files(files(&text)?) } else { Body::Bytes(text.into()) };
    let shown_path = format!("{}{path}", site.path);
    let ask = Ask { method: &method, path: &path, shown_path: &shown_path, query: &query, headers: &headers, body };
    let (status, body) = api::answer_user(sandbox, site, user, ask).await;
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let (headers, body) = match body {
        Value::Null => (json!({}), String::new()),
        body => (json!({ "content-type": "application/json" }), body.to_string()),
    };
    Ok(json!({ "status": status, "statusText": reason, "headers": headers, "body": body, "isAttachment": false }))
}

/// The path below the site's base URL, and the query. Looked at after it has been parsed: `..`, `%2e%2e` and `\\` lead
/// elsewhere.
fn target(rest_path: &str, product: Product) -> Result<(String, String), Refusal> {
    let refused = || Refusal(format!("{rest_path:?} is not a path of the product's REST API."));
    let site = Url::parse("http://site.invalid/").map_err(|_| refused())?;
    let url = site.join(rest_path).map_err(|_| refused())?;
    if url.origin() != site.origin() || !rest_path.starts_with('/') {
        return Err(refused());
    }
    let below = if product == Product::Confluence { relative_path(url.path(), "/wiki") } else { Some(url.path()) };
    let below = below.filter(|path| ["/rest/", "/api/"].iter().any(|api| path.starts_with(api))).ok_or_else(refused)?;
    Ok((below.to_owned(), url.query().unwrap_or_default().to_owned()))
}

/// The file of a form: the bridge sends it as a `data:` URL.
fn files(form: &str) -> Result<Vec<File>, Refusal> {
    let refused = |reason: &str| Refusal(format!("The form cannot be read: {reason}."));
    let fields: Map<String, Value> = serde_json::from_str(form).map_err(|error| refused(&error.to_string()))?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let Some(url) = text("file") else { return Err(refused("it has no file")) };
    let (_, encoded) = url.split_once(";base64,").ok_or_else(|| refused("its file is not a data: URL"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| refused("its file is not in base64"))?;
    Ok(vec![File {
        name: text("__fileName").unwrap_or("file").to_owned(),
        mime: text("__fileType").unwrap_or("application/octet-stream").to_owned(),
        bytes: Bytes::from(bytes),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rest_api_is_asked() {
        for (path, product, expected) in [
            ("/rest/api/3/myself?a=1", Product::Jira, Some(("/rest/api/3/myself", "a=1"))),
            ("/rest/api/3/../3/myself", Product::Jira, Some(("/rest/api/3/myself", ""))),
            ("/wiki/api/v2/pages", Product::Confluence, Some(("/api/v2/pages", ""))),
            ("/wiki/rest/api/content", Product::Confluence, Some(("/rest/api/content", ""))),
            ("/rest/api/content", Product::Confluence, None),
            ("/rest/../jira/context-token", Product::Jira, None),
            ("/rest/%2e%2e/journal", Product::Jira, None),
            ("/rest\\..\\..\\x", Product::Jira, None),
            ("//evil.example/rest/x", Product::Jira, None),
            ("/\\evil.example/rest/x", Product::Jira, None),
            ("http://evil.example/rest/x", Product::Jira, None),
            ("rest/api/3/myself", Product::Jira, None),
            ("", Product::Jira, None),
        ] {
            let found = target(path, product).ok();
            let found = found.as_ref().map(|(path, query)| (path.as_str(), query.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_form_has_its_file() {
        let form =
            json!({ "file": "data:text/plain;base64,aGVsbG8=", "__fileName": "a.txt", "__fileType": "text/plain" });
        let files = files(&form.to_string()).ok().unwrap();
        assert_eq!((files[0].name.as_str(), &files[0].bytes[..]), ("a.txt", b"hello".as_slice()));
        for broken in ["", "{}", "[]", r#"{"file":"hello"}"#, r#"{"file":"data:x;base64,%"}"#] {
            assert!(super::files(broken).is_err(), "{broken}");
        }
    }
}
