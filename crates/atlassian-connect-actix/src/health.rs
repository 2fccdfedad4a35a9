//! `/healthz`: the process answers. `/readyz`: the store answers as well, and the add-on is not about to stop.

use std::time::Duration;

use actix_web::{HttpResponse, ResponseError as _, web};

use crate::error::Error;
use crate::state::AddonState;

/// A store that takes longer counts as unavailable: the caller is a load balancer.
const LIMIT: Duration = Duration::from_secs(3);

/// Mounts both routes.
pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    // load balancers use HEAD as well
    cfg.service(web::resource("/healthz").route(web::get().to(healthz)).route(web::head().to(healthz)))
        .service(web::resource("/readyz").route(web::get().to(readyz)).route(web::head().to(readyz)));
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

async fn readyz(addon: AddonState) -> Result<HttpResponse, Error> {
    if addon.is_stopping() {
        // nothing has failed, so there is nothing to log
        return Ok(Error::Unavailable { detail: "the add-on is stopping".to_owned() }.error_response());
    }
    match tokio::time::timeout(LIMIT, addon.tenants.ping()).await {
        Ok(answer) => answer?,
        Err(_) => return Err(Error::Unavailable { detail: format!("the store did not answer within {LIMIT:?}") }),
    }
    if let Some(database) = addon.database() {
        let pending = tokio::time::timeout(LIMIT, database.pending()).await;
        let late = |_| Error::Unavailable { detail: format!("the database did not answer within {LIMIT:?}") };
        let pending = pending.map_err(late)??;
        if !pending.is_empty() {
            let detail = format!("migrations of the app have not run: {}", pending.join(", "));
            return Err(Error::Unavailable { detail });
        }
    }
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ready" })))
}
