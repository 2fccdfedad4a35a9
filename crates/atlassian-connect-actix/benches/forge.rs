//! What verifying an invocation of Forge's costs beside the bare verification of its RSA signature: reading the token, its
//! claims, the look-up of a warm key.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use atlassian_connect_actix::internal::jwt::{ForgeClaims, RsaSigner, Unverified, now};
use atlassian_connect_actix::internal::keys::ForgeKeys;
use atlassian_connect_testing::internal::JwksServer;
use atlassian_connect_testing::{TestHost, TestInvocation};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use criterion::Criterion;

const LIMIT: usize = 16 * 1024;
const TIMES: u32 = 2_000;

/// Nanoseconds a call, the best of several rounds: whatever else runs on the machine only adds.
fn nanoseconds(mut round: impl FnMut() -> Duration) -> f64 {
    let best = (0..30).map(|_| round()).min().unwrap_or_default();
    best.as_secs_f64() * 1e9 / f64::from(TIMES)
}

async fn verify(keys: &ForgeKeys, token: &str) -> ForgeClaims {
    let unverified = Unverified::parse_invocation(token, LIMIT).unwrap();
    unverified.expect_algorithm("RS256").unwrap();
    unverified.claims().check(&[TestHost::APP_ID], now(), 30).unwrap();
    let key = keys.get(unverified.kid(), unverified.claims().ic_label.as_deref()).await.unwrap();
    unverified.verify_rs256(&key).unwrap();
    unverified.into_claims()
}

fn main() {
    let system = System::new();
    let server = system.block_on(async { JwksServer::start() });
    let keys = ForgeKeys::new(Some(&server.url().parse().unwrap()), None);
    let claims = TestInvocation::new().claim("/exp", now() + 3600).claims(TestHost::APP_ID);
    let token = server.sign(&claims);

    // the same message under a key whose public half is at hand
    let signer = RsaSigner::generate().unwrap();
    let own = signer.sign("kid", &claims).unwrap();
    let (message, signature) = own.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let pem: String = signer.public_pem().unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(pem).unwrap();
    let bare = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der);
    let bare = || black_box(&bare).verify(black_box(message.as_bytes()), black_box(&signature)).unwrap();

    let bare_round = || {
        let begun = Instant::now();
        (0..TIMES).for_each(|_| bare());
        begun.elapsed()
    };
    let whole_round = || {
        system.block_on(async {
            let begun = Instant::now();
            for _ in 0..TIMES {
                black_box(verify(&keys, &token).await);
            }
            begun.elapsed()
        })
    };
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(3)).configure_from_args();
    let mut group = criterion.benchmark_group("invocation");
    group.bench_function("bare RSA", |bencher| bencher.iter(bare));
    group.bench_function("verified", |bencher| {
        bencher.iter_custom(|times| {
            system.block_on(async {
                let begun = Instant::now();
                for _ in 0..times {
                    black_box(verify(&keys, &token).await);
                }
                begun.elapsed()
            })
        });
    });
    group.finish();
    criterion.final_summary();

    let (bare, whole) = (nanoseconds(bare_round), nanoseconds(whole_round));
    println!("bare RSA {:.1} us, the whole invocation {:.1} us, ratio {:.2}", bare / 1e3, whole / 1e3, whole / bare);
}
