//! Atlassian's servers: the public keys of installs and of Forge, and the time.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use actix_web::http::header;
use awc::error::{ConnectError, SendRequestError};
use futures_util::future::join_all;
use url::Url;

use super::diagnosis::Diagnosis;
use crate::messages::doctor as message;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::transport;

/// The timeout of a request, including its body.
const LIMIT: Duration = Duration::from_secs(4);
/// The size limit of an answer.
const MAX_BODY: usize = 1024 * 1024;
/// How many tenants' sites are asked for the time.
const ASKED: usize = 3;
/// Smaller differences are ignored: the header has whole seconds, and the answer takes some time.
const NEGLIGIBLE: u64 = 5;

/// The result of a request.
#[derive(Debug)]
pub(super) enum Answer {
    Http {
        status: u16,
        body: Vec<u8>,
        /// The server's time and the local time.
        times: Option<Times>,
    },
    /// The host name cannot be resolved.
    NoName,
    /// Nothing listens on the port.
    Refused,
    /// No answer in time.
    Silent,
    /// Any other failure.
    Failed(String),
}

/// The time on two clocks at the same moment.
#[derive(Debug, Clone)]
pub(super) struct Times {
    /// The other server.
    pub host: String,
    pub theirs: SystemTime,
    pub ours: SystemTime,
}

/// Sends a GET request. Redirects are not followed.
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
        Err(error) => Answer::Failed(format!("the answer ended early: {error}")),
    }
}

/// Checks that the servers with the public keys of installs answer, and reads their clocks. The path asked for does not
/// exist there, so any answer counts.
pub(super) async fn key_servers(config: &Config) -> (Vec<Diagnosis>, Vec<Times>) {
    let servers = atlassian_connect_actix::internal::keys::InstallKeys::new(config.install_keys_url.clone())
        .servers("atlassian.net");
    let answers = join_all(servers.iter().map(|server| get(server))).await;
    let (mut findings, mut times) = (Vec::new(), Vec::new());
    for (server, answer) in servers.iter().zip(answers) {
        let check = "install keys";
        findings.push(match answer {
            Answer::Http { times: read, .. } => {
                times.extend(read);
                Diagnosis::ok(check, format!("{server} answers"))
            }
            failed => {
                Diagnosis::warning(&message::INSTALL_KEYS, &[("url", server.as_str()), ("reason", &failed.in_words())])
            }
        });
    }
    (findings, times)
}

/// Checks that the server with Forge's public keys answers. `None` if the add-on is not a Forge app.
pub(super) async fn forge_keys(config: &Config) -> Option<Diagnosis> {
    config.app_id()?;
    let keys = atlassian_connect_actix::internal::keys::ForgeKeys::new(
        config.forge_jwks_url.as_ref(),
        config.forge_isolated_jwks_url.clone(),
    );
    let check = "forge keys";
    Some(match get(keys.url()).await {
        Answer::Http { status: 200, .. } => Diagnosis::ok(check, format!("{} answers", keys.url())),
        failed => Diagnosis::warning(&message::FORGE_KEYS, &[("url", keys.url()), ("reason", &failed.in_words())]),
    })
}

/// Reads the clocks of a few tenants' sites.
pub(super) async fn clocks_of(base_urls: &[String]) -> Vec<Times> {
    let answers = join_all(base_urls.iter().take(ASKED).map(|url| get(url))).await;
    let times = answers.into_iter().filter_map(|answer| match answer {
        Answer::Http { times, .. } => times,
        _ => None,
    });
    times.collect()
}

/// Checks that this machine's clock is precise enough to verify tokens.
pub(super) fn clock(times: &[Times], leeway: Duration) -> Diagnosis {
    let check = "clock";
    let Some(Times { host, theirs, ours }) = times.first() else {
        return Diagnosis::ok(check, "not checked: no server with a clock can be reached");
    };
    let (off, direction) = match ours.duration_since(*theirs) {
        Ok(ahead) => (ahead.as_secs(), "ahead of"),
        Err(behind) => (behind.duration().as_secs(), "behind"),
    };
    let difference = format!("{off} s {direction}");
    let leeway = leeway.as_secs();
    let values = [("difference", difference.as_str()), ("host", host), ("leeway", &leeway.to_string())];
    if off <= NEGLIGIBLE {
        Diagnosis::ok(check, format!("within {NEGLIGIBLE} s of {host}"))
    } else if off > leeway {
        Diagnosis::problem(&message::CLOCK_WRONG, &values)
    } else {
        Diagnosis::warning(&message::CLOCK_OFF, &values)
    }
}

impl Answer {
    /// For a message.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Http { status, .. } => format!("it answers {status}"),
            Self::NoName => "the host name cannot be resolved".to_owned(),
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
            (now - 20 * second, Warning, "20 s ahead of keys.example"),
            (now + 30 * second, Warning, "30 s behind keys.example"),
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
    async fn failures_are_distinguished() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(matches!(get(&url).await, Answer::Refused));
        assert!(matches!(get("http://nobody.invalid/").await, Answer::NoName));
        assert!(matches!(get("http://").await, Answer::Failed(_)));
    }
}
