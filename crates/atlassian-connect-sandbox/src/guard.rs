//! Who may speak to the sandbox: this machine's own programs and its own pages. A page of the web, whose name may lead
//! to this machine, may not.

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use super::bridge::{Bridge, CDN_SCRIPT};
use super::shared::Sandbox;

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
        let refusal = HttpResponse::Forbidden().body("The sandbox answers to localhost, 127.0.0.1 and [::1] alone.");
        return Ok(request.into_response(refusal).map_into_boxed_body());
    }
    let sandbox = request.app_data::<web::Data<Sandbox>>().cloned();
    let is_for_frames = sandbox.as_ref().is_some_and(|sandbox| is_for_frames(sandbox, request.path()));
    if is_foreign(request.request(), is_for_frames) {
        let refusal = HttpResponse::Forbidden().body("This came from a page of another origin.");
        return Ok(request.into_response(refusal).map_into_boxed_body());
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    let cdn = sandbox.filter(|sandbox| matches!(sandbox.bridge(), Bridge::Cdn)).map(|_| format!(" {CDN_SCRIPT}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'{}; style-src 'self'; img-src 'self' data: http: https:; \
         font-src 'self'; connect-src 'self'; frame-src http: https:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'self'",
        cdn.unwrap_or_default()
    );
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // with no-referrer, browsers send `Origin: null` for the sandbox's own forms
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        // not `same-origin`: popups of the page in the frame, as those of OAuth, would lose their opener
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin-allow-popups"),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, if is_for_frames { "cross-origin" } else { "same-origin" }),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// The bridge's files and the host's stylesheet, which the page in the frame loads.
fn is_for_frames(sandbox: &Sandbox, path: &str) -> bool {
    let below = sandbox.site_of_path(path).map_or(path, |site| path.strip_prefix(site.path).unwrap_or(path));
    below.starts_with("/atlassian-connect/")
}

/// Whether a page of another origin sent the request, and is not just leading the user here or loading what is for it.
/// The page in the frame is of another origin as well.
fn is_foreign(request: &HttpRequest, is_for_frames: bool) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let is_navigation = header("sec-fetch-mode") == Some("navigate");
    if matches!(header("sec-fetch-site"), Some("cross-site" | "same-site"))
        && !(is_safe && (is_navigation || is_for_frames))
    {
        return true;
    }
    if is_safe {
        return false;
    }
    if request.headers().get_all(header::ORIGIN).nth(1).is_some() {
        return true;
    }
    let host = header("host").unwrap_or_default();
    match header("origin") {
        Some(origin) => origin != format!("http://{host}"),
        // no browser leaves it out, and the add-on's own requests have none
        None => false,
    }
}

fn is_local_name(host: &str) -> bool {
    let rest = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|name| host.strip_prefix(name));
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
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
            ("[::1]:3001", true),
            ("localhost", true),
            ("localhost:", false),
            ("localhost:@evil.example", false),
            ("localhost:3001@evil.example", false),
            ("::1", false),
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
            is_foreign(&request.to_http_request(), false)
        };
        assert!(!foreign(Method::POST, Some("http://localhost:3001")));
        assert!(!foreign(Method::POST, None));
        assert!(!foreign(Method::GET, Some("https://evil.example")));
        for origin in ["https://evil.example", "null", "http://localhost:3000", "https://localhost:3001"] {
            assert!(foreign(Method::POST, Some(origin)), "{origin}");
        }
    }
}
