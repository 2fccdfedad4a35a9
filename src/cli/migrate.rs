//! `migrate`: the store's tables.

use std::process::ExitCode;

use super::{Failure, for_the_store, output};
use crate::addon::AddonBuilder;
use crate::config::Vars;
use crate::store;

pub(super) async fn run(builder: &AddonBuilder, vars: Vars) -> Result<ExitCode, Failure> {
    let config = builder.load_config_with(&for_the_store(vars))?;
    let report = store::migrate(&config.store).await?;
    output::print(&report.to_string());
    Ok(ExitCode::SUCCESS)
}
