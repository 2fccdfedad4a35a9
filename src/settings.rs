//! The settings page: a form, a permission, and a value for each site.

use actix_web::http::StatusCode;
use actix_web::{CustomizeResponder, get, post};
use askama::Template;
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_actix::{Error, Form, PageContext, Settings, View};
use serde::Deserialize;

const GREETING: &str = "greeting";
const DEFAULT_GREETING: &str = "Hello";
/// In characters.
const LONGEST: usize = 60;

/// The greeting of the site.
pub async fn greeting(settings: &Settings) -> Result<String, Error> {
    Ok(settings.get(GREETING).await?.unwrap_or_else(|| DEFAULT_GREETING.to_owned()))
}

/// Gives a new site its default. A site that installs again keeps its value.
pub async fn set_defaults(settings: &Settings) -> Result<(), Error> {
    if settings.get::<String>(GREETING).await?.is_none() {
        settings.set(GREETING, DEFAULT_GREETING).await?;
    }
    Ok(())
}

/// Users who may configure the app.
#[derive(Debug)]
pub struct SiteAdmin;

impl Permission for SiteAdmin {
    const NEEDED: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };
}

/// The page's type decides who may see it; it asks the host.
type AdminPage = PageContext<Authorized<SiteAdmin>>;

#[derive(Template)]
#[template(path = "admin.html")]
pub struct Admin {
    page: AdminPage,
    greeting: String,
    problem: Option<String>,
    is_saved: bool,
}

#[get("/admin")]
pub async fn show(page: AdminPage) -> Result<View<Admin>, Error> {
    let greeting = greeting(&page.settings()).await?;
    Ok(View(Admin { page, greeting, problem: None, is_saved: false }))
}

#[derive(Deserialize)]
pub struct NewSettings {
    greeting: String,
}

/// Answers with the page again: with the saved value, or with the input and its error.
#[post("/admin")]
pub async fn save(page: AdminPage, form: Form<NewSettings>) -> Result<CustomizeResponder<View<Admin>>, Error> {
    let greeting = form.greeting.trim().to_owned();
    let problem = match greeting.chars().count() {
        0 => Some("Write a greeting.".to_owned()),
        length if length > LONGEST => Some(format!("Use at most {LONGEST} characters; this one has {length}.")),
        _ => None,
    };
    let is_saved = problem.is_none();
    if is_saved {
        page.settings().set(GREETING, &greeting).await?;
    }
    let status = if is_saved { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(View(Admin { page, greeting, problem, is_saved }).status(status))
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::{Reply, TestHost, TestTenant};
    use serde_json::json;

    use crate::testing::admins_of;

    async fn save(host: &TestHost, tenant: &TestTenant, greeting: &str) -> Reply {
        host.post_form_as(tenant, "/admin", &[("greeting", greeting)]).await
    }

    #[actix_web::test]
    async fn the_saved_greeting_is_used_only_on_this_site() {
        let host = admins_of(&["ADMINISTER"]).await;
        let (tenant, other) = (host.tenant(), host.new_tenant());
        host.install(&other).await;
        assert!(host.open_iframe("/hello-world").await.body.contains("<h1>Hello, "), "the default");
        let saved = save(&host, &tenant, "  Grüezi <b> ").await;
        assert_eq!(saved.status, 200, "{}", saved.body);
        assert!(saved.body.contains("Saved") && saved.body.contains("Grüezi &#60;b&#62;"), "{}", saved.body);
        assert!(host.open_iframe("/hello-world").await.body.contains("<h1>Grüezi &#60;b&#62;, "));
        assert!(host.open_iframe("/admin").await.body.contains("Grüezi"));
        assert!(host.open_iframe_as(&other, "/hello-world").await.body.contains("<h1>Hello, "));
    }

    #[actix_web::test]
    async fn an_invalid_greeting_is_shown_again_and_not_saved() {
        let host = admins_of(&["ADMINISTER"]).await;
        let tenant = host.tenant();
        for (greeting, reason) in [(" ", "Write a greeting."), (&*"é".repeat(61), "this one has 61")] {
            let reply = save(&host, &tenant, greeting).await;
            assert_eq!(reply.status, 422);
            assert!(reply.body.contains(reason), "{}", reply.body);
        }
        let missing = host.post_form("/admin", &[]).await;
        assert_eq!(missing.status, 400);
        assert!(missing.body.contains("greeting"), "{}", missing.body);
        assert!(host.open_iframe("/hello-world").await.body.contains("<h1>Hello, "));
    }

    #[actix_web::test]
    async fn only_administrators_see_the_settings() {
        let host = admins_of(&[]).await;
        assert_eq!(host.open_iframe("/admin").await.status, 403);
        assert_eq!(save(&host, &host.tenant(), "Hi").await.status, 403);
        assert_eq!(host.post("/admin", &json!({})).await.status, 401);
        assert!(host.open_iframe("/hello-world").await.body.contains("<h1>Hello, "));
    }

    #[actix_web::test]
    async fn the_settings_are_the_same_on_forge() {
        let host = admins_of(&["ADMINISTER"]).await;
        let mut tenant = host.new_tenant();
        tenant.installation_id = Some(host.invocation_of(&tenant).installation_id());
        host.install(&tenant).await;
        save(&host, &tenant, "Servus").await;
        let page = host.open_forge_by(&host.invocation_of(&tenant), "hello-world-page").await;
        assert!(page.body.contains("<h1>Servus, "), "{}", page.body);
        let admin = host.open_forge_by(&host.invocation_of(&tenant), "admin-page").await;
        assert!(admin.body.contains("Servus"), "{}", admin.body);
    }

    #[actix_web::test]
    async fn a_site_that_installs_again_keeps_its_greeting() {
        let host = admins_of(&["ADMINISTER"]).await;
        save(&host, &host.tenant(), "Hi").await;
        host.uninstall(&host.tenant()).await;
        host.install(&host.tenant()).await;
        assert!(host.open_iframe("/hello-world").await.body.contains("<h1>Hi, "));
    }
}
