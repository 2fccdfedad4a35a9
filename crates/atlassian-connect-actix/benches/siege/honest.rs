//! The clients that the add-on is there for: pages, calls from pages, webhooks, forms, installs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use atlassian_connect_testing::{KeyServer, TestTenant, claims_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};

/// Nobody waits longer for a page.
const PATIENCE: Duration = Duration::from_secs(10);
/// Fifty a second.
const PERIOD: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Latencies {
    milliseconds: Vec<f64>,
    pub failures: Vec<String>,
}

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.milliseconds.len() + self.failures.len()
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }
}

pub(crate) struct Clients {
    tenant: TestTenant,
    keys_url: String,
}

impl Clients {
    /// With the server of the install keys, on a thread of its own.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let keys = KeyServer::start();
                sender.send(keys.url().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        Self { tenant: TestTenant::new(), keys_url: receiver.recv().unwrap() }
    }

    pub(crate) fn keys_url(&self) -> &str {
        &self.keys_url
    }

    pub(crate) fn install(&self, address: &str) {
        let request = install(&self.tenant, address);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(send(address, &request)).unwrap();
    }

    /// Sends for `length`; `each_second` is called meanwhile.
    pub(crate) fn run(&self, address: &str, length: Duration, mut each_second: impl FnMut()) -> Latencies {
        let measured = Arc::new(Mutex::new(Latencies::default()));
        let (tenant, address, sink) = (self.tenant.clone(), address.to_owned(), Arc::clone(&measured));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, schedule(tenant, address, length, sink));
        });
        while !thread.is_finished() {
            each_second();
            std::thread::sleep(Duration::from_millis(500));
        }
        thread.join().unwrap();
        std::mem::take(&mut *measured.lock().unwrap())
    }
}

async fn schedule(tenant: TestTenant, address: String, length: Duration, sink: Arc<Mutex<Latencies>>) {
    let begun = tokio::time::Instant::now();
    let mut under_way = Vec::new();
    let mut due = begun;
    for number in 0.. {
        if due - begun >= length {
            break;
        }
        sleep_until(due).await;
        let mut requests = vec![match number % 3 {
            0 => get(&tenant, "/hello-world", "Accept: text/html"),
            1 => get(&tenant, "/api/session", "Accept: application/json"),
            _ => webhook(&tenant),
        }];
        if number % 50 == 0 {
            requests.push(form(&tenant));
            requests.push(install(&tenant, &address));
        }
        for request in requests {
            let (address, sink) = (address.clone(), Arc::clone(&sink));
            under_way.push(tokio::task::spawn_local(async move {
                let begun = Instant::now();
                let outcome = timeout(PATIENCE, send(&address, &request)).await;
                let took = begun.elapsed().as_secs_f64() * 1e3;
                let mut measured = sink.lock().unwrap();
                let line =
                    || request.lines().next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
                match outcome {
                    Ok(Ok(())) => measured.milliseconds.push(took),
                    Ok(Err(reason)) => measured.failures.push(format!("{}: {reason}", line())),
                    Err(_) => measured.failures.push(format!("{}: no answer within {PATIENCE:?}", line())),
                }
            }));
        }
        due += PERIOD;
    }
    for request in under_way {
        request.await.unwrap();
    }
}

fn get(tenant: &TestTenant, path: &str, accept: &str) -> String {
    let token = tenant.token("GET", path, "");
    format!("GET {path}?jwt={token} HTTP/1.1\r\nHost: a\r\n{accept}\r\nConnection: close\r\n\r\n")
}

fn webhook(tenant: &TestTenant) -> String {
    let token = tenant.token("POST", "/webhook/issue-created", "");
    post(
        "/webhook/issue-created",
        "application/json",
        &format!("Authorization: JWT {token}\r\n"),
        r#"{"issue":{"key":"A-1"}}"#,
    )
}

fn form(tenant: &TestTenant) -> String {
    let token = tenant.token("POST", "/hello-world", "");
    post("/hello-world", "application/x-www-form-urlencoded", "", &format!("greeting=Hello&jwt={token}"))
}

fn install(tenant: &TestTenant, address: &str) -> String {
    let token = KeyServer::sign(&claims_for(tenant, &format!("http://{address}"), "/installed"));
    let payload = tenant.payload("add-on", "installed").to_string();
    post("/installed", "application/json", &format!("Authorization: JWT {token}\r\n"), &payload)
}

pub(crate) fn post(path: &str, kind: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends one request on a connection of its own and reads the answer whole; anything but 2xx is a failure.
async fn send(address: &str, request: &str) -> Result<(), String> {
    let mut stream = TcpStream::connect(address).await.map_err(|error| format!("not connected: {error}"))?;
    stream.write_all(request.as_bytes()).await.map_err(|error| format!("not sent: {error}"))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(|error| format!("broken off: {error}"))?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        Some(status) => Err(format!("{status} {}", answer.rsplit("\r\n\r\n").next().unwrap_or_default())),
        None => Err("no answer".to_owned()),
    }
}
