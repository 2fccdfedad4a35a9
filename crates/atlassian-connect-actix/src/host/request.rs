//! A request as a handler puts it together.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use futures_util::Stream;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use serde_json::Value;

use super::actor::{Actor, Identity};
use super::parts::{Body, Parts};
use super::target::{RESERVED, Target};
use super::{HostError, HostResponse, Multipart, exchange, pages};

/// A request that is being built. What is wrong with it is told by [`HostRequest::send`].
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct HostRequest {
    parts: Parts,
    target: Result<Target, HostError>,
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

impl HostRequest {
    pub(super) fn new(actor: Actor, method: Method, url: &str) -> Self {
        let target = actor.site.target(url);
        let mut parts = Parts::new(actor, method);
        parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self { parts, target, problem: None }
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
            (Ok(header::AUTHORIZATION), Ok(_)) if !matches!(self.parts.actor.identity, Identity::Anonymous) => {}
            // what the body is decides about its length
            (Ok(header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::HOST), Ok(_)) => {}
            (Ok(name), Ok(value)) => {
                self.parts.headers.insert(name, value);
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
        self.parts.body = Body::Multipart(multipart);
        self.header("X-Atlassian-Token", "no-check")
    }

    /// Any body.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("Content-Type", content_type);
        request.parts.body = Body::Bytes(body.into());
        request
    }

    fn bytes(mut self, content_type: &'static str, body: Vec<u8>) -> Self {
        self.parts.body = Body::Bytes(body.into());
        if !self.parts.headers.contains_key(header::CONTENT_TYPE) {
            self.parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        self
    }

    /// Sends no credentials with this request.
    pub fn anonymous(mut self) -> Self {
        self.parts.actor.identity = Identity::Anonymous;
        self
    }

    /// How long the whole request may take; 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.parts.timeout = timeout;
        self
    }

    /// How many bytes of the answer are read at most when it is read whole; 10 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.parts.body_limit = bytes;
        self
    }

    /// Whether a 429 or 503 is waited out and the request sent again. By default GET, HEAD, PUT and DELETE are, and what
    /// may not be repeated is not.
    pub fn retry(mut self, retry: bool) -> Self {
        self.parts.retry = Some(retry);
        self
    }

    /// Whether redirects of a GET or HEAD are followed; by default they are. Without it, the redirect is the answer. A
    /// redirect of any other method is the answer in any case.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.parts.follow_redirects = follow;
        self
    }

    /// Sends it. Any status is an answer; see [`HostResponse::error_for_status`].
    ///
    /// # Errors
    /// [`HostError`] when there is no answer.
    pub async fn send(mut self) -> Result<HostResponse, HostError> {
        let target = self.finish()?;
        // boxed: a handler holds several of these, and each is large
        Box::pin(exchange::run(self.parts, target)).await
    }

    /// What [`HostRequest::send`] would send, signed, without sending it: to look at, or for another client to send.
    /// A user's token is asked for. The body's length, and a multipart's type, are set when it is sent.
    ///
    /// # Errors
    /// [`HostError::Url`], [`HostError::Request`], [`HostError::Token`].
    pub async fn prepare(mut self) -> Result<PreparedRequest, HostError> {
        let target = self.finish()?;
        let headers = exchange::headers(&self.parts, &target).await?;
        Ok(PreparedRequest { method: self.parts.method, url: target.url, headers })
    }

    /// The items of every page, one after the other; `items` is the member of the answer that lists them (`values`,
    /// `issues`, `results`). An answer that is a bare array lists them itself. Each page is requested by GET, with this
    /// request's headers and limits. It ends after the first error.
    ///
    /// Pages are followed by links (`_links.next`, `next`, `nextPage`, the header `Link`), tokens (`nextPageToken`) and
    /// offsets (`startAt`, `start`, `offset`). A list that says that there is more but not where, one that leads in a
    /// circle, and a full page that shows neither an end nor a next page are [`HostError::List`].
    ///
    /// ```no_run
    /// # use atlassian_connect_actix::host::{HostClient, HostError};
    /// use futures_util::TryStreamExt;
    ///
    /// # async fn all(host: HostClient) -> Result<(), HostError> {
    /// let mut projects = std::pin::pin!(host.get("/rest/api/3/project/search").items("values"));
    /// while let Some(project) = projects.try_next().await? {
    ///     println!("{}", project["key"]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn items(self, items: impl Into<String>) -> impl Stream<Item = Result<Value, HostError>> {
        let start = self.problem.map_or(self.target, Err).map(|target| target.url);
        pages::items(self.parts, start, items.into())
    }

    fn finish(&mut self) -> Result<Target, HostError> {
        if let Some(problem) = self.problem.take() {
            return Err(problem);
        }
        if matches!(self.parts.method, Method::GET | Method::HEAD) {
            // hosts refuse a GET with a body (Atlassian's CHANGE-2328)
            self.parts.body = Body::Empty;
            self.parts.headers.remove(header::CONTENT_TYPE);
        }
        self.target.clone()
    }

    fn fail(&mut self, reason: String) {
        self.problem.get_or_insert(HostError::Request(reason));
    }
}
