//! The routes of the app.

use actix_files::Files;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};

use crate::{api, forge, notes, pages, settings};

/// Browsers cache static files for an hour; during development they revalidate each time.
const STATIC_CACHING: &str = if cfg!(debug_assertions) { "no-cache" } else { "public, max-age=3600" };

/// Logs at the start if the static files are missing: otherwise pages would have no style, and nothing would say why.
pub fn check_static(folder: &std::path::Path) {
    if !folder.is_dir() {
        let at = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        tracing::warn!(
            "{} is missing: pages have neither style nor script. Start the add-on in its own folder",
            at.display()
        );
    }
}

/// Every route of the add-on, relative to its base URL. The framework adds the descriptor, the lifecycle callbacks, the
/// webhooks of the descriptor, and the health routes.
pub fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource(["", "/"]).route(web::get().to(pages::index)))
        .service(pages::hello_world)
        .service(settings::show)
        .service(settings::save)
        .service(notes::show)
        .service(notes::add)
        .service(notes::edit)
        .service(notes::delete)
        .service(api::show_session)
        .service(api::me)
        .service(api::create_issue)
        .configure(forge::routes)
        .service(
            web::scope("/static")
                .wrap(DefaultHeaders::new().add(("Cache-Control", STATIC_CACHING)))
                .service(Files::new("", "static")),
        );
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::{TestHost, assert_descriptor_routes};

    #[actix_web::test]
    async fn every_url_of_the_descriptor_is_answered() {
        assert_descriptor_routes(&TestHost::start(super::routes).await).await;
    }

    #[actix_web::test]
    async fn static_files_are_served_and_cacheable() {
        let host = TestHost::start(super::routes).await;
        let reply = host.get("/static/addon.css").await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("content-type").starts_with("text/css"));
        assert!(!reply.header("etag").is_empty());
        assert_eq!(reply.header("cache-control"), super::STATIC_CACHING);
        for path in
            ["/static/../Cargo.toml", "/static/%2e%2e/Cargo.toml", "/static/..%2fCargo.toml", "/static/none.css"]
        {
            assert!(matches!(host.get(path).await.status, 400 | 404), "{path}");
        }
    }
}
