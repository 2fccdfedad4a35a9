//! The limits of connections, and of memory for unauthenticated clients.

use std::time::{Duration, Instant};

use super::{Client, beside, no_routes};

use crate::support::fixture;

#[actix_web::test]
async fn the_oldest_silent_connections_make_room_for_others() {
    let config = r#"{ "limits": { "connections": 20 } }"#;
    let host = fixture::builder().workers(1).config(config).start(no_routes()).await;
    host.install(&host.tenant()).await;
    beside(host.base_url(), |url| {
        let mut silent = Vec::new();
        for round in 0..200 {
            silent.push(Client::to(url));
            if round % 3 == 0 {
                silent.push(Client::sending(url, "GET /healthz HTTP/1.1\r\n"));
            }
            if round % 10 == 0 {
                let answer = Client::sending(url, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").answer();
                assert_eq!(answer.0, 200, "after {round} silent ones");
            }
        }
        let first = silent.iter_mut().take(150);
        for (index, client) in first.enumerate() {
            assert_eq!(client.rest(), "", "connection {index}");
        }
    })
    .await;
    assert_eq!(host.install(&host.tenant()).await.status, 204);
}

#[actix_web::test]
async fn the_slowest_bodies_are_refused() {
    let config = r#"{ "limits": { "body": 10000, "forgeBody": 10000, "unproven": 20000 } }"#;
    let host = fixture::builder().workers(1).config(config).start(no_routes()).await;
    let tenant = host.tenant();
    let head = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Accept: application/json\r\nContent-Length: 9000\r\n\r\n";
    let part = "x".repeat(4000);
    let slow: Vec<Client> =
        beside(host.base_url(), move |url| (0..30).map(|_| Client::sending(url, &format!("{head}{part}"))).collect())
            .await;
    let (mut waiting, mut refused) = (slow, 0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while refused < 25 && Instant::now() < deadline {
        waiting.retain_mut(|client| {
            client.0.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let mut answer = [0; 1024];
            let length = std::io::Read::read(&mut client.0, &mut answer).unwrap_or(0);
            if length == 0 {
                return true;
            }
            let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            assert!(answer.to_lowercase().contains("retry-after: "), "{answer}");
            refused += 1;
            false
        });
    }
    assert!(!waiting.is_empty(), "all bodies of 4 kB were refused for a bound of 20 kB");
    // by now those that are left are slow, too
    for _ in 0..10 {
        assert_eq!(host.install(&tenant).await.status, 204);
    }
    assert!(refused >= 25, "{refused} of 30 bodies of 4 kB were refused for a bound of 20 kB");
}
