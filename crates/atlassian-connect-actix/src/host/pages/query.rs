//! Changes parameters of a URL, and leaves the others as they were sent.

use percent_encoding::utf8_percent_encode;
use url::{Url, form_urlencoded};

use crate::host::target::RESERVED;

/// The URL with this parameter instead of those of the same name.
pub(super) fn with(url: &Url, name: &str, value: &str) -> Url {
    let query = url.query().unwrap_or_default();
    let others = query.split('&').filter(|pair| !pair.is_empty() && name_of(pair) != name);
    let added = format!("{name}={}", utf8_percent_encode(value, RESERVED));
    let pairs: Vec<&str> = others.chain(std::iter::once(added.as_str())).collect();
    let mut next = url.clone();
    next.set_query(Some(&pairs.join("&")));
    next
}

fn name_of(pair: &str) -> String {
    form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

/// The first of these parameters that is a number.
pub(super) fn number<'a>(url: &Url, names: &[&'a str]) -> Option<(&'a str, u64)> {
    names.iter().find_map(|name| {
        let (_, value) = url.query_pairs().find(|(key, _)| key == name)?;
        Some((*name, value.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_parameters_stay_as_they_were_sent() {
        for (query, expected) in [
            ("a=b%20c&startAt=0&d", "a=b%20c&d&startAt=2"),
            ("startAt=0&startAt=1&start%41t=3", "startAt=2"),
            ("", "startAt=2"),
            ("&&x=+", "x=+&startAt=2"),
            ("expand=startAt", "expand=startAt&startAt=2"),
        ] {
            let url = Url::parse(&format!("https://x.example/list?{query}")).unwrap();
            assert_eq!(with(&url, "startAt", "2").query(), Some(expected), "{query}");
        }
        let url = Url::parse("https://x.example/list").unwrap();
        assert_eq!(with(&url, "nextPageToken", "t&1 ü").query(), Some("nextPageToken=t%261%20%C3%BC"));
    }
}
