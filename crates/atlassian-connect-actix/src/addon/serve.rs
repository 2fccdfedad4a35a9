//! The server: actix's HTTP code on streams of our own, see [`crate::connection`].

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpService, Protocol};
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;

use super::{Addon, StartError};
use crate::connection::{self, ClientStream, KEEP_ALIVE, Pool, PoolLimits};

/// How long requests that are under way may take at a stop. Heroku kills after 30 seconds.
const SHUTDOWN_SECONDS: u64 = 25;
/// Threads a worker has for the store: the pool has few connections, more threads would only wait.
const BLOCKING_THREADS: usize = 8;
/// Connections that the system keeps until they are accepted; it may have a lower limit of its own.
const BACKLOG: i32 = 4096;
/// The first head; later ones are timed by the stream.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// How long a client is read from that was answered before its body had come whole, so that it gets to the answer.
const LINGER: Duration = Duration::from_secs(5);

impl Addon {
    /// Listens on `listener` and serves until it is stopped; it handles no signals.
    ///
    /// # Errors
    /// [`StartError::Server`].
    pub fn serve<F>(&self, listener: TcpListener, routes: F) -> Result<Server, StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        self.serve_with(listener, None, routes)
    }

    /// The same with so many workers; `None`: one a processor.
    #[doc(hidden)]
    pub fn serve_with<F>(&self, listener: TcpListener, workers: Option<usize>, routes: F) -> Result<Server, StartError>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        // the workers mount it later, each on its own thread
        self.mounted();
        let workers = workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
        let limits = PoolLimits::of_worker(&self.config().limits, workers, descriptors());
        // the standard library asks for a queue of 128; where the system does not take another, that one stays
        let _ = socket2::SockRef::from(&listener).listen(BACKLOG);
        let builder = Server::build()
            .workers(workers)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .max_concurrent_connections(limits.accepted())
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .disable_signals();
        let (addon, stop) = (self.clone(), builder.graceful_shutdown_signal());
        let first_head = FIRST_HEAD.min(self.config().limits.head);
        let service = move || {
            let (addon, routes, stop) = (addon.clone(), routes.clone(), stop.clone());
            let pool = Pool::start(limits, stop.clone());
            let app = App::new()
                .configure(addon.configure(routes))
                .configure(addon.configure_outside())
                .wrap(from_fn(connection::watch));
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

/// How many files and sockets the process may open, after it has asked for as many as it can get.
#[cfg(unix)]
fn descriptors() -> Option<u64> {
    rlimit::increase_nofile_limit(u64::MAX).ok()
}

#[cfg(not(unix))]
fn descriptors() -> Option<u64> {
    None
}
