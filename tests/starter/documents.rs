//! The Rust in the documents: each piece of it stands here too, as code that is compiled and, where it is a test, run.

// as the documents have it, and most of it only has to compile
#![allow(dead_code, unused_variables, unreachable_pub, clippy::unused_async)]
#![cfg_attr(rustfmt, rustfmt_skip)]

/// A document, and the code where its pieces stand.
struct Guide {
    name: &'static str,
    text: &'static str,
    code: &'static str,
}

macro_rules! guide {
    ($name:literal, $code:literal) => {
        Guide { name: $name, text: include_str!(concat!("../../", $name)), code: include_str!($code) }
    };
}

const GUIDES: [Guide; 10] = [
    guide!("README.md", "documents.rs"),
    guide!("docs/forge.md", "documents.rs"),
    guide!("docs/coming-from-ace.md", "documents.rs"),
    guide!("docs/recipes/settings.md", "recipes/settings.rs"),
    guide!("docs/recipes/tables.md", "recipes/tables.rs"),
    guide!("docs/recipes/forms.md", "recipes/forms.rs"),
    guide!("docs/recipes/webhook-that-calls-back.md", "recipes/webhook.rs"),
    guide!("docs/recipes/files.md", "recipes/files.rs"),
    guide!("docs/recipes/background-jobs.md", "recipes/job.rs"),
    guide!("docs/recipes/webhooks-of-others.md", "recipes/secret_header.rs"),
];

/// Of the README: a page that a newcomer adds to the starter, line by line, and a store that is an example.
const ELSEWHERE: [&str; 4] = ["pub struct Greeting", ".service(pages::greeting)", "the_panel_greets", "impl Records for"];

/// Pieces of Rust in a document, without the spaces.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.trim() == "```rust") {
        let piece: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        pieces.push(piece.join("\n"));
    }
    pieces
}

fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn each_piece_of_rust_in_the_documents_compiles() {
    assert_eq!(pieces("a\n  ```rust\n  b\n  c\n  ```\n```sh\nd\n```\n```rust\ne\n```"), ["  b\n  c", "e"]);
    for Guide { name, text, code } in GUIDES {
        let code = dense(code);
        for piece in pieces(text) {
            if ELSEWHERE.iter().any(|elsewhere| piece.contains(elsewhere)) {
                continue;
            }
            assert!(code.contains(&dense(&piece)), "{name}: the code in tests/starter has another text than\n{piece}");
        }
    }
}

/// What `crate::routes` is in the documents.
pub mod routes {
    use actix_web::web::ServiceConfig;

    pub fn routes(cfg: &mut ServiceConfig) {
        cfg.configure(super::forge::routes).configure(super::from_ace::routes);
    }
}

/// What `crate::events` is in the documents.
pub mod events {
    use atlassian_connect_actix::Addon;

    pub fn listen(addon: &Addon) {
        crate::documents::from_ace::listen(addon);
    }
}

mod readme {
    use atlassian_connect_actix::Error;
    use atlassian_connect_actix::auth::{ForgeInvocation, SessionToken};
    use atlassian_connect_actix::host::Multipart;
    use atlassian_connect_testing::{By, TestHost, TestTenant};
    use actix_web::post;
    use actix_web::web::Json;
    use serde_json::{Value, json};

    async fn call_the_host(session: SessionToken, issue: Value, user: &str) -> Result<(), Error> {
        let created = session.host().post("/rest/api/3/issue").json(&issue).send().await?;
        let myself: Value = session.host().as_user(user).get("/rest/api/3/myself").send().await?.json().await?;
        let file = Multipart::new().file("file", "report.pdf");
        session.host().post("/rest/api/3/issue/JRA-1/attachments").multipart(file).send().await?;
        let projects = session.host().get("/rest/api/3/project/search").items("values"); // a stream, page by page
        Ok(())
    }

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

    #[post("/forge/issues")]
    async fn issues(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
        Ok(Json(invocation.host().get("/rest/api/3/search/jql?jql=assignee=currentUser()").send().await?.json().await?))
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

/// Of the README: an error page of the app's own.
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
