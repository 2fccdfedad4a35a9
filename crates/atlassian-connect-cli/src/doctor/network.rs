//! Servers of others: the keys of installs, and what time it is elsewhere.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use actix_web::http::header;
use awc::error::{ConnectError, SendRequestError};
use futures_util::future::join_all;
use url::Url;

use super::finding::Finding;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::transport;

/// How long a server may take to answer whole.
const LIMIT: Duration = Duration::from_secs(4);
/// The longest descriptor that is read.
const MAX_BODY: usize = 1024 * 1024;
/// Tenants that are asked for the time.
const ASKED: usize = 3;
/// A clock that is off by less is left alone: the header has whole seconds, and takes a while to come.
const NEGLIGIBLE: u64 = 5;

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Http {
        status: u16,
        body: Vec<u8>,
        /// What the server's clock said, and what ours did then.
        times: Option<Times>,
    },
    /// The name has no address.
    NoName,
    /// The machine is there, and nothing listens.
    Refused,
    /// No answer in time.
    Silent,
    /// In the words of whoever failed.
    Failed(String),
}

/// Two clocks at one moment.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// The other's host.
    pub host: String,
    pub theirs: SystemTime,
    pub ours: SystemTime,
}

/// Asks by GET. Redirects are answers.
pub(super) async fn get(url: &str) -> Answer {
    tokio::time::timeout(LIMIT, exchange(url)).await.unwrap_or(Answer::Silent)
}

async fn exchange(url: &str) -> Answer {
    let mut response = match transport::client().get(url).send().await {
        Ok(response) => response,
        Err(SendRequestError::Connect(ConnectError::Resolver(_) | ConnectError::NoRecords)) => return Answer::NoName,
        Err(SendRequestError::Connect(ConnectError::Io(error))) if error.kind() == ErrorKind::ConnectionRefused => {
            return Answer::Refused;
        }
        Err(SendRequestError::Timeout | SendRequestError::Connect(ConnectError::Timeout)) => return Answer::Silent,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let ours = SystemTime::now();
    let date =
        response.headers().get(header::DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let times = date.map(|theirs| Times { host, theirs, ours });
    let status = response.status().as_u16();
    match response.body().limit(MAX_BODY).await {
        Ok(body) => Answer::Http { status, body: body.into(), times },
        Err(error) => Answer::Failed(format!("the answer breaks off: {error}")),
    }
}

/// Whether the servers answer whose keys prove an install; with what their clocks said. The path is none of theirs: any
/// answer is one.
pub(super) async fn key_servers(config: &Config) -> (Vec<Finding>, Vec<Times>) {
    let servers = atlassian_connect_actix::internal::keys::InstallKeys::new(config.install_keys_url.clone())
        .servers("atlassian.net");
    let answers = join_all(servers.iter().map(|server| get(server))).await;
    let (mut findings, mut times) = (Vec::new(), Vec::new());
    for (server, answer) in servers.iter().zip(answers) {
        let check = "install keys";
        findings.push(match answer {
            Answer::Http { times: told, .. } => {
                times.extend(told);
                Finding::ok(check, format!("{server} answers"))
            }
            failed => Finding::warning(
                check,
                format!("{server}: {}", failed.in_words()),
                "no site can install the add-on while none of them answers: check network, proxy and firewall, and \
                 CONNECT_KEYS_CDN_URL if it is set",
            ),
        });
    }
    (findings, times)
}

/// Whether the server answers whose keys prove the invocations of Forge; nothing where the add-on is no Forge app.
pub(super) async fn forge_keys(config: &Config) -> Option<Finding> {
    config.app_id.as_ref()?;
    let keys = atlassian_connect_actix::internal::keys::ForgeKeys::new(
        config.forge_jwks_url.as_ref(),
        config.forge_isolated_jwks_url.clone(),
    );
    let check = "forge keys";
    Some(match get(keys.url()).await {
        Answer::Http { status: 200, .. } => Finding::ok(check, format!("{} answers", keys.url())),
        failed => Finding::warning(
            check,
            format!("{}: {}", keys.url(), failed.in_words()),
            "no invocation of Forge's can be taken without its keys: check network, proxy and firewall, and \
             AC_FORGE_JWKS_URL if it is set",
        ),
    })
}

/// What the clocks of a few tenants' sites say.
pub(super) async fn clocks_of(base_urls: &[String]) -> Vec<Times> {
    let answers = join_all(base_urls.iter().take(ASKED).map(|url| get(url))).await;
    let times = answers.into_iter().filter_map(|answer| match answer {
        Answer::Http { times, .. } => times,
        _ => None,
    });
    times.collect()
}

/// Whether this machine's clock is one by which tokens can be judged.
pub(super) fn clock(times: &[Times], leeway: Duration) -> Finding {
    let check = "clock";
    let Some(Times { host, theirs, ours }) = times.first() else {
        return Finding::ok(check, "not checked: no server that tells the time can be reached");
    };
    let (off, direction) = match ours.duration_since(*theirs) {
        Ok(ahead) => (ahead.as_secs(), "ahead of"),
        Err(behind) => (behind.duration().as_secs(), "behind"),
    };
    let message = format!("{off} s {direction} that of {host}");
    let remedy = "set this machine's clock, by NTP";
    let leeway = leeway.as_secs();
    if off <= NEGLIGIBLE {
        Finding::ok(check, format!("within {NEGLIGIBLE} s of that of {host}"))
    } else if off > leeway {
        Finding::problem(
            check,
            format!("{message}: more than the leeway of {leeway} s, good tokens are refused"),
            remedy,
        )
    } else {
        Finding::warning(check, message, remedy)
    }
}

impl Answer {
    /// For a message.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Http { status, .. } => format!("it answers {status}"),
            Self::NoName => "the name has no address".to_owned(),
            Self::Refused => "nothing listens there".to_owned(),
            Self::Silent => format!("no answer within {} s", LIMIT.as_secs()),
            Self::Failed(reason) => reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level::{Ok, Problem, Warning};

    #[test]
    fn a_clock_may_be_off_by_the_leeway_at_most() {
        let now = SystemTime::now();
        let second = Duration::from_secs(1);
        for (theirs, level, words) in [
            (now, Ok, "within 5 s"),
            (now - 5 * second, Ok, "within 5 s"),
            (now + 5 * second, Ok, "within 5 s"),
            (now - 20 * second, Warning, "20 s ahead of that of keys.example"),
            (now + 30 * second, Warning, "30 s behind that of keys.example"),
            (now - 31 * second, Problem, "31 s ahead of"),
            (now + 3600 * second, Problem, "3600 s behind"),
        ] {
            let finding = clock(&[Times { host: "keys.example".to_owned(), theirs, ours: now }], 30 * second);
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
        let unknown = clock(&[], second);
        assert!(unknown.level == Ok && unknown.message.starts_with("not checked"), "{unknown:?}");
    }

    #[actix_web::test]
    async fn failures_are_told_apart() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(get(&url).await, Answer::Refused));
        assert!(matches!(get("http://nobody.invalid/").await, Answer::NoName));
        assert!(matches!(get("http://").await, Answer::Failed(_)));
    }
}
