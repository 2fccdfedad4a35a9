//! The sandbox, where there is no site to develop on. The add-on runs without it as well.

use atlassian_connect_actix::Addon;

#[cfg(feature = "sandbox")]
pub(super) fn open(addon: &Addon) {
    let config = addon.config();
    let is_wanted = config.environment.is_development_itself() && !config.options.no_reg;
    if !is_wanted {
        return;
    }
    if crate::registration::names_sites(config) {
        // what chose them is often forgotten: a file, or a variable of the shell
        tracing::info!(
            "the sandbox is off: the add-on registers with the sites of credentials.json, or of hosts in config.json. \
             Without sites there, the sandbox opens"
        );
        return;
    }
    match atlassian_connect_sandbox::start(addon) {
        Ok(sandbox) => tracing::info!("open the sandbox, a local host for the add-on: {}", sandbox.url()),
        Err(error) => tracing::warn!("there is no sandbox: {error}"),
    }
}

/// This build has none.
#[cfg(not(feature = "sandbox"))]
pub(super) fn open(_: &Addon) {}
