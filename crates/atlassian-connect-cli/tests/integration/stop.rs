//! A stop at a signal, as a load balancer sees it.

use std::time::{Duration, Instant};

use crate::process::{Process, log};
use crate::support::poll;
use crate::support::wire::{Answer, Connection};

fn get(connection: &mut Connection, path: &str) -> Option<Answer> {
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: addon\r\n\r\n").as_bytes())
}

fn ends_the_connection(answer: &Answer) -> bool {
    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

#[test]
fn with_a_delay_it_is_not_ready_at_once_and_serves_meanwhile() {
    const DELAY: Duration = Duration::from_secs(2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let vars = [("DATABASE_URL", "memory:"), ("AC_SHUTDOWN_DELAY", "2")];
    let mut process = Process::start("http://127.0.0.1:1/", &file, &vars);
    let mut open = Connection::to(&process.base_url);
    let before = get(&mut open, "/readyz").unwrap();
    assert_eq!((before.status, ends_the_connection(&before)), (200, false));

    let begun = Instant::now();
    process.terminate();
    let refused = poll("it is not ready", DELAY, || {
        get(&mut Connection::to(&process.base_url), "/readyz").filter(|answer| answer.status == 503)
    });
    assert!(refused.header("retry-after").is_some() && ends_the_connection(&refused), "{refused:?}");
    let mut served = 0;
    while begun.elapsed() < DELAY / 2 {
        // a new connection, and the one from before, which this answer ends
        for connection in [&mut Connection::to(&process.base_url), &mut open] {
            for path in ["/healthz", "/atlassian-connect.json"] {
                let answer = get(connection, path).unwrap();
                assert_eq!((answer.status, ends_the_connection(&answer)), (200, true), "{path}");
                served += 1;
            }
        }
    }
    assert!(served > 0);
    assert!(process.ended().success());
    let took = begun.elapsed();
    let log = log(&file);
    assert!(log.contains("not ready any more") && !log.contains("ERROR"), "{log}");
    assert!(took >= DELAY && took < DELAY + Duration::from_secs(10), "the stop took {took:?}");
}

#[test]
fn without_a_delay_it_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start("http://127.0.0.1:1/", &folder.path().join("log"), &[("DATABASE_URL", "memory:")]);
    let begun = Instant::now();
    process.terminate();
    assert!(process.ended().success());
    assert!(begun.elapsed() < Duration::from_secs(5), "the stop took {:?}", begun.elapsed());
}
