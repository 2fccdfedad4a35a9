//! The add-on as a process of its own, and what it takes.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Server {
    child: Child,
    pub address: String,
    peak_kib: u64,
    cpu_before: Duration,
    _folder: tempfile::TempDir,
}

/// `examples/conformance`, beside the binary that cargo has built for this bench.
fn binary() -> PathBuf {
    // target/release/deps/siege-…
    let built = std::env::current_exe().unwrap();
    let binary = built.ancestors().nth(2).unwrap().join("examples/conformance");
    assert!(binary.exists(), "there is no {}: cargo build --release --example conformance", binary.display());
    binary
}

impl Server {
    pub(crate) fn start(keys_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let log = std::fs::File::create(std::env::temp_dir().join("siege.log")).unwrap();
        let child = Command::new(binary())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixture"))
            .env_clear()
            .env("NODE_ENV", "production")
            .env("RUST_LOG", "warn")
            .env("PORT", port.to_string())
            .env("AC_BIND", "127.0.0.1")
            .env("AC_LOCAL_BASE_URL", format!("http://{address}"))
            .env("CONNECT_KEYS_CDN_URL", keys_url)
            .env("DATABASE_URL", format!("sqlite://{}", folder.path().join("addon.db").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "the add-on does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address, peak_kib: 0, cpu_before: Duration::ZERO, _folder: folder }
    }

    pub(crate) fn reset(&mut self) {
        self.peak_kib = 0;
        self.cpu_before = self.cpu();
    }

    /// Looks at the memory that it has now.
    pub(crate) fn sample(&mut self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0);
        self.peak_kib = self.peak_kib.max(kib);
    }

    pub(crate) fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }

    pub(crate) fn cpu_since_reset(&self) -> Duration {
        self.cpu().saturating_sub(self.cpu_before)
    }

    /// Linux counts a hundred ticks a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// Sends SIGTERM; how long it takes to end.
    pub(crate) fn terminate(&mut self) -> Duration {
        let begun = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap();
        begun.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
