//! Running the add-on: listen, serve, stop gracefully at a signal.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_server::Server;
use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;

use super::{Addon, StartError};
use crate::descriptor;
use crate::panics;
use crate::software;

/// The time from the signal to the end: first the delay, then requests are finished, then Forge events. Heroku kills
/// after 30 seconds.
const STOP: Duration = Duration::from_secs(28);

impl Addon {
    /// Listens at the configured address, serves, and stops gracefully at SIGTERM, SIGINT or SIGUSR2. The sandbox,
    /// registration and tunnel that `cargo run` adds in development belong to the command line crate.
    ///
    /// # Errors
    /// [`StartError`] if it cannot listen, or when the server ends by itself.
    pub async fn run<F>(self, routes: F) -> Result<(), StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let server = self.serve(self.bind()?, routes)?;
        self.log_urls();
        self.stop_at_signal(server, async {}).await
    }

    /// Listens at the configured address. Connections wait until [`Addon::serve`] accepts them.
    ///
    /// # Errors
    /// [`StartError::Listen`], which suggests a remedy.
    pub fn bind(&self) -> Result<TcpListener, StartError> {
        let config = self.config();
        let address = SocketAddr::new(config.bind, config.port);
        TcpListener::bind(address).map_err(|reason| StartError::Listen { address, reason })
    }

    /// Logs which add-on serves, and at which URLs.
    pub fn log_urls(&self) {
        let base = self.config().local_base_url.as_str();
        let descriptor = self.state.descriptor();
        let key = descriptor.key().to_owned();
        tracing::info!("{} serves {key}", software::version_line(self.state.app(), &key));
        tracing::info!("the add-on is at {base}");
        if descriptor.is_of_forge() {
            tracing::info!(
                "there is no {}: the app is on Forge alone, no route of Connect is mounted",
                descriptor::FILE_NAME
            );
        } else {
            tracing::info!("its descriptor at {base}/{}", descriptor::FILE_NAME);
        }
        tracing::info!("its health at {base}/healthz");
    }

    /// Waits until a server of [`Addon::serve`] ends. At SIGTERM, SIGINT or SIGUSR2 `/readyz` is 503 at once. For
    /// `shutdown.delay`, and until `before_stop` is done, the add-on still serves. Then running requests and events are
    /// finished, and the server stops. All of this takes less than 30 seconds if `before_stop` does.
    ///
    /// # Errors
    /// [`StartError::Server`] when the server ends by itself.
    pub async fn stop_at_signal<B>(&self, server: Server, before_stop: B) -> Result<(), StartError>
    where
        B: Future<Output = ()> + 'static,
    {
        let stopping = Rc::new(Cell::new(None));
        actix_web::rt::spawn(stop(self.clone(), server.handle(), before_stop, Rc::clone(&stopping)));
        let ended = server.await.map_err(StartError::Server);
        let spent = stopping.get().map_or(Duration::ZERO, |since: Instant| since.elapsed());
        self.drain(STOP.saturating_sub(spent)).await;
        ended
    }
}

/// Waits for the signal, then stops the server. `stopping` gets the time of the signal.
async fn stop(
    addon: Addon,
    handle: ServerHandle,
    before_stop: impl Future<Output = ()>,
    stopping: Rc<Cell<Option<Instant>>>,
) {
    let signal = wait_for_signal().await;
    stopping.set(Some(Instant::now()));
    addon.state.begin_stop();
    let delay = addon.config().shutdown_delay;
    if !delay.is_zero() {
        tracing::info!(signal, "not ready any more: serving for another {delay:?}, then stopping");
    }
    let delayed = tokio::time::sleep(delay);
    if let Err(panic) = panics::caught(before_stop).await {
        tracing::error!(%panic, "the work before the stop was not finished");
    }
    delayed.await;
    tracing::info!(signal, "stopping: finishing the requests that are under way");
    handle.stop(true).await;
}

#[cfg(unix)]
async fn wait_for_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut restart)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::user_defined2()))
    else {
        tracing::error!("signals cannot be received: the process ends without finishing its requests");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        // sent by programs that restart a server when its code changes
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
