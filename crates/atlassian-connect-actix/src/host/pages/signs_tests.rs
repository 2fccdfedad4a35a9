use serde_json::json;

use super::*;

/// What one page says, requested with this query.
fn said(query: &str, page: &Value) -> String {
    let url = Url::parse(&format!("https://x.example/list?{query}")).unwrap();
    let items = page.as_array().or_else(|| page["values"].as_array()).cloned().unwrap_or_default();
    match ListProgress::of(&url).read(&url, page, None, &items) {
        Sign::End => "end".into(),
        Sign::Following(Following::Link(link)) => link,
        Sign::Following(Following::Parameter(name, value)) => format!("{name}={value}"),
        Sign::Repeated => "repeated".into(),
        Sign::Stuck(_) => "stuck".into(),
        Sign::Broken(reason) => format!("error: {reason}"),
    }
}

#[test]
fn what_one_page_says() {
    let two = || json!([1, 2]);
    for (query, page, expected) in [
        // offsets with a total or a flag
        ("", json!({"startAt": 0, "total": 5, "values": two()}), "startAt=2"),
        ("", json!({"startAt": 3, "total": 5, "values": two()}), "end"),
        ("", json!({"startAt": "0", "total": "5", "values": two()}), "startAt=2"),
        ("", json!({"startAt": "3", "total": " 5 ", "values": two()}), "end"),
        ("", json!({"startAt": 0.0, "total": 5.0, "values": two()}), "startAt=2"),
        ("", json!({"offset": 0, "limit": 2, "total": 3, "values": two()}), "offset=2"),
        ("", json!({"startAt": 0, "total": 5, "isLast": true, "values": two()}), "end"),
        ("", json!({"startAt": 0, "isLast": "true", "values": two()}), "end"),
        ("", json!({"startAt": 0, "isLast": "false", "values": two()}), "startAt=2"),
        ("", json!({"startAt": 0, "isLast": false, "total": 2, "values": two()}), "startAt=2"),
        ("", json!({"startAt": 2, "isLast": false, "total": 2, "values": []}), "end"),
        ("", json!({"isLastPage": false, "start": 0, "limit": 2, "size": 2, "values": two()}), "start=2"),
        ("", json!({"isLastPage": false, "start": 0, "limit": 2, "size": 2, "_links": {}, "values": two()}), "start=2"),
        ("", json!({"isLastPage": true, "start": 2, "limit": 2, "size": 1, "values": [3]}), "end"),
        ("start=4", json!({"isLastPage": false, "values": two()}), "start=6"),
        ("", json!({"isLast": false, "values": two()}), "startAt=2"),
        ("startAt=4", json!({"total": 9, "values": two()}), "startAt=6"),
        ("maxResults=2", json!({"total": 9, "values": two()}), "startAt=2"),
        ("", json!({"startAt": 0, "hasMoreResults": true, "values": two()}), "startAt=2"),
        // offsets alone go on until a page is short or empty
        ("", json!({"startAt": 3, "values": two()}), "startAt=5"),
        ("", json!({"startAt": 3, "values": []}), "end"),
        ("maxResults=2", json!({"startAt": 2, "values": [3]}), "end"),
        ("limit=2", json!({"start": 0, "limit": 2, "size": 2, "values": two()}), "start=2"),
        ("limit=9", json!({"start": 0, "limit": 2, "size": 2, "values": two()}), "start=2"),
        // except for Confluence's last page
        ("limit=2", json!({"start": 0, "limit": 2, "size": 2, "_links": {"self": "x"}, "values": two()}), "end"),
        // links
        ("", json!({"_links": {"next": "/a"}, "values": two()}), "/a"),
        ("", json!({"_links": {"next": {"href": "/a"}}, "values": []}), "/a"),
        ("", json!({"next": "https://a/b", "values": two()}), "https://a/b"),
        ("", json!({"next": "https://a/b", "startAt": 0, "total": 9, "values": two()}), "https://a/b"),
        ("", json!({"links": {"next": "/a"}, "values": two()}), "/a"),
        ("", json!({"lastPage": false, "nextPage": "https://a/b", "values": two()}), "https://a/b"),
        // Jira's changed worklogs: the place of changes that are yet to come
        ("", json!({"lastPage": true, "nextPage": "https://a/b", "values": two()}), "end"),
        ("limit=2", json!({"pagelen": 2, "page": 1, "values": two()}), "end"),
        ("limit=2", json!({"next": null, "values": two()}), "end"),
        ("limit=2", json!({"next": "", "values": two(), "_links": {}}), "end"),
        // tokens
        ("", json!({"nextPageToken": "T", "values": two()}), "nextPageToken=T"),
        ("", json!({"isLast": true, "nextPageToken": "T", "values": two()}), "nextPageToken=T"),
        ("", json!({"nextPageToken": 7, "values": []}), "nextPageToken=7"),
        ("maxResults=2", json!({"nextPageToken": null, "values": two()}), "end"),
        ("", json!({"isLastPage": false, "nextPageStart": 7, "start": 0, "values": two()}), "start=7"),
        // bare arrays
        ("startAt=0&maxResults=2", json!([1, 2]), "startAt=2"),
        ("startAt=4", json!([1, 2]), "startAt=6"),
        ("maxResults=2", json!([1, 2]), "startAt=2"),
        ("start=0&limit=2", json!([1, 2]), "start=2"),
        ("startAt=0&maxResults=3", json!([1, 2]), "end"),
        ("startAt=0&maxResults=2", json!([]), "end"),
        ("", json!([1, 2]), "end"),
        // the host's own limit
        ("startAt=0&maxResults=1000", json!(vec![0; 100]), "startAt=100"),
        ("", json!(vec![0; 50]), "startAt=50"),
        ("maxResults=1000", json!({"startAt": 0, "values": vec![0; 100]}), "startAt=100"),
        // the end of another kind of list, or a single page
        ("", json!({"values": two()}), "end"),
        ("maxResults=3", json!({"values": two()}), "end"),
        ("", json!({"_links": {}, "values": two()}), "end"),
    ] {
        assert_eq!(said(query, &page), expected, "?{query} {page}");
    }
}

#[test]
fn a_list_that_cannot_go_on_is_an_error_with_its_reason() {
    let full = "error: the page is full (2 items)";
    for (query, page, expected) in [
        ("maxResults=2", json!({"values": [1, 2]}), full),
        ("limit=2", json!({"values": [1, 2]}), full),
        ("limit=1", json!({"values": [1, 2]}), full),
        ("pagelen=2", json!({"values": [1, 2]}), full),
        ("", json!({"maxResults": 2, "values": [1, 2]}), full),
        ("limit=2", json!([1, 2]), full),
        ("", json!({"lastPage": false, "values": [1, 2]}), "error: there is more, but it does not say where"),
        ("", json!({"hasMore": true, "values": [1, 2]}), "error: there is more, but it does not say where"),
        ("", json!({"total": 5, "values": [1, 2]}), "error: it has 5 items, but does not say where those after 2 are"),
        ("", json!({"startAt": 2, "total": 5, "values": []}), "error: it has 5 items, but the page after 2"),
        ("", json!({"startAt": 2, "isLast": false, "values": []}), "error: there is more, but the page is empty"),
        ("", json!({"next": 3, "values": [1, 2]}), "error: its next cannot be read"),
        ("", json!({"_links": {"next": [1]}, "values": [1, 2]}), "error: its _links.next cannot be read"),
        ("", json!({"nextPageToken": {"a": 1}, "values": [1, 2]}), "error: its nextPageToken cannot be read"),
        ("startAt=4", json!({"startAt": 0, "total": 9, "values": [1, 2]}), "stuck"),
        // hostile numbers
        ("", json!({"startAt": u64::MAX, "values": [1, 2]}), "error: its offset is too large"),
        ("startAt=18446744073709551615&maxResults=2", json!([1, 2]), "error: its offset is too large"),
        ("", json!({"startAt": 0, "total": u64::MAX, "values": []}), "error: it has 18446744073709551615 items"),
    ] {
        let said = said(query, &page);
        assert!(said.starts_with(expected), "?{query} {page}: {said}");
    }
    for (page, expected) in [
        (json!({"startAt": u64::MAX - 2, "values": [1, 2]}), "startAt=18446744073709551615"),
        (json!({"startAt": -1, "total": 5, "values": [1, 2]}), "startAt=2"),
        (json!({"startAt": 1e300, "total": 5, "values": [1, 2]}), "startAt=2"),
        (json!({"startAt": 0, "total": -1, "values": [1, 2]}), "startAt=2"),
        (json!({"startAt": 0, "total": "many", "values": [1, 2]}), "startAt=2"),
    ] {
        assert_eq!(said("startAt=0", &page), expected, "{page}");
    }
}
