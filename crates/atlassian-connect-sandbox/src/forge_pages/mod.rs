//! The sandbox shows a module through Forge: it plays the product's page, the CDN that has the app's shell, and the gateway
//! between the shell and the add-on.
//!
//! ```text
//! product.localhost ── frame ──> {site}.cdn.localhost: the shell ── frame ──> the add-on's page
//!   product.js         bridge      forge/static/shell           MessagePort     ap.js
//!     └─ POST /gateway/invoke: POST {add-on}/forge/open, /forge/token, with an invocation token
//!     └─ POST /gateway/product: the site's REST API as the user of the page
//! ```

mod assets;
mod cdn;
mod context;
mod gateway;
mod invocation;
mod kinds;
mod manifest;
mod package;
mod policy;
mod product_call;
mod product_page;
mod rewriting;
mod shell;
mod view;

use actix_web::{guard, web};

use crate::names::{is_cdn, is_product};

pub(crate) use manifest::check_scope;
pub(crate) use view::Views;

/// Mounts the routes of the two host names that Forge has. These names reach no other route.
pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::scope("").guard(guard::fn_guard(is_product)).configure(product_page::routes))
        .service(web::scope("").guard(guard::fn_guard(is_cdn)).configure(cdn::routes));
}
