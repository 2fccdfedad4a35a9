//! The body of an error, by `Accept`: the app's template, `{"message": …}`, or text. Forge always gets JSON. In
//! development the body also has the reason that is logged.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, Accept, ContentType, Header as _};
use actix_web::{HttpMessage, HttpResponse, ResponseError as _};

use crate::auth::{Granted, Via, has_invocation_token};
use crate::error::Error;
use crate::state::{ErrorPage, State};
use crate::view::forge_script_url;
use crate::{panics, redact};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyFormat {
    Html,
    Json,
    Text,
}

/// Logs `error` with its detail, and answers it with what the caller may know.
pub(super) fn answer(state: &State, response: ServiceResponse<BoxBody>, error: &Error) -> ServiceResponse<BoxBody> {
    let status = error.status_code();
    let reason = redact::shown(&error.to_string());
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), error = reason, "the request failed");
    } else if matches!(error, Error::NotFound { .. } | Error::MethodNotAllowed) {
        // scanners cause thousands of these
        tracing::debug!(status = status.as_u16(), error = reason, "the request was refused");
    } else {
        tracing::warn!(status = status.as_u16(), error = reason, "the request was refused");
    }
    let (request, response) = response.into_parts();
    if let Some(handler) = &state.errors.handler {
        match panics::caught_now(|| handler(&request, error)) {
            Ok(response) => return ServiceResponse::new(request, response),
            Err(panic) => tracing::error!(%panic, "the error handler failed: the default body is sent"),
        }
    }
    // a developer reads the reason here; anybody else must not know it
    let reason = if state.config.environment.is_development_itself() { Some(reason) } else { None };
    let form = if has_invocation_token(request.headers()) { BodyFormat::Json } else { preferred(&request) };
    let (content_type, body) = match form {
        BodyFormat::Json => (ContentType::json(), json(error, reason.as_deref())),
        BodyFormat::Html => match html(state, error, reason.clone(), script_url(state, &request)) {
            Some(html) => (ContentType::html(), html),
            None => (ContentType::plaintext(), text(error, reason.as_deref())),
        },
        BodyFormat::Text => (ContentType::plaintext(), text(error, reason.as_deref())),
    };
    let mut rendered = HttpResponse::build(status).insert_header(content_type).body(body);
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER, header::ALLOW, header::ACCEPT_ENCODING] {
        if name == header::WWW_AUTHENTICATE && status != StatusCode::UNAUTHORIZED {
            continue;
        }
        if let Some(value) = response.headers().get(&name) {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    ServiceResponse::new(request, rendered)
}

fn json(error: &Error, reason: Option<&str>) -> String {
    let mut body = serde_json::json!({ "message": error.public_message() });
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    body.to_string()
}

fn text(error: &Error, reason: Option<&str>) -> String {
    let message = error.public_message();
    match reason {
        Some(reason) => format!("{message}\nReason, shown in development only: {reason}\n"),
        None => message.into_owned(),
    }
}

/// The script of a page on Forge with a valid token.
fn script_url(state: &State, request: &impl HttpMessage) -> Option<String> {
    let is_on_forge = request.extensions().get::<Granted>().is_some_and(|Granted(caller)| caller.via() == Via::Forge);
    is_on_forge.then(|| forge_script_url(state))
}

fn html(state: &State, error: &Error, reason: Option<String>, host_script_url: Option<String>) -> Option<String> {
    let render = state.errors.renderer.as_ref()?;
    let page = ErrorPage {
        status: error.status_code().as_u16(),
        message: error.public_message().into_owned(),
        reason,
        title: state.descriptor().name().to_owned(),
        local_base_url: state.config.local_base_url.as_str().to_owned(),
        host_script_url,
        extra: state.config.error_template_object.clone(),
    };
    match panics::caught_now(|| render(&page)) {
        Ok(rendered) => {
            rendered.inspect_err(|error| tracing::error!(%error, "the error template cannot be rendered")).ok()
        }
        Err(panic) => {
            tracing::error!(%panic, "the error template cannot be rendered");
            None
        }
    }
}

/// The best supported format of `Accept`, by its weights; text if there is none, as in ACE.
fn preferred(request: &impl HttpMessage) -> BodyFormat {
    let accept = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
    accept
        .iter()
        .find_map(|mime| match (mime.type_().as_str(), mime.subtype().as_str()) {
            ("text", "html") | ("application", "xhtml") => Some(BodyFormat::Html),
            ("application", "json") => Some(BodyFormat::Json),
            ("text" | "*", "plain" | "*") => Some(BodyFormat::Text),
            _ if mime.suffix().is_some_and(|suffix| suffix == "json") => Some(BodyFormat::Json),
            _ => None,
        })
        .unwrap_or(BodyFormat::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn accept_chooses_the_format() {
        for (accept, form) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", BodyFormat::Html),
            ("application/json", BodyFormat::Json),
            ("application/json, text/plain, */*", BodyFormat::Json),
            ("text/html;q=0.5, application/json", BodyFormat::Json),
            ("application/problem+json", BodyFormat::Json),
            ("text/plain", BodyFormat::Text),
            ("*/*", BodyFormat::Text),
            ("image/png", BodyFormat::Text),
            ("", BodyFormat::Text),
            ("///;;q=x", BodyFormat::Text),
        ] {
            let request = TestRequest::default().insert_header(("accept", accept)).to_http_request();
            assert_eq!(preferred(&request), form, "{accept}");
        }
        assert_eq!(preferred(&TestRequest::default().to_http_request()), BodyFormat::Text);
    }
}
