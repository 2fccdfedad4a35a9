//! The sandbox's own pages: a site with its modules, one module in its frame, buttons.

mod assets;
mod invocations;
mod layout;
mod stream;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use askama::Template;
use serde::Deserialize;
use serde_json::json;

use super::api::Via;
use super::context::encoded;
use super::draft::Draft;
use super::frame::{Frame, context_token as token_of};
use super::modules::{is_for_event, words};
use super::selection::{Selection, Through};
use super::shared::Sandbox;
use super::site::SandboxSite;
use super::{api, forge_routes, guard};
use atlassian_connect_actix::View;
use atlassian_connect_actix::internal::descriptor::Lifecycle;
use atlassian_connect_actix::internal::jwt::qsh::relative_path;
use layout::origin;
pub(super) use layout::{Layout, Switch, missing, module_path, selection};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/", web::get().to(index))
        .configure(assets::routes)
        .configure(stream::routes)
        .route("/{site}/modules/{kind}/{key}", web::get().to(module_page))
        .route("/{site}/frames/{key}", web::get().to(frame_of_key))
        .route("/{site}/context-token", web::get().to(context_token))
        .route("/{site}/lifecycle/{action}", web::post().to(lifecycle))
        .route("/{site}/webhooks", web::post().to(webhook))
        .configure(journal_routes)
        .configure(invocations::routes)
        .route("/{site}", web::get().to(site_page))
        .default_service(web::to(elsewhere));
}

/// The routes that the sandbox's pages need under every host name.
pub(super) fn routes_of_every_page(cfg: &mut web::ServiceConfig) {
    cfg.configure(assets::own_routes).configure(stream::routes).configure(journal_routes);
}

fn journal_routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/{site}/journal/clear", web::post().to(clear));
}

#[derive(Template)]
#[template(path = "sandbox/site.html")]
struct SitePage {
    layout: Layout,
    switch: Switch,
    groups: Vec<Group>,
    elsewhere: Vec<ModuleLink>,
    webhooks: Vec<WebhookForm>,
    invocations: Vec<Draft>,
    base_url: String,
    client_key: String,
}

/// The modules of one type.
struct Group {
    kind: String,
    modules: Vec<ModuleLink>,
}

struct ModuleLink {
    kind: String,
    name: String,
    url: String,
    /// The URL that the frame opens, with filled parameters.
    target: String,
    site: &'static str,
    /// Forge was chosen but does not show it.
    is_of_connect: bool,
    /// Only Forge has it.
    is_of_forge: bool,
}

struct WebhookForm {
    event: String,
    url: String,
    body: String,
}

#[derive(Template)]
#[template(path = "sandbox/module.html")]
struct ModulePage {
    layout: Layout,
    /// `None`: the add-on is disabled, so a real site would not show it.
    frame: Option<Frame>,
    name: String,
    kind: String,
    back: String,
    switch: Switch,
    /// Where the install and enable buttons lead back to.
    query: String,
}

/// Opens the add-on's first page, if it has one.
async fn index(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    let home = sandbox.home();
    let selection = selection(&request);
    let first = sandbox.page_modules().into_iter().find(|module| module.is_for(home.product));
    let url = match first {
        Some(module) => sandbox.module_url("", home, &module, &selection),
        None => format!("/{}?{}", home.key, selection.query()),
    };
    HttpResponse::Found().insert_header((header::LOCATION, url)).finish()
}

async fn site_page(sandbox: web::Data<Sandbox>, request: HttpRequest, key: web::Path<String>) -> HttpResponse {
    let Some(site) = sandbox.site(&key) else { return elsewhere(sandbox.clone(), request.clone(), Bytes::new()).await };
    sandbox.wait_for_first_install().await;
    let selection = selection(&request);
    let (mut groups, mut elsewhere): (Vec<Group>, Vec<ModuleLink>) = (Vec::new(), Vec::new());
    for module in sandbox.page_modules() {
        let at = if module.is_for(site.product) {
            site
        } else {
            sandbox.site_of_product(module.product.unwrap_or(site.product))
        };
        let values = super::context::values(at.product, selection.user, Some(&module), &selection.overrides);
        let link = ModuleLink {
            kind: words(&module.kind),
            name: module.name.clone(),
            url: sandbox.module_url("", at, &module, &selection),
            target: super::context::fill(&module.url, &values),
            site: at.name,
            is_of_forge: module.is_of_forge(),
            is_of_connect: selection.through == Through::Forge && !sandbox.is_on_forge(&module),
        };
        if at.key != site.key {
            elsewhere.push(link);
        } else if let Some(group) = groups.iter_mut().find(|group| group.kind == link.kind) {
            group.modules.push(link);
        } else {
            groups.push(Group { kind: link.kind.clone(), modules: vec![link] });
        }
    }
    let tenant = site.tenant();
    let descriptor = sandbox.state.descriptor();
    let of_site = descriptor.webhooks().iter().filter(|webhook| is_for_event(site.product, &webhook.event));
    let webhooks = of_site.map(|webhook| WebhookForm {
        event: webhook.event.clone(),
        url: webhook.url.clone(),
        body: api::sample(site.product, &webhook.event, selection.user, &tenant.base_url),
    });
    let page = SitePage {
        webhooks: webhooks.collect(),
        invocations: if sandbox.has_forge() { site.drafts() } else { Vec::new() },
        layout: sandbox.layout(&request, site, site.name, None),
        switch: site_switch(site, &selection, descriptor.is_of_forge()),
        groups,
        elsewhere,
        base_url: tenant.base_url,
        client_key: tenant.client_key,
    };
    View(page).respond_to(&request)
}

fn site_switch(site: &SandboxSite, selection: &Selection, is_of_forge: bool) -> Switch {
    let url = |through| format!("/{}?{}", site.key, selection.shown_through(through).query());
    Switch {
        connect: (!is_of_forge).then(|| url(Through::Connect)),
        forge: Some(url(Through::Forge)),
        is_forge: is_of_forge || selection.through == Through::Forge,
    }
}

async fn module_page(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
) -> HttpResponse {
    let (site, kind, key) = path.into_inner();
    let Some(site) = sandbox.site(&site) else {
        return elsewhere(sandbox.clone(), request.clone(), Bytes::new()).await;
    };
    sandbox.wait_for_first_install().await;
    let Some(module) = sandbox.page_module(&kind, &key) else {
        let text =
            format!("The descriptor has no page module {key} of the type {kind}. The descriptor may have changed.");
        return missing(&sandbox.message(&request, site, "There is no such module", text));
    };
    let selection = selection(&request);
    if module.is_of_forge() || (selection.through == Through::Forge && sandbox.is_on_forge(&module)) {
        let url = sandbox.module_url("", site, &module, &selection);
        return HttpResponse::Found().insert_header((header::LOCATION, url)).finish();
    }
    let origin = origin(&request);
    let frame = match sandbox.frame(site, &module, &selection, &origin) {
        Ok(frame) => frame,
        Err(error) => return HttpResponse::InternalServerError().body(error.to_string()),
    };
    let frame = if site.status().is_disabled() { None } else { Some(frame) };
    let layout = sandbox.layout(&request, site, &module.name, frame.as_ref());
    let back = format!("/{}?{}", site.key, layout.query);
    let query = format!("{}&module={}", layout.query, encoded(&format!("{kind}/{key}")));
    let switch = sandbox.ways("", site, &module, &selection.shown_through(Through::Connect));
    View(ModulePage { layout, frame, switch, name: module.name, kind: words(&kind), back, query }).respond_to(&request)
}

/// For the bridge: the frame of the module with that key, whatever its type.
async fn frame_of_key(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (site, key) = path.into_inner();
    let module = sandbox.page_modules().into_iter().find(|module| module.key == key && !module.is_of_forge());
    let (Some(site), Some(module), true) = (sandbox.site(&site), module, guard::is_own_script(&request)) else {
        return HttpResponse::NotFound()
            .json(json!({ "message": format!("The descriptor has no page module {key}.") }));
    };
    if site.status().is_disabled() {
        return HttpResponse::NotFound().json(json!({ "message": "The add-on is disabled." }));
    }
    let selection = Selection::read(request.query_string());
    match sandbox.frame(site, &module, &selection, &origin(&request)) {
        Ok(frame) => HttpResponse::Ok().json(frame),
        Err(error) => HttpResponse::InternalServerError().json(json!({ "message": error.to_string() })),
    }
}

#[derive(Deserialize)]
struct TokenQuery {
    /// `generalPages/hello-world-page`.
    module: String,
}

async fn context_token(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    site: web::Path<String>,
    query: web::Query<TokenQuery>,
) -> HttpResponse {
    let (kind, key) = query.module.split_once('/').unwrap_or_default();
    let (Some(site), Some(module), true) =
        (sandbox.site(&site), sandbox.page_module(kind, key), guard::is_own_script(&request))
    else {
        return HttpResponse::NotFound().json(json!({ "message": "There is no such module." }));
    };
    match token_of(site, &module, &Selection::read(request.query_string())) {
        Ok(token) => HttpResponse::Ok().json(json!({ "token": token })),
        Err(error) => HttpResponse::InternalServerError().json(json!({ "message": error.to_string() })),
    }
}

/// Redirects to the page that the click came from: a module's page if the query names it.
fn back(site: &SandboxSite, query: &str) -> HttpResponse {
    let choices = Selection::read(query).query();
    let module = web::Query::<TokenQuery>::from_query(query).ok();
    let url = match module.as_ref().and_then(|query| query.module.split_once('/')) {
        Some((kind, key)) => format!("{}?{choices}", module_path(site, kind, key)),
        None => format!("/{}?{choices}", site.key),
    };
    HttpResponse::SeeOther().insert_header((header::LOCATION, url)).finish()
}

async fn lifecycle(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (site, action) = path.into_inner();
    let Some(site) = sandbox.site(&site) else { return HttpResponse::NotFound().finish() };
    match action.as_str() {
        "installed" => sandbox.install(site, false).await,
        "reinstalled" => sandbox.install(site, true).await,
        "enabled" => sandbox.switch(site, Lifecycle::Enabled).await,
        "disabled" => sandbox.switch(site, Lifecycle::Disabled).await,
        "uninstalled" => sandbox.switch(site, Lifecycle::Uninstalled).await,
        _ => return HttpResponse::NotFound().finish(),
    }
    back(site, request.query_string())
}

async fn clear(sandbox: web::Data<Sandbox>, request: HttpRequest, site: web::Path<String>) -> HttpResponse {
    let Some(site) = sandbox.site(&site) else { return HttpResponse::NotFound().finish() };
    sandbox.journal.clear();
    back(site, request.query_string())
}

#[derive(Deserialize)]
struct WebhookFields {
    event: String,
    url: String,
    body: String,
}

async fn webhook(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    site: web::Path<String>,
    form: web::Form<WebhookFields>,
) -> HttpResponse {
    let Some(site) = sandbox.site(&site) else { return HttpResponse::NotFound().finish() };
    let selection = Selection::read(request.query_string());
    let form = form.into_inner();
    let news = sandbox.webhook(site, &form.event, &form.url, form.body, &selection).await;
    site.update(|status| status.news = Some(news));
    back(site, request.query_string())
}

/// All other requests: the site's REST API, or a product page that the sandbox does not have.
async fn elsewhere(sandbox: web::Data<Sandbox>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let path = request.uri().path();
    if path.starts_with("/ex/") {
        return forge_routes::product_api(&sandbox, path, &request, body).await;
    }
    let Some(site) = sandbox.site_of_path(request.path()) else {
        let text = format!("The sandbox has no page {}.", request.path());
        return missing(&sandbox.message(&request, sandbox.home(), "There is nothing here", text));
    };
    let below = request.path().strip_prefix(site.path).unwrap_or_default();
    if below.starts_with("/rest/") || below.starts_with("/api/") {
        let path = relative_path(path, site.path).unwrap_or(path);
        return api::answer(&sandbox, site, Via::Site, path, &request, body).await;
    }
    if below.starts_with("/atlassian-connect/") {
        // the host's stylesheet, which pages link to
        return HttpResponse::Ok().content_type("text/css; charset=utf-8").finish();
    }
    let text = format!("A real {} shows {below}. The sandbox does not have this page.", site.name);
    sandbox.message(&request, site, "A page of the product", text).respond_to(&request)
}
