//! Doing the usual: listen, register, open the sandbox, stop at a signal.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;

use super::{Addon, StartError};
use crate::descriptor;
use crate::panics;
use crate::registration::Registrar;

/// From the signal on: requests are finished first, then events of Forge's. Heroku kills after 30 seconds.
const STOP: Duration = Duration::from_secs(28);

impl Addon {
    /// Does the usual: listens where the configuration says, serves, and stops gracefully at SIGTERM, SIGINT
    /// or SIGUSR2. In development it registers with the sites of `credentials.json` meanwhile.
    ///
    /// # Errors
    /// [`StartError`] when it cannot listen, or when the server ends by itself.
    pub async fn run<F>(self, routes: F) -> Result<(), StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let config = self.config();
        let address = SocketAddr::new(config.bind, config.port);
        let listener = TcpListener::bind(address).map_err(|reason| StartError::Listen { address, reason })?;
        let server = self.serve(listener, routes)?;
        let base = config.local_base_url.as_str();
        tracing::info!(
            "{} {} serves {}",
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            self.state.descriptor().key()
        );
        tracing::info!("the add-on is at {base}");
        tracing::info!("its descriptor at {base}/{}", descriptor::FILE_NAME);
        tracing::info!("its health at {base}/healthz");
        self.open_sandbox().await;
        if config.environment.is_development() || config.validate_descriptor {
            // files are read, and perhaps Atlassian is asked: serving waits for neither
            let addon = self.clone();
            panics::spawn("checking the descriptor", async move { addon.log_findings().await });
        }
        let (addon, stopping) = (self.clone(), Rc::new(Cell::new(None)));
        let registrar = Registrar::new(self.state.clone());
        actix_web::rt::spawn(stop_at_a_signal(server.handle(), registrar, self, Rc::clone(&stopping)));
        let ended = server.await.map_err(StartError::Server);
        let spent = stopping.get().map_or(Duration::ZERO, |since: Instant| since.elapsed());
        addon.drain(STOP.saturating_sub(spent)).await;
        ended
    }
}

#[cfg(feature = "sandbox")]
impl Addon {
    /// Opens a local host for the add-on, see [`crate::sandbox`]; [`Addon::run`] does so by itself. For whoever owns
    /// their own `HttpServer`: the add-on must serve, or be about to.
    ///
    /// # Errors
    /// [`crate::sandbox::SandboxError`].
    pub async fn sandbox(&self) -> Result<crate::sandbox::RunningSandbox, crate::sandbox::SandboxError> {
        crate::sandbox::start(self.state.clone()).await
    }

    /// Where there is no site to develop on, one of this process's own. The add-on runs without it as well.
    async fn open_sandbox(&self) {
        let config = self.config();
        let is_wanted = config.environment.is_development_itself() && !config.options.no_reg;
        if !is_wanted {
            return;
        }
        if crate::registration::names_sites(config) {
            // what chose them is often forgotten: a file, or a variable of the shell
            tracing::info!(
                "the sandbox is off: the add-on registers with the sites of credentials.json, or of hosts in \
                 config.json. Without sites there, the sandbox opens"
            );
            return;
        }
        match self.sandbox().await {
            Ok(sandbox) => tracing::info!("open the sandbox, a local host for the add-on: {}", sandbox.url()),
            Err(error) => tracing::warn!("there is no sandbox: {error}"),
        }
    }
}

#[cfg(not(feature = "sandbox"))]
impl Addon {
    // as the other one, so that `run` reads the same
    #[allow(clippy::unused_async)]
    async fn open_sandbox(&self) {}
}

/// Registers while it waits; at the signal the sites let the add-on go first, since they tell it so by a request.
async fn stop_at_a_signal(
    handle: ServerHandle,
    registrar: Registrar,
    addon: Addon,
    stopping: Rc<Cell<Option<Instant>>>,
) {
    let registration = async {
        if addon.tunnel.is_some() {
            registrar.tell_of_tunnel().await;
        }
        registrar.register().await;
        registrar.follow(&addon.source).await;
    };
    // a transformer of the descriptor may panic: the signal has to be heard all the same
    let registration = async {
        if let Err(panic) = panics::caught(registration).await {
            tracing::error!(%panic, "the add-on is not registered any more when its descriptor changes");
        }
        std::future::pending::<&str>().await
    };
    let signal = tokio::select! {
        signal = wait_for_signal() => signal,
        never = registration => never,
    };
    stopping.set(Some(Instant::now()));
    if let Err(panic) = panics::caught(registrar.deregister()).await {
        tracing::error!(%panic, "the add-on could not be deregistered");
    }
    tracing::info!(signal, "stopping: requests under way are finished");
    handle.stop(true).await;
}

#[cfg(unix)]
async fn wait_for_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut restart)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::user_defined2()))
    else {
        tracing::error!("signals cannot be heard: the process ends without finishing its requests");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        // what restarts programs while their code changes sends this
        _ = restart.recv() => "SIGUSR2",
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
