//! The buttons that invoke the add-on like Forge.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::calls::{good, refused};
use crate::draft::Draft;
use crate::selection::Selection;
use crate::shared::Sandbox;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/{site}/invocations", web::post().to(invoke)).route("/{site}/forge-keys", web::post().to(rotate));
}

async fn invoke(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    site: web::Path<String>,
    form: web::Form<Draft>,
) -> HttpResponse {
    let Some(site) = sandbox.site(&site) else { return HttpResponse::NotFound().finish() };
    let selection = Selection::read(request.query_string());
    let mut draft = form.into_inner();
    draft.outcome = Some(sandbox.invoke(site, selection.user, &draft).await);
    let anchor = format!("invocation-{}", draft.kind.name());
    site.keep_draft(&draft);
    back(site.key, &selection, &anchor)
}

async fn rotate(sandbox: web::Data<Sandbox>, request: HttpRequest, site: web::Path<String>) -> HttpResponse {
    let Some(site) = sandbox.site(&site) else { return HttpResponse::NotFound().finish() };
    let news = match sandbox.platform.key.rotate().await {
        Ok(()) => good("Forge now signs with another key; the previous one is no longer valid."),
        Err(error) => refused(format!("The key cannot be rotated: {error}.")),
    };
    site.update(|status| status.news = Some(news));
    back(site.key, &Selection::read(request.query_string()), "main")
}

fn back(site: &str, selection: &Selection, anchor: &str) -> HttpResponse {
    let url = format!("/{site}?{}#{anchor}", selection.query());
    HttpResponse::SeeOther().insert_header((header::LOCATION, url)).finish()
}
