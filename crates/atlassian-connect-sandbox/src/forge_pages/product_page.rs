//! `product.localhost`: the page of Jira or Confluence that shows modules through Forge.

use actix_web::{HttpRequest, HttpResponse, Responder, web};
use askama::Template;
use serde::Serialize;
use serde_json::{Map, Value};

use super::context::{Shown, claim, of_bridge};
use super::kinds::Kind;
use super::view::View as ShownView;
use super::{assets, gateway, package, shell};
use crate::context::values;
use crate::modules::{ModulePlace, PageModule, words};
use crate::pages::{Layout, Switch, missing, routes_of_every_page, selection};
use crate::secret::new_secret;
use crate::selection::{Selection, Through};
use crate::shared::Sandbox;
use crate::site::SandboxSite;
use atlassian_connect_actix::View;
use atlassian_connect_actix::internal::forge_pages::places::{self, Frame};
use atlassian_connect_actix::internal::script_json;

/// What Atlassian's documents say that the attribute of the frame allows: no popups.
const FRAME_SANDBOX: &str =
    "allow-downloads allow-forms allow-modals allow-pointer-lock allow-same-origin allow-scripts";

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.configure(routes_of_every_page)
        .configure(assets::routes)
        .configure(gateway::routes)
        .route("/{site}/modules/{kind}/{key}", web::get().to(one_module))
        .route("/{site}/places/{place}", web::get().to(all_modules))
        .default_service(web::to(elsewhere));
}

#[derive(Template)]
#[template(path = "sandbox/product.html")]
struct ProductPage {
    layout: Layout,
    switch: Option<Switch>,
    heading: String,
    kind: String,
    back: String,
    /// The page that shows this module with the others of its place.
    beside: Option<String>,
    /// `None`: the shell has not been built.
    settings: Option<String>,
    has_resizer: bool,
    full_page: bool,
    /// What the module is shown as, where Forge has none of its kind.
    stand_in: Option<&'static str>,
}

/// For product.js and page.js.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    shell: String,
    sandbox: &'static str,
    gateway: &'static str,
    color_mode: &'static str,
    modules: Vec<Facts>,
    /// Where the app's modules are, by their key.
    pages: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    local_id: String,
    title: String,
    context: Value,
    /// Another build of the shell than the one of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    shell: Option<String>,
    /// The size of the dialog that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialog: Option<&'static str>,
    is_fixed: bool,
    has_history: bool,
}

async fn one_module(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
) -> HttpResponse {
    let (site, kind, key) = path.into_inner();
    let Some(site) = sandbox.site(&site) else { return nothing(&sandbox, &request) };
    let module = sandbox.page_module(&kind, &key).filter(|module| sandbox.is_on_forge(module));
    let Some(module) = module else {
        let text = format!("The descriptor has no module {key} of the type {kind} that Forge can show.");
        return missing(&sandbox.message(&request, site, "There is no such module", text));
    };
    sandbox.wait_for_first_install().await;
    let selection = selection(&request);
    let home = sandbox.origin();
    let siblings = of_place(&sandbox, site, module.place);
    let kind_on_forge = Kind::of(&module, site.product);
    let beside = place_name(module.place).filter(|_| siblings.len() > 1 && siblings.contains(&module));
    let page = ProductPage {
        layout: sandbox.layout(&request, site, &module.name, None),
        switch: Some(sandbox.ways(&home, site, &module, &selection)),
        heading: module.name.clone(),
        kind: words(&kind),
        back: format!("{home}/{}?{}", site.key, selection.query()),
        beside: beside.map(|place| format!("/{}/places/{place}?{}", site.key, selection.query())),
        has_resizer: has_resizer(&sandbox),
        full_page: kind_on_forge.frame == Frame::Page,
        stand_in: kind_on_forge.is_stand_in.then_some(kind_on_forge.name),
        settings: settings(&sandbox, site, &[module], &selection, &request),
    };
    View(page).respond_to(&request)
}

/// All modules of one place, as an issue's page shows them.
async fn all_modules(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
) -> HttpResponse {
    let (site, name) = path.into_inner();
    let Some(site) = sandbox.site(&site) else { return nothing(&sandbox, &request) };
    let modules = PLACES.iter().find(|(place, _)| *place == name);
    let modules = modules.map(|(_, place)| of_place(&sandbox, site, *place)).unwrap_or_default();
    if modules.is_empty() {
        return nothing(&sandbox, &request);
    }
    sandbox.wait_for_first_install().await;
    let selection = selection(&request);
    let heading = format!("All modules of this {name}");
    let page = ProductPage {
        layout: sandbox.layout(&request, site, &heading, None),
        switch: None,
        kind: words(&name),
        heading,
        back: format!("{}/{}?{}", sandbox.origin(), site.key, selection.query()),
        beside: None,
        has_resizer: has_resizer(&sandbox),
        full_page: false,
        stand_in: None,
        settings: settings(&sandbox, site, &modules, &selection, &request),
    };
    View(page).respond_to(&request)
}

/// Where a product shows several modules at once.
const PLACES: [(&str, ModulePlace); 5] = [
    ("issue", ModulePlace::Issue),
    ("project", ModulePlace::Project),
    ("dashboard", ModulePlace::Dashboard),
    ("space", ModulePlace::Space),
    ("content", ModulePlace::Content),
];

fn place_name(place: ModulePlace) -> Option<&'static str> {
    PLACES.iter().find(|(_, of)| *of == place).map(|(name, _)| *name)
}

/// The modules of that place that Forge shows, but for those that take the whole page or open in a dialog.
fn of_place(sandbox: &Sandbox, site: &SandboxSite, place: ModulePlace) -> Vec<PageModule> {
    let is_shown = |module: &PageModule| {
        module.place == place
            && module.is_for(site.product)
            && Kind::of(module, site.product).frame == Frame::Panel
            && module.page.is_none()
            && !module.dialog
            && sandbox.is_on_forge(module)
    };
    sandbox.page_modules().into_iter().filter(is_shown).collect()
}

fn has_resizer(sandbox: &Sandbox) -> bool {
    package::resizer(&sandbox.folder, package::HOST).is_some()
}

/// The block of settings, escaped so that it can stand in a script element; keeps the views that it names. `None`: there is
/// no shell to show.
fn settings(
    sandbox: &Sandbox,
    site: &SandboxSite,
    modules: &[PageModule],
    selection: &Selection,
    request: &HttpRequest,
) -> Option<String> {
    if !shell::is_built(&sandbox.folder) {
        return None;
    }
    let has_resizer = has_resizer(sandbox);
    let home = sandbox.origin();
    let first_pages = sandbox.page_modules().into_iter().filter(|module| module.page.is_none());
    let pages = first_pages.filter(|module| module.is_for(site.product)).map(|module| {
        let url = sandbox.module_url(&home, site, &module, &selection.shown_through(Through::Forge));
        (module.module_key, url.into())
    });
    let location = format!("{}{}?{}", sandbox.product_origin(), request.path(), selection.query());
    let shown = modules.iter().map(|module| show(sandbox, site, module, selection, &location, has_resizer));
    Some(script_json(&Settings {
        shell: format!("{}{}", sandbox.cdn_origin(site.key), shell::path(None)),
        sandbox: FRAME_SANDBOX,
        gateway: "/gateway",
        color_mode: if selection.theme == "dark" { "dark" } else { "light" },
        modules: shown.collect(),
        pages: pages.collect(),
    }))
}

fn show(
    sandbox: &Sandbox,
    site: &SandboxSite,
    module: &PageModule,
    selection: &Selection,
    location: &str,
    has_resizer: bool,
) -> Facts {
    let tenant = site.tenant();
    let kind = Kind::of(module, site.product);
    let local_id = new_secret();
    let values = values(site.product, selection.user, Some(module), &selection.overrides);
    let site_url = sandbox.product_origin();
    let shown = Shown { module, kind, local_id: &local_id, values: &values, site_url: &site_url, location };
    sandbox.views.keep(ShownView {
        local_id: local_id.clone(),
        site: site.key,
        user: selection.user,
        is_licensed: selection.license == "active",
        context: claim(&shown, &tenant),
    });
    Facts {
        title: module.name.clone(),
        context: of_bridge(&shown, &tenant, selection),
        shell: module.page.map(|page| format!("{}{}", sandbox.cdn_origin(site.key), shell::path(Some(page)))),
        dialog: (kind.frame == Frame::Dialog)
            .then(|| module.size.as_deref().and_then(places::dialog_size).unwrap_or("medium")),
        // nobody would measure it
        is_fixed: !has_resizer,
        has_history: kind.has_history,
        local_id,
    }
}

fn nothing(sandbox: &Sandbox, request: &HttpRequest) -> HttpResponse {
    let text = format!("The sandbox has nothing at {}.", request.path());
    missing(&sandbox.message(request, sandbox.home(), "There is nothing here", text))
}

/// A page of the product's own, which links of the app lead to.
async fn elsewhere(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    nothing(&sandbox, &request)
}
