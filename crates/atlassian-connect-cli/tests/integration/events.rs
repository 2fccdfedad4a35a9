//! SIGKILL while Forge's events are processed: each event that was answered is processed by another node.

use std::collections::BTreeMap;
use std::time::Duration;

use atlassian_connect_testing::internal::JwksServer;
use atlassian_connect_testing::{KeyServer, TestInvocation};
use serde_json::json;

use crate::app::{EVENTS, HANGING};
use crate::command::Workplace;
use crate::process::{Process, log};
use crate::support::wire::Connection;
use crate::support::{blocking, poll};

const APP_ID: &str = "6f0e5a4c-2222-4000-8000-000000000000";
const ISSUES: usize = 40;

#[actix_web::test]
async fn an_event_that_was_answered_survives_a_kill() {
    let (forge, keys) = (JwksServer::start(), KeyServer::start());
    blocking(move || kill_and_check(&forge, &keys)).await;
}

fn kill_and_check(forge: &JwksServer, keys: &KeyServer) {
    let place = Workplace::new().with_file();
    let place = place.var("AC_APP_ID", APP_ID).var("AC_FORGE_JWKS_URL", forge.url());
    let file = place.path("log");
    let start = |more: &[(&str, &str)]| {
        let vars = place.vars();
        let vars: Vec<_> = vars.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Process::start_in(&place.path("."), "", keys.url(), &file, &[vars.as_slice(), more].concat())
    };

    let mut first = start(&[(HANGING, "1")]);
    let mut connection = Connection::to(&first.base_url);
    for issue in 0..ISSUES {
        assert_eq!(connection.send(&created(forge, issue)).map(|answer| answer.status), Some(204));
    }
    first.kill();
    // its leases end a minute after its death; nobody waits for that here
    crate::sql(&place, r#"UPDATE "forge_events" SET "at" = 0 WHERE "state" = 'waiting'"#);

    let processed = || {
        let mut counts = BTreeMap::<String, usize>::new();
        for issue in std::fs::read_to_string(place.path(EVENTS)).unwrap_or_default().lines() {
            *counts.entry(issue.to_owned()).or_default() += 1;
        }
        counts
    };
    let nodes = [start(&[]), start(&[])];
    let patience = Duration::from_secs(30);
    poll(&format!("all are processed: {}", log(&file)), patience, || (processed().len() == ISSUES).then_some(()));

    // Forge sends some of them again, and a new one, after which nothing is left to do
    for (number, node) in nodes.iter().enumerate() {
        let mut connection = Connection::to(&node.base_url);
        for issue in [number, ISSUES + number] {
            assert_eq!(connection.send(&repeated(forge, issue)).map(|answer| answer.status), Some(204));
        }
    }
    poll("the new ones are processed", patience, || (processed().len() == ISSUES + nodes.len()).then_some(()));
    assert!(processed().values().all(|count| *count == 1), "each once: {:?}", processed());
}

fn created(forge: &JwksServer, issue: usize) -> Vec<u8> {
    event(forge, &json!({ "eventType": "avi:jira:created:issue", "issue": issue }))
}

/// As Forge sends an event again that was not answered in time.
fn repeated(forge: &JwksServer, issue: usize) -> Vec<u8> {
    let retry = json!({ "retryCount": 1, "retryReason": "FUNCTION_TIME_OUT" });
    event(forge, &json!({ "eventType": "avi:jira:created:issue", "issue": issue, "retryContext": retry }))
}

fn event(forge: &JwksServer, body: &serde_json::Value) -> Vec<u8> {
    let token = forge
        .sign(&TestInvocation::new().installation("ari:cloud:ecosystem::installation/one").unattended().claims(APP_ID));
    let body = body.to_string();
    format!(
        "POST /forge/events HTTP/1.1\r\nHost: addon\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
