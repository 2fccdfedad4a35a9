//! Pages: the variables of a template, and how it is rendered.

mod connect;

use std::ops::Deref;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{CustomizeResponder, FromRequest, HttpRequest, HttpResponse, Responder};
use askama::Template;
use askama::filters::HtmlSafe;
use serde::Serialize;
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::auth::{Caller, FormBody, PageToken, ProofFuture, Via};
use crate::config::Product;
use crate::error::Error;
use crate::forge;
use crate::host::HostClient;
use crate::settings::Settings;
use crate::state::State;
use crate::tenants::origin_of;

/// The largest form that is searched for the page's parameters, in bytes.
const MAX_HOST_FORM: usize = 16 * 1024;

/// The variables that every template gets as `page`, with ACE's meaning; [`PageVariables::json`] has them under ACE's
/// names.
///
/// On an authenticated page they come from the verified token and the store. `license`, `timezone`, `locale` and, on a
/// public page, `host_base_url` come from the query, which anybody can write: templates escape them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PageVariables {
    /// The add-on's name.
    pub title: String,
    /// The add-on's key.
    pub addon_key: String,
    /// The base URL of the add-on's own routes and files, without a trailing slash.
    pub local_base_url: String,
    /// The base URL of the host: `https://site.atlassian.net`, for Confluence with `/wiki`. Empty on a public page
    /// whose URL names none.
    pub host_base_url: String,
    /// The origin of `host_base_url`.
    pub host_url: String,
    /// The host's stylesheet; `None` on a public page.
    pub host_stylesheet_url: Option<String>,
    /// The script of the bridge, `AP`.
    pub host_script_url: String,
    /// A session token, for calls from the page; empty on a public page.
    pub token: String,
    /// `lic`: `active` or `none` for a paid add-on.
    pub license: Option<String>,
    /// The `context` claim: what the user looks at.
    pub context: Option<Value>,
    /// The key under which the app stores data of the tenant: the clientKey, or on Forge alone the site's ARI, see
    /// [`Caller::tenant_key`]. Empty on a public page.
    pub client_key: String,
    /// The user's Atlassian account id.
    pub user_account_id: Option<String>,
    /// Deprecated by Atlassian: the user's key.
    pub user_id: Option<String>,
    /// Deprecated by Atlassian: `tz`.
    pub timezone: Option<String>,
    /// Deprecated by Atlassian: `loc`.
    pub locale: Option<String>,
}

impl PageVariables {
    /// All variables as JSON under ACE's names, escaped for a `<script>` element: print it with askama's `|safe`.
    #[must_use]
    pub fn json(&self) -> String {
        script_json(self)
    }

    /// The content of `<head>`: encoding, viewport, title, the host's stylesheet and script, and the session token for
    /// scripts of the page. Write `{{ page.head() }}` in the layout.
    pub fn head(&self) -> impl Template + HtmlSafe {
        connect::head(self)
    }

    /// The variables as JSON in `<script type="application/json" id="connect-context">`, for scripts of the page. Write
    /// `{{ page.context_script() }}` before those.
    pub fn context_script(&self) -> impl Template + HtmlSafe {
        connect::context_script(self)
    }

    /// The hidden field `jwt` with the session token: write `{{ page.form_token() }}` in a `<form method="post">`. The
    /// handler of the form takes `PageContext<SessionToken>`, or `PageContext<Authorized<P>>`, and answers with the
    /// page again, so that no token appears in a URL.
    pub fn form_token(&self) -> impl Template + HtmlSafe {
        connect::form_token(self)
    }

    /// What the app and the query say. `host_base_url` and `host_url` are empty.
    fn untrusted(request: &HttpRequest, state: &State) -> Self {
        let descriptor = state.descriptor();
        let [license, user_id, timezone, locale] = parameters(request, ["lic", "user_id", "tz", "loc"]);
        Self {
            title: descriptor.name().to_owned(),
            addon_key: descriptor.key().to_owned(),
            local_base_url: state.config.local_base_url.as_str().to_owned(),
            host_base_url: String::new(),
            host_url: String::new(),
            host_stylesheet_url: None,
            host_script_url: state.host_script_url().to_owned(),
            token: String::new(),
            license,
            context: None,
            client_key: String::new(),
            user_account_id: None,
            user_id,
            timezone,
            locale,
        }
    }

    /// The same for a page that everybody may see: the query says which host shows it.
    fn public(request: &HttpRequest, state: &State) -> Self {
        let [host, context_path] = parameters(request, ["xdm_e", "cp"]);
        let host = host.filter(|_| state.config.product != Product::Bitbucket);
        let host_base_url = host.and_then(|host| host_base_url(&host, &context_path.unwrap_or_default()));
        let host_base_url = host_base_url.unwrap_or_default();
        let host_url = origin_of(&host_base_url).unwrap_or_default();
        Self { host_base_url, host_url, ..Self::untrusted(request, state) }
    }

    fn of_caller(request: &HttpRequest, caller: &Caller) -> Result<Self, Error> {
        let state = caller.state();
        let (Via::Connect, Some(tenant)) = (caller.via(), caller.tenant()) else {
            return Self::of_forge(request, caller);
        };
        let base_url = tenant.base_url();
        let user_key = caller.context().and_then(|context| context.pointer("/user/userKey")?.as_str());
        let untrusted = Self::untrusted(request, state);
        let script_url = state.services.find(|services| services.has_site(base_url)).script_url();
        Ok(Self {
            host_script_url: script_url.unwrap_or_else(|| untrusted.host_script_url.clone()),
            host_base_url: base_url.to_owned(),
            host_url: tenant.origin().unwrap_or_default().to_owned(),
            host_stylesheet_url: Some(stylesheet_url(state, base_url)),
            token: caller.session_token()?.to_owned(),
            context: caller.context().cloned(),
            client_key: caller.tenant_key().to_owned(),
            user_account_id: caller.account_id().map(str::to_owned),
            user_id: user_key.map(str::to_owned).or(untrusted.user_id),
            ..untrusted
        })
    }
}

impl PageVariables {
    /// On Forge, everything security-relevant comes from our own token; the shell only provides `timezone` and
    /// `locale`.
    fn of_forge(request: &HttpRequest, caller: &Caller) -> Result<Self, Error> {
        let page = caller.forge_page().ok_or_else(|| Error::internal("a page on Forge without its claims"))?;
        let (claims, untrusted) = (page.claims(), Self::untrusted(request, caller.state()));
        Ok(Self {
            host_script_url: forge_script_url(caller.state()),
            host_base_url: claims.site.clone(),
            host_url: origin_of(&claims.site).unwrap_or_default(),
            host_stylesheet_url: None,
            token: caller.session_token()?.to_owned(),
            license: claims.lic.clone(),
            context: caller.context().cloned(),
            client_key: caller.tenant_key().to_owned(),
            user_account_id: caller.account_id().map(str::to_owned),
            user_id: None,
            ..untrusted
        })
    }
}

/// The URL of `AP` for a page on Forge.
pub(crate) fn forge_script_url(state: &State) -> String {
    format!("{}{}", state.config.local_base_url.as_str(), forge::pages::SCRIPT_PATH)
}

/// JSON that is safe in a `<script>` element, whatever its strings contain.
pub fn script_json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned());
    let mut escaped = String::with_capacity(json.len() + 64);
    let mut copied = 0;
    for (at, byte) in json.bytes().enumerate() {
        let (length, escape) = match byte {
            b'<' => (1, "\\u003c"),
            b'>' => (1, "\\u003e"),
            b'&' => (1, "\\u0026"),
            // the first byte of U+2028 and U+2029, which end a line in old JavaScript
            0xE2 if json[at..].starts_with('\u{2028}') => (3, "\\u2028"),
            0xE2 if json[at..].starts_with('\u{2029}') => (3, "\\u2029"),
            _ => continue,
        };
        escaped.push_str(&json[copied..at]);
        escaped.push_str(escape);
        copied = at + length;
    }
    escaped.push_str(&json[copied..]);
    escaped
}

fn stylesheet_url(state: &State, base_url: &str) -> String {
    let file = if state.config.environment.is_development() { "all-debug.css" } else { "all.css" };
    if state.config.product == Product::Bitbucket {
        format!("https://bitbucket.org/atlassian-connect/{file}")
    } else {
        format!("{base_url}/atlassian-connect/{file}")
    }
}

/// `xdm_e` and `cp` of a public page, if the first is an http(s) origin and the second a path.
fn host_base_url(host: &str, context_path: &str) -> Option<String> {
    let origin = origin_of(host).filter(|origin| host.trim_end_matches('/').eq_ignore_ascii_case(origin))?;
    if context_path.is_empty() {
        return Some(origin);
    }
    let url = context_path.starts_with('/').then(|| Url::parse(&format!("{origin}{context_path}")).ok())??;
    Some(format!("{origin}{}", url.path().trim_end_matches('/')))
}

/// The values of these parameters: from the query, else from the form that the host has posted.
fn parameters<const N: usize>(request: &HttpRequest, names: [&str; N]) -> [Option<String>; N] {
    let mut found = first_values(request.query_string(), names);
    // a host posts a few short parameters; a larger form belongs to the app
    let form = FormBody::of(request).and_then(|form| form.already_read()).filter(|form| form.len() <= MAX_HOST_FORM);
    if let Some(form) = form.as_deref().and_then(|body| std::str::from_utf8(body).ok()) {
        for (value, in_form) in found.iter_mut().zip(first_values(form, names)) {
            *value = value.take().or(in_form);
        }
    }
    found
}

/// The first value of each of these parameters; an empty one counts as none.
fn first_values<const N: usize>(text: &str, names: [&str; N]) -> [Option<String>; N] {
    let mut found = [const { None }; N];
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let index = names.iter().position(|known| *known == name);
        if let Some(first @ None) = index.and_then(|index| found.get_mut(index)) {
            *first = Some(value.into_owned());
        }
    }
    found.map(|value: Option<String>| value.filter(|value| !value.is_empty()))
}

/// The context of an authenticated page, in a frame of Connect or of Forge. As an argument it *is* ACE's
/// `addon.authenticate()`: without a token that is bound to this request, the page cannot be built.
///
/// ```
/// use actix_web::get;
/// use askama::Template;
/// use atlassian_connect_actix::{PageContext, View};
///
/// #[derive(Template)]
/// #[template(source = "<p>{{ page.title }} at {{ page.host_base_url }}</p>", ext = "html")]
/// struct Hello { page: PageContext }
///
/// #[get("/hello")]
/// async fn hello(page: PageContext) -> View<Hello> {
///     View(Hello { page })
/// }
/// ```
///
/// A page can use another extractor: `PageContext<SessionToken>` if it is opened with a session token,
/// `PageContext<Authorized<SiteAdmin>>` if it needs a permission.
#[derive(Debug, Clone)]
pub struct PageContext<C = PageToken> {
    caller: C,
    variables: Rc<PageVariables>,
}

impl<C> PageContext<C> {
    /// The authenticated caller of the page.
    #[must_use]
    pub fn caller(&self) -> &C {
        &self.caller
    }
}

impl<C: Deref<Target = Caller>> PageContext<C> {
    /// A client for the host of the page's tenant, as the add-on.
    #[must_use]
    pub fn host(&self) -> HostClient {
        self.caller.host()
    }

    /// The settings of the page's tenant.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.caller.settings()
    }

    /// The key under which the app stores data of the tenant, see [`Caller::tenant_key`].
    #[must_use]
    pub fn tenant_key(&self) -> &str {
        self.caller.tenant_key()
    }

    /// The Atlassian account id of the user; `None` for an anonymous user.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        self.caller.account_id()
    }

    /// The account id, where a user is required.
    ///
    /// # Errors
    /// A 401 for an anonymous user.
    pub fn require_account_id(&self) -> Result<&str, Error> {
        self.caller.require_account_id()
    }

    /// The URL of another page of the app, for a template: `<a href="{{ page.link("/other?x=1") }}">`. The handler of
    /// that page takes a [`PageContext`]. See [`Caller::link`].
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        self.caller.link(path).unwrap_or_else(|error| {
            tracing::error!(%error, "a link could not get a token");
            path.to_owned()
        })
    }
}

impl<C> Deref for PageContext<C> {
    type Target = PageVariables;

    fn deref(&self) -> &PageVariables {
        &self.variables
    }
}

impl<C> FromRequest for PageContext<C>
where
    C: FromRequest<Error = Error> + Deref<Target = Caller> + 'static,
{
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let proof = C::from_request(&request, payload);
        Box::pin(async move {
            let caller = proof.await?;
            let variables = Rc::new(PageVariables::of_caller(&request, &caller)?);
            Ok(Self { caller, variables })
        })
    }
}

/// The context of a page for everybody: the same variables without tenant, user and token. A token in the request is
/// ignored.
#[derive(Debug, Clone)]
pub struct PublicPage(Rc<PageVariables>);

impl Deref for PublicPage {
    type Target = PageVariables;

    fn deref(&self) -> &PageVariables {
        &self.0
    }
}

impl FromRequest for PublicPage {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            if let Some(form) = FormBody::of(&request) {
                form.read().await?;
            }
            let state = State::of(&request)?;
            let mut variables = PageVariables::public(&request, &state);
            let [shell] = first_values(request.query_string(), ["xdm_shell"]);
            if state.config.is_shell(&shell.unwrap_or_default()) {
                variables.host_script_url = forge_script_url(&state);
            }
            Ok(Self(Rc::new(variables)))
        })
    }
}

/// Answers with a template as HTML, rendered into one buffer.
#[derive(Debug, Clone)]
pub struct View<T>(pub T);

impl<T: Template> View<T> {
    /// The view with a status other than 200. If a handler answers with either status, call it in both cases.
    ///
    /// ```
    /// use actix_web::Responder;
    /// use actix_web::http::StatusCode;
    /// use askama::Template;
    /// use atlassian_connect_actix::View;
    ///
    /// #[derive(Template)]
    /// #[template(source = "<p>The greeting is too long.</p>", ext = "html")]
    /// struct Refusal;
    ///
    /// async fn refuse() -> impl Responder {
    ///     View(Refusal).status(StatusCode::UNPROCESSABLE_ENTITY)
    /// }
    /// ```
    pub fn status(self, status: StatusCode) -> CustomizeResponder<Self> {
        self.customize().with_status(status)
    }
}

impl<T: Template> Responder for View<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        match self.0.render() {
            Ok(html) => HttpResponse::Ok().insert_header(ContentType::html()).body(html),
            Err(error) => HttpResponse::from_error(Error::internal(format!("a template cannot be rendered: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_and_a_path_make_a_host() {
        for (host, path, expected) in [
            ("https://x.example", "", Some("https://x.example")),
            ("https://x.example/", "", Some("https://x.example")),
            ("https://x.example:8443", "/wiki", Some("https://x.example:8443/wiki")),
            ("HTTPS://x.example", "/", Some("https://x.example")),
            ("https://x.example", "/a b\"<", Some("https://x.example/a%20b%22%3C")),
            ("https://x.example", "/a?b#c", Some("https://x.example/a")),
            ("https://x.example", "wiki", None),
            ("https://x.example", "@evil.example", None),
            ("https://x.example/path", "", None),
            ("https://user@x.example", "", None),
            ("javascript:alert(1)//", "", None),
            ("data:text/html,x", "", None),
            ("//x.example", "", None),
            ("", "", None),
        ] {
            assert_eq!(host_base_url(host, path).as_deref(), expected, "{host} {path}");
        }
    }

    #[test]
    fn json_cannot_leave_its_script_element() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain é ☃ 😀", r#""plain é ☃ 😀""#),
            ("</script>&", r#""\u003c/script\u003e\u0026""#),
            ("<<a>\u{2028}\u{2029}\u{2027}é", "\"\\u003c\\u003ca\\u003e\\u2028\\u2029\u{2027}é\""),
        ] {
            assert_eq!(script_json(&text), expected);
            assert_eq!(serde_json::from_str::<String>(&script_json(&text)).unwrap(), text);
        }
    }

    #[test]
    fn the_first_value_of_a_parameter_is_used() {
        for (query, expected) in [
            ("lic=a&lic=b", Some("a")),
            ("x=1&lic=a+b%26c", Some("a b&c")),
            ("%6Cic=a", Some("a")),
            ("lic=", None),
            ("lic=&lic=b", None),
            ("lic", None),
            ("", None),
        ] {
            let [found] = first_values(query, ["lic"]);
            assert_eq!(found.as_deref(), expected, "{query}");
        }
    }
}
