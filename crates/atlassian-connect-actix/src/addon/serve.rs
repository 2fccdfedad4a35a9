//! The server: actix's HTTP code on our own streams, see [`crate::connection`].

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{ConnectionType, HttpService, Protocol};
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, ServiceConfig};

use super::{Addon, StartError};
use crate::connection::{self, ClientStream, KEEP_ALIVE, Pool, PoolLimits, WatchedAnswer};
use crate::state::State;
use crate::{panics, scrape};

/// How long running requests may take at a stop, with the delay before it. Heroku kills after 30 seconds.
const SHUTDOWN_SECONDS: u64 = 25;
/// Threads per worker for blocking work. The store's pool has few connections, so more threads would only wait.
const BLOCKING_THREADS: usize = 8;
/// The queue of connections that are not accepted yet. The system may have a lower limit.
const BACKLOG: i32 = 4096;
/// The deadline of the first head. Later heads are timed by the stream.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// How long a client is still read from if it was answered before its body was complete, so that it can read the
/// answer.
const LINGER: Duration = Duration::from_secs(5);

impl Addon {
    /// Serves connections of `listener` until it is stopped. It handles no signals.
    ///
    /// # Errors
    /// [`StartError::Server`].
    pub fn serve<F>(&self, listener: TcpListener, routes: F) -> Result<Server, StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        self.serve_with(listener, None, routes)
    }

    /// The same with a number of workers; `None`: one per processor.
    #[doc(hidden)]
    pub fn serve_with<F>(&self, listener: TcpListener, workers: Option<usize>, routes: F) -> Result<Server, StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        // the workers mount it later, each on its own thread
        self.mounted();
        self.serve_metrics()?;
        let workers = workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
        let limits = PoolLimits::of_worker(&self.config().limits, workers, descriptors());
        // the standard library asks for a queue of 128, which stays if the system refuses another
        let _ = socket2::SockRef::from(&listener).listen(BACKLOG);
        let builder = Server::build()
            .workers(workers)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .max_concurrent_connections(limits.accepted())
            .shutdown_timeout(SHUTDOWN_SECONDS.saturating_sub(self.config().shutdown_delay.as_secs()))
            .disable_signals();
        let (addon, stop) = (self.clone(), builder.graceful_shutdown_signal());
        let first_head = FIRST_HEAD.min(self.config().limits.head);
        let service = move || {
            let (addon, routes, stop) = (addon.clone(), routes.clone(), stop.clone());
            let pool = Pool::start(limits, stop.clone());
            let state = addon.shared_state();
            let app = App::new()
                .configure(addon.configure(routes))
                .configure(addon.configure_outside())
                .wrap(from_fn(move |request, next| watched(state.clone(), request, next)));
            let app = actix_service::IntoServiceFactory::<_, actix_http::Request>::into_factory(app)
                .map_err(|error: actix_web::Error| error.error_response());
            let http = HttpService::build()
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(first_head)
                .client_disconnect_timeout(LINGER)
                .graceful_shutdown_signal(move || {
                    let stop = stop.clone();
                    async move { stop.notified().await }
                })
                .on_connect_ext(|stream: &ClientStream, data| {
                    data.insert(Rc::clone(stream.connection()));
                })
                .finish(map_config(app, |()| AppConfig::default()));
            fn_service(move |socket: TcpStream| {
                let pool = Rc::clone(&pool);
                async move {
                    let stream = ClientStream::open(socket, &pool).await?;
                    let peer = stream.peer_addr();
                    Ok::<_, actix_http::error::DispatchError>((stream, Protocol::Http1, peer))
                }
            })
            .and_then(http)
        };
        Ok(builder.listen("add-on", listener, service).map_err(StartError::Server)?.run())
    }
}

/// Watches the request. Before a stop, its answer ends the connection: so a client that keeps one open, such as a proxy
/// that looks at `/readyz` only for new connections, is gone when the server stops.
async fn watched<B: MessageBody + 'static>(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<WatchedAnswer>, actix_web::Error> {
    let mut response = connection::watch(request, next).await?;
    if state.is_stopping() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

impl Addon {
    /// Serves the metrics at their own address, if there is one, for as long as the process lives.
    fn serve_metrics(&self) -> Result<(), StartError> {
        let Some(address) = self.config().metrics.address() else { return Ok(()) };
        let failed = |reason| StartError::ListenForMetrics { address, reason };
        let server = scrape::serve(TcpListener::bind(address).map_err(failed)?, &self.state).map_err(failed)?;
        tracing::info!("its metrics are at http://{address}/metrics");
        panics::spawn("the server of the metrics", async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the metrics are no longer served");
            }
        });
        Ok(())
    }
}

/// How many files and sockets the process may open, after it has raised its limit as far as it can.
#[cfg(unix)]
fn descriptors() -> Option<u64> {
    rlimit::increase_nofile_limit(u64::MAX).ok()
}

#[cfg(not(unix))]
fn descriptors() -> Option<u64> {
    None
}
