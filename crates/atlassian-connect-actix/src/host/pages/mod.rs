//! Paged lists as a stream: the next page is requested when the current one has been consumed.
//!
//! A list never ends silently: it ends where the host says so, or with an error. Missing data is worse than an error.

mod link;
mod query;
mod signs;

use std::collections::{HashSet, VecDeque};

use actix_web::http::header;
use futures_util::{Stream, stream};
use serde_json::Value;
use url::{Origin, Url};

use super::actor::Identity;
use super::parts::Parts;
use super::{HostError, HostResponse, exchange};
use link::resolve;
use signs::{Following, ListProgress, Sign};

/// What comes after the current page.
enum Next {
    Page(Url),
    End,
    Broken(HostError),
}

struct Cursor {
    parts: Parts,
    items: String,
    progress: ListProgress,
    /// The origin that the app named, as long as every page came from it.
    chosen: Option<Origin>,
    next: Next,
    taken: VecDeque<Value>,
    /// Every page that was requested: a link or token back to one of them would never end.
    visited: HashSet<Url>,
}

/// The items of all pages, beginning with the one at `start`, see [`HostRequest::items`](super::HostRequest::items).
pub(super) fn items(
    mut parts: Parts,
    start: Result<Url, HostError>,
    items: String,
) -> impl Stream<Item = Result<Value, HostError>> {
    // a GET has no body
    parts.headers.remove(header::CONTENT_TYPE);
    let cursor = start.map(|url| Cursor {
        parts: parts.to_get(),
        items,
        progress: ListProgress::of(&url),
        chosen: Some(url.origin()),
        next: Next::Page(url),
        taken: VecDeque::new(),
        visited: HashSet::new(),
    });
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

impl Cursor {
    async fn take(&mut self) -> Result<Option<Value>, HostError> {
        loop {
            if let Some(item) = self.taken.pop_front() {
                return Ok(Some(item));
            }
            match std::mem::replace(&mut self.next, Next::End) {
                Next::Page(url) => self.open(url).await?,
                Next::End => return Ok(None),
                Next::Broken(error) => return Err(error),
            }
        }
    }

    /// Requests a page and determines what comes after it.
    async fn open(&mut self, url: Url) -> Result<(), HostError> {
        let mut target = self.parts.actor.site.target(url.as_str())?;
        if self.chosen.as_ref() == Some(&url.origin()) {
            target = target.chosen_by(&self.parts.actor.identity);
        } else {
            target.is_own = false;
        }
        // boxed, because it is large
        let response = Box::pin(exchange::run(self.parts.to_get(), target)).await?;
        let (came_from, header) = (response.url().clone(), link_header(&response));
        if self.chosen.as_ref() != Some(&came_from.origin()) {
            self.chosen = None;
        }
        if !response.is_own {
            // another origin must not choose what is signed next
            self.parts.actor.identity = Identity::Anonymous;
        }
        let mut page: Value = response.json().await?;
        let items = match &mut page {
            Value::Array(items) => Some(items.clone()),
            page => match page.get_mut(&self.items).map(Value::take) {
                Some(Value::Array(items)) => Some(items),
                _ => None,
            },
        };
        let Some(items) = items else {
            return Err(HostError::Answer(format!("it has no list called {}", self.items)));
        };
        let sign = self.progress.read(&url, &page, header.as_deref(), &items);
        self.visited.insert(url.clone());
        self.next = match sign {
            Sign::End => Next::End,
            // its items have already been returned
            Sign::Repeated => return Ok(()),
            Sign::Stuck(reason) => return Err(HostError::List(reason)),
            Sign::Broken(reason) => Next::Broken(HostError::List(reason)),
            Sign::Following(following) => self.locate(following, &url, &came_from, &page),
        };
        self.taken = items.into();
        Ok(())
    }

    fn locate(&self, following: Following, url: &Url, came_from: &Url, page: &Value) -> Next {
        let next = match following {
            Following::Link(link) => match resolve(&link, came_from, &self.parts.actor.site, page) {
                Some(next) => next,
                None => return Next::Broken(HostError::List("the link to the next page is not a valid URL".into())),
            },
            Following::Parameter(name, value) => query::with(url, name, &value),
        };
        if self.visited.contains(&next) {
            return Next::Broken(HostError::List("the next page has already been read".into()));
        }
        Next::Page(next)
    }
}

/// The target of the header `Link` whose relation is `next`.
///
/// Source: RFC 8288; Atlassian, REST API of Confluence, v2, which sends it beside `_links.next`.
fn link_header(response: &HostResponse) -> Option<String> {
    for value in response.headers().get_all("link").filter_map(|value| value.to_str().ok()) {
        // targets may contain commas
        for link in value.split('<').skip(1) {
            let Some((target, parameters)) = link.split_once('>') else { continue };
            let is_next = parameters.split([';', ',']).any(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
            });
            if is_next {
                return Some(target.to_owned());
            }
        }
    }
    None
}
