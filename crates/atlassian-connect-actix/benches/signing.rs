//! What signing adds to a request to the host: building and signing one, against building it alone. Nothing is sent.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use atlassian_connect_actix::host::{HostClient, PreparedRequest};
use atlassian_connect_testing::TestHost;
use criterion::Criterion;

const JQL: &str = "project = A AND summary ~ \"x, y\" ORDER BY created";

async fn build(client: &HostClient) -> PreparedRequest {
    let request = client.get("/rest/api/3/search/jql");
    let request = request.query([("jql", JQL), ("maxResults", "50"), ("fields", "summary,status")]);
    request.prepare().await.unwrap()
}

/// Nanoseconds a request, the best of several rounds: whatever else runs on the machine only adds.
fn nanoseconds(system: &actix_web::rt::SystemRunner, client: &HostClient) -> f64 {
    const REQUESTS: u32 = 2_000;
    let round = || {
        system.block_on(async {
            let begun = Instant::now();
            for _ in 0..REQUESTS {
                black_box(build(client).await);
            }
            begun.elapsed()
        })
    };
    let best = (0..30).map(|_| round()).min().unwrap_or_default();
    best.as_secs_f64() * 1e9 / f64::from(REQUESTS)
}

fn main() {
    let system = System::new();
    let host = system.block_on(TestHost::installed(|_| {}));
    let addon = system.block_on(host.addon().http_client(&host.tenant().client_key)).unwrap();
    let anonymous = addon.anonymous();
    let is_signed = |client| system.block_on(build(client)).headers.contains_key("authorization");
    assert!(is_signed(&addon) && !is_signed(&anonymous));

    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(3)).configure_from_args();
    let mut group = criterion.benchmark_group("request");
    for (name, client) in [("built", &anonymous), ("built and signed", &addon)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                system.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..times {
                        black_box(build(client).await);
                    }
                    begun.elapsed()
                })
            });
        });
    }
    group.finish();
    criterion.final_summary();

    // side by side, so that the machine's moods meet both
    let (built, signed) = (nanoseconds(&system, &anonymous), nanoseconds(&system, &addon));
    println!(
        "built {built:.0} ns, built and signed {signed:.0} ns: signing adds {:.0} ns, ratio {:.2}",
        signed - built,
        signed / built
    );
}
