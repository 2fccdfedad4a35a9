//! The scripts that Forge adds to the product's page and to the shell.

use std::path::Path;

use actix_web::{HttpResponse, web};

use super::package;
use crate::shared::Sandbox;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Where a file comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asset {
    /// The sandbox's own, in the binary.
    Own(&'static str, &'static str),
    /// Of the package iframe-resizer.
    Package(&'static str),
}

impl Asset {
    fn on_the_page(name: &str) -> Option<Self> {
        Some(match name {
            "rpc.js" => Self::Own(SCRIPT, include_str!("../assets/forge/rpc.js")),
            "product-ui.js" => Self::Own(SCRIPT, include_str!("../assets/forge/product-ui.js")),
            "product.js" => Self::Own(SCRIPT, include_str!("../assets/forge/product.js")),
            "page.js" => Self::Own(SCRIPT, include_str!("../assets/forge_page.js")),
            "product.css" => Self::Own("text/css; charset=utf-8", include_str!("../assets/forge/product.css")),
            package::HOST => Self::Package(package::HOST),
            _ => return None,
        })
    }

    pub(super) fn in_the_shell(name: &str) -> Option<Self> {
        Some(match name {
            "rpc.js" => Self::Own(SCRIPT, include_str!("../assets/forge/rpc.js")),
            "global-bridge.js" => Self::Own(SCRIPT, include_str!("../assets/forge/global-bridge.js")),
            package::CONTENT => Self::Package(package::CONTENT),
            _ => return None,
        })
    }
}

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/forge/{name}", web::get().to(on_the_page));
}

async fn on_the_page(sandbox: web::Data<Sandbox>, name: web::Path<String>) -> HttpResponse {
    serve(&sandbox.folder, Asset::on_the_page(&name)).await
}

pub(super) async fn serve(folder: &Path, asset: Option<Asset>) -> HttpResponse {
    match asset {
        Some(Asset::Own(kind, text)) => HttpResponse::Ok().content_type(kind).body(text),
        Some(Asset::Package(name)) => {
            let Some(file) = package::resizer(folder, name) else { return HttpResponse::NotFound().finish() };
            match tokio::fs::read_to_string(file).await {
                // its map is not served
                Ok(text) => HttpResponse::Ok().content_type(SCRIPT).body(text.replace("//# sourceMappingURL=", "// ")),
                Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
            }
        }
        None => HttpResponse::NotFound().finish(),
    }
}
