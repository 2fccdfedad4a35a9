//! Pages on Forge: the endpoints that the app's shell calls, and the script that gives its pages `AP`.
//!
//! The shell is a Custom UI of the app's (`forge/shell`). It asks `POST /forge/open` for the URL of a page, shows that in a
//! frame, and asks `POST /forge/token` for a fresh session token when the page wants one.

mod context;
mod module;
mod open;
pub mod places;
mod script;
mod variables;

use actix_web::guard;
use actix_web::web::{self, ServiceConfig};

use crate::config::Config;

/// Mounts the endpoints, where the app is on Forge or may be tried there in the sandbox.
pub(crate) fn routes(cfg: &mut ServiceConfig, config: &Config) {
    if config.app_ids.is_empty() && !config.environment.is_development() {
        return;
    }
    cfg.service(web::resource("/forge/open").guard(guard::Post()).to(open::open))
        .service(web::resource("/forge/token").guard(guard::Post()).to(open::token))
        .service(web::resource(script::PATH).guard(guard::Any(guard::Get()).or(guard::Head())).to(script::serve));
}

pub use module::url_of;
pub(crate) use script::PATH as SCRIPT_PATH;
