//! The Rust code of the documents: each piece is here too, compiled and, if it is a test, run.

// written as in the documents; most of it only has to compile
#![allow(dead_code, unused_variables, unreachable_pub, clippy::unused_async)]
#![cfg_attr(rustfmt, rustfmt_skip)]

/// A document, and the files with its pieces.
struct Guide {
    name: &'static str,
    text: &'static str,
    code: &'static [&'static str],
}

macro_rules! guide {
    ($name:literal, $($code:literal),+) => {
        Guide { name: $name, text: include_str!(concat!("../../", $name)), code: &[$(include_str!($code)),+] }
    };
}

const GUIDES: [Guide; 18] = [
    guide!("README.md", "documents.rs"),
    guide!("docs/forge.md", "documents.rs"),
    guide!("docs/coming-from-ace.md", "documents.rs"),
    guide!("docs/stores.md", "documents.rs"),
    guide!("docs/testing.md", "documents.rs"),
    guide!("docs/recipes/calls.md", "documents.rs"),
    guide!("docs/recipes/error-page.md", "documents.rs"),
    guide!("docs/recipes/permissions.md", "documents.rs"),
    guide!("docs/recipes/settings.md", "recipes/settings.rs"),
    guide!("docs/recipes/tables.md", "recipes/tables.rs", "schema.rs", "../../src/main.rs"),
    guide!("docs/recipes/forms.md", "recipes/forms.rs"),
    guide!("docs/recipes/webhook-that-calls-back.md", "recipes/webhook.rs"),
    guide!("docs/recipes/other-services.md", "recipes/other_services.rs"),
    guide!("docs/recipes/files.md", "recipes/files.rs"),
    guide!("docs/recipes/background-jobs.md", "recipes/job.rs"),
    guide!("docs/recipes/webhooks-of-others.md", "recipes/secret_header.rs"),
    guide!("docs/recipes/front-end.md", "recipes/front_end.rs"),
    guide!("docs/recipes/translations.md", "recipes/texts.rs", "recipes/translations.rs"),
];

/// The pieces of a document in one language.
fn pieces_of(language: &str, text: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut pieces = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.trim() == fence) {
        let piece: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        pieces.push(piece.join("\n"));
    }
    pieces
}

fn pieces(text: &str) -> Vec<String> {
    pieces_of("rust", text)
}

/// The README's page has its template in a file. Here the template is in the code, so that the app needs no such file.
fn with_template(piece: &str, text: &str) -> String {
    let template = pieces_of("html", text).join("\n");
    piece.replace(r#"path = "greeting.html""#, &format!("source = r#\"{template}\"#, ext = \"html\""))
}

fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn each_piece_of_rust_in_the_documents_compiles() {
    assert_eq!(pieces("a\n  ```rust\n  b\n  c\n  ```\n```sh\nd\n```\n```rust\ne\n```"), ["  b\n  c", "e"]);
    for Guide { name, text, code } in GUIDES {
        let code = dense(&code.join("\n"));
        for piece in pieces(text) {
            let piece = with_template(&piece, text);
            assert!(code.contains(&dense(&piece)), "{name}: the code in tests/starter has another text than\n{piece}");
        }
    }
}

/// The crates in a section of the starter's Cargo.toml, as code names them.
fn crates_of(section: &str) -> Vec<String> {
    let manifest = include_str!("../../Cargo.toml");
    let (_, section) = manifest.split_once(&format!("\n[{section}]\n")).unwrap();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty() && *name != "#"));
    names.map(|name| name.replace('-', "_")).collect()
}

/// The first segments of the `use`s in a piece, and known crates in other paths.
fn crates_in(piece: &str, known: &[String]) -> Vec<String> {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | ':');
    let mut found = Vec::new();
    for line in piece.lines().map(str::trim_start) {
        let used = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("use ");
        let root = |path: &str| path.split("::").next().unwrap_or_default().trim_end_matches(';').to_owned();
        found.extend(used.map(root));
        let paths = line.split(|character| !is_part(character)).filter(|path| path.contains("::"));
        found.extend(paths.map(root).filter(|root| known.contains(root)));
    }
    found
}

/// A piece must compile when it is copied into the starter, and not only here, where dev-dependencies are available.
#[test]
fn each_crate_in_the_documents_is_a_dependency_or_is_added() {
    let known = crates_of("workspace.dependencies");
    assert_eq!(crates_in("use url::Url;\n    pub use a_b;\nlet x = serde_json::json!(Url::new());", &known), ["url", "url", "a_b", "serde_json"]);
    let (dependencies, of_tests) = (crates_of("dependencies"), crates_of("dev-dependencies"));
    assert!(dependencies.contains(&"actix_web".to_owned()) && of_tests.contains(&"awc".to_owned()));
    for Guide { name, text, .. } in GUIDES {
        for piece in pieces(text) {
            let is_test = piece.contains("::test]");
            for used in crates_in(&piece, &known) {
                let is_there = dependencies.contains(&used)
                    || (is_test && of_tests.contains(&used))
                    || ["std", "core", "crate", "super", "self"].contains(&used.as_str())
                    || text.contains(&format!("cargo add {}", used.replace('_', "-")));
                assert!(is_there, "{name}: the starter has no dependency {used}, and there is no `cargo add`:\n{piece}");
            }
        }
    }
}

/// `crate::routes` in the documents.
pub mod routes {
    use actix_web::web::ServiceConfig;

    pub fn routes(cfg: &mut ServiceConfig) {
        cfg.configure(super::forge::routes).configure(super::from_ace::routes).configure(super::readme::routes);
        cfg.service(crate::recipes::forms::show).service(crate::recipes::forms::save);
    }
}

/// `crate::events` in the documents.
pub mod events {
    use atlassian_connect_actix::Addon;

    pub fn listen(addon: &Addon) {
        crate::documents::from_ace::listen(addon);
    }
}

/// What a newcomer adds to `src/pages.rs` and `src/routes.rs`.
mod readme {
    use actix_web::get;
    use actix_web::web::ServiceConfig;
    use askama::Template;
    use atlassian_connect_actix::{PageContext, View};
    use atlassian_connect_testing::TestHost;

    use self as pages;

    pub fn routes(cfg: &mut ServiceConfig) {
        cfg
            .service(pages::greeting_panel);
    }

    use atlassian_connect_actix::Query;
    use serde::Deserialize;

    /// The parameters of the panel's URL. The site signs them with the rest of the request.
    #[derive(Deserialize)]
    pub struct Parameters {
        issue: String,
    }

    #[derive(Template)]
    #[template(source = r#"{% extends "layout.html" %}
{% block content %}
<h1>Hello, {{ issue }}</h1>
<p>{% if let Some(user) = page.user_account_id %}You are {{ user }}.{% else %}Nobody is logged in.{% endif %}</p>
<p><a href="{{ page.host_base_url }}/browse/{{ issue|urlencode_strict }}" target="_top">Open the issue</a></p>
{% endblock %}"#, ext = "html")]
    pub struct GreetingPanel {
        page: PageContext,
        issue: String,
    }

    #[get("/greeting")]
    pub async fn greeting_panel(page: PageContext, parameters: Query<Parameters>) -> View<GreetingPanel> {
        View(GreetingPanel { page, issue: parameters.0.issue })
    }

    #[actix_web::test]
    async fn the_panel_greets_the_issue_and_nobody_else_reads_it() {
        let host = TestHost::installed(crate::routes::routes).await;

        let panel = host.open_iframe("/greeting?issue=JRA-1").await;
        assert_eq!(panel.status, 200);
        assert!(panel.body.contains("Hello, JRA-1"), "{}", panel.body);

        assert_eq!(host.get("/greeting?issue=JRA-1").await.status, 401);
    }
}

mod calls {
    use atlassian_connect_actix::Error;
    use atlassian_connect_actix::auth::SessionToken;
    use atlassian_connect_actix::host::Multipart;
    use serde_json::Value;

    async fn call_the_host(session: SessionToken, issue: Value, user: &str) -> Result<(), Error> {
        let created = session.host().post("/rest/api/3/issue").json(&issue).send().await?;
        let myself: Value = session.host().as_user(user).get("/rest/api/3/myself").send().await?.json().await?;
        let file = Multipart::new().file("file", "report.pdf");
        session.host().post("/rest/api/3/issue/JRA-1/attachments").multipart(file).send().await?;
        let projects = session.host().get("/rest/api/3/project/search").items("values"); // a stream, page by page
        Ok(())
    }
}

mod permissions {
    use actix_web::get;
    use actix_web::web::Json;
    use atlassian_connect_actix::auth::SessionToken;
    use atlassian_connect_actix::permission::{Authorized, Needed, Permission};

    #[derive(Debug)]
    struct ProjectAdmin;

    impl Permission for ProjectAdmin {
        const NEEDED: Needed = Needed::Jira { project: &["ADMINISTER_PROJECTS"], global: &[] };
    }

    #[get("/project-settings")]
    async fn project_settings(admin: Authorized<ProjectAdmin, SessionToken>) -> Json<String> {
        Json(admin.tenant_key().to_owned())
    }

    const OF_CONFLUENCE: Needed = Needed::Confluence { application: &[], content: Some("read") };
}

mod own_store {
    use std::sync::Arc;

    use atlassian_connect_actix::store::{RecordStore, Records};
    use atlassian_connect_actix::{Addon, AddonBuilder};

    fn with_own_store(records: impl Records + 'static) -> AddonBuilder {
        Addon::builder().store(Arc::new(RecordStore::new(records)))
    }
}

mod testing {
    use atlassian_connect_testing::{By, TestHost, TestTenant};
    use serde_json::json;

    #[actix_web::test]
    async fn a_host_with_settings_of_its_own() {
        let host = TestHost::builder()
            .var("AC_PRODUCT", "confluence")                  // a variable; those of your shell are not seen
            .config(r#"{ "app": { "greeting": "Hello" } }"#)  // the text of a config.json; the file is not read
            .base_path("/addon")                              // a path in the base URL
            .prepare(crate::events::listen)                   // the listeners, as in main.rs
            .start(crate::routes::routes)
            .await;
        let site = TestTenant::new();
        host.install(&site).await;
        let page = host.open_iframe_as(&site, "/hello-world").await;
        assert_eq!(page.connect_context()["clientKey"], site.client_key.as_str());
    }

    async fn what_the_site_was_asked() {
        let host = TestHost::installed(crate::routes::routes).await;
        host.stub_get("/rest/api/3/myself", json!({ "displayName": "Mia" }));

        let reply = host.call_with_session("/api/me").await;

        assert_eq!(reply.json()["body"]["displayName"], "Mia");
        assert_eq!(host.calls()[0].by, By::User(host.tenant().account_id));   // or By::Addon, By::Nobody
    }
}

mod forge {
    use actix_web::post;
    use actix_web::web::{Json, ServiceConfig};
    use atlassian_connect_actix::auth::ForgeInvocation;
    use atlassian_connect_actix::events::AppInstalled;
    use atlassian_connect_testing::TestHost;
    use atlassian_connect_actix::{Addon, Error};
    use serde_json::{Value, json};

    #[post("/forge/issues")]
    async fn issues(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
        let jql = [("jql", "assignee = currentUser()")];
        let user = invocation.host().as_user(invocation.require_account_id()?);
        Ok(Json(user.get("/rest/api/3/search/jql").query(jql).send().await?.json().await?))
    }

    async fn several_products(caller: atlassian_connect_actix::forge::AnyCaller) -> Result<(), Error> {
        let user = caller.host().as_user(caller.require_account_id()?);
        let issue: Value = user.jira()?.get("/rest/api/3/issue/JRA-1").send().await?.json().await?;
        let page: Value = user.confluence()?.get("/wiki/api/v2/pages/1").send().await?.json().await?;
        Ok(())
    }

    #[actix_web::test]
    async fn the_endpoint_is_invoked() {
        let host = TestHost::start(crate::routes::routes).await;
        host.stub_get("/rest/api/3/search/jql", json!({ "issues": [] }));
        assert_eq!(host.invoke("/forge/issues", &host.invocation()).await.status, 200);
    }

    pub fn routes(cfg: &mut ServiceConfig) {
        cfg.service(issues);
    }

    fn listen(addon: &Addon) {
        addon.listen(|installed: AppInstalled| async move {
            tracing::info!(installed.installation_id, "installed");
            Ok(())
        });
        addon.on("avi:jira:created:issue", |occurrence| async move { Ok(()) });
        addon.on("forge:nightly", |occurrence| async move { Ok(()) });   // the scheduled trigger with the key `nightly`
    }
}

mod forge_migration {
    use actix_web::web::ServiceConfig;
    use atlassian_connect_actix::auth::ForgeInvocation;
    use atlassian_connect_actix::forge::{
        self, Migration, MigrationFailure, MigrationPlan, MigrationStatus, RealmMigration,
    };

    struct Move;

    impl RealmMigration for Move {
        async fn schedule(&self, _: &ForgeInvocation, _: MigrationPlan) -> Result<(), MigrationFailure> {
            Ok(())
        }

        async fn start(&self, _: &ForgeInvocation, _: MigrationPlan) -> Result<(), MigrationFailure> {
            Ok(())
        }

        async fn status(&self, _: &ForgeInvocation, _: Option<String>) -> Result<MigrationStatus, MigrationFailure> {
            Ok(MigrationStatus::ReadyToCommit)
        }

        async fn commit(&self, _: &ForgeInvocation, _: Migration) -> Result<(), MigrationFailure> {
            Ok(())
        }

        async fn rollback(&self, _: &ForgeInvocation, _: Migration) -> Result<(), MigrationFailure> {
            Ok(())
        }
    }

    fn routes(cfg: &mut ServiceConfig) {
        cfg.configure(forge::realm_migration("/forge/migration", Move));   // Move: your RealmMigration, five async methods
    }
}

mod forge_signed {
    use actix_web::web::{self, ServiceConfig};
    use atlassian_connect_actix::Error;
    use atlassian_connect_actix::forge::{SignedBody, SigningSecret};
    use serde_json::Value;

    async fn deployed(body: SignedBody) -> Result<String, Error> {
        let build: Value = body.json()?;
        Ok(format!("{} is deployed", build["version"]))
    }

    pub fn routes(cfg: &mut ServiceConfig) {
        let secret = SigningSecret::new(std::env::var("BUILD_SECRET").unwrap_or_default());
        cfg.service(web::resource("/hooks/deployed").app_data(secret).route(web::post().to(deployed)));
    }
}

mod from_ace {
    use actix_web::get;
    use actix_web::web::{Json, ServiceConfig};
    use askama::Template;
    use atlassian_connect_actix::auth::SessionToken;
    use atlassian_connect_actix::{Addon, Error, PageContext, View};
    use serde_json::Value;

    pub fn routes(cfg: &mut ServiceConfig) {
        cfg.service(hello_world).service(me);
    }

    pub fn listen(addon: &Addon) {
        addon.on("jira:issue_created", |webhook| async move {
            tracing::info!(client_key = webhook.client_key(), "an issue was created");
            Ok(())
        });
    }

    #[derive(Template)]
    #[template(path = "hello_world.html")]
    struct HelloWorld { page: PageContext, greeting: String }

    #[get("/hello-world")]
    async fn hello_world(page: PageContext) -> View<HelloWorld> {
        View(HelloWorld { page, greeting: "Hello".into() })
    }

    #[get("/me")]
    async fn me(session: SessionToken) -> Result<Json<Value>, Error> {
        let user = session.host().as_user(session.require_account_id()?);
        Ok(Json(user.get("/rest/api/3/myself").send().await?.json().await?))
    }
}

mod error_page {
    use askama::Template;
    use atlassian_connect_actix::AddonBuilder;
    use atlassian_connect_actix::ErrorPage;

    #[derive(Template)]
    #[template(source = "<h1>{{ error.status }}</h1><p>{{ error.message }}</p>", ext = "html")]
    struct MyErrorPage<'a> { error: &'a ErrorPage }

    fn with_error_page(builder: AddonBuilder) -> AddonBuilder {
        builder.error_renderer("unauthorized", |error| MyErrorPage { error }.render())
    }

    #[actix_web::test]
    async fn an_app_shows_errors_with_a_template_of_its_own() {
        use actix_web::http::{Method, header};
        use atlassian_connect_testing::TestHost;

        let host = TestHost::builder().addon(with_error_page).start(|_| {}).await;
        let request = host.request(Method::GET, "/nowhere").insert_header((header::ACCEPT, "text/html"));
        let reply = host.send(request, Vec::new()).await;
        assert_eq!((reply.status, reply.body.as_str()), (404, "<h1>404</h1><p>There is nothing at this address.</p>"));
    }
}
