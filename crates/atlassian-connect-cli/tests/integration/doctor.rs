//! `doctor` in different states.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;

use atlassian_connect_testing::KeyServer;
use atlassian_connect_testing::internal::{JwksAnswer, JwksServer};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::command::{Said, Workplace};
use crate::process::Process;
use crate::support::blocking;
use crate::{HUSH, KEY, NEW, install, of_ace, sql};

/// An address without a listener. It stays reserved meanwhile, so connections are refused.
struct Nowhere(TcpSocket);

impl Nowhere {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

/// With a free port where nothing listens, and no other servers.
fn isolated(place: Workplace, nowhere: &Nowhere) -> Workplace {
    place
        .var("PORT", nowhere.address().port().to_string())
        .var("AC_LOCAL_BASE_URL", nowhere.url())
        .var("CONNECT_KEYS_CDN_URL", nowhere.url())
}

async fn examined(place: Workplace) -> (Workplace, Said) {
    blocking(move || {
        let said = place.run(&["doctor", "--json"]);
        (place, said)
    })
    .await
}

/// The findings of a check: (level, message).
fn of(said: &Said, check: &str) -> Vec<(String, String)> {
    let json = said.json();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = json["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    findings.map(|finding| (text(finding, "level"), text(finding, "message"))).collect()
}

#[track_caller]
fn assert_one(said: &Said, check: &str, level: &str, words: &str) {
    let found = of(said, check);
    assert!(
        found.iter().any(|(l, message)| l == level && message.contains(words)),
        "{check}, {level}, {words}: {said:?}"
    );
}

#[actix_web::test]
async fn an_empty_folder_lacks_the_descriptor_and_nothing_is_created() {
    let nowhere = Nowhere::new();
    let (place, said) = examined(isolated(Workplace::empty(), &nowhere)).await;
    assert_eq!(said.code, 1);
    assert_one(&said, "environment", "ok", "development, by default");
    assert_one(&said, "descriptor", "problem", "atlassian-connect.json cannot be read");
    assert_one(&said, "store", "warning", "does not exist yet");
    assert_one(&said, "reachable", "warning", "the add-on is not running");
    assert_one(&said, "port", "ok", "is free");
    assert_one(&said, "install keys", "warning", "nothing listens there");
    assert_one(&said, "clock", "ok", "not checked");
    assert_eq!((&said.json()["problems"], said.json()["warnings"].as_u64()), (&json!(1), Some(3)));
    assert_eq!(place.files(), Vec::<String>::new());
    for finding in said.json()["findings"].as_array().unwrap() {
        assert_eq!(finding["level"] == "ok", finding["remedy"].is_null(), "each needs a remedy: {finding}");
    }
}

#[actix_web::test]
async fn a_running_add_on_has_no_problems() {
    let keys = KeyServer::start();
    let place = Workplace::new().with_file().var("CONNECT_KEYS_CDN_URL", keys.url());
    install(&place, "acme", "https://acme.atlassian.net").await;
    let (url, log) = (format!("sqlite:{}", place.path("addon.db").display()), place.path("log"));
    let keys_url = keys.url().to_owned();
    let process = blocking(move || {
        let vars = [("NODE_ENV", "development"), ("DATABASE_URL", &url), ("AC_OPTS", "no-reg")];
        Process::start(&keys_url, &log, &vars)
    })
    .await;
    let port = process.base_url.rsplit_once(':').unwrap().1.to_owned();
    let place = place.var("PORT", port).var("AC_LOCAL_BASE_URL", &process.base_url);
    let (place, said) = examined(place).await;
    assert_eq!((said.code, &said.json()["warnings"]), (0, &json!(0)), "{said:?}");
    let key = "com.example.fixture-app";
    assert_one(&said, "reachable", "ok", &format!("{key} answers at {}", process.base_url));
    assert_one(&said, "port", "ok", &format!("{key} listens on"));
    assert_one(&said, "schema", "ok", "every migration has run");
    assert_one(&said, "tenants", "ok", "1 installed, 0 uninstalled");
    assert_one(&said, "install keys", "ok", "answers");
    assert_one(&said, "clock", "ok", "within 5 s of 127.0.0.1");

    let (place, text) = blocking(move || {
        let text = place.run(&["doctor"]);
        (place, text)
    })
    .await;
    let normal = text.stdout.replace(&process.base_url, "BASE").replace(place.path("").to_str().unwrap(), "");
    assert!(normal.starts_with("ok  environment    development, by default, with development's rules\n"), "{normal}");
    assert!(normal.ends_with("\n\nno problems, no warnings\n"), "{normal}");

    // the same folder, for an add-on with another key
    let descriptor =
        r#"{ "key": "another", "baseUrl": "{{localBaseUrl}}", "lifecycle": { "installed": "/installed" } }"#;
    place.write("atlassian-connect.json", descriptor);
    let (_place, said) = examined(place).await;
    assert_eq!(said.code, 1);
    assert_one(&said, "reachable", "problem", &format!("another add-on answers at {}: {key}", process.base_url));
    assert_one(&said, "port", "problem", &format!("the add-on {key} listens on"));
}

#[actix_web::test]
async fn a_broken_descriptor_is_reported_with_its_position() {
    let nowhere = Nowhere::new();
    let place = isolated(Workplace::new().with_file(), &nowhere);
    place.write("atlassian-connect.json", "{\n  \"key\": \"a\"\n  \"name\": 1}");
    let (place, said) = examined(place).await;
    assert_eq!(said.code, 1);
    assert_one(&said, "descriptor", "problem", "line 3, column 3");

    place.write(
        "atlassian-connect.json",
        r#"{ "key": "a", "baseUrl": "https://other.example", "authentication": { "type": "jwt" } }"#,
    );
    let (_place, said) = examined(place).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_one(
        &said,
        "descriptor",
        "warning",
        "$.baseUrl is \"https://other.example\", but the configured localBaseUrl is",
    );
    assert_one(&said, "descriptor", "warning", "names no lifecycle.installed");
}

#[actix_web::test]
async fn an_unreachable_store_is_a_problem_and_its_password_stays_secret() {
    let nowhere = Nowhere::new();
    let url = format!("postgres://addon:{HUSH}@{}/addon", nowhere.address());
    let (_place, said) = examined(isolated(Workplace::new(), &nowhere).var("DATABASE_URL", url)).await;
    assert_eq!(said.code, 1);
    assert_one(&said, "store", "problem", "the store is not available");
    assert!(of(&said, "tenants").is_empty() && !format!("{said:?}").contains(HUSH), "{said:?}");

    let place = isolated(Workplace::new().with_file(), &nowhere);
    place.write("addon.db", "this is not a database, but long enough to be read as one");
    let (_place, said) = examined(place).await;
    assert_one(&said, "store", "problem", "addon.db");
}

#[actix_web::test]
async fn silent_servers_time_out() {
    // the system accepts the connections, and nothing reads from them
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let database = format!("postgres://addon:{HUSH}@{}/addon", silent.local_addr().unwrap());
    let place = Workplace::new()
        .var("APP_ENV", "production")
        .var("PORT", silent.local_addr().unwrap().port().to_string())
        .var("AC_BIND", "127.0.0.1")
        .var("AC_LOCAL_BASE_URL", &url)
        .var("CONNECT_KEYS_CDN_URL", &url)
        .var("DATABASE_URL", database);
    let (_place, said) = examined(place).await;
    assert_eq!(said.code, 1);
    assert_one(&said, "reachable", "problem", "no answer within 4 s");
    assert_one(&said, "port", "problem", "another program listens on");
    assert_one(&said, "store", "problem", "no answer in time");
    assert_one(&said, "install keys", "warning", "no answer within 4 s");
    assert_one(&said, "clock", "ok", "not checked");
    assert!(!format!("{said:?}").contains(HUSH), "{said:?}");
}

#[actix_web::test]
async fn tenants_are_checked() {
    let nowhere = Nowhere::new();
    let place = isolated(Workplace::new().with_file(), &nowhere);
    install(&place, "acme", "https://acme.atlassian.net").await;
    install(&place, "elsewhere", "https://jira.elsewhere.example").await;
    install(&place, "gone", "https://gone.atlassian.net").await;
    place.store().await.uninstall("gone").await.unwrap();
    let values = [
        ("twice", "clientInfo", r#"{"clientKey": "twice", "sharedSecret": "hush-1"}"#),
        ("twice", "clientInfo", r#"{"clientKey": "twice", "sharedSecret": "hush-2"}"#),
        ("mute", "clientInfo", r#"{"clientKey": "mute"}"#),
        ("acme", "clientInfo:superseded", r#"{"clientKey": "acme", "sharedSecret": "hush-3"}"#),
    ];
    for (client_key, key, value) in values {
        sql(
            &place,
            &format!(
                r#"INSERT INTO "AddonSettings" ("clientKey", "key", "val") VALUES ('{client_key}', '{key}', '{value}')"#
            ),
        );
    }
    sql(&place, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')");
    let place = place.var("AC_HOST_WHITELIST", "*.atlassian.net");
    let before = place.files();
    let (place, said) = examined(place).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_one(&said, "tenants", "ok", "4 installed, 1 uninstalled and kept");
    assert_one(&said, "tenants", "warning", "so every secret is tried: twice");
    assert_one(&said, "tenants", "warning", "without a usable sharedSecret, so every request is refused: mute");
    assert_one(&said, "tenants", "warning", "cannot install it again: elsewhere");
    assert_one(&said, "tenants", "ok", "a later install replaced are kept: acme");
    assert_one(&said, "schema", "warning", "is newer than this binary");
    assert!(!said.stdout.contains(HUSH), "{said:?}");
    assert_eq!(place.files(), before, "no file must be left behind");
}

#[actix_web::test]
async fn forges_keys_are_checked_for_a_forge_app() {
    let (nowhere, keys) = (Nowhere::new(), JwksServer::start());
    let (place, said) = examined(isolated(Workplace::new().with_file(), &nowhere)).await;
    assert!(of(&said, "forge keys").is_empty(), "{said:?}");
    let place = place.var("AC_APP_ID", "6f0e5a4c").var("AC_FORGE_JWKS_URL", keys.url());
    let (place, said) = examined(place).await;
    assert_one(&said, "forge keys", "ok", "answers");
    keys.answer(JwksAnswer::Other(404, String::new()));
    let (_place, said) = examined(place).await;
    assert_one(&said, "forge keys", "warning", "it answers 404");
}

#[actix_web::test]
async fn a_database_of_ace_is_left_unchanged() {
    let (place, tenants) = of_ace();
    let before = std::fs::read(place.path("addon.db")).unwrap();
    let mut mode = place.path("addon.db").metadata().unwrap().permissions();
    mode.set_mode(0o644);
    std::fs::set_permissions(place.path("addon.db"), mode).unwrap();
    let nowhere = Nowhere::new();
    let place = isolated(place, &nowhere).var("AC_AUTO_MIGRATE", "false");
    let (place, said) = examined(place).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_one(&said, "ACE", "ok", "atlassian-connect-express created these tables");
    assert_one(&said, "tenants", "ok", &format!("{} installed, 0 uninstalled", tenants.len()));
    assert_one(&said, "schema", "warning", "pending migrations: 2026-11-22-000001_create_addon_settings, ");
    assert_one(&said, "store", "warning", "other users can access it (mode 644)");
    assert!(std::fs::read(place.path("addon.db")).unwrap() == before, "inspecting must not change the file");
    for tenant in &tenants {
        assert!(!said.stdout.contains(tenant["sharedSecret"].as_str().unwrap()), "{said:?}");
    }
}

#[actix_web::test]
async fn doctor_checks_that_the_keys_decrypt_the_values() {
    let nowhere = Nowhere::new();
    let place = isolated(Workplace::new().with_file(), &nowhere);
    install(&place, "acme", "https://acme.atlassian.net").await;
    let (place, said) = examined(place).await;
    assert!(of(&said, "encryption").is_empty(), "{said:?}");

    let place = place.var("AC_STORE_ENCRYPTION_KEYS", KEY);
    let (place, said) = examined(place).await;
    assert_one(&said, "encryption", "warning", "1 are in clear");
    install(&place, "acme", "https://acme.atlassian.net").await;
    let (place, said) = examined(place).await;
    assert_one(&said, "encryption", "ok", "the keys decrypt 1 value, all encrypted with key ");

    let place = place.var("AC_STORE_ENCRYPTION_KEYS", format!("{NEW},{KEY}"));
    let (place, said) = examined(place).await;
    assert_one(&said, "encryption", "warning", "1 use an older key");
    assert_one(&said, "tenants", "ok", "1 installed");
    for (keys, words) in
        [(NEW, "which is not in AC_STORE_ENCRYPTION_KEYS"), ("", "AC_STORE_ENCRYPTION_KEYS is not set")]
    {
        let place = isolated(Workplace::new(), &nowhere)
            .var("DATABASE_URL", format!("sqlite:{}", place.path("addon.db").display()))
            .var("AC_STORE_ENCRYPTION_KEYS", keys);
        let (_place, said) = examined(place).await;
        assert_eq!(said.code, 1);
        assert_one(&said, "encryption", "problem", words);
        assert_one(&said, "tenants", "problem", "\"acme\" cannot be decrypted");
    }
}

#[actix_web::test]
async fn credentials_options_and_keys_are_checked() {
    let nowhere = Nowhere::new();
    let place = isolated(Workplace::new(), &nowhere).var("AC_OPTS", "no-auth");
    let site = format!(r#"{{"hosts": {{"acme.atlassian.net": {{"username": "u", "password": "{HUSH}"}}}}}}"#);
    place.write("credentials.json", &site);
    std::fs::set_permissions(place.path("credentials.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (place, said) = examined(place).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_one(&said, "credentials", "ok", "names https://acme.atlassian.net");
    assert_one(&said, "credentials", "warning", "credentials.json contains secrets");
    assert_one(&said, "AC_OPTS", "warning", "no-auth");
    assert!(!said.stdout.contains(HUSH), "{said:?}");

    place.write("credentials.json", &format!("{{\"hosts\": {{\n  {HUSH}"));
    let place = place.var("AC_OPTS", "no-reg").var("AC_STORE_ENCRYPTION_KEYS", HUSH);
    let (place, said) = examined(place).await;
    assert_one(&said, "configuration", "problem", "is not a key of 32 bytes");
    assert!(!said.stdout.contains(HUSH), "{said:?}");

    let place = place.var("AC_STORE_ENCRYPTION_KEYS", "").var("APP_ENV", "production");
    place.write("config.json", r#"{ "prot": 1, "production": { "store": { "url": "sqlite:addon.db" } } }"#);
    let (_place, said) = examined(place).await;
    assert_one(&said, "credentials", "problem", "line 2, column 3");
    assert_one(&said, "AC_OPTS", "warning", "has no effect in production");
    assert_one(&said, "configuration", "warning", "`prot` is not known");
    assert_one(&said, "environment", "ok", "production, by APP_ENV, with production's rules");
    assert!(!said.stdout.contains(HUSH), "{said:?}");
}
