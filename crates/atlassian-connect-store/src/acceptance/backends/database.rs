//! A database of its own on a shared server, for one test.

use super::unique;

/// The database, dropped with this value.
pub(super) struct TestDatabase {
    pub url: String,
    /// The statement that drops it.
    drop: String,
    /// Runs SQL on the server.
    server: fn(&str),
}

impl TestDatabase {
    /// On the server whose URL is `url`. `options` end the statement that creates it, `force` the one that drops it.
    pub(super) fn new(url: &str, server: fn(&str), options: &str, force: &str) -> Self {
        let name = format!("test_{}_{}", std::process::id(), unique());
        // Left by an earlier process with the same id that did not finish.
        server(&format!("DROP DATABASE IF EXISTS {name} {force}"));
        server(&format!("CREATE DATABASE {name} {options}"));
        let (of_server, _) = url.rsplit_once('/').unwrap();
        Self { url: format!("{of_server}/{name}"), drop: format!("DROP DATABASE {name} {force}"), server }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            (self.server)(&self.drop);
        }
    }
}
