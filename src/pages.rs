//! A page that the host shows in an iframe: a view struct, its handler, its test.

use actix_web::{HttpResponse, get};
use askama::Template;
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::{Error, PageContext, View};

use crate::settings;

/// The base URL redirects to the descriptor.
pub async fn index(addon: Addon) -> HttpResponse {
    let descriptor = format!("{}/atlassian-connect.json", addon.config().local_base_url.path());
    HttpResponse::Found().insert_header(("Location", descriptor)).finish()
}

#[derive(Template)]
#[template(path = "hello_world.html")]
pub struct HelloWorld {
    page: PageContext,
    greeting: String,
}

/// `PageContext` as an argument *is* the authentication: without it this page cannot be built.
#[get("/hello-world")]
pub async fn hello_world(page: PageContext) -> Result<View<HelloWorld>, Error> {
    let greeting = settings::greeting(&page.settings()).await?;
    Ok(View(HelloWorld { page, greeting }))
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::TestHost;

    #[actix_web::test]
    async fn the_base_url_redirects_to_the_descriptor() {
        let reply = TestHost::start(crate::routes::routes).await.get("/").await;
        assert_eq!((reply.status, reply.header("location")), (302, "/atlassian-connect.json"));
    }

    #[actix_web::test]
    async fn only_a_tenant_sees_the_page() {
        let host = TestHost::installed(crate::routes::routes).await;
        let page = host.open_iframe("/hello-world?lic=active").await;
        assert_eq!(page.status, 200);
        let tenant = host.tenant();
        assert!(page.body.contains(&format!("{}/browse/JRA", tenant.base_url)), "{}", page.body);
        let context = page.connect_context();
        assert_eq!(context["clientKey"], tenant.client_key.as_str());
        assert_eq!(context["license"], "active");
        assert_eq!(context["token"], page.header("x-acpt"));

        assert_eq!(host.get("/hello-world").await.status, 401);
    }
}
