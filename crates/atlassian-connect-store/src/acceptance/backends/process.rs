//! A server process of a single test, which may stop it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::StoreError;

/// A server that ends with this value, on a port that was free a moment ago.
pub(super) struct Process {
    pub port: u16,
    child: Child,
    folder: TempDir,
    command: fn(u16, &Path) -> Command,
}

impl Process {
    /// `command` builds the command that starts the server on a port, with its data in a folder.
    pub(super) fn start(command: fn(u16, &Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Self::spawn(&mut command(port, folder.path()));
        Self { port, child, folder, command }
    }

    fn spawn(command: &mut Command) -> Child {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Restarts it after [`Self::kill`], with its data.
    pub(super) fn restart(&mut self) {
        self.child = Self::spawn(&mut (self.command)(self.port, self.folder.path()));
    }

    /// It accepts connections and never answers.
    pub(super) fn hang(&self) {
        self.signal("-STOP");
    }

    pub(super) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Retries `work` until the server is reachable.
pub(super) async fn eventually<T>(mut work: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let started = Instant::now();
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
                assert!(started.elapsed() < Duration::from_secs(60), "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
