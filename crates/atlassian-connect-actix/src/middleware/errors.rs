//! The body of an error, by `Accept`: the add-on's template, `{"message": …}`, or text. Forge always reads JSON. In
//! development it has the reason that the log has, too.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, Accept, ContentType, Header as _};
use actix_web::{HttpMessage, HttpResponse, ResponseError as _};

use crate::auth::has_invocation_token;
use crate::error::Error;
use crate::state::{ErrorPage, State};
use crate::{panics, redact};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Text,
}

/// Logs `error` with its detail and answers it with what the caller may know.
pub(super) fn answer(state: &State, response: ServiceResponse<BoxBody>, error: &Error) -> ServiceResponse<BoxBody> {
    let status = error.status_code();
    let reason = redact::shown(&error.to_string());
    if status.is_server_error() {
        tracing::error!(status = status.as_u16(), error = reason, "the request failed");
    } else if matches!(error, Error::NotFound { .. } | Error::MethodNotAllowed) {
        // whoever scans the net makes thousands of these
        tracing::debug!(status = status.as_u16(), error = reason, "the request was refused");
    } else {
        tracing::warn!(status = status.as_u16(), error = reason, "the request was refused");
    }
    let (request, response) = response.into_parts();
    if let Some(handler) = &state.errors.handler {
        match panics::caught_now(|| handler(&request, error)) {
            Ok(response) => return ServiceResponse::new(request, response),
            Err(panic) => tracing::error!(%panic, "the error handler failed: the default form is sent"),
        }
    }
    // whoever develops reads the reason where they look anyway; anybody else may not know it
    let reason = if state.config.environment.is_development_itself() { Some(reason) } else { None };
    let form = if has_invocation_token(request.headers()) { Form::Json } else { preferred(&request) };
    let (content_type, body) = match form {
        Form::Json => (ContentType::json(), json(error, reason.as_deref())),
        Form::Html => match html(state, error, reason.clone()) {
            Some(html) => (ContentType::html(), html),
            None => (ContentType::plaintext(), text(error, reason.as_deref())),
        },
        Form::Text => (ContentType::plaintext(), text(error, reason.as_deref())),
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

fn html(state: &State, error: &Error, reason: Option<String>) -> Option<String> {
    let render = state.errors.renderer.as_ref()?;
    let page = ErrorPage {
        status: error.status_code().as_u16(),
        message: error.public_message().into_owned(),
        reason,
        title: state.descriptor().name().to_owned(),
        local_base_url: state.config.local_base_url.as_str().to_owned(),
        extra: state.config.error_template_object.clone(),
    };
    match panics::caught_now(|| render(&page)) {
        Ok(rendered) => {
            rendered.inspect_err(|error| tracing::error!(%error, "the error template does not render")).ok()
        }
        Err(panic) => {
            tracing::error!(%panic, "the error template does not render");
            None
        }
    }
}

/// The first form that `Accept` names, by its weights; text where it names none of ours, as ACE does.
fn preferred(request: &impl HttpMessage) -> Form {
    let accept = Accept::parse(request).map(|accept| accept.ranked()).unwrap_or_default();
    accept
        .iter()
        .find_map(|mime| match (mime.type_().as_str(), mime.subtype().as_str()) {
            ("text", "html") | ("application", "xhtml") => Some(Form::Html),
            ("application", "json") => Some(Form::Json),
            ("text" | "*", "plain" | "*") => Some(Form::Text),
            _ if mime.suffix().is_some_and(|suffix| suffix == "json") => Some(Form::Json),
            _ => None,
        })
        .unwrap_or(Form::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn accept_chooses_the_form() {
        for (accept, form) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Form::Html),
            ("application/json", Form::Json),
            ("application/json, text/plain, */*", Form::Json),
            ("text/html;q=0.5, application/json", Form::Json),
            ("application/problem+json", Form::Json),
            ("text/plain", Form::Text),
            ("*/*", Form::Text),
            ("image/png", Form::Text),
            ("", Form::Text),
            ("///;;q=x", Form::Text),
        ] {
            let request = TestRequest::default().insert_header(("accept", accept)).to_http_request();
            assert_eq!(preferred(&request), form, "{accept}");
        }
        assert_eq!(preferred(&TestRequest::default().to_http_request()), Form::Text);
    }
}
