//! The builder of a request.

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

/// A request that is being built. [`HostRequest::send`] reports what is wrong with it.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct HostRequest {
    parts: Parts,
    target: Result<Target, HostError>,
    problem: Option<HostError>,
}

/// A request as it would be sent, see [`HostRequest::prepare`]. `Debug` does not show the credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PreparedRequest {
    /// The method.
    pub method: Method,
    /// The full URL.
    pub url: url::Url,
    /// The headers, including `Authorization`.
    pub headers: HeaderMap,
}

impl HostRequest {
    pub(super) fn new(actor: Actor, method: Method, url: &str) -> Self {
        let target = actor.site.target(url);
        let mut parts = Parts::new(actor, method);
        parts.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self { parts, target, problem: None }
    }

    /// Adds parameters to the query; a name may occur more than once.
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

    /// Sets a header.
    ///
    /// The client sets `Authorization` itself; yours is sent only with an anonymous request. Your headers are sent to
    /// another origin than the site's only by an anonymous request, and only to the origin of its URL. After a redirect
    /// elsewhere, and to any other foreign URL, only `Accept`, `Accept-Language`, `Range`, `If-None-Match` and
    /// `If-Modified-Since` are sent.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(header::AUTHORIZATION), Ok(_)) if !matches!(self.parts.actor.identity, Identity::Anonymous) => {}
            // the body determines its own length
            (Ok(header::CONTENT_LENGTH | header::TRANSFER_ENCODING | header::HOST), Ok(_)) => {}
            (Ok(name), Ok(value)) => {
                self.parts.headers.insert(name, value);
            }
            _ => self.fail(format!("header {name:?} has a name or a value that cannot be sent")),
        }
        self
    }

    /// Sets a JSON body. A GET or HEAD sends none.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.bytes("application/json", json),
            Err(error) => {
                self.fail(format!("the JSON does not serialise: {error}"));
                self
            }
        }
    }

    /// Sets a form as the body, `application/x-www-form-urlencoded`.
    pub fn form<K: AsRef<str>, V: AsRef<str>>(self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.bytes("application/x-www-form-urlencoded", form.into_bytes())
    }

    /// Sets a form with files as the body, `multipart/form-data`, streamed. Also sets `X-Atlassian-Token: no-check`,
    /// which hosts require with it. It is sent once, without retries.
    pub fn multipart(mut self, multipart: Multipart) -> Self {
        self.parts.body = Body::Multipart(multipart);
        self.header("X-Atlassian-Token", "no-check")
    }

    /// Sets any body.
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

    /// Sets how long the whole request may take; 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.parts.timeout = timeout;
        self
    }

    /// Sets the largest answer, in bytes, if it is read as a whole; 10 MiB by default.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.parts.body_limit = bytes;
        self
    }

    /// Whether to retry after a 429 or 503. By default GET, HEAD, PUT and DELETE are retried, unless the body cannot be
    /// repeated.
    pub fn retry(mut self, retry: bool) -> Self {
        self.parts.retry = Some(retry);
        self
    }

    /// Whether to follow redirects of a GET or HEAD; by default they are followed. Otherwise the redirect is the
    /// answer, as it always is for other methods.
    pub fn follow_redirects(mut self, follow: bool) -> Self {
        self.parts.follow_redirects = follow;
        self
    }

    /// Sends it. Any status is an answer; see [`HostResponse::error_for_status`].
    ///
    /// # Errors
    /// [`HostError`] if there is no answer.
    pub async fn send(mut self) -> Result<HostResponse, HostError> {
        let target = self.finish()?;
        // boxed: a handler holds several of these, and each is large
        Box::pin(exchange::run(self.parts, target)).await
    }

    /// Signs the request without sending it: to inspect it, or to send it with another client. This may request a user
    /// token. The body's length, and the type of a multipart form, are set when it is sent.
    ///
    /// # Errors
    /// [`HostError::Url`], [`HostError::Request`], [`HostError::Token`].
    pub async fn prepare(mut self) -> Result<PreparedRequest, HostError> {
        let target = self.finish()?;
        let headers = exchange::headers(&self.parts, &target).await?;
        Ok(PreparedRequest { method: self.parts.method, url: target.url, headers })
    }

    /// A stream of the items of all pages. `items` is the member of the answer that holds them (`values`, `issues`,
    /// `results`); an answer may also be a bare array. Each page is requested by GET, with this request's headers and
    /// limits. The stream ends after the first error.
    ///
    /// The next page is found by a link (`_links.next`, `next`, `nextPage`, the header `Link`), a token
    /// (`nextPageToken`) or an offset (`startAt`, `start`, `offset`). [`HostError::List`] is returned if there is more
    /// but no way to reach it, if the pages form a circle, and for a full page that shows neither an end nor a next
    /// page.
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
        self.target.clone().map(|target| target.chosen_by(&self.parts.actor.identity))
    }

    fn fail(&mut self, reason: String) {
        self.problem.get_or_insert(HostError::Request(reason));
    }
}
