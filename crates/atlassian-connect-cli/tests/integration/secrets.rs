//! The log of a real process contains none of Forge's tokens at any log level, and no line written by a stranger.

use atlassian_connect_testing::{TestHost, TestInvocation};
use serde_json::json;

use crate::process::{self, Process};
use crate::support::blocking;
use crate::support::log::{FORGED, assert_lines_are_ours};
use crate::support::wire::Connection;

/// A request to the starter: method, path, invocation token, the tokens beside it, body.
struct Ask {
    line: &'static str,
    token: String,
    beside: Vec<String>,
    body: String,
    status: u16,
}

fn asks(host: &TestHost) -> Vec<Ask> {
    let ask = |line, status, invocation: TestInvocation, body: &serde_json::Value| {
        let app = host.forge_token(&host.tenant(), None, 3600);
        let user = host.forge_token(&host.tenant(), Some(&host.tenant().account_id), 3600);
        let token = host.forge_keys().sign(&invocation.claims(TestHost::APP_ID));
        Ask { line, token, beside: vec![app, user], body: body.to_string(), status }
    };
    let event = json!({ "eventType": FORGED, "issue": { "key": FORGED } });
    let again = json!({ "eventType": FORGED, "issue": { "key": FORGED }, "retryContext": { "retryCount": 1 } });
    let page = || host.invocation();
    let unattended = || page().unattended().claim("/app/installationId", "ari:cloud:ecosystem::installation/log");
    let mut asks = vec![
        ask("POST /forge/resource", 200, page(), &json!({})),
        ask("GET /api/me", 200, page(), &json!({})),
        ask("GET /api/me", 200, page().claim("/app/installationId", FORGED), &json!({})),
        ask("POST /forge/events", 403, page().claim("/principal", FORGED), &event),
        ask("POST /forge/events", 204, unattended().claim("/app/module/key", FORGED), &event),
        ask("POST /forge/events", 204, unattended(), &again),
        ask("POST /forge/uninstall", 204, unattended(), &event),
        ask("POST /forge/resource", 401, page().claim("/aud", FORGED), &json!({})),
        ask("POST /forge/resource", 401, page().claim("/exp", 1), &json!({})),
        ask("GET /nowhere", 404, page(), &json!({})),
        ask("GET /api/me", 500, page().claim("/app/apiBaseUrl", FORGED), &json!({})),
    ];
    let mut spoilt = ask("POST /forge/resource", 401, page(), &json!({}));
    spoilt.token.truncate(spoilt.token.len() - 8);
    asks.push(spoilt);
    asks
}

#[actix_web::test]
async fn no_token_is_logged_and_no_line_is_forged() {
    let host = TestHost::start(|_| {}).await;
    host.stub_get("/rest/api/3/myself", json!({}));
    for environment in ["development", "production"] {
        let (asks, jwks) = (asks(&host), host.forge_keys().url().to_owned());
        let secrets: Vec<_> = asks.iter().flat_map(|ask| ask.beside.iter().chain([&ask.token])).cloned().collect();
        let log = blocking(move || provoke(&asks, &jwks, environment)).await;
        assert!(log.contains("a Forge event was repeated") && log.contains("/rest/api/3/myself"), "{log}");
        for secret in secrets.iter().flat_map(|secret| [secret.as_str(), secret.rsplit('.').next().unwrap()]) {
            assert!(!log.contains(secret), "{environment}: {secret} in\n{log}");
        }
        assert_lines_are_ours(&log, environment);
    }
}

/// The log after all of these requests.
fn provoke(asks: &[Ask], jwks: &str, environment: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let vars = [
        ("NODE_ENV", environment),
        ("DATABASE_URL", "memory:"),
        ("RUST_LOG", "trace"),
        ("NO_COLOR", "1"),
        ("AC_OPTS", "no-reg"),
        ("AC_HOST_WHITELIST", "*.atlassian.net,127.0.0.1"),
        ("AC_APP_ID", TestHost::APP_ID),
        ("AC_FORGE_JWKS_URL", jwks),
    ];
    let mut process = Process::start("http://127.0.0.1:9", &file, &vars);
    let mut connection = Connection::to(&process.base_url);
    for Ask { line, token, beside, body, status } in asks {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: addon\r\nAuthorization: Bearer {token}\r\nx-forge-oauth-system: {}\r\n\
             x-forge-oauth-user: {}\r\nx-b3-traceid: INFO FORGED\r\nContent-Length: {}\r\n\r\n{body}",
            beside[0],
            beside[1],
            body.len(),
        );
        let answer = connection.send(request.as_bytes()).unwrap();
        assert_eq!(answer.status, *status, "{line} {:?}", answer.text());
        assert!(!beside.iter().any(|secret| answer.text().contains(secret.as_str())), "{line}");
    }
    process.kill();
    process::log(&file)
}
