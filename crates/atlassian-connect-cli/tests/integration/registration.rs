//! Development on a real site: the starter registers with a fake site, follows its descriptor, and deregisters.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::support::{blocking, fixture, poll};

const PATIENCE: Duration = Duration::from_secs(20);
const PASSWORD: &str = "p/a:s s";

/// The site's behavior, and the requests that it got.
#[derive(Default)]
struct Site {
    development_mode: bool,
    plugins: Vec<Value>,
    failure: Option<String>,
    disabled: bool,
    calls: Vec<String>,
}

type Shared = Arc<Mutex<Site>>;

/// A site with a plugin manager, and its URL.
fn site(change: impl FnOnce(&mut Site)) -> (Shared, String) {
    let mut site = Site { development_mode: true, ..Site::default() };
    change(&mut site);
    let shared = Arc::new(Mutex::new(site));
    let of_server = Arc::clone(&shared);
    let server = HttpServer::new(move || {
        let shared = Arc::clone(&of_server);
        App::new().default_service(web::to(move |request: HttpRequest, body: Bytes| {
            std::future::ready(answer(&shared, &request, &body))
        }))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    (shared, url)
}

fn answer(shared: &Shared, request: &HttpRequest, body: &[u8]) -> HttpResponse {
    let mut site = shared.lock().unwrap();
    let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("mia:{PASSWORD}")));
    if request.headers().get(header::AUTHORIZATION).is_none_or(|value| value != expected.as_str()) {
        return HttpResponse::Unauthorized().finish();
    }
    let body = String::from_utf8_lossy(body);
    site.calls.push(format!("{} {} {body}", request.method(), request.uri()).trim_end().to_owned());
    match (request.method(), request.path()) {
        (&Method::GET, "/rest/plugins/1.0/settings") => {
            let mode = json!({ "key": "connectDeveloperListingsEnabled", "value": site.development_mode });
            HttpResponse::Ok().json(json!({ "settings": [mode] }))
        }
        (&Method::GET, "/rest/plugins/1.0/") => {
            HttpResponse::Ok().insert_header(("upm-token", "t+1")).json(json!({ "plugins": site.plugins }))
        }
        (&Method::POST, "/rest/plugins/1.0/") => {
            HttpResponse::Accepted().json(json!({ "links": { "self": "/rest/plugins/1.0/pending/1" }, "pingAfter": 1 }))
        }
        (&Method::GET, "/rest/plugins/1.0/pending/1") => match &site.failure {
            Some(reason) => HttpResponse::Ok().json(json!({ "status": { "done": true, "errorMessage": reason } })),
            None => HttpResponse::SeeOther().insert_header(("location", "/rest/plugins/1.0/it-key")).finish(),
        },
        (&Method::GET, "/rest/plugins/1.0/it-key") => {
            HttpResponse::Ok().json(json!({ "key": "it", "enabled": !site.disabled }))
        }
        (&Method::DELETE, _) => HttpResponse::NoContent().finish(),
        _ => HttpResponse::NotFound().finish(),
    }
}

/// The folder of an add-on in development.
struct Folder {
    folder: TempDir,
    log: PathBuf,
}

impl Folder {
    fn new(sites: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hosts: serde_json::Map<String, Value> = sites
            .iter()
            .map(|url| ((*url).to_owned(), json!({ "product": "jira", "username": "mia", "password": PASSWORD })))
            .collect();
        std::fs::write(folder.path().join("credentials.json"), json!({ "hosts": hosts }).to_string()).unwrap();
        let log = folder.path().join("log");
        let new = Self { folder, log };
        std::fs::write(new.descriptor(), fixture::DESCRIPTOR).unwrap();
        new
    }

    fn descriptor(&self) -> PathBuf {
        self.folder.path().join("atlassian-connect.json")
    }

    /// Writes the descriptor as a careful editor does: to a temporary file that replaces it.
    fn replace_descriptor(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.descriptor()).unwrap();
        let beside = self.folder.path().join("atlassian-connect.json~");
        std::fs::write(&beside, change(text)).unwrap();
        std::fs::rename(beside, self.descriptor()).unwrap();
    }

    fn start(&self, vars: &[(&str, &str)]) -> Process {
        let usual = [("NODE_ENV", "development"), ("AC_HOST_WHITELIST", ""), ("DATABASE_URL", "memory:")];
        let vars: Vec<(&str, &str)> = usual.iter().chain(vars).copied().collect();
        Process::start_in(self.folder.path(), "", "http://127.0.0.1:1", &self.log, &vars)
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log contains `text` that often.
    fn wait_for(&self, text: &str, times: usize) {
        poll(&format!("the log, {}, says {text:?}", self.log.display()), PATIENCE, || {
            (self.logged().matches(text).count() >= times).then_some(())
        });
    }
}

fn calls(site: &Shared, start: &str) -> Vec<String> {
    site.lock().unwrap().calls.iter().filter(|call| call.starts_with(start)).cloned().collect()
}

#[actix_web::test]
async fn it_registers_with_every_site_and_deregisters_at_the_stop() {
    let ((first, first_url), (second, second_url)) = (site(|_| {}), site(|site| site.disabled = true));
    blocking(move || {
        let folder = Folder::new(&[&first_url, &second_url, "http://127.0.0.1:1"]);
        let mut process = folder.start(&[]);
        folder.wait_for("INFO registered", 2);
        folder.wait_for("the add-on is disabled there", 1);
        folder.wait_for("not registered", 1);
        let base_url = &process.base_url;
        let wanted =
            format!("POST /rest/plugins/1.0/?token=t%2B1 {{\"pluginUri\":\"{base_url}/atlassian-connect.json\"}}");
        assert_eq!(calls(&first, "POST"), [wanted]);
        assert!(!folder.logged().contains("open the sandbox"), "there is a site: {}", folder.logged());
        process.stop();
        for site in [&first, &second] {
            assert_eq!(calls(site, "DELETE"), ["DELETE /rest/plugins/1.0/com.example.fixture-app-key"]);
        }
        assert!(!folder.logged().contains(PASSWORD));
    })
    .await;
}

#[actix_web::test]
async fn a_site_that_refuses_the_add_on_says_why() {
    for (change, said) in [
        ((|site: &mut Site| site.development_mode = false) as fn(&mut Site), "development mode is off"),
        (|site| site.failure = Some("The descriptor is odd.".into()), "The descriptor is odd."),
    ] {
        let (shared, url) = site(change);
        blocking(move || {
            let folder = Folder::new(&[&url]);
            let mut process = folder.start(&[]);
            folder.wait_for(said, 1);
            process.stop();
            assert_eq!(calls(&shared, "DELETE").len(), 0, "only registered sites are deregistered");
        })
        .await;
    }
}

#[actix_web::test]
async fn no_reg_registers_nowhere_and_opens_no_sandbox() {
    let (shared, url) = site(|_| {});
    blocking(move || {
        let folder = Folder::new(&[&url]);
        let mut process = folder.start(&[("AC_OPTS", "no-reg")]);
        folder.wait_for("was not registered with the sites", 1);
        process.stop();
        assert!(shared.lock().unwrap().calls.is_empty());
        assert!(!folder.logged().contains("sandbox"));
    })
    .await;
}

#[cfg(feature = "watch")]
#[actix_web::test]
async fn a_new_descriptor_is_served_and_registered_and_a_broken_one_is_logged() {
    let (shared, url) = site(|_| {});
    blocking(move || {
        let folder = Folder::new(&[&url]);
        let mut process = folder.start(&[]);
        folder.wait_for("INFO registered", 1);
        let served = |process: &Process| {
            let request = b"GET /atlassian-connect.json HTTP/1.1\r\nHost: addon\r\n\r\n";
            let answer = crate::support::wire::Connection::to(&process.base_url).send(request).unwrap();
            serde_json::from_slice::<Value>(&answer.body).unwrap()["name"].clone()
        };
        assert_eq!(served(&process), "Fixture app");

        folder.replace_descriptor(|text| text.replace("Fixture app", "Second"));
        folder.wait_for("INFO registered", 2);
        assert_eq!((served(&process), calls(&shared, "POST").len()), (json!("Second"), 2));

        folder.replace_descriptor(|text| text.replace("\"apiVersion\": 1,", "\"apiVersion\": 1"));
        folder.wait_for("atlassian-connect.json, line 17, column 3", 1);
        assert_eq!(served(&process), "Second", "the last valid one");

        std::fs::remove_file(folder.descriptor()).unwrap();
        folder.wait_for("the descriptor's file is gone", 1);
        assert_eq!(served(&process), "Second");

        let text = fixture::DESCRIPTOR.replace("/webhook/issue-created", "/webhook/other");
        std::fs::write(folder.descriptor(), text).unwrap();
        folder.wait_for("its webhooks have changed: restart the add-on", 1);
        folder.wait_for("INFO registered", 3);
        assert_eq!(served(&process), "Fixture app");
        process.stop();
        assert_eq!(calls(&shared, "DELETE").len(), 1, "registering again must not install it twice");
    })
    .await;
}
