//! What a start in development logs and does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::process::Process;
use crate::support::wire::Connection;
use crate::support::{fixture, poll};

const SAYS_URL: &str = "open the sandbox, a local host for the add-on: ";

/// A folder with only this test app's descriptor, changed.
fn folder(change: impl FnOnce(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = change(fixture::DESCRIPTOR.to_owned());
    fs::write(folder.path().join("atlassian-connect.json"), text).unwrap();
    folder
}

fn start(folder: &Path) -> (Process, impl Fn() -> String + use<>) {
    let log = folder.join("log");
    let vars = [("NODE_ENV", "development"), ("DATABASE_URL", "memory:"), ("AC_SANDBOX_PORT", "0")];
    let process = Process::start_in(folder, "", "http://127.0.0.1:1/", &log, &vars);
    (process, move || fs::read_to_string(&log).unwrap_or_default())
}

/// The sandbox's Jira page, once the add-on is installed there.
fn sandbox_page(log: &impl Fn() -> String) -> String {
    poll("the sandbox has installed the add-on", Duration::from_secs(60), || {
        let log = log();
        let (_, rest) = log.split_once(SAYS_URL)?;
        let url = rest.split_whitespace().next()?.replace("localhost", "127.0.0.1");
        let host = url.strip_prefix("http://")?.to_owned();
        let request = format!("GET /jira HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let page = Connection::to(&url).send(request.as_bytes())?.text();
        page.contains("Installed and enabled.").then_some(page)
    })
}

#[cfg(feature = "sandbox")]
#[test]
fn a_start_calls_none_of_the_add_ons_routes() {
    let folder = folder(|text| text.replace("\"/admin\"", "\"/admni\""));
    let (_process, log) = start(folder.path());
    let page = sandbox_page(&log);
    assert!(page.contains(">/installed<"), "{page}");
    for absent in ["entry-refused", "/admni</span>", ">/hello-world</span>"] {
        assert!(!page.contains(absent), "{absent} is in the journal: {page}");
    }
    assert!(!log().contains("no route answers"), "{}", log());
}

#[cfg(feature = "sandbox")]
#[test]
fn sites_to_register_with_turn_the_sandbox_off_and_the_log_says_so() {
    let folder = folder(|text| text);
    let sites = r#"{ "hosts": { "http://127.0.0.1:1": { "product": "jira", "username": "u", "password": "p" } } }"#;
    fs::write(folder.path().join("credentials.json"), sites).unwrap();
    let (_process, log) = start(folder.path());
    poll("the line", Duration::from_secs(30), || log().contains("the sandbox is off: ").then_some(()));
    assert!(!log().contains(SAYS_URL), "{}", log());
}
