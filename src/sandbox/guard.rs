//! Who may speak to the sandbox: this machine's own programs and its own pages. A page of the web, whose name may lead
//! to this machine, may not.

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use super::bridge::CDN;

/// What the sandbox's own scripts send: no page of another origin can without being asked first.
const OWN: &str = "X-Sandbox";

/// Whether a script of the sandbox's sent the request.
pub(super) fn is_own_script(request: &HttpRequest) -> bool {
    request.headers().contains_key(OWN)
}

/// Refuses what comes by another name than this machine's, or from a page of another origin, and adds the headers that
/// keep the sandbox's pages to themselves.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !is_local_name(request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()) {
        let refusal = HttpResponse::Forbidden().body("The sandbox answers to localhost and 127.0.0.1 alone.");
        return Ok(request.into_response(refusal).map_into_boxed_body());
    }
    if is_foreign(request.request()) {
        let refusal = HttpResponse::Forbidden().body("This came from a page of another origin.");
        return Ok(request.into_response(refusal).map_into_boxed_body());
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    let policy = format!(
        "default-src 'none'; script-src 'self' {CDN}; style-src 'self'; img-src 'self' data: http: https:; \
         font-src 'self'; connect-src 'self'; frame-src http: https:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'self'"
    );
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // with no-referrer, browsers send `Origin: null` for the sandbox's own forms
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Whether a page of another origin sent a request that would change something.
fn is_foreign(request: &HttpRequest) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return false;
    }
    let header = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = header(header::HOST).unwrap_or_default();
    match header(header::ORIGIN) {
        Some(origin) => origin != format!("http://{host}"),
        // no browser leaves it out, and the add-on's own requests have none
        None => false,
    }
}

fn is_local_name(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for (host, expected) in [
            ("localhost:3001", true),
            ("127.0.0.1:3001", true),
            ("localhost", true),
            ("evil.example:3001", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:3001", false),
            ("", false),
        ] {
            assert_eq!(is_local_name(host), expected, "{host}");
        }
    }

    #[test]
    fn forms_of_other_origins_are_foreign() {
        let foreign = |method, origin: Option<&str>| {
            let mut request = TestRequest::default().method(method).insert_header(("host", "localhost:3001"));
            if let Some(origin) = origin {
                request = request.insert_header(("origin", origin));
            }
            is_foreign(&request.to_http_request())
        };
        assert!(!foreign(Method::POST, Some("http://localhost:3001")));
        assert!(!foreign(Method::POST, None));
        assert!(!foreign(Method::GET, Some("https://evil.example")));
        for origin in ["https://evil.example", "null", "http://localhost:3000", "https://localhost:3001"] {
            assert!(foreign(Method::POST, Some(origin)), "{origin}");
        }
    }
}
