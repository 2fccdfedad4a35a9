//! Lists that come page by page, as a stream: the next page is asked for when the last one has been taken.
//!
//! Source: Atlassian, REST API documentation of Jira (`startAt`, `nextPageToken`) and Confluence (`_links.next`).

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use futures_util::{Stream, stream};
use serde_json::Value;
use url::Url;

use super::{HostClient, HostError, HostRequest};

struct Cursor {
    client: HostClient,
    headers: HeaderMap,
    timeout: Duration,
    body_limit: usize,
    items: &'static str,
    next: Option<Url>,
    taken: VecDeque<Value>,
}

impl HostRequest {
    /// The items of every page, one after the other; `items` is the member of the answer that lists them (`values`,
    /// `issues`, `results`). Each page is asked for by GET, with this request's headers and limits. It ends after the
    /// first error.
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
    pub fn items(self, items: &'static str) -> impl Stream<Item = Result<Value, HostError>> {
        let (headers, timeout, body_limit) = (self.headers.clone(), self.timeout, self.body_limit);
        let (client, start) = self.into_parts();
        let taken = VecDeque::new();
        let cursor = start.map(|url| Cursor { client, headers, timeout, body_limit, items, next: Some(url), taken });
        stream::unfold(Some(cursor), |cursor| async move {
            let mut cursor = match cursor? {
                Ok(cursor) => cursor,
                Err(error) => return Some((Err(error), None)),
            };
            match cursor.take().await {
                Ok(item) => item.map(|item| (Ok(item), Some(Ok(cursor)))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl Cursor {
    async fn take(&mut self) -> Result<Option<Value>, HostError> {
        loop {
            if let Some(item) = self.taken.pop_front() {
                return Ok(Some(item));
            }
            let Some(url) = self.next.take() else { return Ok(None) };
            let mut request = self.client.get(url.as_str()).timeout(self.timeout).body_limit(self.body_limit);
            request.headers.clone_from(&self.headers);
            let mut page: Value = request.send().await?.json().await?;
            let Some(Value::Array(items)) = page.get_mut(self.items).map(Value::take) else {
                return Err(HostError::Answer(format!("it has no list called {}", self.items)));
            };
            self.next = next(&url, self.client.base_url(), &page, items.len());
            // a page that leads to itself would never end
            self.next = self.next.take().filter(|next| *next != url);
            self.taken = items.into();
        }
    }
}

/// Where the page after `page` is.
fn next(url: &Url, base_url: &str, page: &Value, count: usize) -> Option<Url> {
    if let Some(link) = page.pointer("/_links/next").and_then(Value::as_str) {
        return linked(link, base_url);
    }
    if page.get("isLast") == Some(&Value::Bool(true)) {
        return None;
    }
    if let Some(token) = page.get("nextPageToken").and_then(Value::as_str) {
        return Some(with(url, "nextPageToken", token));
    }
    let start = page.get("startAt")?.as_u64()?;
    // a start beyond all bounds leads nowhere
    let after = start.checked_add(u64::try_from(count).ok()?)?;
    let is_last = count == 0 || page.get("total").and_then(Value::as_u64).is_some_and(|total| after >= total);
    (!is_last).then(|| with(url, "startAt", &after.to_string()))
}

/// Confluence's links are below its base URL, or, in the newer API, below the site with `/wiki` in them.
fn linked(link: &str, base_url: &str) -> Option<Url> {
    let base = Url::parse(base_url).ok()?;
    let context = base.path().trim_end_matches('/');
    if link.starts_with('/')
        && !link.starts_with("//")
        && (context.is_empty() || !link.starts_with(&format!("{context}/")))
    {
        return Url::parse(&format!("{}{link}", base_url.trim_end_matches('/'))).ok();
    }
    base.join(link).ok()
}

fn with(url: &Url, name: &str, value: &str) -> Url {
    let mut next = url.clone();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != name)
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    next.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn where_the_next_page_is() {
        let url = Url::parse("https://x.example/wiki/rest/list?a=b%20c&startAt=0").unwrap();
        let next = |page: Value, count| next(&url, "https://x.example/wiki", &page, count).map(|url| url.to_string());
        let list = "https://x.example/wiki/rest/list?a=b+c";
        for (page, count, expected) in [
            (json!({"startAt": 0, "total": 5}), 2, Some(format!("{list}&startAt=2"))),
            (json!({"startAt": 3, "total": 5}), 2, None),
            (json!({"startAt": 3}), 2, Some(format!("{list}&startAt=5"))),
            (json!({"startAt": 3}), 0, None),
            (json!({"startAt": 0, "total": 5, "isLast": true}), 2, None),
            (json!({"nextPageToken": "t&1"}), 2, Some(format!("{list}&startAt=0&nextPageToken=t%261"))),
            (json!({"nextPageToken": null}), 2, None),
            (
                json!({"_links": {"next": "/rest/list?cursor=1"}}),
                2,
                Some("https://x.example/wiki/rest/list?cursor=1".into()),
            ),
            (
                json!({"_links": {"next": "/wiki/api/v2/pages?cursor=1"}}),
                2,
                Some("https://x.example/wiki/api/v2/pages?cursor=1".into()),
            ),
            (json!({"_links": {}}), 2, None),
            (json!({}), 2, None),
            (json!({"startAt": u64::MAX}), 2, None),
            (json!({"startAt": u64::MAX - 2}), 2, Some(format!("{list}&startAt={}", u64::MAX))),
            (json!({"startAt": u64::MAX, "total": u64::MAX}), 2, None),
            (json!({"startAt": -1, "total": 5}), 2, None),
            (json!({"startAt": 1e300, "total": 5}), 2, None),
            (json!({"startAt": 0, "total": -1}), 2, Some(format!("{list}&startAt=2"))),
        ] {
            assert_eq!(next(page.clone(), count), expected, "{page}");
        }
    }
}
