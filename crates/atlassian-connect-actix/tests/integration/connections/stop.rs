//! A stop waits only for authenticated requests.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use actix_web::web;
use atlassian_connect_actix::auth::SessionToken;

use super::{Client, beside, routes, timed};

use crate::support::fixture;

#[actix_web::test]
async fn slow_clients_do_not_delay_the_stop() {
    let host = fixture::builder().workers(1).start(routes(&Arc::new(AtomicUsize::new(0)))).await;
    let open: Vec<Client> = beside(host.base_url(), |url| {
        let large = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
        let mut open = Vec::new();
        for _ in 0..20 {
            open.push(Client::to(url));
            open.push(Client::sending(url, "GET /healthz HTTP/1.1\r\n"));
            open.push(Client::sending(url, "POST /public HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"));
            open.push(Client::sending(
                url,
                "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Transfer-Encoding: chunked\r\n\r\n",
            ));
            open.push(Client::sending(url, &large));
            let mut idle = Client::sending(url, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(idle.answer().0, 200);
            open.push(idle);
        }
        open
    })
    .await;
    let took = timed(host.stop()).await;
    assert!(took < Duration::from_secs(8), "the stop took {took:?}");
    drop(open);
}

#[actix_web::test]
async fn an_authenticated_request_is_answered_while_the_server_stops() {
    let host = fixture::builder()
        .workers(1)
        .start(|cfg| {
            cfg.route(
                "/slow",
                web::get().to(|session: SessionToken| async move {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    session.tenant_key().to_owned()
                }),
            );
        })
        .await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let token = tenant.token("GET", "/slow", "");
    let (reply, ()) = futures_util::future::join(host.get(&format!("/slow?jwt={token}")), async {
        // the request is under way
        tokio::time::sleep(Duration::from_millis(500)).await;
        host.stop().await;
    })
    .await;
    assert_eq!((reply.status, reply.body), (200, tenant.client_key.clone()));
}
