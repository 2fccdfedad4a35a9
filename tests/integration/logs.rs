//! What the log of a real process holds: no secret, no token, and no line that a stranger wrote.

use atlassian_connect_actix::testing::{KeyServer, TestTenant, claims_for};
use serde_json::json;

use crate::support::blocking;
use crate::support::log::{FORGED, assert_lines_are_ours};
use crate::support::process::Process;
use crate::support::wire::Connection;

#[actix_web::test]
async fn no_secret_is_logged_and_no_line_is_forged() {
    let keys = KeyServer::start();
    for environment in ["development", "production"] {
        let keys_url = keys.url().to_owned();
        let (log, secrets) = blocking(move || provoke(&keys_url, environment)).await;
        assert!(log.contains("installed") && log.contains("signature does not match"), "{log}");
        for secret in secrets {
            assert!(!log.contains(&secret), "{environment}: {secret} in\n{log}");
        }
        assert_lines_are_ours(&log, environment);
    }
}

/// Everything that may go wrong and is logged; the log, and what must not stand in it.
fn provoke(keys_url: &str, environment: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let vars = [
        ("NODE_ENV", environment),
        ("DATABASE_URL", "memory:"),
        ("RUST_LOG", "debug"),
        ("NO_COLOR", "1"),
        ("AC_OPTS", "no-reg"),
    ];
    let mut process = Process::start(keys_url, &file, &vars);
    let base_url = process.base_url.clone();
    let mut connection = Connection::to(&base_url);
    let mut send = |method: &str, path: &str, token: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: addon\r\nAuthorization: JWT {token}\r\nContent-Type: application/json\r\n\
             X-Request-Id: FORGED\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(request.as_bytes()).unwrap().status
    };
    let mut secrets = Vec::new();
    let plain = TestTenant::new();
    let mut odd = TestTenant::new();
    odd.client_key = format!("odd{FORGED}");
    odd.account_id = FORGED.into();
    for tenant in [&plain, &odd] {
        for path in ["/installed", "/uninstalled", "/installed"] {
            let mut payload = tenant.payload("key", "installed");
            payload["key"] = FORGED.into();
            let token = KeyServer::sign(&claims_for(tenant, &base_url, path));
            assert_eq!(send("POST", path, &token, &payload.to_string()), 204);
            secrets.push(token);
        }
        let (page, bad) = (tenant.token("GET", "/hello-world", ""), tenant.token("GET", "/other", ""));
        let forged = format!("{}x", &page[..page.len() - 1]);
        assert_eq!(send("GET", "/hello-world", &page, ""), 200);
        for token in [&bad, &forged] {
            assert_eq!(send("GET", "/hello-world", token, ""), 401);
            assert_eq!(send("GET", &format!("/hello-world?jwt={token}"), "", ""), 401);
        }
        let webhook = tenant.token("POST", "/webhook/issue-created", "");
        let issue = json!({ "webhookEvent": "jira:issue_created", "issue": { "key": FORGED } }).to_string();
        assert_eq!(send("POST", "/webhook/issue-created", &webhook, &issue), 204);
        secrets.extend([page, bad, forged, webhook, tenant.shared_secret.clone()]);
    }
    let strangers = json!({ "iss": FORGED, "aud": [FORGED], "exp": 1, "qsh": FORGED });
    assert_eq!(send("GET", "/hello-world", &odd.sign(&strangers), ""), 401);
    for claims in [json!({ "iss": FORGED }), json!({ "iss": plain.client_key, "aud": [FORGED], "qsh": FORGED })] {
        let token = KeyServer::sign_as(FORGED, &claims);
        assert!((400..500).contains(&send("POST", "/installed", &token, &plain.payload("k", FORGED).to_string())));
    }
    let mut payload = plain.payload("k", "installed");
    for url in [format!("https://evil{FORGED}.example"), "https://evil.example".into(), FORGED.to_owned()] {
        payload["baseUrl"] = url.into();
        let token = KeyServer::sign(&claims_for(&plain, &base_url, "/installed"));
        let status = send("POST", "/installed", &token, &payload.to_string());
        // development takes any host
        assert!((400..500).contains(&status) || environment == "development", "{status}");
    }
    let header = |alg: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string())
    };
    assert_eq!(send("GET", "/hello-world", &format!("{}.eyJleHAiOjF9.AA", header(FORGED)), ""), 401);
    assert_eq!(send("GET", "/%0AFORGED%1b%5b31m", "", ""), 404);
    assert_eq!(send("GET", "/static/%0AFORGED", "", ""), 404);
    process.kill();
    (std::fs::read_to_string(&file).unwrap(), secrets)
}
