//! Protects the sandbox: only programs on this machine and the sandbox's own pages may use it. A web page may not, even
//! if its host name resolves to this machine. The product and the CDN for Forge are separate origins, and each of the
//! three origins is foreign to the others.

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, web};

use super::bridge::{Bridge, CDN_SCRIPT};
use super::names::Name;
use super::shared::Sandbox;

/// The header of the sandbox's own scripts. A page of another origin cannot send it without a preflight.
const OWN: &str = "X-Sandbox";

/// Whether one of the sandbox's own scripts sent the request.
pub(super) fn is_own_script(request: &HttpRequest) -> bool {
    request.headers().contains_key(OWN)
}

/// Refuses requests under a foreign host name or from a page of another origin, and adds headers that isolate the
/// sandbox's pages.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Some(name) = Name::of_host(host) else {
        let refusal = HttpResponse::Forbidden().body(
            "The sandbox only answers to localhost, 127.0.0.1, [::1], product.localhost and names below cdn.localhost.",
        );
        return Ok(request.into_response(refusal).map_into_boxed_body());
    };
    let sandbox = request.app_data::<web::Data<Sandbox>>().cloned();
    let is_for_frames =
        name == Name::Sandbox && sandbox.as_ref().is_some_and(|sandbox| is_for_frames(sandbox, request.path()));
    if is_foreign(request.request(), is_for_frames) {
        let refusal = HttpResponse::Forbidden().body("Pages of other origins must not call the sandbox.");
        return Ok(request.into_response(refusal).map_into_boxed_body());
    }
    // for the routes
    request.extensions_mut().insert(name.clone());
    let mut response = next.call(request).await?.map_into_boxed_body();
    let headers = response.headers_mut();
    // the CDN sends the app's page with Forge's own policy
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = sandbox.map_or_else(String::new, |sandbox| policy(&sandbox, &name));
        if let Ok(policy) = policy.parse() {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // with no-referrer, browsers send `Origin: null` for the sandbox's own forms
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        // not `same-origin`: popups that the framed page opens, for example for OAuth, would lose their opener
        (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin-allow-popups"),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, if is_for_frames { "cross-origin" } else { "same-origin" }),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// The content security policy of pages under that host name.
fn policy(sandbox: &Sandbox, name: &Name) -> String {
    let (scripts, frames, ancestors) = match name {
        Name::Sandbox => {
            let cdn = matches!(sandbox.bridge(), Bridge::Cdn).then(|| format!(" {CDN_SCRIPT}"));
            (cdn.unwrap_or_default(), "http: https:".to_owned(), "'self'")
        }
        Name::Product => {
            let shells: Vec<String> = sandbox.sites.iter().map(|site| sandbox.cdn_origin(site.key)).collect();
            (String::new(), shells.join(" "), "'none'")
        }
        Name::Cdn(_) => return "default-src 'none'; frame-ancestors 'none'".to_owned(),
    };
    format!(
        "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self' data: http: https:; \
         font-src 'self'; connect-src 'self'; frame-src {frames}; form-action 'self'; base-uri 'none'; \
         frame-ancestors {ancestors}"
    )
}

/// The bridge's files and the host's stylesheet, which the framed page loads.
fn is_for_frames(sandbox: &Sandbox, path: &str) -> bool {
    let below = sandbox.site_of_path(path).map_or(path, |site| path.strip_prefix(site.path).unwrap_or(path));
    below.starts_with("/atlassian-connect/")
}

/// Whether a page of another origin sent the request, except for navigations here and for files that it may load. The
/// framed page has another origin, too.
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
        // browsers always send it, and the add-on's own requests never do
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

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
