//! `serve`: runs the add-on, and in development a tunnel, the sandbox, the registration with sites, and the
//! descriptor's checks.

mod registration;
mod sandbox;

use actix_web::web::ServiceConfig;

use super::findings;
use crate::registration::Tunnel;
use atlassian_connect_actix::internal::panics;
use atlassian_connect_actix::{Addon, AddonBuilder, StartError};

/// Builds the add-on, passes it to `prepare`, and serves it with `routes` until a signal stops it. In development it
/// does what `cargo run` does: it opens the sandbox, or registers the add-on with the sites in `credentials.json`,
/// through a tunnel if they need one. [`main`](super::main) does this for the command `serve`; call it in a program
/// that has no commands.
///
/// # Errors
/// [`StartError`] if the add-on cannot be built or cannot listen, or if the server fails.
pub async fn serve<P, F>(builder: AddonBuilder, prepare: P, routes: F) -> Result<(), StartError>
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let mut config = builder.load_config()?;
    // open as long as this function runs
    let tunnel = Tunnel::open(&config).await;
    if let Some(tunnel) = &tunnel {
        config.local_base_url.clone_from(tunnel.base_url());
    }
    let addon = Box::pin(builder.config(config).build()).await?;
    prepare(&addon);
    let listener = addon.bind()?;
    addon.log_urls();
    // the sandbox observes the add-on, so it must exist before the add-on is mounted
    sandbox::open(&addon);
    let server = addon.serve(listener, routes)?;
    let config = addon.config();
    if config.environment.is_development() || config.validate_descriptor {
        // reads files and may ask Atlassian, so serving does not wait for it
        let addon = addon.clone();
        panics::spawn("checking the descriptor", async move { findings::log(&addon).await });
    }
    let deregistration = registration::start(&addon, tunnel.is_some());
    addon.stop_at_signal(server, deregistration).await
}
