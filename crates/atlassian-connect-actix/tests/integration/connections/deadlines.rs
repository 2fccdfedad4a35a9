//! Deadlines of heads, bodies, and answers that the client does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atlassian_connect_testing::{KeyServer, claims_for};

use super::{Client, beside, hasty, no_routes, routes};

use crate::support::fixture;

const FORM: &str = "application/x-www-form-urlencoded";

#[actix_web::test]
async fn a_head_has_a_deadline_on_every_request_of_a_connection() {
    let host = hasty().start(no_routes()).await;
    let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    for (what, bytes, answers) in [
        ("nothing at all", String::new(), 0),
        ("one byte", "G".into(), 0),
        ("half a head", "GET /healthz HTTP/1.1\r\nHost: a\r\n".into(), 0),
        ("empty lines", "\r\n\r\n\r\n".into(), 0),
        ("one byte of a second request", format!("{health}G"), 1),
        ("half a second head", format!("{health}GET /healthz HTTP/1.1\r\n"), 1),
        ("a third that does not end", format!("{health}{health}GET /healthz HTTP/1.1\r\nHost: a\r\n"), 2),
    ] {
        let read = beside(host.base_url(), move |url| Client::sending(url, &bytes).rest()).await;
        assert_eq!(read.matches("HTTP/1.1 200").count(), answers, "{what}: {read}");
    }
}

#[actix_web::test]
async fn a_head_sent_byte_by_byte_has_the_same_deadline() {
    let host = hasty().start(no_routes()).await;
    let sent = beside(host.base_url(), |url| {
        let mut client = Client::sending(url, "GET /healthz HTTP/1.1\r\n");
        let mut sent = 0;
        // each byte would restart an idle timeout
        while std::io::Write::write_all(&mut client.0, b"A").is_ok() && sent < 100 {
            sent += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        sent
    })
    .await;
    assert!(sent < 60, "the connection is open after {sent} bytes");
}

#[actix_web::test]
async fn a_missing_body_is_answered() {
    let host = hasty().start(no_routes()).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let install =
        format!("Authorization: JWT {}", KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed")));
    let proven = format!("Authorization: JWT {}", tenant.token("POST", "/json", ""));
    let json = "application/json";
    for (path, kind, authorization, status) in [
        ("/installed", json, install.as_str(), Some(408)),
        ("/form", FORM, "A: b", Some(408)),
        ("/json", json, &proven, Some(408)),
        ("/public", json, "A: b", Some(408)),
        ("/public", FORM, "A: b", Some(408)),
        ("/nowhere", FORM, "A: b", Some(404)),
        ("/nowhere", json, "A: b", Some(404)),
        // authentication comes before the body
        ("/json", json, "A: b", Some(401)),
        ("/installed", json, "A: b", Some(401)),
        ("/enabled", json, "A: b", Some(401)),
        ("/webhook/issue-created", json, "A: b", Some(401)),
    ] {
        for framing in ["Content-Length: 1000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let bytes =
                format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{authorization}\r\n{framing}");
            let came = beside(host.base_url(), move |url| Client::sending(url, &bytes).status()).await;
            assert_eq!(came, status, "{path} {kind} {framing}");
        }
    }
}

#[actix_web::test]
async fn a_slow_body_is_accepted_at_the_minimum_rate() {
    let host = hasty().start(no_routes()).await;
    let upload = |path: &'static str, pieces: usize, size: usize| {
        move |url: &str| {
            let length = pieces * size;
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            let mut client = Client::sending(url, &head);
            for _ in 0..pieces {
                std::thread::sleep(Duration::from_millis(300));
                if std::io::Write::write_all(&mut client.0, "x".repeat(size).as_bytes()).is_err() {
                    break;
                }
            }
            client.answer()
        }
    };
    // longer than the second that every body has, at more than a kilobyte per second
    assert_eq!(beside(host.base_url(), upload("/public", 8, 1000)).await, (200, "8000".into()));
    // a stream may be slower, as long as it does not pause for a second
    assert_eq!(beside(host.base_url(), upload("/count", 8, 10)).await, (200, "80".into()));
    assert_eq!(beside(host.base_url(), upload("/public", 30, 10)).await.0, 408);
}

#[actix_web::test]
async fn a_client_that_does_not_read_runs_no_handlers_and_is_soon_closed() {
    let answered = Arc::new(AtomicUsize::new(0));
    let host = hasty().start(routes(&answered)).await;
    let many = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000);
    let honest = host.base_url().to_owned();
    let others = beside(host.base_url(), move |url| {
        let mut client = Client::to(url);
        client.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // it does not take all of it
        let _ = std::io::Write::write_all(&mut client.0, many.as_bytes());
        let others: Vec<u16> = (0..20)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(100));
                Client::sending(&honest, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").answer().0
            })
            .collect();
        // closed: what was in flight can be read, and then the end
        client.rest();
        others
    })
    .await;
    assert_eq!(others, [200; 20]);
    let answered = answered.load(Ordering::SeqCst);
    assert!(answered < 500, "{answered} requests were handled for a client that reads nothing");
}

#[actix_web::test]
async fn pipelined_requests_are_answered_in_order() {
    let host = fixture::builder().workers(1).start(no_routes()).await;
    let read = beside(host.base_url(), |url| {
        let mut all = String::new();
        for length in 1..=50 {
            let body = "x".repeat(length);
            let chunks: String =
                body.as_bytes().chunks(7).map(|c| format!("{:x}\r\n{}\r\n", c.len(), "x".repeat(c.len()))).collect();
            all += &format!("POST /public HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
            all += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
            all += &format!("POST /public HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
            all += "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
        }
        let mut client = Client::sending(url, &all);
        (0..200).map(|_| client.answer()).collect::<Vec<_>>()
    })
    .await;
    for (index, answers) in read.chunks(4).enumerate() {
        let length = (index + 1).to_string();
        let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [200, 200, 200, 404], "round {index}");
        assert_eq!((&answers[0].1, &answers[2].1), (&length, &length));
    }
}

#[actix_web::test]
async fn a_large_body_arrives_completely() {
    let host = fixture::builder().workers(1).start(no_routes()).await;
    for size in [1, 63 * 1024, 64 * 1024, 65 * 1024, 1 << 20, 2 << 20] {
        let request = host.request(actix_web::http::Method::POST, "/public").content_type("text/plain");
        assert_eq!(host.send(request, vec![b'x'; size]).await.body, size.to_string());
    }
    let size = 30 << 20;
    let request = host.request(actix_web::http::Method::POST, "/count").content_type("text/plain");
    assert_eq!(host.send(request, vec![b'x'; size]).await.body, size.to_string(), "a stream has no limit");
}

/// The HTTP code answers with what it knows of the last request that it decoded.
#[actix_web::test]
async fn a_request_after_a_chunked_body_does_not_change_its_answer() {
    let host = fixture::builder().workers(1).start(no_routes()).await;
    let chunked = "POST /public HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\nT: x\r\n\r\n";
    let head = "HEAD /atlassian-connect.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let upload = format!("POST /public HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n{}", "x".repeat(30_000));
    let unread = "POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n\n\n\n\n\r\n0\r\n\r\n";
    for requests in [
        vec![(chunked, "3"), (head, "HEAD"), (health, "ok")],
        vec![(chunked, "3"), (upload.as_str(), "30000"), (health, "ok")],
        vec![(unread, "404"), (chunked, "3"), (unread, "404"), (head, "HEAD"), (health, "ok")],
    ] {
        let bytes: String = requests.iter().map(|(request, _)| *request).collect();
        // in one piece, in two split at each position, byte by byte
        let step = if bytes.len() > 1000 { 997 } else { 7 };
        for split in (0..bytes.len()).step_by(step) {
            let (first, second) = (bytes[..split].to_owned(), bytes[split..].to_owned());
            let expected: Vec<String> = requests.iter().map(|(_, answer)| (*answer).to_owned()).collect();
            beside(host.base_url(), move |url| {
                let mut client = Client::sending(url, &first);
                client.send(second.as_bytes());
                for answer in &expected {
                    let (status, body) = if answer == "HEAD" { client.head() } else { client.answer() };
                    match answer.as_str() {
                        "404" => assert_eq!(status, 404, "split at {split}"),
                        "HEAD" => assert_eq!(status, 200, "split at {split}"),
                        "ok" => assert_eq!(status, 200, "split at {split}: {body}"),
                        length => assert_eq!((status, body.as_str()), (200, length), "split at {split}"),
                    }
                }
            })
            .await;
        }
    }
}

#[actix_web::test]
async fn empty_lines_are_not_part_of_a_request() {
    let host = hasty().start(no_routes()).await;
    let health = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let read = beside(host.base_url(), move |url| {
        let mut client = Client::sending(url, &format!("\r\n\n{health}"));
        let first = client.answer().0;
        // the bytes after a request are not the beginning of a slow one
        client.send(b"\r\n");
        std::thread::sleep(Duration::from_millis(2500));
        client.send(health.as_bytes());
        (first, client.answer().0)
    })
    .await;
    assert_eq!(read, (200, 200));

    let lines = "\n".repeat(100_000);
    let read = beside(host.base_url(), move |url| {
        let mut client = Client::sending(url, &format!("{lines}{health}"));
        client.answer().0
    })
    .await;
    assert_eq!(read, 200);
}

#[actix_web::test]
async fn a_connection_with_an_unread_body_is_kept_alive() {
    let host = hasty().start(no_routes()).await;
    let read = beside(host.base_url(), |url| {
        let body = "1000\r\n".to_owned() + &"\n".repeat(0x1000) + "\r\n0\r\n\r\n";
        let head = "POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut client = Client::sending(url, &format!("{head}{body}"));
        let first = client.answer().0;
        std::thread::sleep(Duration::from_millis(2500));
        client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        (first, client.answer().0)
    })
    .await;
    assert_eq!(read, (404, 200));
}
