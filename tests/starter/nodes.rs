//! The starter as several processes on one database, some of which are killed during writes.
//!
//! The database is a SQLite file, or the empty PostgreSQL database that `TEST_STARTER_URL` names.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;
use atlassian_connect_testing::{KeyServer, TestHost, TestTenant};
use awc::Client;
use serde_json::json;
use tempfile::TempDir;

use crate::process::{Starter, folder, said};

const KILLS: usize = 5;
/// The number of users that write notes concurrently.
const WRITERS: usize = 4;
/// The number of notes that a node saves before it is killed.
const NOTES: usize = 25;

/// A site, and a database that several nodes of the starter share.
struct Shared {
    host: TestHost,
    keys: KeyServer,
    database: TempDir,
}

impl Shared {
    async fn new() -> Self {
        let host = TestHost::start(|_| {}).await;
        let granted = json!([{ "permission": "BROWSE_PROJECTS", "issues": ["10001"], "projects": [] }]);
        let answer = json!({ "projectPermissions": granted, "globalPermissions": ["ADMINISTER"] });
        host.stub_post("/rest/api/3/permissions/check", answer);
        Self { host, keys: KeyServer::start(), database: tempfile::tempdir().unwrap() }
    }

    async fn node(&self, folder: &Path) -> Starter {
        let file = format!("sqlite:{}", self.database.path().join("addon.db").display());
        let url = std::env::var("TEST_STARTER_URL").unwrap_or(file);
        let vars = [
            ("NODE_ENV", "production"),
            ("AC_BIND", "127.0.0.1"),
            ("CONNECT_KEYS_CDN_URL", self.keys.url()),
            ("AC_HOST_WHITELIST", "127.0.0.1"),
            ("AC_AUTO_MIGRATE", "true"),
            ("DATABASE_URL", &url),
        ];
        Starter::start(folder, &vars).await
    }

    /// A user who looks at the issue, on their own site.
    fn viewer(&self, name: &str) -> TestTenant {
        let mut viewer = self.host.new_tenant();
        name.clone_into(&mut viewer.account_id);
        viewer.context = json!({ "jira": { "issue": { "id": "10001", "key": "JRA-1" } } });
        viewer
    }
}

/// A page of the node; `None` if the node is gone.
async fn open(node: &str, viewer: &TestTenant, path: &str, query: &str) -> Option<(u16, String)> {
    let url = format!(
        "{node}{path}?{query}{}jwt={}",
        if query.is_empty() { "" } else { "&" },
        viewer.token("GET", path, query)
    );
    let mut answer = Client::new().get(url).send().await.ok()?;
    let body = answer.body().await.ok()?;
    Some((answer.status().as_u16(), String::from_utf8(body.to_vec()).unwrap()))
}

/// The session token of a page.
fn token_of(html: &str) -> &str {
    html.split("<meta name=\"token\" content=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

async fn post(node: &str, path: &str, fields: &[(&str, &str)]) -> Option<u16> {
    let client = Client::builder().timeout(Duration::from_secs(20)).finish();
    Some(client.post(format!("{node}{path}")).send_form(&fields).await.ok()?.status().as_u16())
}

async fn panel(node: &str, viewer: &TestTenant) -> String {
    let (status, html) = open(node, viewer, "/issue-notes", "issue=JRA-1").await.unwrap();
    assert_eq!(status, 200, "{html}");
    html
}

#[actix_web::test]
async fn one_node_shows_what_the_other_one_writes() {
    let (first_folder, second_folder, shared) = (folder(), folder(), Shared::new().await);
    let (first, second) = (shared.node(first_folder.path()).await, shared.node(second_folder.path()).await);
    let mia = shared.viewer("mia");
    assert_eq!(first.install(&mia).await, 204, "{}", said(first_folder.path()));

    // the page is opened on one node, and its form is sent to the other
    let page = panel(&first.base_url, &mia).await;
    let note = [("jwt", token_of(&page)), ("issue", "JRA-1"), ("text", "seen by both")];
    assert_eq!(post(&second.base_url, "/issue-notes", &note).await, Some(200));
    for node in [&first, &second] {
        assert!(panel(&node.base_url, &mia).await.contains("seen by both"));
    }

    let (_, form) = open(&second.base_url, &mia, "/admin", "").await.unwrap();
    let greeting = [("jwt", token_of(&form)), ("greeting", "Servus")];
    assert_eq!(post(&first.base_url, "/admin", &greeting).await, Some(200));
    for node in [&first, &second] {
        assert!(open(&node.base_url, &mia, "/hello-world", "").await.unwrap().1.contains("Servus"));
    }
}

#[actix_web::test]
async fn a_note_that_was_acknowledged_survives_a_kill() {
    let (folder, shared) = (folder(), Shared::new().await);
    let mut node = shared.node(folder.path()).await;
    let writers: Vec<_> = (0..WRITERS).map(|number| shared.viewer(&format!("writer{number}"))).collect();
    for writer in &writers {
        assert_eq!(node.install(writer).await, 204, "{}", said(folder.path()));
    }
    let written = Rc::new(RefCell::new(vec![Vec::new(); WRITERS]));
    for kill in 0..KILLS {
        let acknowledged = Rc::new(Cell::new(0));
        let tasks: Vec<_> = writers
            .iter()
            .cloned()
            .enumerate()
            .map(|(number, writer)| {
                let (url, written, acknowledged) =
                    (node.base_url.clone(), Rc::clone(&written), Rc::clone(&acknowledged));
                rt::spawn(async move {
                    // a request that has not begun when the node is killed
                    let Some((200, page)) = open(&url, &writer, "/issue-notes", "issue=JRA-1").await else { return };
                    for count in 0.. {
                        let text = format!("note {kill}-{count} of {number};");
                        let fields = [("jwt", token_of(&page)), ("issue", "JRA-1"), ("text", &text)];
                        match post(&url, "/issue-notes", &fields).await {
                            Some(status) => assert_eq!(status, 200),
                            None => return,
                        }
                        written.borrow_mut()[number].push(text);
                        acknowledged.set(acknowledged.get() + 1);
                    }
                })
            })
            .collect();
        let begun = Instant::now();
        while acknowledged.get() < NOTES {
            assert!(begun.elapsed() < Duration::from_secs(60), "no notes are saved: {}", said(folder.path()));
            rt::time::sleep(Duration::from_millis(1)).await;
        }
        node.kill();
        for task in tasks {
            task.await.unwrap();
        }
        node = shared.node(folder.path()).await;
        for (number, writer) in writers.iter().enumerate() {
            let panel = panel(&node.base_url, writer).await;
            for text in &written.borrow()[number] {
                assert_eq!(panel.matches(&format!(r#"<p class="note">{text}"#)).count(), 1, "{text}");
            }
        }
    }
    let acknowledged: usize = written.borrow().iter().map(Vec::len).sum();
    println!("{KILLS} kills, {acknowledged} notes acknowledged, none lost");
    assert!(acknowledged >= KILLS * NOTES);
}
