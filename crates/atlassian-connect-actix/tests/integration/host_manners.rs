//! Retries after the time that the host names, and the limit of concurrent requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, rt};
use atlassian_connect_actix::host::Multipart;
use atlassian_connect_testing::TestHost;
use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::host_calls::{client, installed, until};

/// Answers `method /busy` this many times with this status and header, then with 200.
fn busy(host: &TestHost, method: &Method, times: usize, status: u16, header: (&'static str, String)) {
    let left = AtomicUsize::new(times);
    host.stub(method.clone(), "/busy", move |_| {
        let header = (header.0, header.1.clone());
        let is_busy = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        async move {
            if !is_busy {
                return HttpResponse::Ok().finish();
            }
            HttpResponse::build(StatusCode::from_u16(status).unwrap()).insert_header(header).finish()
        }
    });
}

#[actix_web::test]
async fn only_requests_that_may_be_repeated_are_repeated() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    let file = || Multipart::new().bytes("file", "f", "text/plain", "x");
    for (what, method, retry, multipart, is_repeated) in [
        ("GET", Method::GET, None, false, true),
        ("HEAD", Method::HEAD, None, false, true),
        ("PUT", Method::PUT, None, false, true),
        ("DELETE", Method::DELETE, None, false, true),
        ("POST", Method::POST, None, false, false),
        ("PATCH", Method::PATCH, None, false, false),
        ("POST that may be", Method::POST, Some(true), false, true),
        ("GET that may not be", Method::GET, Some(false), false, false),
        ("multipart", Method::POST, Some(true), true, false),
        ("PUT of multipart", Method::PUT, None, true, false),
    ] {
        for status in [429, 503] {
            busy(&host, &method, 2, status, ("Retry-After", "0".into()));
            let seen = host.calls().len();
            let mut request = client.request(method.clone(), "/busy").body("text/plain", "the body");
            if multipart {
                request = request.multipart(file());
            }
            if let Some(retry) = retry {
                request = request.retry(retry);
            }
            let response = request.send().await.unwrap();
            let calls = host.calls().split_off(seen);
            let expected = if is_repeated { (200, 3) } else { (status, 1) };
            assert_eq!((response.status().as_u16(), calls.len()), expected, "{what} {status}");
            let whole = calls.iter().all(|call| call.body == calls[0].body && !call.header("authorization").is_empty());
            assert!(whole, "{what} {status}: the same each time, signed each time");
        }
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn other_errors_are_answers() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    for status in [400, 401, 403, 404, 409, 500, 502, 504] {
        busy(&host, &Method::GET, 1, status, ("Retry-After", "0".into()));
        assert_eq!(client.get("/busy").send().await.unwrap().status(), status);
    }
}

#[actix_web::test]
async fn a_retry_waits_as_long_as_the_host_asks() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    for name in ["Retry-After", "X-RateLimit-Reset"] {
        // a reset in two seconds of the clock is more than one second away
        let reset = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2;
        let header = (name, if name == "Retry-After" { 1 } else { reset }.to_string());
        busy(&host, &Method::GET, 1, 429, header.clone());
        let begun = Instant::now();
        assert_eq!(client.get("/busy").send().await.unwrap().status(), 200);
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(4), "{header:?}: {waited:?}");
    }
}

#[actix_web::test]
async fn no_retry_waits_beyond_the_budget() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    let begun = Instant::now();
    busy(&host, &Method::GET, 99, 429, ("Retry-After", "12".into()));
    assert_eq!(client.get("/busy").send().await.unwrap().status(), 429, "longer than the budget");
    busy(&host, &Method::GET, 99, 503, ("Retry-After", "3".into()));
    let request = client.get("/busy").timeout(Duration::from_secs(2));
    assert_eq!(request.send().await.unwrap().status(), 503, "longer than the request may take");
    assert_eq!(host.calls().len(), 2);
    busy(&host, &Method::GET, 99, 429, ("Retry-After", "0".into()));
    assert_eq!(client.get("/busy").send().await.unwrap().status(), 429);
    assert_eq!(host.calls().len(), 2 + 4, "four tries at most");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[actix_web::test]
async fn a_hostile_time_causes_no_long_wait() {
    let host = installed().await;
    let client = client(&host, &host.tenant()).await;
    for name in ["Retry-After", "X-RateLimit-Reset"] {
        for value in
            ["9223372036854775807", "18446744073709551615", "99999999999999999999999", "9".repeat(400).as_str()]
        {
            busy(&host, &Method::GET, 99, 429, (name, value.into()));
            let (begun, seen) = (Instant::now(), host.calls().len());
            assert_eq!(client.get("/busy").send().await.unwrap().status(), 429, "{name}: {value}");
            assert_eq!(host.calls().len(), seen + 1, "{name}: {value}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{name}: {value}");
        }
    }
    // four tries without a pause do not help: our own growing wait is the minimum
    for value in ["0", "-5", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        busy(&host, &Method::GET, 2, 503, ("Retry-After", value.into()));
        let begun = Instant::now();
        assert_eq!(client.get("/busy").send().await.unwrap().status(), 200);
        assert!(begun.elapsed() >= Duration::from_millis(125 + 250), "{value}: {:?}", begun.elapsed());
    }
    // an endless wait ends with an answer
    host.stub_get("/quick", json!(1));
    assert_eq!(client.get("/quick").timeout(Duration::MAX).send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn sixteen_concurrent_requests_per_tenant() {
    let host = installed().await;
    let other = host.new_tenant();
    host.install(&other).await;
    let (gate, under_way, most) = (Arc::new(Semaphore::new(0)), Arc::default(), Arc::default());
    let counters: (Arc<AtomicUsize>, Arc<AtomicUsize>) = (Arc::clone(&under_way), Arc::clone(&most));
    let opening = Arc::clone(&gate);
    host.stub(Method::GET, "/slow", move |_| {
        let (gate, (under_way, most)) = (Arc::clone(&gate), counters.clone());
        async move {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _passed = gate.acquire().await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            HttpResponse::Ok().finish()
        }
    });
    host.stub_get("/quick", json!(1));
    let slow = client(&host, &host.tenant()).await;
    let all = rt::spawn(join_all((0..50).map(move |_| slow.get("/slow").send())));
    until("sixteen are under way", || under_way.load(Ordering::SeqCst) == 16).await;
    // other tenants do not wait for this one
    for _ in 0..20 {
        assert_eq!(client(&host, &other).await.get("/quick").send().await.unwrap().status(), 200);
    }
    // a request that waits for a permit does not exceed its timeout
    let queued = client(&host, &host.tenant()).await.get("/slow").timeout(Duration::from_millis(50));
    assert!(queued.send().await.unwrap_err().to_string().contains("did not answer in time"));
    assert_eq!(under_way.load(Ordering::SeqCst), 16);
    opening.add_permits(50);
    let responses = all.await.unwrap();
    assert!(responses.iter().all(|response| response.as_ref().unwrap().status() == 200));
    assert_eq!(most.load(Ordering::SeqCst), 16);
    assert_eq!(host.calls().len(), 50 + 20);
}
