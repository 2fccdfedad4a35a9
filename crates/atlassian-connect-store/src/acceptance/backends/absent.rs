//! A server that goes away, is not there, or says nothing: the same for each backend with a server.

use std::error::Error as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use super::proxy::Proxy;
use super::{Sandbox, config, shown, with_url};
use crate::{Place, StoreError, open};

pub(super) async fn a_server_that_goes_away_is_unavailable_until_it_is_back(sandbox: Sandbox) {
    let proxy = Proxy::to(sandbox.url());
    let store = open(&with_url(sandbox.url(), |url| url.set_port(Some(proxy.port)).unwrap())).await.unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();

    proxy.cut();
    let started = Instant::now();
    let error = store.get(Place::of_tenant("tenant", "key")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)) && error.source().is_some(), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));

    proxy.restore();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
}

/// A read must not wait for good, nor hold its connection.
pub(super) async fn a_server_that_falls_silent_is_unavailable_until_it_speaks(sandbox: Sandbox) {
    let proxy = Proxy::to(sandbox.url());
    let store = open(&with_url(sandbox.url(), |url| url.set_port(Some(proxy.port)).unwrap())).await.unwrap();
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();

    proxy.fall_silent();
    let started = Instant::now();
    // more than the pool has connections
    let reads = (0..12).map(|_| store.get(Place::of_tenant("tenant", "key")));
    for answer in futures_util::future::join_all(reads).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());

    proxy.speak_again();
    let started = Instant::now();
    assert_eq!(store.get(Place::of_tenant("tenant", "key")).await.unwrap(), Some(json!(1)));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

/// `name` is that of the database, as a URL with the scheme has it.
pub(super) async fn a_server_that_is_not_there_is_unavailable_at_once(scheme: &str, name: &str) {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let error = open(&config(&format!("{scheme}://u:hush@127.0.0.1:{port}/{name}"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains(&format!("u:***@127.0.0.1:{port}/{name}")), "{error}");
    assert!(error.source().is_some() && !shown(&error).contains("hush"), "{}", shown(&error));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// `rest` is what follows the port in the URL.
pub(super) async fn a_silent_server_times_out(scheme: &str, rest: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let started = Instant::now();
    let error = open(&config(&format!("{scheme}://u:hush@127.0.0.1:{port}{rest}"))).await.err().unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!shown(&error).contains("hush"), "{}", shown(&error));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}
