//! `{site}.cdn.localhost`: the app's shell as Forge's CDN serves it.

use actix_web::http::{Method, header};
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use serde_json::Value;
use url::Url;

use super::assets::{self, Asset};
use super::policy::{Facts, policy};
use super::rewriting::{ShellLocation, rewrite};
use super::{package, shell};
use crate::journal::excerpt;
use crate::names::{Name, PRODUCT};
use crate::services::entry;
use crate::shared::Sandbox;
use crate::site::SandboxSite;
use atlassian_connect_actix::internal::redact;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/violations", web::post().to(violation)).default_service(web::to(file));
}

/// The site of the installation that this CDN is for.
fn site<'a>(sandbox: &'a Sandbox, request: &HttpRequest) -> Option<&'a SandboxSite> {
    match request.extensions().get::<Name>() {
        Some(Name::Cdn(label)) => sandbox.site(label),
        _ => None,
    }
}

async fn file(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    let Some(site) = site(&sandbox, &request) else { return HttpResponse::NotFound().finish() };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return HttpResponse::MethodNotAllowed().finish();
    }
    let path = request.uri().path();
    if let Some(name) = path.strip_prefix("/__forge/") {
        return assets::serve(&sandbox.folder, Asset::in_the_shell(name)).await;
    }
    let (further, path) = shell::split(path);
    let is_page = shell::is_page(path);
    let index = shell::path(None);
    let Some(file) = shell::file(&sandbox.folder, if is_page { &index } else { path }) else {
        return HttpResponse::NotFound().body("The shell has no such file.");
    };
    let bytes = match tokio::fs::read(&file).await {
        Ok(bytes) => bytes,
        Err(error) => return HttpResponse::InternalServerError().body(error.to_string()),
    };
    if is_page {
        return page(&sandbox, site, further, &String::from_utf8_lossy(&bytes));
    }
    HttpResponse::Ok().content_type(shell::media_type(&file)).body(bytes)
}

/// The page that is framed, with Forge's scripts and policy.
fn page(sandbox: &Sandbox, site: &SandboxSite, further: Option<&str>, html: &str) -> HttpResponse {
    let base_url = &sandbox.state.config.local_base_url;
    let Ok(remote) = Url::parse(base_url.as_str()) else { return HttpResponse::InternalServerError().finish() };
    let remote = remote.origin().ascii_serialization();
    let place = ShellLocation {
        product: &sandbox.product_origin(),
        remote: &remote,
        base_path: base_url.path().trim_end_matches('/'),
        page: further,
        has_resizer: package::resizer(&sandbox.folder, package::CONTENT).is_some(),
    };
    let rewritten = match rewrite(html, &place) {
        Ok(rewritten) => rewritten,
        Err(reason) => {
            return HttpResponse::InternalServerError().body(format!("{reason}. Build it: cd forge && npm run build"));
        }
    };
    let policy = policy(&Facts {
        hostname: &format!("{PRODUCT}:{}", sandbox.port),
        frames: &[remote],
        scripts: &rewritten.scripts,
        reports: &format!("{}/violations", sandbox.cdn_origin(site.key)),
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .content_type("text/html; charset=utf-8")
        .body(rewritten.html)
}

/// Browsers tell what the policy has stopped: the journal has it.
async fn violation(sandbox: web::Data<Sandbox>, request: HttpRequest, body: Bytes) -> HttpResponse {
    if site(&sandbox, &request).is_none() {
        return HttpResponse::NotFound().finish();
    }
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    let told = |name: &str| redact::shown(report["csp-report"][name].as_str().unwrap_or("?"));
    let reason = format!("The shell's policy stopped {} ({})", told("blocked-uri"), told("effective-directive"));
    let mut written = entry("POST", "/violations", 204, Some(reason));
    written.body = excerpt(&body);
    sandbox.journal.write(&written);
    HttpResponse::NoContent().finish()
}
