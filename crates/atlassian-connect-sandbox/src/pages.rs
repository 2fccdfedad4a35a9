//! The sandbox's own pages: a site with its modules, one module in its frame, buttons.

mod assets;
mod invocations;
mod stream;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder, web};
use askama::Template;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::Door;
use super::bridge::{Bridge, CDN_INTEGRITY, CDN_SCRIPT};
use super::context::encoded;
use super::draft::Draft;
use super::frame::{Frame, context_token as token_of, origin_of_host};
use super::journal::Shown;
use super::modules::{PageModule, is_for_event, pages, words};
use super::selection::Selection;
use super::shared::Sandbox;
use super::site::{Site, Status};
use super::user::{USERS, User};
use super::{api, forge_routes, guard};
use atlassian_connect_actix::View;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::descriptor::Lifecycle;
use atlassian_connect_actix::internal::jwt::qsh::relative_path;
use atlassian_connect_actix::internal::script_json;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/", web::get().to(index))
        .configure(assets::routes)
        .configure(stream::routes)
        .route("/{site}/modules/{kind}/{key}", web::get().to(module_page))
        .route("/{site}/frames/{key}", web::get().to(frame_of_key))
        .route("/{site}/context-token", web::get().to(context_token))
        .route("/{site}/lifecycle/{action}", web::post().to(lifecycle))
        .route("/{site}/webhooks", web::post().to(webhook))
        .route("/{site}/journal/clear", web::post().to(clear))
        .configure(invocations::routes)
        .route("/{site}", web::get().to(site_page))
        .default_service(web::to(elsewhere));
}

/// What every page of the sandbox shows around its own.
struct Layout {
    title: String,
    addon: String,
    addon_key: String,
    addon_url: String,
    site: &'static str,
    site_key: &'static str,
    sites: Vec<Link>,
    users: [User; 3],
    selection: Selection,
    query: String,
    /// Below it the choices are made again.
    path: String,
    status: Status,
    journal: Vec<Shown>,
    cdn: Option<(&'static str, &'static str)>,
    /// For the scripts, escaped so that it can stand in a script element.
    json: String,
}

struct Link {
    name: String,
    url: String,
    current: bool,
    installed: bool,
}

#[derive(Template)]
#[template(path = "sandbox/site.html")]
struct SitePage {
    layout: Layout,
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
    /// What the frame opens, with its parameters filled.
    target: String,
    site: &'static str,
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
    /// `None`: a real site shows none, since the add-on is disabled there.
    frame: Option<Frame>,
    name: String,
    kind: String,
    back: String,
    /// Where a button that installs or enables leads back to.
    query: String,
}

#[derive(Template)]
#[template(path = "sandbox/message.html")]
struct MessagePage {
    layout: Layout,
    heading: String,
    text: String,
}

/// What the scripts know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts<'a> {
    instance: &'a str,
    site: Value,
    user: User,
    theme: &'a str,
    query: &'a str,
    bridge: &'a str,
    frame: Option<&'a Frame>,
}

impl Sandbox {
    fn layout(&self, request: &HttpRequest, site: &Site, title: &str, frame: Option<&Frame>) -> Layout {
        let selection = Selection::read(request.query_string());
        let (descriptor, bridge) = (self.state.descriptor(), self.bridge());
        let query = selection.query();
        let product = if site.product == Product::Confluence { "confluence" } else { "jira" };
        let facts = Facts {
            instance: &self.instance,
            site: json!({ "key": site.key, "name": site.name, "baseUrl": site_url(site, request), "product": product }),
            user: selection.user,
            theme: selection.theme,
            query: &query,
            bridge: bridge.name(),
            frame,
        };
        let link = |other: &Site| Link {
            name: other.name.to_owned(),
            url: format!("/{}?{query}", other.key),
            current: other.key == site.key,
            installed: other.status().installed,
        };
        Layout {
            title: title.to_owned(),
            addon: descriptor.name().to_owned(),
            addon_key: descriptor.key().to_owned(),
            addon_url: self.state.config.local_base_url.as_str().to_owned(),
            site: site.name,
            site_key: site.key,
            sites: self.sites.iter().map(link).collect(),
            users: USERS,
            path: request.path().to_owned(),
            status: site.status(),
            journal: self.journal.entries(),
            cdn: matches!(bridge, Bridge::Cdn).then_some((CDN_SCRIPT, CDN_INTEGRITY)),
            json: script_json(&facts),
            query,
            selection,
        }
    }

    fn page_modules(&self) -> Vec<PageModule> {
        pages(self.state.descriptor().value())
    }

    fn page_module(&self, kind: &str, key: &str) -> Option<PageModule> {
        self.page_modules().into_iter().find(|module| module.kind == kind && module.key == key)
    }

    fn message(&self, request: &HttpRequest, site: &Site, heading: &str, text: String) -> View<MessagePage> {
        View(MessagePage { layout: self.layout(request, site, heading, None), heading: heading.to_owned(), text })
    }
}

/// The site's base URL under the name by which the request came.
fn site_url(site: &Site, request: &HttpRequest) -> String {
    format!("{}{}", origin(request), site.path)
}

/// The origin under which the request came: its `Host` has been looked at by the guard.
fn origin(request: &HttpRequest) -> String {
    origin_of_host(request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default())
}

/// Whoever opens the sandbox sees the add-on's first page, where it has one.
async fn index(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    let home = sandbox.home();
    let query = Selection::read(request.query_string()).query();
    let first = sandbox.page_modules().into_iter().find(|module| module.is_for(home.product));
    let url = first
        .map_or_else(|| format!("/{}?{query}", home.key), |module| module_url(home, &module.kind, &module.key, &query));
    HttpResponse::Found().insert_header((header::LOCATION, url)).finish()
}

async fn site_page(sandbox: web::Data<Sandbox>, request: HttpRequest, key: web::Path<String>) -> HttpResponse {
    let Some(site) = sandbox.site(&key) else { return elsewhere(sandbox.clone(), request.clone(), Bytes::new()).await };
    sandbox.wait_for_first_install().await;
    let selection = Selection::read(request.query_string());
    let query = selection.query();
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
            url: module_url(at, &module.kind, &module.key, &query),
            target: super::context::fill(&module.url, &values),
            site: at.name,
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
        groups,
        elsewhere,
        base_url: tenant.base_url,
        client_key: tenant.client_key,
    };
    View(page).respond_to(&request)
}

fn module_url(site: &Site, kind: &str, key: &str, query: &str) -> String {
    format!("/{}/modules/{}/{}?{query}", site.key, encoded(kind), encoded(key))
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
            format!("The descriptor has no module {key} of the type {kind} that is a page. It may have changed.");
        return missing(&sandbox.message(&request, site, "There is no such module", text));
    };
    let selection = Selection::read(request.query_string());
    let origin = origin(&request);
    let frame = match sandbox.frame(site, &module, &selection, &origin) {
        Ok(frame) => frame,
        Err(error) => return HttpResponse::InternalServerError().body(error.to_string()),
    };
    let frame = Some(frame).filter(|_| !site.status().is_disabled());
    let layout = sandbox.layout(&request, site, &module.name, frame.as_ref());
    let back = format!("/{}?{}", site.key, layout.query);
    let query = format!("{}&module={}", layout.query, encoded(&format!("{kind}/{key}")));
    View(ModulePage { layout, frame, name: module.name, kind: words(&kind), back, query }).respond_to(&request)
}

fn missing(page: &View<MessagePage>) -> HttpResponse {
    match page.0.render() {
        Ok(html) => HttpResponse::NotFound().insert_header(header::ContentType::html()).body(html),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// For the bridge: the frame of the module of that key, whatever its type.
async fn frame_of_key(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (site, key) = path.into_inner();
    let module = sandbox.page_modules().into_iter().find(|module| module.key == key);
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

/// Back to the page that the click came from: a module's where the query names it.
fn back(site: &Site, query: &str) -> HttpResponse {
    let choices = Selection::read(query).query();
    let module = web::Query::<TokenQuery>::from_query(query).ok();
    let url = match module.as_ref().and_then(|query| query.module.split_once('/')) {
        Some((kind, key)) => module_url(site, kind, key, &choices),
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

/// What else a site is asked: its REST API, or a page of the product's own that the sandbox has not.
async fn elsewhere(sandbox: web::Data<Sandbox>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let path = request.uri().path();
    if path.starts_with("/ex/") {
        return forge_routes::product_api(&sandbox, path, &request, body).await;
    }
    let Some(site) = sandbox.site_of_path(request.path()) else {
        let text = format!("The sandbox has nothing at {}.", request.path());
        return missing(&sandbox.message(&request, sandbox.home(), "There is nothing here", text));
    };
    let below = request.path().strip_prefix(site.path).unwrap_or_default();
    if below.starts_with("/rest/") || below.starts_with("/api/") {
        let path = relative_path(path, site.path).unwrap_or(path);
        return api::answer(&sandbox, site, Door::Site, path, &request, body).await;
    }
    if below.starts_with("/atlassian-connect/") {
        // the host's stylesheet, which pages link to
        return HttpResponse::Ok().content_type("text/css; charset=utf-8").finish();
    }
    let text = format!("On a real site {} shows {below}. The sandbox has no page for it.", site.name);
    View(MessagePage {
        layout: sandbox.layout(&request, site, "A page of the product", None),
        heading: "A page of the product".to_owned(),
        text,
    })
    .respond_to(&request)
}
