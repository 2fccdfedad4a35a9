//! The log of a real process contains no secret, no token, and no line written by a stranger.

use atlassian_connect_testing::{KeyServer, TestTenant, claims_for};
use serde_json::json;

use crate::process::{self, Process};
use crate::support::blocking;
use crate::support::log::{FORGED, assert_lines_are_ours};
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

/// A token that does not look like a JSON Web Token.
const OPAQUE: &str = "opaque-0123456789-abcdefghijklmnop";

#[actix_web::test]
async fn no_line_is_longer_than_what_is_worth_reading() {
    let keys = KeyServer::start();
    for environment in ["development", "production"] {
        let keys_url = keys.url().to_owned();
        let log = blocking(move || send_long_things(&keys_url, environment)).await;
        assert!(log.matches("bytes more)").count() >= 7, "{environment}: {log}");
        assert!(log.contains("answered"), "{environment}: {log}");
        for line in log.lines() {
            // a span and an event, each with one or two values
            assert!(line.len() < 6 * 1024, "{environment}: {} bytes: {line}", line.len());
            if environment == "production" && line.starts_with('{') {
                assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
            }
        }
        assert_lines_are_ours(&log, environment);
    }
}

fn send_long_things(keys_url: &str, environment: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let vars = [
        ("NODE_ENV", environment),
        ("DATABASE_URL", "memory:"),
        ("RUST_LOG", "trace"),
        ("NO_COLOR", "1"),
        ("AC_OPTS", "no-reg"),
    ];
    let mut process = Process::start(keys_url, &file, &vars);
    let base_url = process.base_url.clone();
    let (long, tenant) = ("A".repeat(60_000), TestTenant::new());
    let mut connection = Connection::to(&base_url);
    let mut send = |method: &str, path: &str, header: &str, token: &str, body: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: addon\r\nAuthorization: JWT {token}\r\nX-Long: {header}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(request.as_bytes()).unwrap().status
    };
    for (method, path, header) in [
        ("GET", format!("/{long}"), ""),
        ("GET", format!("/a?{long}"), ""),
        ("GET", format!("/a?x={long}"), ""),
        ("GET", format!("/a;v={long}"), ""),
        (&*long, "/a".into(), ""),
        ("GET", "/a".into(), &*long),
    ] {
        let status = send(method, &path, header, "", "");
        assert!((400..=431).contains(&status), "{status}");
    }
    assert_eq!(send("GET", "/hello-world", "", &long, ""), 401);
    let token = KeyServer::sign(&claims_for(&tenant, &base_url, "/installed"));
    assert_eq!(send("POST", "/installed", "", &token, &tenant.payload("k", "installed").to_string()), 204);
    // the text of an authenticated tenant may have any length
    let issue = json!({ "webhookEvent": "jira:issue_created", "issue": { "key": long } }).to_string();
    let token = tenant.token("POST", "/webhook/issue-created", "");
    assert_eq!(send("POST", "/webhook/issue-created", "", &token, &issue), 204);
    process.kill();
    process::log(&file)
}

/// Triggers everything that can go wrong and is logged. Returns the log, and what it must not contain.
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
        // development accepts any host
        assert!((400..500).contains(&status) || environment == "development", "{status}");
    }
    let header = |alg: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string())
    };
    assert_eq!(send("GET", "/hello-world", &format!("{}.eyJleHAiOjF9.AA", header(FORGED)), ""), 401);
    assert_eq!(send("GET", "/%0AFORGED%1b%5b31m", "", ""), 404);
    let token = &plain.token("GET", "/elsewhere", "");
    let encoded = token.replace('.', "%2E").replacen("eyJ", "%65yJ", 1);
    for path in [
        format!("/{token}"),
        format!("/a/{token}/b"),
        format!("/a/x{token}"),
        format!("/a;jwt={token};v=1/b"),
        format!("/a;jwt={OPAQUE}/b"),
        format!("/{encoded}"),
        format!("/a?{token}"),
        format!("/a?{token}=1"),
        format!("/a?x={encoded}"),
        format!("/a?access_token={OPAQUE}"),
        format!("/a?x=Bearer%20{OPAQUE}"),
    ] {
        assert_eq!(send("GET", &path, "", ""), 404, "{path}");
    }
    assert!((400..=405).contains(&send(token, "/a", "", "")), "a token as a method");
    secrets.extend(token.split('.').map(str::to_owned));
    secrets.push(OPAQUE.to_owned());
    assert_eq!(send("GET", "/static/%0AFORGED", "", ""), 404);
    process.kill();
    (process::log(&file), secrets)
}
