//! A host that fails, and what the add-on's callers see.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{HttpResponse, get};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::host::HostError;
use atlassian_connect_testing::TestHost;
use serde_json::{Value, json};

use crate::host_calls::{client, installed};

use crate::support::fixture;

#[get("/ask")]
async fn ask(session: SessionToken) -> Result<Json<Value>, Error> {
    let request = session.host().get("/asked").timeout(Duration::from_millis(300)).body_limit(1000);
    Ok(Json(request.send().await?.json().await?))
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(ask);
}

#[actix_web::test]
async fn failures_of_the_host_are_502_and_504() {
    let host = fixture::installed(routes).await;
    let (failed, late) = ((502, "The host could not be called."), (504, "The host did not answer in time."));
    let check = async |what: &str, expected: (u16, &str)| {
        let reply = host.call(Method::GET, "/ask", &host.tenant().context_token(), None).await;
        assert_eq!((reply.status, reply.body.as_str()), expected, "{what}");
    };
    check("a 404", failed).await;
    host.stub_get("/asked", json!({"a": 1}));
    check("an answer", (200, r#"{"a":1}"#)).await;
    host.stub_get("/asked", json!("x".repeat(2000)));
    check("too large", failed).await;
    host.stub(Method::GET, "/asked", |_| async { HttpResponse::Ok().body("<html>") });
    check("no JSON", failed).await;
    host.stub(Method::GET, "/asked", |_| async { std::future::pending().await });
    check("no answer", late).await;
    host.stub(Method::GET, "/asked", |_| async {
        HttpResponse::Ok().streaming(futures_util::stream::pending::<Result<_, actix_web::Error>>())
    });
    check("a body that does not come", late).await;
}

#[actix_web::test]
async fn an_error_has_the_status_and_the_start_of_the_body() {
    let host = installed().await;
    host.stub(Method::GET, "/x", |_| async { HttpResponse::Conflict().body("é".repeat(5000)) });
    let client = client(&host, &host.tenant()).await;
    let response = client.get("/x").send().await.unwrap();
    assert_eq!(response.status(), 409, "an answer like any other");
    let HostError::Status { status, body } = response.error_for_status().await.unwrap_err() else { panic!() };
    assert_eq!((status.as_u16(), body), (409, "é".repeat(1024)));
    let error = client.get("/x").body_limit(10).send().await.unwrap().bytes().await.unwrap_err();
    assert!(matches!(error, HostError::TooLarge(10)), "{error}");
    assert_eq!(client.get("/x").body_limit(10_000).send().await.unwrap().bytes().await.unwrap().len(), 10_000);
}

/// A host that handles connections with `serve`, and the number of connections.
async fn raw(serve: impl Fn(TcpStream) + Send + 'static) -> (TestHost, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let host = fixture::start(|_| {}).await;
    let mut tenant = host.tenant();
    tenant.base_url = format!("http://{}", listener.local_addr().unwrap());
    host.install(&tenant).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            counter.fetch_add(1, Ordering::SeqCst);
            serve(stream);
        }
    });
    (host, count)
}

/// Reads one request without a body; `false` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) if line == "\r\n" => return true,
            Ok(_) => {}
        }
    }
}

#[actix_web::test]
async fn a_broken_connection_is_retried_once_if_that_is_safe() {
    let (host, connections) = raw(drop).await;
    let client = client(&host, &host.tenant()).await;
    for (method, tries) in [(Method::GET, 2), (Method::POST, 1)] {
        let before = connections.load(Ordering::SeqCst);
        let error = client.request(method.clone(), "/x").send().await.unwrap_err();
        assert!(matches!(&error, HostError::Unreachable { host, .. } if host == "127.0.0.1"), "{method}: {error}");
        assert_eq!(connections.load(Ordering::SeqCst) - before, tries, "{method}");
        assert!(matches!(Error::from(error), Error::BadGateway { .. }));
    }
}

#[actix_web::test]
async fn an_incomplete_body_is_an_error() {
    let (host, _) = raw(|stream| {
        let mut reader = BufReader::new(stream);
        request(&mut reader);
        let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshort");
    })
    .await;
    let client = client(&host, &host.tenant()).await;
    let error = client.get("/x").send().await.unwrap().bytes().await.unwrap_err();
    assert!(matches!(error, HostError::Unreachable { .. }), "{error}");
    let head = client.head("/x").send().await.unwrap();
    assert_eq!(head.bytes().await.unwrap().len(), 0, "a HEAD tells a length and has no body");
}

#[actix_web::test]
async fn a_host_without_a_server() {
    let host = fixture::start(|_| {}).await;
    let mut tenant = host.tenant();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    tenant.base_url = format!("http://127.0.0.1:{port}");
    host.install(&tenant).await;
    let error = client(&host, &tenant).await.get("/x").send().await.unwrap_err();
    assert!(matches!(error, HostError::Unreachable { .. }), "{error}");
}

#[actix_web::test]
async fn connections_are_reused() {
    let (host, connections) = raw(|stream| {
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            while request(&mut reader) {
                let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
            }
        });
    })
    .await;
    let client = client(&host, &host.tenant()).await;
    for _ in 0..5 {
        assert_eq!(client.get("/x").send().await.unwrap().text().await.unwrap(), "{}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
