//! The layout of all sandbox pages.

use actix_web::http::header;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use askama::Template;
use serde::Serialize;
use serde_json::{Value, json};

use crate::bridge::{Bridge, CDN_INTEGRITY, CDN_SCRIPT};
use crate::context::encoded;
use crate::frame::{Frame, origin_of_host};
use crate::journal::Shown;
use crate::manifest;
use crate::modules::{PageModule, of_manifest, pages};
use crate::names::Name;
use crate::selection::{Selection, Through};
use crate::shared::Sandbox;
use crate::site::{SandboxSite, Status};
use crate::user::{USERS, User};
use atlassian_connect_actix::View;
use atlassian_connect_actix::config::Product;
use atlassian_connect_actix::internal::forge_pages::url_of;
use atlassian_connect_actix::internal::script_json;

/// The layout of all sandbox pages.
pub(crate) struct Layout {
    pub(crate) title: String,
    /// The prefix of links to the sandbox's own pages: empty, or the sandbox's origin on the product's page.
    pub(crate) home: String,
    pub(crate) addon: String,
    pub(crate) addon_key: String,
    pub(crate) addon_url: String,
    pub(crate) site: &'static str,
    pub(crate) site_key: &'static str,
    pub(crate) sites: Vec<Link>,
    pub(crate) users: [User; 3],
    pub(crate) selection: Selection,
    pub(crate) query: String,
    /// The path that the choices are submitted to.
    pub(crate) path: String,
    pub(crate) status: Status,
    /// There is no Connect descriptor.
    pub(crate) is_of_forge: bool,
    pub(crate) journal: Vec<Shown>,
    pub(crate) cdn: Option<(&'static str, &'static str)>,
    /// For the scripts, escaped for a script element.
    pub(crate) json: String,
}

pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) current: bool,
    pub(crate) installed: bool,
}

/// Links to the same page through Connect and through Forge.
pub(crate) struct Switch {
    /// `None`: Connect does not know it.
    pub(crate) connect: Option<String>,
    /// `None`: Forge does not show it.
    pub(crate) forge: Option<String>,
    pub(crate) is_forge: bool,
}

#[derive(Template)]
#[template(path = "sandbox/message.html")]
pub(crate) struct MessagePage {
    layout: Layout,
    heading: String,
    text: String,
}

/// The data for the scripts.
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
    pub(crate) fn layout(
        &self,
        request: &HttpRequest,
        site: &SandboxSite,
        title: &str,
        frame: Option<&Frame>,
    ) -> Layout {
        let selection = selection(request);
        let home = if is_product(request) { self.origin() } else { String::new() };
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
        let link = |other: &SandboxSite| Link {
            name: other.name.to_owned(),
            url: format!("{home}/{}?{query}", other.key),
            current: other.key == site.key,
            installed: other.status().installed,
        };
        Layout {
            title: title.to_owned(),
            home: home.clone(),
            addon: descriptor.name().to_owned(),
            addon_key: descriptor.key().to_owned(),
            addon_url: self.state.config.local_base_url.as_str().to_owned(),
            site: site.name,
            site_key: site.key,
            sites: self.sites.iter().map(link).collect(),
            users: USERS,
            path: request.path().to_owned(),
            status: site.status(),
            is_of_forge: descriptor.is_of_forge(),
            journal: self.journal.entries(),
            cdn: matches!(bridge, Bridge::Cdn).then_some((CDN_SCRIPT, CDN_INTEGRITY)),
            json: script_json(&facts),
            query,
            selection,
        }
    }

    /// The modules of the descriptor, and those that the manifest of the Forge app has besides.
    pub(crate) fn page_modules(&self) -> Vec<PageModule> {
        let mut found = pages(self.state.descriptor().value());
        let configured = &self.state.config.forge_pages;
        if configured.is_empty() {
            return found;
        }
        for module in manifest::read(&self.folder).map(|manifest| manifest.modules()).unwrap_or_default() {
            let is_known = found.iter().any(|known| known.module_key == module.key);
            if let Some(url) = configured.get(&module.key).filter(|_| !is_known) {
                found.extend(of_manifest(module, url));
            }
        }
        found
    }

    pub(crate) fn page_module(&self, kind: &str, key: &str) -> Option<PageModule> {
        self.page_modules().into_iter().find(|module| module.kind == kind && module.key == key)
    }

    /// Whether Forge opens the module: its key leads to its page there.
    pub(crate) fn is_on_forge(&self, module: &PageModule) -> bool {
        let url = url_of(&module.module_key, module.page, &self.state.config, &self.state.descriptor());
        url.as_deref() == Some(&module.url)
    }

    /// The URL of the module, shown as the selection wants it if that is possible. `home` is the prefix of the
    /// sandbox's own paths.
    pub(crate) fn module_url(
        &self,
        home: &str,
        site: &SandboxSite,
        module: &PageModule,
        selection: &Selection,
    ) -> String {
        let through = match (module.is_of_forge(), self.is_on_forge(module)) {
            (true, _) => Through::Forge,
            (false, true) => selection.through,
            (false, false) => Through::Connect,
        };
        let origin = if through == Through::Forge { self.product_origin() } else { home.to_owned() };
        let query = selection.shown_through(through).query();
        format!("{origin}{}?{query}", module_path(site, &module.kind, &module.key))
    }

    /// The two ways to show the module.
    pub(crate) fn ways(&self, home: &str, site: &SandboxSite, module: &PageModule, selection: &Selection) -> Switch {
        let url = |through| self.module_url(home, site, module, &selection.shown_through(through));
        Switch {
            connect: (!module.is_of_forge()).then(|| url(Through::Connect)),
            forge: self.is_on_forge(module).then(|| url(Through::Forge)),
            is_forge: selection.through == Through::Forge,
        }
    }

    pub(crate) fn message(
        &self,
        request: &HttpRequest,
        site: &SandboxSite,
        heading: &str,
        text: String,
    ) -> View<MessagePage> {
        View(MessagePage { layout: self.layout(request, site, heading, None), heading: heading.to_owned(), text })
    }
}

/// The choices in a request. The product's page always shows modules through Forge.
pub(crate) fn selection(request: &HttpRequest) -> Selection {
    let selection = Selection::read(request.query_string());
    if is_product(request) { selection.shown_through(Through::Forge) } else { selection }
}

fn is_product(request: &HttpRequest) -> bool {
    request.extensions().get::<Name>() == Some(&Name::Product)
}

pub(crate) fn module_path(site: &SandboxSite, kind: &str, key: &str) -> String {
    format!("/{}/modules/{}/{}", site.key, encoded(kind), encoded(key))
}

/// The site's base URL under the host name of the request.
fn site_url(site: &SandboxSite, request: &HttpRequest) -> String {
    format!("{}{}", origin(request), site.path)
}

/// The origin of the request. The guard has checked its `Host`.
pub(crate) fn origin(request: &HttpRequest) -> String {
    origin_of_host(request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default())
}

pub(crate) fn missing(page: &View<MessagePage>) -> HttpResponse {
    match page.0.render() {
        Ok(html) => HttpResponse::NotFound().insert_header(header::ContentType::html()).body(html),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
