//! `serve`: the add-on.

use std::process::ExitCode;

use actix_web::web::ServiceConfig;

use super::Failure;
use crate::addon::{Addon, AddonBuilder};

pub(super) async fn run<P, F>(builder: AddonBuilder, prepare: P, routes: F) -> Result<ExitCode, Failure>
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let addon = builder.build().await?;
    prepare(&addon);
    addon.run(routes).await?;
    Ok(ExitCode::SUCCESS)
}
