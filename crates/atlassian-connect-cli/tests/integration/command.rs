//! The commands of this test app, each in a separate process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::store::{self, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::app::{ARGUMENTS, PREFACE, RUN_PROCESS};
use crate::support::{fixture, poll};

/// Longer than any command takes, so that one that never ends fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to run commands in, and their environment variables. Nothing is inherited from this process.
pub(crate) struct Workplace {
    folder: TempDir,
    vars: BTreeMap<String, String>,
}

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Workplace {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), vars: BTreeMap::new() }
    }

    /// A folder with this test app's descriptor.
    pub(crate) fn new() -> Self {
        let place = Self::empty();
        place.write("atlassian-connect.json", fixture::DESCRIPTOR);
        place
    }

    pub(crate) fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// The variables until now.
    pub(crate) fn vars(&self) -> Vec<(String, String)> {
        self.vars.clone().into_iter().collect()
    }

    /// Uses the SQLite file `addon.db` in this folder as the store.
    pub(crate) fn with_file(self) -> Self {
        let url = format!("sqlite:{}", self.path("addon.db").display());
        self.var("DATABASE_URL", url)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The names of the files.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The store that the variables configure, with its tables.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        let config = Config::from_parts(None, &self.vars.clone().into_iter().collect::<Vars>()).unwrap();
        store::open(&config.store).await.unwrap()
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_within(PATIENCE, arguments)
    }

    /// The same for a command that may take this long.
    pub(crate) fn run_within(&self, patience: Duration, arguments: &[&str]) -> Said {
        let said = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(said.path().join(name)).unwrap();
        let mut child = self.command(arguments).stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        let status = poll(&format!("{arguments:?} ends"), patience, || child.try_wait().unwrap());
        let read = |name: &str| fs::read_to_string(said.path().join(name)).unwrap();
        let stdout = read("stdout");
        let stdout =
            stdout.strip_prefix(PREFACE).unwrap_or_else(|| panic!("what libtest prints has changed: {stdout:?}"));
        Said { code: status.code().unwrap(), stdout: stdout.to_owned(), stderr: read("stderr") }
    }

    /// Starts a command, and does not wait for it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(RUN_PROCESS)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.vars)
            .env(ARGUMENTS, serde_json::to_string(arguments).unwrap())
            .stdin(Stdio::null());
        command
    }
}
