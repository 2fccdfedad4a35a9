//! `serve`: the add-on, and in development what surrounds it: a tunnel, the sandbox, the registration with sites, what is
//! odd about the descriptor.

mod registration;
mod sandbox;

use actix_web::web::ServiceConfig;

use super::findings;
use crate::registration::Tunnel;
use atlassian_connect_actix::internal::panics;
use atlassian_connect_actix::{Addon, AddonBuilder, StartError};

/// Builds the add-on, hands it to `prepare`, and serves it with `routes` until a signal stops it. In development it does
/// what `cargo run` does: it opens the sandbox, or registers the add-on with the sites of `credentials.json`, by a tunnel
/// where they need one. [`main`](super::main) does this for the command `serve`; call it in a program that has no
/// commands.
///
/// # Errors
/// [`StartError`] when the add-on cannot be built, cannot listen, or when the server ends by itself.
pub async fn serve<P, F>(builder: AddonBuilder, prepare: P, routes: F) -> Result<(), StartError>
where
    P: FnOnce(&Addon),
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let mut config = builder.load_config()?;
    // it is open for as long as this function runs
    let tunnel = Tunnel::open(&config).await;
    if let Some(tunnel) = &tunnel {
        config.local_base_url.clone_from(tunnel.base_url());
    }
    let addon = Box::pin(builder.config(config).build()).await?;
    prepare(&addon);
    let listener = addon.bind()?;
    addon.log_urls();
    // the sandbox observes the add-on, which has to be known when it is mounted
    sandbox::open(&addon);
    let server = addon.serve(listener, routes)?;
    let config = addon.config();
    if config.environment.is_development() || config.validate_descriptor {
        // files are read, and perhaps Atlassian is asked: serving waits for neither
        let addon = addon.clone();
        panics::spawn("checking the descriptor", async move { findings::log(&addon).await });
    }
    let deregistration = registration::start(&addon, tunnel.is_some());
    addon.stop_at_signal(server, deregistration).await
}
