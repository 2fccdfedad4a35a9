//! JSON errors for Forge, whatever `Accept` says.
//!
//! If an error's body is not JSON, or its content type is not `application/json`, `invokeRemote` fails without the
//! status and the message. A 401 means that the invocation token did not verify, and nothing else.
//!
//! Source: Atlassian, "Forge Remote essentials", and npm `@forge/bridge` 7.2.0.

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::auth::{Proven, has_invocation_token};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whether the request has a verified invocation token.
pub(super) fn is_verified_invocation(request: &HttpRequest) -> bool {
    has_invocation_token(request.headers()) && request.extensions().contains::<Proven>()
}

/// Turns an error into JSON, if the request has an invocation token. JSON of the route is kept, its plain text becomes
/// the message, and anything else is replaced by the reason phrase of the status.
pub(super) fn in_json(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || !has_invocation_token(response.request().headers()) {
        return response;
    }
    response.map_body(|head, body| {
        let body = match body.try_into_bytes() {
            Ok(bytes) => BoxBody::new(json_of(status, &head.headers, bytes)),
            // a streamed or compressed body cannot be read here
            Err(stream) if is_json(&head.headers) => stream,
            Err(_) => BoxBody::new(message(words(status))),
        };
        head.headers.insert(header::CONTENT_TYPE, JSON);
        body
    })
}

fn json_of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Bytes {
    let may_be_json = is_json(headers) || !headers.contains_key(header::CONTENT_TYPE);
    if may_be_json && serde_json::from_slice::<IgnoredAny>(&body).is_ok() {
        return body;
    }
    match std::str::from_utf8(&body) {
        Ok(text) if !text.trim().is_empty() && !is_markup(headers) => message(text),
        _ => message(words(status)),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    essence == "application/json" || essence.ends_with("+json")
}

/// Whether the content type is other than plain text: an HTML page is not a message.
fn is_markup(headers: &HeaderMap) -> bool {
    !matches!(essence(headers).as_str(), "" | "text/plain")
}

/// The content type without its parameters, in lower case; empty if there is none.
fn essence(headers: &HeaderMap) -> String {
    let stated = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn words(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("The request failed.")
}

fn message(text: &str) -> Bytes {
    json!({ "message": text }).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::HttpResponse;
    use actix_web::body::SizedStream;
    use actix_web::test::TestRequest;
    use futures_util::stream;

    const HTML: &str = "<p>no</p>";

    async fn read(authorization: &str, response: HttpResponse) -> (String, String) {
        let request = TestRequest::default().insert_header(("authorization", authorization)).to_http_request();
        let (_, response) = in_json(ServiceResponse::new(request, response)).into_parts();
        let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        (content_type.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn an_error_is_json_for_a_request_with_an_invocation_token() {
        let chunks = |content_type: &'static str| {
            let body = SizedStream::new(2, stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{}"))]));
            HttpResponse::BadRequest().content_type(content_type).body(BoxBody::new(body))
        };
        let text = || HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("no such issue");
        for (response, body) in [
            (text(), r#"{"message":"no such issue"}"#),
            (HttpResponse::Forbidden().finish(), r#"{"message":"Forbidden"}"#),
            (HttpResponse::Forbidden().body("  "), r#"{"message":"Forbidden"}"#),
            (HttpResponse::Forbidden().body("not yours"), r#"{"message":"not yours"}"#),
            (HttpResponse::Forbidden().body("{\"a\":1}"), r#"{"a":1}"#),
            (HttpResponse::Conflict().content_type("text/html").body(HTML), r#"{"message":"Conflict"}"#),
            (HttpResponse::Conflict().content_type("application/octet-stream").body("\0"), r#"{"message":"Conflict"}"#),
            (HttpResponse::Conflict().body(vec![0xff, 0xfe]), r#"{"message":"Conflict"}"#),
            (HttpResponse::Conflict().json(json!({ "code": 7 })), r#"{"code":7}"#),
            (HttpResponse::Conflict().content_type("application/problem+json").body("{}"), "{}"),
            (HttpResponse::Conflict().content_type("Application/JSON").body("{}"), "{}"),
            (HttpResponse::Conflict().content_type("application/json").finish(), r#"{"message":"Conflict"}"#),
            (HttpResponse::InternalServerError().finish(), r#"{"message":"Internal Server Error"}"#),
            (HttpResponse::build(StatusCode::from_u16(499).unwrap()).finish(), r#"{"message":"The request failed."}"#),
            (chunks("application/json"), "{}"),
            (chunks("text/html"), r#"{"message":"Bad Request"}"#),
        ] {
            assert_eq!(read("Bearer a.b.c", response).await, ("application/json".to_owned(), body.to_owned()));
        }
        for scheme in ["bearer x", "BEARER x"] {
            assert_eq!(read(scheme, text()).await.0, "application/json", "{scheme}");
        }
    }

    #[actix_web::test]
    async fn other_answers_stay_as_they_are() {
        let text = || HttpResponse::NotFound().content_type("text/plain").body("no");
        for authorization in ["JWT a.b.c", "Basic x", "Bearer", "Bearerx y", ""] {
            assert_eq!(read(authorization, text()).await.1, "no", "{authorization}");
        }
        for response in [
            HttpResponse::Ok().content_type("text/html").body(HTML),
            HttpResponse::SeeOther().content_type("text/html").body(HTML),
        ] {
            assert_eq!(read("Bearer a.b.c", response).await, ("text/html".to_owned(), HTML.to_owned()));
        }
    }
}
