//! A collector of traces: an HTTP server that keeps what it receives.

use std::sync::Arc;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::Mutex;

use crate::otlp::{Span, spans};

type Requests = Arc<Mutex<Vec<(String, web::Bytes)>>>;

pub(crate) struct Collector {
    pub(crate) url: String,
    /// The header `api-key` and the body of each request.
    requests: Requests,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let requests = Requests::default();
        let shared = Arc::clone(&requests);
        let server = HttpServer::new(move || {
            let shared = Arc::clone(&shared);
            App::new().route(
                "/v1/traces",
                web::post().to(move |request: HttpRequest, body: web::Bytes| {
                    let header =
                        |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                    assert_eq!(header("content-type").as_deref(), Some("application/x-protobuf"));
                    shared.lock().push((header("api-key").unwrap_or_default(), body));
                    async { HttpResponse::Ok().content_type("application/x-protobuf").finish() }
                }),
            )
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { url, requests }
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.requests.lock().iter().flat_map(|(_, body)| spans(body)).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.requests.lock().iter().map(|(key, _)| key.clone()).collect()
    }

    /// All that was received, as text.
    pub(crate) fn text(&self) -> String {
        self.requests.lock().iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect()
    }
}
