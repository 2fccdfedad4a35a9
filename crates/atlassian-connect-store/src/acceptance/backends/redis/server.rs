//! A server of Redis that is away, silent, restarted, or not the right one.

use super::super::absent;
use super::*;

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn a_server_that_goes_away_is_unavailable_until_it_is_back() {
    absent::a_server_that_goes_away_is_unavailable_until_it_is_back(Sandbox::redis()).await;
}

fn command(port: u16, folder: &Path) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--appendonly", "yes", "--port", &port.to_string(), "--dir"]).arg(folder);
    command
}

#[tokio::test]
#[ignore = "needs redis-server, see .ci/servers"]
async fn a_restarted_server_is_used_again() {
    let mut server = Process::start(command);
    let config = config(&format!("redis://127.0.0.1:{}", server.port));
    let store = eventually(async || open(&config).await).await;
    for round in 0..3 {
        store.save_installation("tenant", &json!({ "round": round }), None).await.unwrap();
        server.kill();
        let error = store.save_installation("tenant", &json!("lost"), None).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        server.restart();
        let kept = eventually(async || store.installations("tenant").await).await;
        assert_eq!(kept, [json!({ "round": round })]);
        store.ping().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs redis-server, see .ci/servers"]
async fn all_requests_to_a_hanging_server_time_out() {
    let server = Process::start(command);
    let config = StoreConfig { pool_size: 1, ..config(&format!("redis://127.0.0.1:{}", server.port)) };
    let store = eventually(async || open(&config).await).await;
    store.set(Place::of_tenant("tenant", "key"), &json!(1)).await.unwrap();
    server.hang();
    let started = Instant::now();
    // more than there are permits
    let answers = join_all((0..64).map(|_| store.get(Place::of_tenant("tenant", "key")))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{answers:?}");
    assert!(
        answers.iter().any(|answer| format!("{answer:?}").contains("too many requests are waiting")),
        "{answers:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    server.go_on();
    assert_eq!(eventually(async || store.get(Place::of_tenant("tenant", "key")).await).await, Some(json!(1)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    absent::a_server_that_is_not_there_is_unavailable_at_once("redis", "1").await;
}

#[tokio::test]
async fn a_silent_server_times_out() {
    for scheme in ["redis", "rediss"] {
        absent::a_silent_server_times_out(scheme, "").await;
    }
}

async fn refused(url: &str, ssl: Option<Value>, because: &str) {
    let config = StoreConfig { ssl, ..config(url) };
    let error = RedisStore::open(&config).await.err().unwrap();
    assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
    assert!(error.to_string().contains(because) && !shown(&error).contains("hush"), "{because}: {}", shown(&error));
}

#[tokio::test]
async fn an_unusable_url_is_reported_without_its_password() {
    for (url, because) in [
        ("redis://u:hush@h/x", "the number of a database"),
        ("redis://u:hush@h:port", "port"),
        ("redis:", "does not name a host"),
        ("rediss://u:hush@h?sslmode=disable", "sslmode=disable"),
        ("redis://u:hush@h?sslmode=prefer", "sslmode=prefer"),
        ("rediss://u:hush@h?sslmode=never", "sslmode=never"),
    ] {
        refused(url, None, because).await;
    }
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn wrong_credentials_are_a_configuration_error() {
    let mut url = url::Url::parse(&variable("TEST_REDIS_URL")).unwrap();
    url.set_path("/999999");
    refused(url.as_str(), None, "DB index").await;
    url.set_path("");
    url.set_password(Some("hush")).unwrap();
    refused(url.as_str(), None, "uthentication failed").await;
    url.set_username("nobody").unwrap();
    refused(url.as_str(), None, "uthentication failed").await;
    url.set_password(None).unwrap();
    url.set_username("").unwrap();
    refused(url.as_str(), None, "NOAUTH").await;
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_TLS_URL, see .ci/servers"]
async fn a_server_is_verified_by_default() {
    let (url, ca) = (variable("TEST_REDIS_TLS_URL"), variable("TEST_REDIS_CA"));
    let pem = std::fs::read_to_string(&ca).unwrap();
    let connects = async |url: &str, ssl| {
        let store = RedisStore::open(&StoreConfig { ssl, ..config(url) }).await.unwrap();
        store.ping().await.unwrap();
    };
    refused(&url, None, "sslrootcert=<file>").await;
    refused(&url, Some(json!({ "rejectUnauthorized": true })), "rejectUnauthorized").await;
    connects(&format!("{url}?sslrootcert={ca}"), None).await;
    connects(&format!("{url}?sslmode=require"), None).await;
    connects(&url, Some(json!({ "ca": pem }))).await;
    connects(&url, Some(json!({ "rejectUnauthorized": false }))).await;
    let elsewhere = url.replace("localhost", "127.0.0.1");
    refused(&format!("{elsewhere}?sslrootcert={ca}"), None, "certificate").await;
    connects(&format!("{elsewhere}?sslmode=verify-ca&sslrootcert={ca}"), None).await;
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    refused(&format!("{url}?sslrootcert={other}"), None, "certificate").await;
}

#[tokio::test]
#[ignore = "needs TEST_REDIS_URL, see .ci/servers"]
async fn a_refused_value_is_not_in_the_error() {
    let sandbox = Sandbox::redis();
    let store = sandbox.open().await;
    raw::<()>(sandbox.url(), &["RPUSH", "tenant:key", "hush"]);
    let error = store.get(Place::of_tenant("tenant", "key")).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)) && !shown(&error).contains("hush"), "{}", shown(&error));
    assert!(cause_of::<::redis::RedisError>(&error).is_some(), "{}", shown(&error));
    raw::<()>(sandbox.url(), &["SET", "tenant:clientInfo", "x"]);
    raw::<()>(sandbox.url(), &["RPUSH", "tenant:clientInfo:uninstalled", "hush"]);
    assert!(store.uninstall("tenant").await.is_err());
    let (left, time): (String, String) =
        (raw(sandbox.url(), &["GET", "tenant:clientInfo"]), format!("tenant:{CLIENT_INFO_UNINSTALLED_AT}"));
    assert_eq!(left, "x", "a failed script must write nothing: {CLIENT_INFO_UNINSTALLED}");
    assert!(!raw::<bool>(sandbox.url(), &["EXISTS", &time]), "a failed script must write nothing");
}
