//! The starter's binary: it installs, opens its page, stops, and shows its version.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use atlassian_connect_testing::{KeyServer, TestTenant, claims_for};
use awc::Client;
use awc::http::StatusCode;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_atlassian-connect-actix");
const DESCRIPTOR: &str = include_str!("../../atlassian-connect.json");
/// The beginning of `--version` and of the first line of the log.
const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), " (atlassian-connect-actix ");

/// The running starter; it is killed when it is dropped.
pub(crate) struct Starter {
    child: Child,
    pub(crate) base_url: String,
}

impl Drop for Starter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Starter {
    /// Starts it in `folder`, and waits until it answers. The log goes to the file `log` there.
    pub(crate) async fn start(folder: &Path, vars: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let base_url = format!("http://127.0.0.1:{port}");
        let log = File::create(folder.join("log")).unwrap();
        let child = Command::new(BINARY)
            .current_dir(folder)
            .env_clear()
            .env("PORT", port.to_string())
            .env("DATABASE_URL", "memory:")
            .env("AC_LOCAL_BASE_URL", &base_url)
            .env("AC_OPTS", "no-reg")
            .envs(vars.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut starter = Self { child, base_url };
        let begun = Instant::now();
        while starter.status(&format!("{}/healthz", starter.base_url)).await != Some(StatusCode::OK) {
            assert!(starter.child.try_wait().unwrap().is_none(), "it has ended: {}", said(folder));
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not serve: {}", said(folder));
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
        starter
    }

    /// Sends SIGKILL and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn status(&self, url: &str) -> Option<StatusCode> {
        Some(Client::new().get(url).send().await.ok()?.status())
    }

    /// Installs it on `tenant`, with a key of its [`KeyServer`]. Returns the status of the answer.
    pub(crate) async fn install(&self, tenant: &TestTenant) -> u16 {
        let descriptor: Value = serde_json::from_str(DESCRIPTOR).unwrap();
        let installed = descriptor["lifecycle"]["installed"].as_str().unwrap();
        let token = KeyServer::sign(&claims_for(tenant, &self.base_url, installed));
        let request = Client::new().post(format!("{}{installed}", self.base_url));
        let request = request.insert_header(("Authorization", format!("JWT {token}")));
        let payload = tenant.payload(descriptor["key"].as_str().unwrap(), "installed");
        request.send_json(&payload).await.unwrap().status().as_u16()
    }

    /// Sends SIGTERM and waits for its end.
    async fn stop(&mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not end");
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The log.
pub(crate) fn said(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap()
}

/// A folder with the descriptor.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("atlassian-connect.json"), DESCRIPTOR).unwrap();
    folder
}

#[actix_web::test]
async fn the_starter_is_installed_opens_its_page_and_stops() {
    let (folder, keys) = (folder(), KeyServer::start());
    let vars = [("NODE_ENV", "production"), ("AC_BIND", "127.0.0.1"), ("CONNECT_KEYS_CDN_URL", keys.url())];
    let mut starter = Starter::start(folder.path(), &vars).await;
    let descriptor: Value = serde_json::from_str(DESCRIPTOR).unwrap();
    let page = descriptor["modules"]["generalPages"][0]["url"].as_str().unwrap();

    let tenant = TestTenant::new();
    assert_eq!(starter.install(&tenant).await, 204, "{}", said(folder.path()));

    let open = |token: String| Client::new().get(format!("{}{page}?jwt={token}", starter.base_url)).send();
    let mut answer = open(tenant.token("GET", page, "")).await.unwrap();
    let html = String::from_utf8(answer.body().await.unwrap().to_vec()).unwrap();
    assert_eq!(answer.status(), 200, "{html}");
    assert!(html.contains(r#"<script type="application/json" id="connect-context">{"#), "{html}");
    assert_eq!(open(tenant.token("GET", "/other", "")).await.unwrap().status(), 401);

    starter.stop().await;
    let log = said(folder.path());
    assert!(log.contains(VERSION) && log.contains("SIGTERM"), "{log}");
}

#[actix_web::test]
async fn the_log_says_that_static_files_are_missing() {
    let folder = folder();
    let missing = "static is missing: pages have neither style nor script";
    drop(Starter::start(folder.path(), &[]).await);
    assert_eq!(said(folder.path()).matches(missing).count(), 1, "{}", said(folder.path()));
    std::fs::create_dir(folder.path().join("static")).unwrap();
    drop(Starter::start(folder.path(), &[]).await);
    assert!(!said(folder.path()).contains("static is missing"), "{}", said(folder.path()));
}

/// The clientKeys of the notes.
fn notes(database: &mut SqliteConnection) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        tenant: String,
    }
    let rows = diesel::sql_query("SELECT tenant FROM notes ORDER BY id").load::<Row>(database).unwrap();
    rows.into_iter().map(|row| row.tenant).collect()
}

#[actix_web::test]
async fn removing_a_tenant_deletes_its_notes() {
    let folder = folder();
    let file = folder.path().join("addon.db");
    let url = format!("sqlite:{}", file.display());
    Starter::start(folder.path(), &[("DATABASE_URL", &url)]).await.stop().await;
    let mut database = SqliteConnection::establish(&file.to_string_lossy()).unwrap();
    let rows = r#"
        INSERT INTO "AddonSettings" ("clientKey", "key", "val") VALUES
            ('acme', 'clientInfo', '{"clientKey":"acme","sharedSecret":"s","baseUrl":"https://acme.atlassian.net"}');
        INSERT INTO notes (id, tenant, issue, author, text, created) VALUES
            (1, 'acme', '1', 'mia', 'a', 0), (2, 'other', '1', 'mia', 'b', 0), (3, 'acme', '2', 'ben', 'c', 0);
    "#;
    database.batch_execute(rows).unwrap();
    let remove = |client_key: &str, more: &[&str]| {
        let mut command = Command::new(BINARY);
        command.current_dir(folder.path()).env_clear().env("DATABASE_URL", &url).stdin(Stdio::null());
        let output = command.args(["tenants", "remove", client_key]).args(more).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    assert!(!remove("acme", &[]).0, "nobody was there to confirm");
    assert_eq!(notes(&mut database).len(), 3);
    let (is_done, said) = remove("acme", &["--yes"]);
    assert!(is_done && said.contains("removed"), "{said}");
    assert_eq!(notes(&mut database), ["other"]);
    // rows that an earlier removal has left
    assert!(!remove("other", &[]).0);
    assert_eq!(notes(&mut database), ["other"]);
    let (is_done, said) = remove("other", &["--yes"]);
    assert!(!is_done && said.contains("no tenant") && said.contains("The app was told"), "{said}");
    assert!(notes(&mut database).is_empty());
}

/// Runs a command in `folder` without any setting, as in a fresh clone: exit code, output, errors.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(BINARY);
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    let said = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (said.status.code().unwrap(), text(said.stdout), text(said.stderr))
}

#[test]
fn the_descriptor_is_valid_and_each_of_its_urls_has_a_route() {
    let folder = folder();
    // with the feature `schema`, use the local schema and not Atlassian's
    let schema = folder.path().join("schema.json");
    std::fs::write(&schema, "{}").unwrap();
    let mut arguments = vec!["descriptor", "--validate"];
    if cfg!(feature = "schema") {
        arguments.extend(["--schema", "schema.json"]);
    }
    let (code, said, reasons) = run(folder.path(), &arguments);
    assert_eq!((code, said.as_str()), (0, "0 errors, 0 warnings, 0 hints\n"), "{reasons}");

    let elsewhere = DESCRIPTOR.replace("\"/hello-world", "\"/hello-mars");
    std::fs::write(folder.path().join("atlassian-connect.json"), elsewhere).unwrap();
    let (code, said, _) = run(folder.path(), &arguments);
    assert!(code == 1 && said.contains("no route answers it"), "{said}");
}

#[test]
fn read_only_commands_need_no_database() {
    let folder = folder();
    for (arguments, expected, words) in [
        (&["descriptor"][..], 0, "\"key\""),
        (&["forge", "manifest"], 0, "modules:"),
        (&["forge", "manifest", "--check"], 0, "0 errors"),
        (&["migrate", "--status"], 0, "does not exist yet"),
        (&["tenants", "list"], 1, "data/addon.db"),
        (&["token", "/hello-world"], 1, "data/addon.db"),
    ] {
        let (code, said, reasons) = run(folder.path(), arguments);
        assert_eq!(code, expected, "{arguments:?}: {said}{reasons}");
        let said = said + &reasons;
        assert!(said.contains(words) && !said.contains("database.url"), "{arguments:?}: {said}");
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "no file is created");
}

#[test]
fn the_version_names_the_app_and_the_framework() {
    let said = Command::new(BINARY).arg("--version").output().unwrap();
    let stdout = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{stdout}");
    assert!(stdout.starts_with(VERSION) && stdout.ends_with(")\n"), "{stdout}");
}
