//! The add-on under siege: what honest clients notice while others hold thousands of connections open, send slowly, do not
//! read, or forge installs. Each attack alone, then all at once; then SIGTERM in the middle of it.
//!
//!     cargo build --release --example conformance
//!     cargo bench --bench siege -- --seconds 60
//!
//! `--scale 0.1` takes a tenth of the attackers, `--only NAME` one attack. The honest clients send 50 requests a second, each
//! on a connection of its own, and a form and a signed install a second besides. All figures are of one run on one machine,
//! which the attackers share with the server: read the ratios.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::cast_precision_loss)]

mod attackers;
mod honest;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attackers::{Attack, Target};
use honest::Latencies;
use server::Server;

/// What the run is asked for.
struct Options {
    seconds: u64,
    scale: f64,
    only: Option<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self { seconds: 20, scale: 1.0, only: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                "--seconds" => options.seconds = value().parse().unwrap(),
                "--scale" => options.scale = value().parse().unwrap(),
                "--only" => options.only = Some(value()),
                // cargo's own
                "--bench" => {}
                other => panic!("{other} is not known"),
            }
        }
        options
    }
}

fn main() {
    let options = Options::read();
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let honest = honest::Clients::start();
    let mut server = Server::start(honest.keys_url());
    honest.install(&server.address);
    let target = Arc::new(Target::of(&server.address));

    println!(
        "| attack | honest requests | failed | p50 ms | p99 ms | max ms | p99 to calm | reconnects | RSS MiB | CPU % |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let calm = phase("none", &[], &options, &honest, &mut server, &target, None);
    let chosen = |attack: &&Attack| options.only.as_deref().is_none_or(|only| only == attack.name());
    let attacks: Vec<Attack> = Attack::ALL.iter().filter(chosen).copied().collect();
    for attack in &attacks {
        phase(attack.name(), &[*attack], &options, &honest, &mut server, &target, Some(&calm));
    }
    if attacks.len() > 1 {
        phase("all at once", &attacks, &options, &honest, &mut server, &target, Some(&calm));
    }

    let stop = Arc::new(AtomicBool::new(false));
    let siege = attackers::start(&attacks, options.scale, &target, &stop);
    std::thread::sleep(Duration::from_secs(5));
    let took = server.terminate();
    println!("\nSIGTERM under all of them: the process ended after {:.1} s", took.as_secs_f64());
    stop.store(true, Ordering::SeqCst);
    siege.end();
}

/// One row of the table.
fn phase(
    name: &str,
    attacks: &[Attack],
    options: &Options,
    honest: &honest::Clients,
    server: &mut Server,
    target: &Arc<Target>,
    calm: Option<&Latencies>,
) -> Latencies {
    let stop = Arc::new(AtomicBool::new(false));
    let siege = attackers::start(attacks, options.scale, target, &stop);
    // the attackers are in place before anything is measured
    std::thread::sleep(Duration::from_secs(2));
    server.reset();
    let begun = Instant::now();
    let address = server.address.clone();
    let measured = honest.run(&address, Duration::from_secs(options.seconds), || server.sample());
    let cpu = server.cpu_since_reset().as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
    stop.store(true, Ordering::SeqCst);
    let reconnects = siege.end();
    let (p50, p99, max) = (measured.quantile(0.5), measured.quantile(0.99), measured.quantile(1.0));
    let ratio = calm.map_or_else(String::new, |calm| format!("{:.1}", p99 / calm.quantile(0.99)));
    println!(
        "| {name} | {} | {} | {p50:.1} | {p99:.1} | {max:.1} | {ratio} | {reconnects} | {:.0} | {cpu:.0} |",
        measured.count(),
        measured.failures.len(),
        server.peak_mib(),
    );
    for failure in measured.failures.iter().take(3) {
        println!("  failed: {failure}");
    }
    measured
}
