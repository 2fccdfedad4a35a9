//! The pages.

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::Serialize;
use serde_json::Value;
use tracing_actix_web::RequestId;
use url::form_urlencoded;

use crate::auth::{Caller, Failed, authenticate, failed};
use crate::tenants::value_of;
use crate::{Shared, X_ACPT, X_REQUEST_ID};

/// The variables of the templates.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    title: &'a str,
    addon_key: &'a str,
    local_base_url: &'a str,
    host_base_url: &'a str,
    host_url: &'a str,
    host_stylesheet_url: Option<&'a str>,
    host_script_url: &'a str,
    token: &'a str,
    license: Option<String>,
    context: Option<&'a Value>,
    client_key: &'a str,
    user_account_id: Option<&'a str>,
    user_id: Option<String>,
    timezone: Option<String>,
    locale: Option<String>,
}

impl Page<'_> {
    fn json(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut safe = String::with_capacity(json.len());
        for character in json.chars() {
            match character {
                '<' => safe.push_str("\\u003c"),
                '>' => safe.push_str("\\u003e"),
                '&' => safe.push_str("\\u0026"),
                other => safe.push(other),
            }
        }
        safe
    }

    fn of<'a>(request: &HttpRequest, shared: &'a Shared, caller: &'a Caller, token: &'a str) -> Page<'a> {
        let (mut license, mut user_id, mut timezone, mut locale) = (None, None, None, None);
        for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
            match name.as_ref() {
                "lic" => license = Some(value.into_owned()),
                "user_id" => user_id = Some(value.into_owned()),
                "tz" => timezone = Some(value.into_owned()),
                "loc" => locale = Some(value.into_owned()),
                _ => {}
            }
        }
        let tenant = &caller.tenant;
        Page {
            title: &shared.title,
            addon_key: &shared.addon_key,
            local_base_url: &shared.base,
            host_base_url: &tenant.base_url,
            host_url: &tenant.origin,
            host_stylesheet_url: Some(&tenant.stylesheet_url),
            host_script_url: &shared.script_url,
            token,
            license,
            context: caller.claims.context.as_ref(),
            client_key: &tenant.client_key,
            user_account_id: caller.claims.account_id(),
            user_id,
            timezone,
            locale,
        }
    }
}

#[derive(Template)]
#[template(path = "page.html")]
struct Plain<'a> {
    page: Page<'a>,
}

#[derive(Template)]
#[template(path = "hello_world.html")]
struct Greeting<'a> {
    page: Page<'a>,
    greeting: String,
}

/// The page of the framework's example for tests.
pub(crate) async fn plain(request: HttpRequest, shared: Data<Shared>, id: RequestId) -> Result<HttpResponse, Failed> {
    let caller = authenticate(&request, &shared).await?;
    let token = caller.session_token(&shared)?;
    let html = Plain { page: Page::of(&request, &shared, &caller, &token) }.render().map_err(failed)?;
    Ok(answer(&caller, id, &token, html))
}

/// The starter's page, with a greeting from the database.
pub(crate) async fn with_greeting(
    request: HttpRequest,
    shared: Data<Shared>,
    id: RequestId,
) -> Result<HttpResponse, Failed> {
    let caller = authenticate(&request, &shared).await?;
    let (connections, client_key) = (shared.tenants.connections.clone(), caller.tenant.client_key.clone());
    let read = move || {
        let mut connection = connections.get().map_err(failed)?;
        value_of(&mut connection, &client_key, "greeting").map_err(failed)
    };
    let stored = web::block(read).await.map_err(failed)??;
    let greeting = stored.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_else(|| "Hello".to_owned());
    let token = caller.session_token(&shared)?;
    let page = Page::of(&request, &shared, &caller, &token);
    let html = Greeting { page, greeting }.render().map_err(failed)?;
    Ok(answer(&caller, id, &token, html))
}

fn answer(caller: &Caller, id: RequestId, token: &str, html: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, caller.tenant.security_policy.as_str()))
        .insert_header((X_REQUEST_ID, id.to_string()))
        .insert_header((X_ACPT, token))
        .body(html)
}
