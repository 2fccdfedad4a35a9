//! Malformed HTTP. None of it is taken for an authenticated request, nothing fails inside, and the server goes on.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::auth::ConnectJwt;

use crate::support::blocking;
use crate::support::fixture;
use crate::support::wire::Connection;

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/p", web::get().to(|_: ConnectJwt| async { HttpResponse::Ok().body("page") }))
        .route("/p", web::post().to(|_: ConnectJwt, body: web::Bytes| async move { HttpResponse::Ok().body(body) }));
}

/// The statuses of all answers in the server's output.
fn statuses(read: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(read);
    text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok()).collect()
}

#[actix_web::test]
async fn malformed_requests_are_refused_and_the_server_goes_on() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let (get, post) = (tenant.token("GET", "/p", ""), tenant.token("POST", "/p", ""));
    let signed = format!("GET /p?jwt={get} HTTP/1.1\r\nHost: a\r\n\r\n");
    let unsigned = |line: &str, headers: &str| format!("{line}\r\nHost: a\r\n{headers}\r\n").into_bytes();
    let header = |header: &[u8]| [b"GET /p HTTP/1.1\r\nHost: a\r\n", header, b"\r\n\r\n"].concat();
    let many = |count: usize| "X-Header: y\r\n".repeat(count);

    let odd: Vec<(&str, Vec<u8>)> = vec![
        ("no request", b"hello\r\n\r\n".to_vec()),
        ("zeros", vec![0; 400]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", b"GET /p\r\n\r\n".to_vec()),
        ("HTTP/1.2", unsigned("GET /p HTTP/1.2", "")),
        ("lower-case version", unsigned("GET /p http/1.1", "")),
        ("method with a space", unsigned("GE T /p HTTP/1.1", "")),
        ("method with a NUL", unsigned("GET\0 /p HTTP/1.1", "")),
        ("asterisk", unsigned("OPTIONS * HTTP/1.1", "")),
        ("authority", unsigned("CONNECT evil.example:80 HTTP/1.1", "")),
        ("other authority", unsigned("GET http://evil.example/p HTTP/1.1", "")),
        ("no slash", unsigned("GET p HTTP/1.1", "")),
        ("two slashes", unsigned("GET //p HTTP/1.1", "")),
        ("dots", unsigned("GET /x/../p HTTP/1.1", "")),
        ("backslash", unsigned("GET /x\\..\\p HTTP/1.1", "")),
        ("encoded NUL", unsigned("GET /p%00 HTTP/1.1", "")),
        ("broken escapes", unsigned("GET /p?%zz=%&%=%4&jwt=%&%6Awt HTTP/1.1", "")),
        ("invalid UTF-8 in the path", b"GET /p\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("invalid UTF-8 in the query", b"GET /p?a=\xff\xfe&jwt=\xc3 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("UTF-8 in the path", "GET /p\u{e9}\u{301}?jwt=\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n".into()),
        ("NUL in a header", header(b"X-acpt: a\0b")),
        ("invalid UTF-8 in a token", header(b"Authorization: JWT \xff\xfe.\xff.\xff")),
        ("invalid UTF-8 in both", header(b"Authorization: \xff\r\nX-acpt: \xff")),
        ("folded header", header(b"Authorization: JWT\r\n a.b.c")),
        ("space before the colon", header(b"Authorization : JWT a.b.c")),
        ("no colon", header(b"Authorization")),
        ("nameless header", header(b": x")),
        ("bare CR", header(b"X: a\rAuthorization: JWT a.b.c")),
        ("95 headers", unsigned("GET /p HTTP/1.1", &many(90))),
        ("5000 headers", unsigned("GET /p HTTP/1.1", &many(5000))),
        ("a header of a megabyte", header(format!("X-acpt: {}", "a".repeat(1 << 20)).as_bytes())),
        ("a URI of a megabyte", unsigned(&format!("GET /p?jwt={} HTTP/1.1", "a".repeat(1 << 20)), "")),
        ("a URI of 60 kB", unsigned(&format!("GET /p?{} HTTP/1.1", "a=&".repeat(20_000)), "")),
        ("30 000 tokens", unsigned(&format!("GET /p?{} HTTP/1.1", "jwt&".repeat(15_000)), "")),
        ("dots for a token", header(format!("X-acpt: {}", ".".repeat(30_000)).as_bytes())),
        ("no host", b"GET /p HTTP/1.1\r\n\r\n".to_vec()),
        ("two hosts", unsigned("GET /p HTTP/1.1", "Host: b\r\n")),
        ("negative length", unsigned("POST /p HTTP/1.1", "Content-Length: -1\r\n")),
        ("signed length", unsigned("POST /p HTTP/1.1", "Content-Length: +5\r\n")),
        ("hexadecimal length", unsigned("POST /p HTTP/1.1", "Content-Length: 0x5\r\n")),
        ("huge length", unsigned("POST /p HTTP/1.1", "Content-Length: 99999999999999999999\r\n")),
        ("two lengths", unsigned("POST /p HTTP/1.1", "Content-Length: 0\r\nContent-Length: 5\r\n")),
        ("unknown coding", unsigned("POST /p HTTP/1.1", "Transfer-Encoding: x-chunked\r\n")),
        ("bad chunk", [unsigned("POST /p HTTP/1.1", "Transfer-Encoding: chunked\r\n"), b"zz\r\n".to_vec()].concat()),
        (
            "endless chunk size",
            [unsigned("POST /p HTTP/1.1", "Transfer-Encoding: chunked\r\n"), "f".repeat(5000).into_bytes()].concat(),
        ),
        (
            "form that breaks off",
            unsigned(
                "POST /p HTTP/1.1",
                "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked, chunked\r\n",
            ),
        ),
        ("strange content type", unsigned("POST /p HTTP/1.1", "Content-Length: 0\r\nContent-Type: \u{e9};;=\"\r\n")),
        (
            "strange accept",
            unsigned("GET /p HTTP/1.1", "Accept: text/html;q=9,;q=,*;q=-1,\u{e9}/\u{e9},a/b;q=0.0001\r\n"),
        ),
        ("everything accepted", unsigned("GET /p HTTP/1.1", &format!("Accept: {}\r\n", "a/b;q=0.1,".repeat(8000)))),
    ];
    let base_url = host.base_url().to_owned();
    let answers = blocking({
        let (base_url, signed) = (base_url.clone(), signed.clone());
        move || {
            let mut connection = Connection::to(&base_url);
            let mut answers = Vec::new();
            for (what, bytes) in odd {
                let read = connection.converse(&bytes, Duration::from_millis(150));
                let alive = connection.send(signed.as_bytes()).map(|answer| answer.status);
                answers.push((what, statuses(&read), String::from_utf8_lossy(&read).into_owned(), alive));
            }
            answers
        }
    })
    .await;
    for (what, statuses, text, alive) in answers {
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{what}: {text}");
        assert_eq!(alive, Some(200), "{what}");
    }

    // a request inside the body of another is part of that body, or is ignored
    let smuggled = "GET /p HTTP/1.1\r\nHost: a\r\n\r\n";
    for (what, headers, body, most) in [
        ("length and chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", format!("0\r\n\r\n{smuggled}"), 1),
        ("chunks and length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", format!("0\r\n\r\n{smuggled}"), 1),
        (
            "coding with a tab",
            "Transfer-Encoding:\tchunked\r\nContent-Length: 30\r\n",
            format!("0\r\n\r\n{smuggled}"),
            1,
        ),
        (
            "coding with another",
            "Content-Length: 30\r\nTransfer-Encoding: identity, chunked\r\n",
            format!("0\r\n\r\n{smuggled}"),
            1,
        ),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 33\r\n", format!("0\r\n\r\n{smuggled}"), 1),
        ("list of lengths", "Content-Length: 5, 33\r\n", format!("0\r\n\r\n{smuggled}"), 1),
        ("length with a space", "Content-Length : 5\r\n", format!("0\r\n\r\n{smuggled}"), 1),
        ("the whole as a body", "Content-Length: 28\r\n", smuggled.to_owned(), 1),
    ] {
        let bytes = format!("POST /p?jwt={post} HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}").into_bytes();
        let read = blocking({
            let base_url = base_url.clone();
            move || Connection::to(&base_url).converse(&bytes, Duration::from_millis(150))
        })
        .await;
        let found = statuses(&read);
        assert!(
            found.len() <= most && found.iter().all(|status| *status < 500),
            "{what}: {}",
            String::from_utf8_lossy(&read)
        );
    }
    assert_eq!(host.get(&format!("/p?jwt={get}")).await.status, 200);
}
