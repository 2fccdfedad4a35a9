//! A large attachment is sent without being held in memory: measured in a separate process.

use std::process::Command;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{Json, ServiceConfig};
use actix_web::{HttpResponse, post};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::host::Multipart;
use serde_json::json;

use crate::support::fixture;

const SIZE: u64 = 200 * 1024 * 1024;
/// In KiB.
const MAY_GROW: u64 = 20 * 1024;

#[test]
fn two_hundred_megabytes_are_sent_with_little_memory() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host_attachment::measured", "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let text = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let measured = text.lines().find(|line| line.contains("KiB grown")).unwrap_or(&text);
    println!("{}", measured.trim());
}

#[post("/attach")]
async fn attach(session: SessionToken, path: Json<String>) -> Result<HttpResponse, Error> {
    let request = session.host().post("/rest/api/3/issue/A-1/attachments").timeout(Duration::from_secs(120));
    let response = request.multipart(Multipart::new().file("file", path.as_str())).send().await?;
    Ok(HttpResponse::build(response.status()).finish())
}

#[actix_web::test]
#[ignore = "the process that two_hundred_megabytes_are_sent_with_little_memory measures"]
async fn measured() {
    let host = fixture::installed(|cfg: &mut ServiceConfig| {
        cfg.service(attach);
    })
    .await;
    host.stub_post("/rest/api/3/issue/A-1/attachments", json!([]));
    let folder = tempfile::tempdir().unwrap();
    let send = async |name: &str, size| {
        let path = folder.path().join(name);
        // sparse: it uses no disk space
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        let token = host.tenant().context_token();
        let reply = host.call(Method::POST, "/attach", &token, Some(&json!(path))).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        host.calls().last().unwrap().length
    };
    // buffers and threads that any request needs
    send("small", 4 * 1024 * 1024).await;
    let before = status("VmRSS:");
    let sent = send("large", SIZE).await;
    let grown = status("VmHWM:").saturating_sub(before);
    println!("{sent} bytes: {grown} KiB grown over {before}");
    assert!(sent > SIZE && sent < SIZE + 1024, "{sent}");
    assert!(grown < MAY_GROW, "{grown} KiB grown");
    assert_eq!(host.problems(), [""; 0]);
}

/// A line of the process's status, in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
