//! What a page says about the pages after it.
//!
//! Source: Atlassian, REST API documentation of Jira (`startAt`, `nextPageToken`, `nextPage`, `lastPage`), Jira Service
//! Management (`start`, `isLastPage`), Confluence (`_links.next`) and Bitbucket (`next`, `pagelen`).

use serde_json::Value;
use url::Url;

use super::query;

/// Parameters and members with the offset of a page.
const STARTS: [&str; 3] = ["startAt", "start", "offset"];
/// Parameters and members with the largest length of a page.
const LENGTHS: [&str; 7] = ["maxResults", "limit", "pagelen", "pageSize", "per_page", "max-results", "size"];
/// A page that is shorter than requested may have been cut by the host's own limit, which is a multiple of this: 50,
/// 100, 1000.
const ROUND: usize = 50;

/// What one page says.
#[derive(Debug, PartialEq)]
pub(super) enum Sign {
    /// It is the last one.
    End,
    /// There is another page.
    Following(Following),
    /// It repeats the page before, of a list without pages: the list is complete.
    Repeated,
    /// It repeats an earlier page of a list that should have gone on: why there is no next one.
    Stuck(String),
    /// Its items are valid, but what follows is unknown.
    Broken(String),
}

/// Where the next page is.
#[derive(Debug, PartialEq)]
pub(super) enum Following {
    Link(String),
    Parameter(&'static str, String),
}

/// What was asked for, and what has been received so far.
pub(super) struct ListProgress {
    start: Option<(&'static str, u64)>,
    length: Option<(&'static str, u64)>,
    /// The number of items of all pages so far.
    came: u64,
    /// Whether an earlier page had a link or a token: then a page without one ends the list.
    is_followed: bool,
    /// The previous bare array, and whether its list is known to have pages.
    array: Option<(Vec<Value>, bool)>,
}

impl ListProgress {
    pub(super) fn of(url: &Url) -> Self {
        let (start, length) = (query::number(url, &STARTS), query::number(url, &LENGTHS));
        Self { start, length, came: 0, is_followed: false, array: None }
    }

    /// What the page at `url` says.
    pub(super) fn read(&mut self, url: &Url, page: &Value, header: Option<&str>, items: &[Value]) -> Sign {
        let before = self.came;
        self.came = self.came.saturating_add(items.len() as u64);
        if !items.is_empty()
            && let (Some(begins), Some((_, asked))) = (first(page, &STARTS), query::number(url, &STARTS))
            && begins.1 < asked
        {
            return Sign::Stuck(format!("the page from {asked} on was requested, but the one from {} came", begins.1));
        }
        if truth(page, "lastPage") == Some(true) {
            // Jira's changed worklogs link to changes that are yet to come
            return Sign::End;
        }
        let followed = link(page).or_else(|| token(page));
        let followed = followed.or_else(|| Some(Ok(Following::Link(header?.to_owned()))));
        match followed {
            Some(Ok(following)) => {
                self.is_followed = true;
                return Sign::Following(following);
            }
            Some(Err(name)) => return Sign::Broken(format!("its {name} cannot be read")),
            None => {}
        }
        if let Value::Array(_) = page {
            return self.bare(items, before);
        }
        self.counted(page, items.len(), before)
    }

    /// A page with an offset, a total or a flag, or none of them.
    fn counted(&self, page: &Value, count: usize, before: u64) -> Sign {
        let more = has_more(page);
        if more == Some(false) {
            return Sign::End;
        }
        let own = first(page, &STARTS);
        let offset = own.or_else(|| self.offset(page, before));
        let after = match own {
            Some((_, start)) => start.checked_add(count as u64),
            None => self.start.map_or(0, |(_, start)| start).checked_add(self.came),
        };
        let Some(after) = after else {
            return Sign::Broken("its offset is too large".into());
        };
        let following = || offset.map(|(name, _)| Sign::Following(Following::Parameter(name, after.to_string())));
        let total = number(page, "total");
        if let Some(total) = total.filter(|total| after < *total) {
            if count == 0 {
                return Sign::Broken(format!("it has {total} items, but the page after {after} of them is empty"));
            }
            let nowhere =
                || Sign::Broken(format!("it has {total} items, but does not say where those after {after} are"));
            return following().unwrap_or_else(nowhere);
        }
        if more == Some(true) {
            if count == 0 {
                let is_all = total.is_some();
                return if is_all { Sign::End } else { Sign::Broken("there is more, but the page is empty".into()) };
            }
            return following().unwrap_or_else(|| Sign::Broken("there is more, but it does not say where".into()));
        }
        if total.is_some() || count == 0 || self.is_followed || shows_end(page) {
            return Sign::End;
        }
        // `size` in an answer is the number of items; as a parameter it is the number requested
        let limit = first(page, &LENGTHS[..6]).map(|(_, limit)| limit);
        let length = [limit, self.length.map(|(_, length)| length)].into_iter().flatten().min();
        let is_short = length.is_some_and(|length| (count as u64) < length);
        if own.is_some() {
            let is_cut = limit.is_none() && count.is_multiple_of(ROUND);
            return if is_short && !is_cut { Sign::End } else { following().unwrap_or(Sign::End) };
        }
        if length.is_some() && !is_short {
            return Sign::Broken(format!(
                "the page is full ({count} items), and the answer says neither that the list ends nor where it goes on"
            ));
        }
        Sign::End
    }

    /// The offset of the page. If the page does not state it, it follows from the request.
    fn offset(&self, page: &Value, before: u64) -> Option<(&'static str, u64)> {
        let start = self.start.map_or(0, |(_, start)| start).saturating_add(before);
        if let Some((name, _)) = self.start {
            return Some((name, start));
        }
        if self.is_followed {
            return None;
        }
        if page.get("isLastPage").is_some() {
            return Some(("start", start));
        }
        let is_jira = page.get("isLast").is_some() || self.length.is_some_and(|(name, _)| name == "maxResults");
        is_jira.then_some(("startAt", start))
    }

    /// A bare array, such as Jira's users: it goes on until a page is short.
    fn bare(&mut self, items: &[Value], before: u64) -> Sign {
        if items.is_empty() || self.is_followed {
            return Sign::End;
        }
        let start = self.start.map_or(0, |(_, start)| start).checked_add(self.came);
        let earlier = self.array.replace((items.to_vec(), true));
        if let Some((earlier, has_pages)) = &earlier
            && earlier == items
        {
            if *has_pages {
                return Sign::Stuck("the same page was returned twice".into());
            }
            return Sign::Repeated;
        }
        let count = items.len();
        let first_count = earlier.as_ref().map(|(items, _)| items.len());
        let length = self.length.and_then(|(_, length)| usize::try_from(length).ok());
        let is_paged = match self.length {
            Some((name, _)) => self.start.is_some() || name == "maxResults",
            None => self.start.is_some(),
        };
        // the page before shows the host's own limit; without one, a round number may be a limit
        let is_full = match (first_count, length) {
            (Some(first), _) => count >= first,
            (None, Some(length)) => count >= length,
            (None, None) => self.start.is_some(),
        };
        let may_be_cut = count.is_multiple_of(ROUND) && (is_paged || self.length.is_none());
        if !is_full && !may_be_cut {
            return Sign::End;
        }
        if is_full && !is_paged && before == 0 {
            return Sign::Broken(format!(
                "the page is full ({count} items), and the answer says neither that the list ends nor where it goes on"
            ));
        }
        let Some(start) = start else {
            return Sign::Broken("its offset is too large".into());
        };
        self.array = Some((items.to_vec(), is_full));
        let name = self.start.map_or("startAt", |(name, _)| name);
        Sign::Following(Following::Parameter(name, start.to_string()))
    }
}

/// A link to the next page; an error if it is neither a string nor absent.
fn link(page: &Value) -> Option<Result<Following, &'static str>> {
    for (pointer, name) in
        [("/_links/next", "_links.next"), ("/next", "next"), ("/nextPage", "nextPage"), ("/links/next", "links.next")]
    {
        match page.pointer(pointer).map(|link| link.get("href").unwrap_or(link)) {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::String(link)) if link.trim().is_empty() => {}
            Some(Value::String(link)) => return Some(Ok(Following::Link(link.trim().to_owned()))),
            Some(_) => return Some(Err(name)),
        }
    }
    None
}

/// The token of the next page, or the number of its first item. Jira's search sometimes has `isLast: true` beside a
/// token.
fn token(page: &Value) -> Option<Result<Following, &'static str>> {
    for (member, parameter) in [("nextPageToken", "nextPageToken"), ("nextPageStart", "start")] {
        let value = match page.get(member) {
            None | Some(Value::Null | Value::Bool(false)) => continue,
            Some(Value::String(token)) if token.is_empty() => continue,
            Some(Value::String(token)) => token.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => return Some(Err(member)),
        };
        return Some(Ok(Following::Parameter(parameter, value)));
    }
    None
}

/// Whether there is more, if the page has a flag for it.
fn has_more(page: &Value) -> Option<bool> {
    let is_last = ["isLast", "isLastPage", "lastPage"].iter().find_map(|name| truth(page, name));
    is_last
        .map(|is_last| !is_last)
        .or_else(|| ["hasMore", "hasMoreResults", "hasNext"].iter().find_map(|name| truth(page, name)))
}

/// Whether the page has a member for a link or token, but it is empty: the mark of the last page.
fn shows_end(page: &Value) -> bool {
    ["_links", "next", "nextPage", "nextPageToken", "nextPageStart", "pagelen"]
        .iter()
        .any(|name| page.get(name).is_some())
}

fn first(page: &Value, names: &[&'static str]) -> Option<(&'static str, u64)> {
    names.iter().find_map(|name| Some((*name, number(page, name)?)))
}

/// A whole number, which some answers write as a string.
fn number(page: &Value, name: &str) -> Option<u64> {
    match page.get(name)? {
        Value::Number(number) => number.as_u64().or_else(|| whole(&number.to_string())),
        Value::String(text) => whole(text.trim()),
        _ => None,
    }
}

/// `2`, `2.0`.
fn whole(text: &str) -> Option<u64> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_whole = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    if is_whole && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

fn truth(page: &Value, name: &str) -> Option<bool> {
    match page.get(name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
#[path = "signs_tests.rs"]
mod tests;
