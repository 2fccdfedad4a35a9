//! What many tenants cost: pages of 100,000 tenants, asked for by Zipf's law, beside pages of one in the same run.
//!
//! The many are in an SQLite file of the bench's own, or in the empty database that `TENANTS_URL` names; `TENANTS_CACHE`
//! is the setting `cache`, as in `{"capacity": 50000, "ttl": 60}`. Both add-ons serve at once and their requests alternate
//! in rounds, so that what else runs on the machine befalls both alike.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use std::time::{Duration, Instant};

use actix_web::rt::System;
use actix_web::web::{self, ServiceConfig};
use askama::Template;
use atlassian_connect_actix::{PageContext, View};
use atlassian_connect_testing::{TestHost, TestTenant};
use futures_util::{StreamExt, TryStreamExt, stream};

const TENANTS: usize = 100_000;
const ROUNDS: usize = 100;
/// Requests of each add-on in a round.
const REQUESTS: usize = 600;
/// Rounds that warm the caches and the connections, and are not counted.
const WARM_UP: usize = 100;

#[derive(Template)]
#[template(source = r#"{{ page.head() }}{{ page.context_script() }}"#, ext = "html")]
struct Page {
    page: PageContext,
}

fn routes(cfg: &mut ServiceConfig) {
    async fn page(page: PageContext) -> View<Page> {
        View(Page { page })
    }
    cfg.route("/page", web::get().to(page));
}

/// Ranks by Zipf's law with the exponent 1: the tenant of rank k is asked for 1/k times as often as the first.
struct Zipf {
    cumulated: Vec<f64>,
    seed: u64,
}

impl Zipf {
    fn new(count: usize) -> Self {
        let weights = (1..=count).scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        });
        Self { cumulated: weights.collect(), seed: 0x9e37_79b9_7f4a_7c15 }
    }

    /// The number of a tenant: ranks are strewn over them, so that no two popular ones share a page of the index.
    fn next(&mut self) -> usize {
        // xorshift64: every run asks for the same tenants
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let total = self.cumulated.last().copied().unwrap_or_default();
        let point = (self.seed >> 11) as f64 / (1_u64 << 53) as f64 * total;
        self.cumulated.partition_point(|sum| *sum <= point) * 48_271 % self.cumulated.len()
    }
}

fn tenant(like: &TestTenant, number: usize) -> TestTenant {
    let mut tenant = like.clone();
    tenant.client_key = format!("00000000-0000-4000-8000-{number:012}");
    tenant.shared_secret = format!("{number:064}");
    tenant
}

async fn start(url: &str, tenants: usize) -> TestHost {
    let cache = std::env::var("TENANTS_CACHE").unwrap_or_else(|_| "{}".to_owned());
    let host = TestHost::builder().config(format!(r#"{{ "cache": {cache} }}"#)).var("DATABASE_URL", url);
    let host = host.workers(1).start(routes).await;
    let (like, state) = (host.tenant(), host.addon().state());
    let (key, store) = (state.descriptor().key().to_owned(), state.tenants.store());
    let save = |number| {
        let tenant = tenant(&like, number);
        let payload = tenant.payload(&key, "installed");
        async move { store.save_installation(&tenant.client_key, &payload, None).await }
    };
    stream::iter(0..tenants).map(|n| Ok(save(n))).try_buffer_unordered(8).try_collect::<Vec<()>>().await.unwrap();
    host
}

/// How long the answer took, and whether the cache had the tenant.
async fn ask(host: &TestHost, tenant: &TestTenant) -> (Duration, bool) {
    let path = format!("/page?jwt={}", tenant.token("GET", "/page", ""));
    // the cache counts this look-up as well: twice as often for every tenant leaves their proportions as they are
    let is_warm = host.addon().state().tenants.cached(&tenant.client_key).is_some();
    let begun = Instant::now();
    let reply = host.get(&path).await;
    let took = begun.elapsed();
    assert_eq!(reply.status, 200, "{}", reply.body);
    (took, is_warm)
}

/// The given part of the sorted times, in microseconds.
fn quantile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let index = (times.len() as f64 * part) as usize;
    times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// Resident memory in MiB, where the system tells.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

async fn run() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let one = start(&file("one.db"), 1).await;
    println!("resident before filling: {:.1} MiB", resident());
    let begun = Instant::now();
    let many = start(&std::env::var("TENANTS_URL").unwrap_or_else(|_| file("many.db")), TENANTS).await;
    println!("{TENANTS} tenants filled in {:.1} s, resident {:.1} MiB", begun.elapsed().as_secs_f64(), resident());
    let cache = &many.addon().config().cache;
    println!("the cache holds {} tenants at most, each for {:?} at most", cache.capacity, cache.ttl);

    let mut zipf = Zipf::new(TENANTS);
    let only = tenant(&one.tenant(), 0);
    let (mut of_one, mut of_many, mut warm, mut cold) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut begun = Instant::now();
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            [&mut of_one, &mut of_many, &mut warm, &mut cold].into_iter().for_each(Vec::clear);
            println!("resident after warming up: {:.1} MiB", resident());
            begun = Instant::now();
        }
        for _ in 0..REQUESTS {
            of_one.push(ask(&one, &only).await.0);
        }
        for _ in 0..REQUESTS {
            let (took, is_warm) = ask(&many, &tenant(&many.tenant(), zipf.next())).await;
            of_many.push(took);
            if is_warm { &mut warm } else { &mut cold }.push(took);
        }
    }
    let requests = of_one.len() + of_many.len();
    println!("resident at the end: {:.1} MiB", resident());
    println!("{requests} requests in {:.1} s, half of them of each add-on", begun.elapsed().as_secs_f64());
    println!("hit rate: {:.1} %", warm.len() as f64 / of_many.len() as f64 * 100.0);
    for (name, times) in
        [("one", &mut of_one), ("many", &mut of_many), ("many, warm", &mut warm), ("many, cold", &mut cold)]
    {
        let (median, p99) = (quantile(times, 0.5), quantile(times, 0.99));
        println!("{name}: median {median:.0} us, 99th percentile {p99:.0} us, of {}", times.len());
    }
    println!("ratio of the medians, many to one: {:.2}", quantile(&mut of_many, 0.5) / quantile(&mut of_one, 0.5));
}

fn main() {
    // `cargo test --benches` asks for tests, of which there are none
    if std::env::args().any(|argument| argument == "--bench") {
        System::new().block_on(run());
    }
}
