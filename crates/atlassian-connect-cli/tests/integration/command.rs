//! The commands of the app of these tests, each in a process of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::store::{self, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::app::{ARGUMENTS, PREFACE, RUN_PROCESS};
use crate::support::{fixture, poll};

/// Longer than any command takes; one that never ends fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to run commands in, and the variables that they see: nothing of this process's.
pub(crate) struct Workplace {
    folder: TempDir,
    vars: BTreeMap<String, String>,
}

/// What a command has said.
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

    /// A folder with the descriptor of these tests.
    pub(crate) fn new() -> Self {
        let place = Self::empty();
        place.write("atlassian-connect.json", fixture::DESCRIPTOR);
        place
    }

    pub(crate) fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Names the SQLite file `addon.db` of this folder as the store.
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

    /// The store that the variables name, with its tables made.
    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        let config = Config::from_parts(None, &self.vars.clone().into_iter().collect::<Vars>()).unwrap();
        store::open(&config.store).await.unwrap()
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let said = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(said.path().join(name)).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(RUN_PROCESS)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.vars)
            .env(ARGUMENTS, serde_json::to_string(arguments).unwrap())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let status = poll(&format!("{arguments:?} ends"), PATIENCE, || child.try_wait().unwrap());
        let read = |name: &str| fs::read_to_string(said.path().join(name)).unwrap();
        let stdout = read("stdout");
        let stdout =
            stdout.strip_prefix(PREFACE).unwrap_or_else(|| panic!("what libtest prints has changed: {stdout:?}"));
        Said { code: status.code().unwrap(), stdout: stdout.to_owned(), stderr: read("stderr") }
    }
}
