//! A request as a handler puts it together.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::target::Target;
use super::{HostClient, HostError, HostResponse, Identity, Multipart, exchange};

/// A whole request, its retries and its answer's body included, has this long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer that is read whole has this many bytes at most.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// RFC 3986's unreserved characters stay: a space is `%20`, as hosts and signatures want it.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request that is being built. What is wrong with it is told by [`HostRequest::send`].
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct HostRequest {
    pub(super) client: HostClient,
    pub(super) method: Method,
    target: Result<Target, HostError>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) timeout: Duration,
    pub(super) body_limit: usize,
    pub(super) retry: Option<bool>,
    pub(super) follow_redirects: bool,
    problem: Option<HostError>,
}

/// A request as it goes to the host, see [`HostRequest::prepare`]. `Debug` does not show the credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PreparedRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: url::Url,
    /// The headers, `Authorization` among them.
    pub headers: HeaderMap,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Body {
    Empty,
    Bytes(Bytes),
    Multipart(Multipart),
}

impl HostRequest {
    pub(super) fn new(client: HostClient, method: Method, url: &str) -> Self {
        let target = client.site.base_url_of(url).and_then(|base| Target::new(&base, url));
        // whatever the URL was below, what is signed is below the site's base URL
        let target = target.map(|target| target.signed_below(client.site.base_url()));
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            client,
            method,
            target,
            headers,
            body: Body::Empty,
            timeout: TIMEOUT,
            body_limit: BODY_LIMIT,
            retry: None,
            follow_redirects: true,
            problem: None,
        }
    }

    /// Adds parameters to the query; a name may repeat.
    pub fn query<I, K, V>(mut self, pairs: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: ToString,
    {
        let Ok(target) = &mut self.target else { return self };
        let mut query = target.url.query().unwrap_or_default().to_owned();
        for (name, value) in pairs {
            if !query.is_empty() {
                query.push('&');
            }
            query.extend(utf8_percent_encode(name.as_ref(), RESERVED));
            query.push('=');
            query.extend(utf8_percent_encode(&value.to_string(), RESERVED));
        }
        target.url.set_query((!query.is_empty()).then_some(&query));
        self
    }

    /// Sets a header. `Authorization` is the client's own to set and is left out, but for an anonymous request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(header::AUTHORIZATION), Ok(_)) if !matches!(self.client.identity, Identity::Anonymous) => {}
            // what the body is decides about its length
            (Ok(header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::HOST), Ok(_)) => {}
            (Ok(name), Ok(value)) => {
                self.headers.insert(name, value);
            }
            _ => self.fail(format!("header {name:?} has a name or a value that cannot be sent")),
        }
        self
    }

    /// A JSON body. A GET or HEAD sends none.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.bytes("application/json", json),
            Err(error) => {
                self.fail(format!("the JSON does not serialise: {error}"));
                self
            }
        }
    }

    /// A form, `application/x-www-form-urlencoded`.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.bytes("application/x-www-form-urlencoded", form.into_bytes())
    }

    /// A form with files, `multipart/form-data`, streamed; hosts want `X-Atlassian-Token: no-check` with one, which is
    /// set. It is sent once: nothing is tried again.
    pub fn multipart(mut self, multipart: Multipart) -> Self {
        self.body = Body::Multipart(multipart);
        self.header("X-Atlassian-Token", "no-check")
    }

    /// Any body.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("Content-Type", content_type);
        request.body = Body::Bytes(body.into());
        request
    }

    fn bytes(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.body = Body::Bytes(body.into());
        if !self.headers.contains_key(header::CONTENT_TYPE) {
            self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        self
    }

    /// Sends no credentials with this request.
    pub fn anonymous(mut self) -> Self {
        self.client.identity = Identity::Anonymous;
        self
    }

    /// How long the whole request may take; 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many bytes of the answer are read at most when it is read whole; 10 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Whether a 429 or 503 is waited out and the request sent again. By default GET, HEAD, PUT and DELETE are, and what
    /// may not be repeated is not.
    pub fn retry(mut self, retry: bool) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Whether redirects of a GET or HEAD are followed; by default they are. Without it, the redirect is the answer. A
    /// redirect of any other method is the answer in any case.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.follow_redirects = follow;
        self
    }

    /// Sends it. Any status is an answer; see [`HostResponse::error_for_status`].
    ///
    /// # Errors
    /// [`HostError`] when there is no answer.
    pub async fn send(mut self) -> Result<HostResponse, HostError> {
        let target = self.finish()?;
        // boxed: a handler holds several of these, and each is large
        Box::pin(exchange::run(self, target)).await
    }

    /// What [`HostRequest::send`] would send, signed, without sending it: to look at, or for another client to send.
    /// A user's token is asked for. The body's length, and a multipart's type, are set when it is sent.
    ///
    /// # Errors
    /// [`HostError::Url`], [`HostError::Request`], [`HostError::Token`].
    pub async fn prepare(mut self) -> Result<PreparedRequest, HostError> {
        let target = self.finish()?;
        let headers = exchange::headers(&self, &target).await?;
        Ok(PreparedRequest { method: self.method, url: target.url, headers })
    }

    fn finish(&mut self) -> Result<Target, HostError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        if matches!(self.method, Method::GET | Method::HEAD) {
            // hosts refuse a GET with a body (Atlassian's CHANGE-2328)
            self.body = Body::Empty;
            self.headers.remove(header::CONTENT_TYPE);
        }
        self.target.clone()
    }

    pub(super) fn into_parts(self) -> (HostClient, Result<url::Url, HostError>) {
        let url = self.problem.map_or(self.target, Err).map(|target| target.url);
        (self.client, url)
    }

    pub(super) fn may_repeat(&self) -> bool {
        let idempotent = matches!(self.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        !matches!(self.body, Body::Multipart(_)) && self.retry.unwrap_or(idempotent)
    }

    fn fail(&mut self, reason: String) {
        self.problem.get_or_insert(HostError::Request(reason));
    }
}
