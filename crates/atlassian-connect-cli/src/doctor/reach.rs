//! Whether the add-on can be reached, and whether it is this one that answers.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use serde_json::Value;

use super::finding::Finding;
use super::network::{Answer, get};
use crate::output::plain;
use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::descriptor::FILE_NAME;
use atlassian_connect_actix::internal::is_loopback;

/// Statuses by which tunnels and proxies say that nothing answers behind them; 530 is Cloudflare's.
const GATEWAY: [u16; 5] = [502, 503, 504, 521, 530];

/// What answers at the base URL. `key` is the add-on's, where the descriptor can be read.
pub(super) async fn base_url(config: &Config, key: Option<&str>) -> Finding {
    let base = config.local_base_url.as_str();
    let (health, descriptor) = (format!("{base}/healthz"), format!("{base}/{FILE_NAME}"));
    let (health, descriptor) = tokio::join!(get(&health), get(&descriptor));
    let place = Place {
        base,
        development: config.environment.is_development(),
        local: is_loopback(config.local_base_url.as_url()),
    };
    place.judged(&health, served_key(&descriptor).as_deref(), key)
}

struct Place<'a> {
    base: &'a str,
    development: bool,
    local: bool,
}

impl Place<'_> {
    fn judged(&self, health: &Answer, served: Option<&str>, key: Option<&str>) -> Finding {
        const CHECK: &str = "reachable";
        let Self { base, development, local } = self;
        match (health, served) {
            (_, Some(served)) if key.is_some_and(|key| key != served) => Finding::problem(
                CHECK,
                format!("another add-on answers at {base}: {}", plain(served)),
                "stop it, or give this one a base URL of its own (AC_LOCAL_BASE_URL)",
            ),
            (Answer::Http { status: 200, body, .. }, Some(served)) if is_healthy(body) => {
                Finding::ok(CHECK, format!("{} answers at {base}", plain(served)))
            }
            (Answer::Http { status, .. }, Some(_)) => self.unless_development(
                format!("the add-on answers at {base}, and its /healthz says {status}"),
                "look into its log; an older version or another framework has no /healthz",
            ),
            (Answer::Http { status, .. }, None) if GATEWAY.contains(status) => self.unless_development(
                format!("{base} answers {status}: a tunnel or proxy is there, and nothing behind it"),
                "start the add-on, and see that the tunnel or proxy leads to its port",
            ),
            (Answer::Http { status, .. }, None) => Finding::problem(
                CHECK,
                format!("what answers at {base} is not the add-on: {status}, and no descriptor"),
                "a tunnel that has ended answers so, and so does another program: see that the URL is still yours, and \
                 set AC_LOCAL_BASE_URL",
            ),
            (Answer::NoName, _) => self.unless_development(
                format!("the name of {base} has no address"),
                if *development {
                    "a tunnel that has ended loses its name: open it again, and set AC_LOCAL_BASE_URL to the URL that \
                     it prints; or this machine is offline"
                } else {
                    "correct AC_LOCAL_BASE_URL, or make the name known to the DNS"
                },
            ),
            (Answer::Refused, _) if *local => self.unless_development(
                format!("the add-on is not running: nothing listens at {base}"),
                "start it, by the command serve",
            ),
            (failed, _) => self.unless_development(
                format!("{base} cannot be reached: {}", failed.in_words()),
                "start the add-on and what leads to it: tunnel, proxy, certificate, firewall",
            ),
        }
    }

    /// In development an add-on that does not run is nothing bad.
    fn unless_development(&self, message: String, remedy: &str) -> Finding {
        let finding = if self.development { Finding::warning } else { Finding::problem };
        finding("reachable", message, remedy.to_owned())
    }
}

fn is_healthy(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["status"] == "ok")
}

/// The key of the add-on whose descriptor this is.
fn served_key(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Http { status: 200, body, .. } => {
            serde_json::from_slice::<Value>(body).ok()?.get("key")?.as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// Whether the add-on can listen, or listens already.
pub(super) async fn port(config: &Config, key: Option<&str>) -> Finding {
    const CHECK: &str = "port";
    let address = SocketAddr::new(config.bind, config.port);
    if config.port == 0 {
        return Finding::ok(CHECK, format!("any free one of {}", config.bind));
    }
    let Err(error) = TcpListener::bind(address) else {
        return Finding::ok(CHECK, format!("{address} is free"));
    };
    if error.kind() != ErrorKind::AddrInUse {
        return Finding::problem(
            CHECK,
            format!("cannot listen on {address}: {error}"),
            "choose another: PORT, AC_BIND",
        );
    }
    let near = match config.bind {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    let near = SocketAddr::new(near, config.port);
    let served = served_key(&get(&format!("http://{near}{}/{FILE_NAME}", config.local_base_url.path())).await);
    match served {
        Some(served) if key.is_none_or(|key| key == served) => {
            Finding::ok(CHECK, format!("{} listens on {address}", plain(&served)))
        }
        other => {
            let who = other.map_or_else(|| "another program".to_owned(), |key| format!("the add-on {}", plain(&key)));
            Finding::problem(CHECK, format!("{who} listens on {address}"), "stop it, or choose another port: PORT")
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
    fn what_answers_is_told_apart() {
        let place = |development, local| Place { base: "https://x", development, local };
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
            (place(true, false), http(404, ""), Some("mine"), Warning, "/healthz says 404"),
            (place(true, false), http(200, "hello"), None, Problem, "is not the add-on"),
            (place(true, false), http(404, ""), None, Problem, "is not the add-on"),
            (place(true, false), http(530, ""), None, Warning, "nothing behind it"),
            (place(false, false), http(502, ""), None, Problem, "nothing behind it"),
            (place(true, false), Answer::NoName, None, Warning, "has no address"),
            (place(false, false), Answer::NoName, None, Problem, "has no address"),
            (place(true, true), Answer::Refused, None, Warning, "not running"),
            (place(true, false), Answer::Refused, None, Warning, "nothing listens there"),
            (place(false, true), Answer::Refused, None, Problem, "not running"),
            (place(false, false), Answer::Silent, None, Problem, "no answer within"),
            (place(false, false), Answer::Failed("bad certificate".into()), None, Problem, "bad certificate"),
        ] {
            let finding = place.judged(&health, served, Some("mine"));
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
        let finding = place(true, true).judged(&http(200, healthy), Some("any"), None);
        assert_eq!(finding.level, Ok, "without a descriptor of our own nothing is another's: {finding:?}");
    }
}
