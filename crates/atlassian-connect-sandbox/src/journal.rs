//! The requests between the sandbox's sites and the add-on, newest first, live.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::HeaderMap;
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use atlassian_connect_actix::internal::middleware::Exchange;
use atlassian_connect_actix::internal::redact;

/// How many entries are kept.
const CAPACITY: usize = 200;
/// How many characters of a URL, a header, a token or a body are kept.
const TEXT: usize = 4096;

/// The direction of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the host, or a page in its frame, to the add-on.
    ToAddon,
    /// From the add-on to the host.
    ToHost,
    /// From a page through the bridge to the host: `AP.request`.
    Bridge,
}

impl Direction {
    fn label(self) -> &'static str {
        match self {
            Self::ToAddon => "to the add-on",
            Self::ToHost => "to the host",
            Self::Bridge => "through the bridge",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::ToAddon => "in",
            Self::ToHost => "out",
            Self::Bridge => "bridge",
        }
    }
}

/// A request and its answer. It contains no token: decoded ones are shown without their signature.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) direction: Direction,
    pub(super) method: String,
    /// Without tokens.
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) took_ms: Option<f64>,
    /// Who sent it to the host.
    pub(super) by: Option<String>,
    /// Why it was refused or failed.
    pub(super) reason: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) token: Option<DecodedToken>,
    /// The beginning of its body.
    pub(super) body: Option<String>,
}

/// The first two segments of a JSON Web Token, decoded and formatted.
#[derive(Debug, Clone)]
pub(super) struct DecodedToken {
    pub(super) header: String,
    pub(super) claims: String,
}

#[derive(Template)]
#[template(path = "sandbox/entry.html")]
struct EntryView<'a> {
    id: u64,
    /// Seconds since 1970.
    at: u64,
    time: String,
    url: String,
    entry: &'a Entry,
}

/// A rendered entry.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) id: u64,
    pub(super) html: String,
}

/// The entries, and a notification for new ones.
pub(super) struct Journal {
    /// Newest first.
    entries: Mutex<VecDeque<Shown>>,
    /// The id of the newest entry.
    newest: watch::Sender<u64>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self { entries: Mutex::default(), newest: watch::channel(0).0 }
    }

    pub(super) fn write(&self, entry: &Entry) {
        let mut entries = self.entries.lock();
        // ids continue after the journal is cleared, because open pages ask for entries after theirs
        let id = self.newest.borrow().saturating_add(1);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let view = EntryView { id, at, time: time_of_day(at), url: cut(entry.url.clone()), entry };
        let html = view.render().unwrap_or_default();
        if entries.len() == CAPACITY {
            entries.pop_back();
        }
        entries.push_front(Shown { id, html });
        // inside the lock, which keeps the ids in order
        self.newest.send_replace(id);
        drop(entries);
    }

    /// Removes all entries.
    pub(super) fn clear(&self) {
        self.entries.lock().clear();
    }

    /// All entries, newest first.
    pub(super) fn entries(&self) -> Vec<Shown> {
        self.entries.lock().iter().cloned().collect()
    }

    /// The entries after the one with that id, oldest first.
    pub(super) fn after(&self, id: u64) -> Vec<Shown> {
        let entries = self.entries.lock();
        let mut newer: Vec<Shown> = entries.iter().take_while(|entry| entry.id > id).cloned().collect();
        newer.reverse();
        newer
    }

    /// Changes with each entry.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Records a request to the add-on. Leaves out static files and health checks, which would hide the rest.
    pub(super) fn observe(&self, exchange: &Exchange<'_>) {
        let request = exchange.request;
        let is_noise = ["/static/", "/healthz", "/readyz", "/metrics"].iter().any(|path| request.path().contains(path));
        if is_noise && exchange.status < 400 {
            return;
        }
        let query = request.query_string();
        self.write(&Entry {
            direction: Direction::ToAddon,
            method: redact::shown(request.method().as_str()),
            url: redact::url(request.path(), query),
            status: exchange.status,
            took_ms: Some((exchange.took.as_secs_f64() * 1e4).round() / 10.0),
            by: None,
            reason: exchange.error.map(|error| redact::shown(&error.to_string())),
            headers: headers(request.headers()),
            token: token(request.headers(), query).and_then(|token| DecodedToken::read(&token)),
            body: None,
        });
    }
}

impl DecodedToken {
    /// `None`: it is not a token.
    pub(super) fn read(token: &str) -> Option<Self> {
        let mut segments = token.split('.').take(2).map(|segment| {
            let json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()?;
            serde_json::to_string_pretty(&json).ok().map(cut)
        });
        Some(Self { header: segments.next()??, claims: segments.next()?? })
    }
}

/// The token of a request, from all places where the framework accepts one.
pub(super) fn token(headers: &HeaderMap, query: &str) -> Option<String> {
    let parameter = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization =
        header("authorization").and_then(|value| value.split_once(' ')).map(|(_, token)| token.to_owned());
    parameter("jwt").or(authorization).or_else(|| parameter("acpt")).or_else(|| header("x-acpt").map(str::to_owned))
}

/// The headers without credentials.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let secret = [
        "authorization",
        "proxy-authorization",
        "x-acpt",
        "x-forge-oauth-system",
        "x-forge-oauth-user",
        "cookie",
        "set-cookie",
    ];
    let read = |name: &str, value: &str| {
        let kept = if secret.contains(&name) {
            let scheme = match value.split_once(' ') {
                Some((scheme, _)) if name == "authorization" => scheme,
                _ => "",
            };
            format!("{scheme} …").trim_start().to_owned()
        } else if name == "referer" {
            let (page, query) = value.split_once('?').unwrap_or((value, ""));
            redact::url(page, query)
        } else {
            cut(redact::masked(value).into_owned())
        };
        (name.to_owned(), kept)
    };
    headers.iter().map(|(name, value)| read(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))).collect()
}

/// The beginning of a body; JSON is formatted. A body with a secret is left out.
pub(super) fn excerpt(body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut json) => {
            hide_secrets(&mut json);
            serde_json::to_string_pretty(&json).ok()?
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    Some(cut(redact::masked(&text).into_owned()))
}

/// The beginning of a text.
fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn hide_secrets(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "sharedSecret" { *value = "…".into() } else { hide_secrets(value) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        _ => {}
    }
}

/// `12:34:56`, in UTC.
fn time_of_day(at: u64) -> String {
    let seconds = at % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use atlassian_connect_testing::TestTenant;

    fn entry(reason: Option<&str>) -> Entry {
        Entry {
            direction: Direction::ToAddon,
            method: "GET".into(),
            url: "/x?<script>".into(),
            status: 401,
            took_ms: Some(1.5),
            by: None,
            reason: reason.map(str::to_owned),
            headers: vec![("accept".into(), "\"</li><script>".into())],
            token: None,
            body: None,
        }
    }

    #[test]
    fn entries_are_numbered_bounded_and_escaped() {
        let journal = Journal::new();
        let following = journal.follow();
        for _ in 0..=CAPACITY {
            journal.write(&entry(Some("the signature does not match")));
        }
        let entries = journal.entries();
        assert_eq!((entries.len(), entries[0].id), (CAPACITY, CAPACITY as u64 + 1));
        assert!(entries[0].html.contains("the signature does not match"), "{}", entries[0].html);
        assert!(!entries[0].html.contains("<script>"), "{}", entries[0].html);
        assert!(following.has_changed().unwrap());
        let after = |id: u64| journal.after(id).iter().map(|entry| entry.id).collect::<Vec<_>>();
        let newer: Vec<u64> = journal.after(CAPACITY as u64 - 1).iter().map(|entry| entry.id).collect();
        assert_eq!(newer, [CAPACITY as u64, CAPACITY as u64 + 1], "oldest first");
        journal.clear();
        assert!(journal.entries().is_empty());
        journal.write(&entry(None));
        assert_eq!(after(CAPACITY as u64 + 1), [CAPACITY as u64 + 2], "an open page gets the next one");
    }

    #[test]
    fn a_token_is_decoded_and_not_shown() {
        let token_text = TestTenant::new().token("GET", "/x", "");
        let decoded = DecodedToken::read(&token_text).unwrap();
        assert!(decoded.header.contains("HS256") && decoded.claims.contains("qsh"), "{decoded:?}");
        assert!(DecodedToken::read("user-token-1").is_none());
        let mut map = HeaderMap::new();
        let name = HeaderName::from_static("authorization");
        map.insert(name, HeaderValue::from_str(&format!("JWT {token_text}")).unwrap());
        assert_eq!(headers(&map), [("authorization".to_owned(), "JWT …".to_owned())]);
        assert_eq!(token(&map, "").as_deref(), Some(token_text.as_str()));
        assert_eq!(token(&map, "jwt=a").as_deref(), Some("a"));
    }

    #[test]
    fn forges_tokens_are_not_shown_whatever_they_look_like() {
        for name in ["x-forge-oauth-system", "x-forge-oauth-user"] {
            let mut map = HeaderMap::new();
            map.insert(HeaderName::from_static(name), HeaderValue::from_static("opaque"));
            assert_eq!(headers(&map), [(name.to_owned(), "…".to_owned())]);
        }
    }

    #[test]
    fn bodies_are_truncated_and_contain_no_secret() {
        assert_eq!(excerpt(b""), None);
        assert_eq!(excerpt(br#"{"sharedSecret":"s","a":1}"#).unwrap(), "{\n  \"sharedSecret\": \"…\",\n  \"a\": 1\n}");
        assert!(excerpt(&vec![b'x'; 3 * TEXT]).unwrap().len() <= TEXT + 3);
        assert!(excerpt("ü".repeat(TEXT).as_bytes()).is_some(), "cut inside of a character");
    }
}
