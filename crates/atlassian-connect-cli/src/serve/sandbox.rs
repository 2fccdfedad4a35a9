//! Opens the sandbox if there is no site to develop on. The add-on also runs without it.

use atlassian_connect_actix::Addon;

#[cfg(feature = "sandbox")]
pub(super) fn open(addon: &Addon) {
    let config = addon.config();
    let is_wanted = config.environment.is_development_itself() && !config.options.no_reg;
    if !is_wanted {
        return;
    }
    if crate::registration::names_sites(config) && !addon.state().descriptor().is_of_forge() {
        // users often forget what configured the sites: a file, or a variable of the shell
        tracing::info!(
            "the sandbox is off: credentials.json, or hosts in config.json, names sites, and the add-on \
             registers with those"
        );
        return;
    }
    match atlassian_connect_sandbox::start(addon) {
        Ok(sandbox) => tracing::info!("open the sandbox, a local host for the add-on: {}", sandbox.url()),
        Err(error) => tracing::warn!("the sandbox cannot be opened: {error}"),
    }
}

/// This build does not include the sandbox.
#[cfg(not(feature = "sandbox"))]
pub(super) fn open(_: &Addon) {}
