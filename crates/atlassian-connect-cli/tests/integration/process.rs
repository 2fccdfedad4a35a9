//! The test app as a separate process.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::app::{ARGUMENTS, PREFACE, RUN_PROCESS};
use crate::support::wire::Connection;
use crate::support::{fixture, poll};

/// A started and serving add-on. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub base_url: String,
}

impl Process {
    /// Starts it with production's rules on a free port, with its log in `log`. `vars` override the default variables.
    pub(crate) fn start(keys_url: &str, log: &Path, vars: &[(&str, &str)]) -> Self {
        Self::start_below("", keys_url, log, vars)
    }

    /// The same with a path in the base URL.
    pub(crate) fn start_below(path: &str, keys_url: &str, log: &Path, vars: &[(&str, &str)]) -> Self {
        Self::start_in(&fixture::folder(), path, keys_url, log, vars)
    }

    /// The same in a separate folder with its own descriptor and settings.
    pub(crate) fn start_in(folder: &Path, path: &str, keys_url: &str, log: &Path, vars: &[(&str, &str)]) -> Self {
        // another process may take the port first
        (0..5).find_map(|_| Self::try_start(folder, path, keys_url, log, vars)).unwrap_or_else(|| {
            panic!("the add-on does not start: {}", std::fs::read_to_string(log).unwrap_or_default())
        })
    }

    fn try_start(folder: &Path, path: &str, keys_url: &str, log: &Path, vars: &[(&str, &str)]) -> Option<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let base_url = format!("http://127.0.0.1:{port}{path}");
        let output = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(RUN_PROCESS)
            .current_dir(folder)
            .env_clear()
            .env(ARGUMENTS, "[]")
            .env("NODE_ENV", "production")
            .env("PORT", port.to_string())
            .env("AC_BIND", "127.0.0.1")
            .env("AC_LOCAL_BASE_URL", &base_url)
            .env("AC_HOST_WHITELIST", "*.atlassian.net")
            .env("CONNECT_KEYS_CDN_URL", keys_url)
            .env("RUST_BACKTRACE", "1")
            .envs(vars.iter().copied())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self { child, base_url };
        let serves = poll("the add-on serves", Duration::from_secs(30), || {
            if process.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let request = format!("GET {path}/healthz HTTP/1.1\r\nHost: addon\r\n\r\n");
            let answer = Connection::to(&process.base_url).send(request.as_bytes());
            answer.filter(|answer| answer.status == 200).map(|_| true)
        });
        serves.then_some(process)
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        self.ended();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        poll("the add-on ends", Duration::from_secs(30), || self.child.try_wait().unwrap())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The log in that file.
pub(crate) fn log(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap().replace(PREFACE, "")
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
