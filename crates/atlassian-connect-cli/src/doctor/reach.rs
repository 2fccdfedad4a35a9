//! Checks that the add-on can be reached, and that nothing else answers in its place.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use serde_json::Value;

use super::diagnosis::{Diagnosis, Level};
use super::network::{Answer, get};
use crate::messages::{Message, doctor as message};
use crate::output::plain;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::descriptor::FILE_NAME;
use atlassian_connect_actix::internal::is_loopback;

/// The statuses of tunnels and proxies with nothing behind them. 530 is Cloudflare's.
const GATEWAY: [u16; 5] = [502, 503, 504, 521, 530];

/// How the add-on is recognized.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected<'a> {
    /// It serves its descriptor with this key, if the descriptor can be read here.
    Descriptor(Option<&'a str>),
    /// An app on Forge alone serves no descriptor: only its health.
    ForgeAlone,
}

impl Expected<'_> {
    fn key(&self) -> Option<&str> {
        match self {
            Self::Descriptor(key) => *key,
            Self::ForgeAlone => None,
        }
    }
}

/// Checks what answers at the base URL.
pub(super) async fn base_url(config: &Config, expected: Expected<'_>) -> Diagnosis {
    let base = config.local_base_url.as_str();
    let (health, descriptor) = (format!("{base}/healthz"), format!("{base}/{FILE_NAME}"));
    let (health, descriptor) = tokio::join!(get(&health), get(&descriptor));
    let url = CheckedUrl {
        base,
        development: config.environment.is_development(),
        local: is_loopback(config.local_base_url.as_url()),
    };
    url.diagnose(&health, served_key(&descriptor).as_deref(), expected)
}

/// The base URL to check.
struct CheckedUrl<'a> {
    base: &'a str,
    development: bool,
    local: bool,
}

impl CheckedUrl<'_> {
    fn diagnose(&self, health: &Answer, served: Option<&str>, expected: Expected<'_>) -> Diagnosis {
        const CHECK: &str = "reachable";
        let Self { base, local, .. } = self;
        let key = expected.key();
        match (health, served) {
            (Answer::Http { status: 200, body, .. }, None)
                if matches!(expected, Expected::ForgeAlone) && is_healthy(body) =>
            {
                Diagnosis::ok(CHECK, format!("an app without a descriptor answers at {base}"))
            }
            (_, Some(served)) if matches!(expected, Expected::ForgeAlone) || key.is_some_and(|key| key != served) => {
                Diagnosis::problem(&message::OTHER_ADDON, &[("url", base), ("key", &plain(served))])
            }
            (Answer::Http { status: 200, body, .. }, Some(served)) if is_healthy(body) => {
                Diagnosis::ok(CHECK, format!("{} answers at {base}", plain(served)))
            }
            (Answer::Http { status, .. }, Some(_)) => {
                self.not_serving(&message::UNHEALTHY, &[("url", base), ("status", &status.to_string())])
            }
            (Answer::Http { status, .. }, None) if GATEWAY.contains(status) => {
                self.not_serving(&message::GATEWAY, &[("url", base), ("status", &status.to_string())])
            }
            (Answer::Http { status, .. }, None) => {
                Diagnosis::problem(&message::NOT_THE_ADDON, &[("url", base), ("status", &status.to_string())])
            }
            (Answer::NoName, _) => self.not_serving(&message::UNKNOWN_HOST, &[("url", base)]),
            (Answer::Refused, _) if *local => self.not_serving(&message::NOT_RUNNING, &[("url", base)]),
            (failed, _) => self.not_serving(&message::UNREACHABLE, &[("url", base), ("reason", &failed.in_words())]),
        }
    }

    /// In development it is only a warning if the add-on is not running.
    fn not_serving(&self, message: &Message, values: &[(&str, &str)]) -> Diagnosis {
        Diagnosis::of(if self.development { Level::Warning } else { Level::Problem }, message, values)
    }
}

fn is_healthy(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["status"] == "ok")
}

/// The key in a served descriptor.
fn served_key(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Http { status: 200, body, .. } => {
            serde_json::from_slice::<Value>(body).ok()?.get("key")?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// Checks that the add-on can listen, or already does.
pub(super) async fn port(config: &Config, expected: Expected<'_>) -> Diagnosis {
    const CHECK: &str = "port";
    let address = SocketAddr::new(config.bind, config.port);
    if config.port == 0 {
        return Diagnosis::ok(CHECK, format!("any free port of {}", config.bind));
    }
    let Err(error) = TcpListener::bind(address) else {
        return Diagnosis::ok(CHECK, format!("{address} is free"));
    };
    if error.kind() != ErrorKind::AddrInUse {
        let values = [("address", address.to_string()), ("error", error.to_string())];
        return Diagnosis::problem(
            &message::CANNOT_LISTEN,
            &values.each_ref().map(|(name, value)| (*name, value.as_str())),
        );
    }
    let near = match config.bind {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    let near = SocketAddr::new(near, config.port);
    let url = format!("http://{near}{}", config.local_base_url.path());
    if matches!(expected, Expected::ForgeAlone)
        && let Answer::Http { status: 200, body, .. } = get(&format!("{url}/healthz")).await
        && is_healthy(&body)
    {
        return Diagnosis::ok(CHECK, format!("an app without a descriptor listens on {address}"));
    }
    match served_key(&get(&format!("{url}/{FILE_NAME}")).await) {
        Some(served) if expected.key().is_none_or(|key| key == served) => {
            Diagnosis::ok(CHECK, format!("{} listens on {address}", plain(&served)))
        }
        other => {
            let program =
                other.map_or_else(|| "another program".to_owned(), |key| format!("the add-on {}", plain(&key)));
            Diagnosis::problem(&message::PORT_TAKEN, &[("program", &program), ("address", &address.to_string())])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level::{Ok, Problem, Warning};

    fn http(status: u16, body: &str) -> Answer {
        Answer::Http { status, body: body.into(), times: None }
    }

    #[test]
    fn answers_are_distinguished() {
        let place = |development, local| CheckedUrl { base: "https://x", development, local };
        let healthy = r#"{"status":"ok"}"#;
        for (place, health, served, level, words) in [
            (place(true, false), http(200, healthy), Some("mine"), Ok, "mine answers"),
            (
                place(true, false),
                http(200, healthy),
                Some("theirs"),
                Problem,
                "another add-on answers at https://x: theirs",
            ),
            (place(true, false), http(404, ""), Some("theirs"), Problem, "another add-on"),
            (place(true, false), http(404, ""), Some("mine"), Warning, "/healthz answers 404"),
            (place(true, false), http(200, "hello"), None, Problem, "this is not the add-on"),
            (place(true, false), http(404, ""), None, Problem, "this is not the add-on"),
            (place(true, false), http(530, ""), None, Warning, "nothing behind it answers"),
            (place(false, false), http(502, ""), None, Problem, "nothing behind it answers"),
            (place(true, false), Answer::NoName, None, Warning, "cannot be resolved"),
            (place(false, false), Answer::NoName, None, Problem, "cannot be resolved"),
            (place(true, true), Answer::Refused, None, Warning, "not running"),
            (place(true, false), Answer::Refused, None, Warning, "nothing listens there"),
            (place(false, true), Answer::Refused, None, Problem, "not running"),
            (place(false, false), Answer::Silent, None, Problem, "no answer within"),
            (place(false, false), Answer::Failed("bad certificate".into()), None, Problem, "bad certificate"),
        ] {
            let finding = place.diagnose(&health, served, Expected::Descriptor(Some("mine")));
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
        let finding = place(true, true).diagnose(&http(200, healthy), Some("any"), Expected::Descriptor(None));
        assert_eq!(finding.level, Ok, "an unknown key matches any add-on: {finding:?}");
        for (health, served, level) in [
            (http(200, healthy), None, Ok),
            (http(503, "{}"), None, Warning),
            (http(404, ""), None, Problem),
            (http(200, healthy), Some("any"), Problem),
        ] {
            let finding = place(true, true).diagnose(&health, served, Expected::ForgeAlone);
            assert_eq!(finding.level, level, "{finding:?}");
        }
    }
}
