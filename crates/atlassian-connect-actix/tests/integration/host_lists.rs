//! The paging styles of hosts, through Connect and Forge, with the routes of the example that the black-box tests use:
//! every item is returned, or an error.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use atlassian_connect_testing::{By, HostCall, TestHost, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;

#[allow(clippy::wildcard_imports)]
#[path = "../../../atlassian-connect-cli/examples/conformance/lists.rs"]
mod lists;

/// A host with a Confluence site, with `/wiki` in its links, on which the example is installed.
async fn confluence() -> (TestHost, TestTenant) {
    let host = fixture::start(lists::routes).await;
    let mut tenant = host.tenant();
    tenant.product = "confluence".into();
    tenant.base_url.push_str("/wiki");
    host.install(&tenant).await;
    (host, tenant)
}

async fn jira() -> (TestHost, TestTenant) {
    let host = fixture::installed(lists::routes).await;
    let tenant = host.tenant();
    (host, tenant)
}

/// The list through Connect and through Forge.
async fn through_both(host: &TestHost, tenant: &TestTenant, url: &str, items: &str, max: Option<u64>) -> [Value; 2] {
    let query = [("url", url), ("items", items)];
    let mut query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    if let Some(max) = max {
        query.push_str(&format!("&max={max}"));
    }
    let token = tenant.context_token();
    let connect = host.call(Method::GET, &format!("/api/list?{query}"), &token, None).await;
    let invocation = host.invocation_of(tenant).body(json!({ "url": url, "items": items, "max": max }));
    let forge = host.invoke("/forge/list", &invocation).await;
    assert_eq!((connect.status, forge.status), (200, 200), "{} {}", connect.body, forge.body);
    [connect.json(), forge.json()]
}

fn parameter(call: &HostCall, name: &str) -> Option<String> {
    let query = web::Query::<Vec<(String, String)>>::from_query(&call.query).unwrap().into_inner();
    query.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Makes the host answer `/list` with the page that the parameter `name` selects.
fn pages(host: &TestHost, name: &'static str, pages: Vec<(&'static str, Value)>) {
    host.stub(Method::GET, "/list", move |call| {
        let asked = parameter(&call, name).unwrap_or_default();
        let page = pages.iter().find(|(value, _)| *value == asked).map(|(_, page)| page.clone());
        async move {
            match page {
                Some(page) => HttpResponse::Ok().json(page),
                None => HttpResponse::NotFound().json(json!({ "message": format!("no page {asked:?}") })),
            }
        }
    });
}

#[actix_web::test]
async fn every_paging_style_reaches_its_end_through_both() {
    let (host, tenant) = jira().await;
    let absolute = format!("{}/list?page=2", tenant.base_url);
    let two = json!([1, 2]);
    for (what, url, name, table) in [
        (
            "nextPage",
            "/list",
            "page",
            vec![
                ("", json!({"values": two, "lastPage": false, "nextPage": absolute})),
                ("2", json!({"values": [3], "lastPage": true, "nextPage": absolute})),
            ],
        ),
        (
            "next at the top",
            "/list?pagelen=2",
            "page",
            vec![
                ("", json!({"values": two, "pagelen": 2, "page": 1, "next": absolute})),
                ("2", json!({"values": [3], "pagelen": 1, "page": 2})),
            ],
        ),
        (
            "isLastPage",
            "/list?limit=2",
            "start",
            vec![
                ("", json!({"values": two, "isLastPage": false, "start": 0, "limit": 2, "size": 2})),
                ("2", json!({"values": [3], "isLastPage": true, "start": 2, "limit": 2, "size": 1})),
            ],
        ),
        (
            "a token beside isLast",
            "/list",
            "nextPageToken",
            vec![
                ("", json!({"values": two, "isLast": true, "nextPageToken": "T"})),
                ("T", json!({"values": [3], "isLast": true})),
            ],
        ),
        (
            "numbers as strings",
            "/list",
            "startAt",
            vec![
                ("", json!({"values": two, "startAt": "0", "maxResults": "2", "total": "3"})),
                ("2", json!({"values": [3], "startAt": "2", "maxResults": "2", "total": "3"})),
            ],
        ),
        ("a bare array", "/list?startAt=0&maxResults=2", "startAt", vec![("0", two.clone()), ("2", json!([3]))]),
        (
            "a bare array that ends with a full page",
            "/list?maxResults=1",
            "startAt",
            vec![("", json!([1])), ("1", json!([2])), ("2", json!([3])), ("3", json!([]))],
        ),
        (
            "empty pages between",
            "/list",
            "nextPageToken",
            vec![
                ("", json!({"values": two, "nextPageToken": "a"})),
                ("a", json!({"values": [], "nextPageToken": "b"})),
                ("b", json!({"values": [3]})),
            ],
        ),
        (
            "a full last page after a token",
            "/list?maxResults=2",
            "nextPageToken",
            vec![("", json!({"values": [1], "nextPageToken": "a"})), ("a", json!({"values": [2, 3]}))],
        ),
    ] {
        pages(&host, name, table);
        for answer in through_both(&host, &tenant, url, "values", None).await {
            assert_eq!(answer, json!({ "items": [1, 2, 3], "error": null }), "{what}");
        }
    }
    assert_eq!(host.problems(), [""; 0]);
    assert!(host.calls().iter().all(|call| call.by == By::Addon));
}

#[actix_web::test]
async fn a_list_that_cannot_be_read_to_its_end_is_an_error_through_both() {
    let (host, tenant) = jira().await;
    let two = json!([1, 2]);
    for (what, url, name, table, items, reason) in [
        (
            "the same token twice",
            "/list",
            "nextPageToken",
            vec![
                ("", json!({"values": two, "nextPageToken": "T"})),
                ("T", json!({"values": [3], "nextPageToken": "T"})),
            ],
            json!([1, 2, 3]),
            "has already been read",
        ),
        (
            "tokens in a circle",
            "/list",
            "nextPageToken",
            vec![
                ("", json!({"values": [1], "nextPageToken": "a"})),
                ("a", json!({"values": [2], "nextPageToken": "b"})),
                ("b", json!({"values": [3], "nextPageToken": "a"})),
            ],
            json!([1, 2, 3]),
            "has already been read",
        ),
        (
            "a link to itself",
            "/list?page=1",
            "page",
            vec![("1", json!({"values": two, "next": "/list?page=1"}))],
            two.clone(),
            "has already been read",
        ),
        (
            "a full page without a sign",
            "/list?maxResults=2",
            "page",
            vec![("", json!({"values": two}))],
            two.clone(),
            "the page is full (2 items)",
        ),
        (
            "a host that ignores startAt",
            "/list?startAt=0&maxResults=2",
            "page",
            vec![("", two.clone())],
            two.clone(),
            "the same page was returned twice",
        ),
        (
            "more, but not where",
            "/list",
            "page",
            vec![("", json!({"values": two, "lastPage": false}))],
            two.clone(),
            "does not say where",
        ),
        (
            "a total that is never reached",
            "/list",
            "startAt",
            vec![("", json!({"values": two, "startAt": 0, "total": 5})), ("2", json!({"values": [], "total": 5}))],
            two.clone(),
            "it has 5 items",
        ),
        (
            "an invalid link",
            "/list",
            "page",
            vec![("", json!({"values": two, "nextPage": "http://["}))],
            two.clone(),
            "not a valid URL",
        ),
        (
            "a page that is refused",
            "/list",
            "page",
            vec![("", json!({"values": two, "next": "/list?page=9"}))],
            two.clone(),
            "the host answered 404",
        ),
        ("no such member", "/list", "page", vec![("", json!({"issues": two}))], json!([]), "no list called values"),
    ] {
        pages(&host, name, table);
        for answer in through_both(&host, &tenant, url, "values", None).await {
            assert_eq!(answer["items"], items, "{what}: {answer}");
            let error = answer["error"].as_str().unwrap_or_default();
            assert!(error.contains(reason), "{what}: {answer}");
        }
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn links_of_confluence_stay_below_the_site_through_both() {
    let (host, tenant) = confluence().await;
    let origin = tenant.base_url.trim_end_matches("/wiki").to_owned();
    let cases = [
        "/wiki/api/v2/spaces?cursor=x".to_owned(),
        "/api/v2/spaces?cursor=x".to_owned(),
        "?cursor=x".to_owned(),
        "spaces?cursor=x".to_owned(),
        format!("{origin}/wiki/api/v2/spaces?cursor=x"),
        // this origin is not known to be the site, but the list is the same
        "https://renamed.atlassian.net/wiki/api/v2/spaces?cursor=x".to_owned(),
    ];
    for link in cases {
        let is_foreign = link.starts_with("https");
        let next = link.clone();
        host.stub(Method::GET, "/api/v2/spaces", move |call| {
            let page = match parameter(&call, "cursor") {
                None => json!({"results": [1, 2], "_links": {"next": next}}),
                Some(_) => json!({"results": [3], "_links": {}}),
            };
            async move { HttpResponse::Ok().json(page) }
        });
        for path in ["/wiki/api/v2/spaces?limit=2", "/api/v2/spaces?limit=2"] {
            let seen = host.calls().len();
            let [connect, forge] = through_both(&host, &tenant, path, "results", None).await;
            let expected = json!({ "items": [1, 2, 3], "error": null });
            assert_eq!(forge, expected, "{link}");
            if !is_foreign {
                assert_eq!(connect, expected, "{link}");
            }
            let calls = host.calls().split_off(seen);
            assert!(calls.iter().all(|call| call.by == By::Addon), "{link}: {calls:?}");
        }
    }
    // only the header
    host.stub(Method::GET, "/api/v2/spaces", |call| async move {
        let mut answer = HttpResponse::Ok();
        if parameter(&call, "cursor").is_none() {
            answer.insert_header((
                "Link",
                r#"<https://a/?b=1,2>; rel="base", </wiki/api/v2/spaces?cursor=x>; rel="next""#,
            ));
        }
        let items = if parameter(&call, "cursor").is_none() { json!([1, 2]) } else { json!([3]) };
        answer.json(json!({ "results": items }))
    });
    for answer in through_both(&host, &tenant, "/wiki/api/v2/spaces?limit=2", "results", None).await {
        assert_eq!(answer, json!({ "items": [1, 2, 3], "error": null }));
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_page_of_another_origin_does_not_choose_what_is_signed() {
    let (host, tenant) = jira().await;
    let other = host.new_tenant();
    let (there, back) = (format!("{}/list?page=2", other.base_url), format!("{}/list?page=3", tenant.base_url));
    let table = vec![
        ("", json!({"values": [1], "next": there})),
        ("2", json!({"values": [2], "next": back})),
        ("3", json!({"values": [3]})),
    ];
    pages(&host, "page", table);
    let token = tenant.context_token();
    let reply = host.call(Method::GET, "/api/list?url=/list&items=values", &token, None).await;
    assert_eq!(reply.json(), json!({ "items": [1, 2, 3], "error": null }));
    let by: Vec<By> = host.calls().into_iter().map(|call| call.by).collect();
    assert_eq!(by, [By::Addon, By::Nobody, By::Nobody]);
}

#[actix_web::test]
async fn a_link_to_the_display_url_goes_to_the_site_through_both() {
    let host = fixture::start(lists::routes).await;
    let mut tenant = host.tenant();
    tenant.display_url = Some("https://jira.acme.example".into());
    host.install(&tenant).await;
    let link = "https://jira.acme.example/list?page=2";
    for at in ["nextPage", "next"] {
        let table = vec![("", json!({"values": [1, 2], at: link})), ("2", json!({"values": [3]}))];
        pages(&host, "page", table);
        for answer in through_both(&host, &tenant, "/list", "values", None).await {
            assert_eq!(answer, json!({ "items": [1, 2, 3], "error": null }), "{at}");
        }
    }
    assert!(host.calls().iter().all(|call| call.by == By::Addon));
}

#[actix_web::test]
async fn max_limits_the_items_and_the_requests() {
    let (host, tenant) = jira().await;
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    host.stub(Method::GET, "/list", move |call| {
        *count.lock().unwrap() += 1;
        let start: u64 = parameter(&call, "startAt").map_or(0, |start| start.parse().unwrap());
        async move { HttpResponse::Ok().json(json!({ "startAt": start, "isLast": false, "values": [start, start + 1] })) }
    });
    for (max, items, requests) in
        [(0, json!([]), 0), (1, json!([0]), 1), (2, json!([0, 1]), 1), (3, json!([0, 1, 2]), 2)]
    {
        *seen.lock().unwrap() = 0;
        for answer in through_both(&host, &tenant, "/list", "values", Some(max)).await {
            assert_eq!(answer, json!({ "items": items, "error": null }), "{max}");
        }
        assert_eq!(*seen.lock().unwrap(), 2 * requests, "{max}");
    }
    let token = tenant.context_token();
    for query in
        ["", "url=", "url=/list&items=values&max=many", "url=/list&items=values&max=-1", "url=http://[&items=v"]
    {
        let reply = host.call(Method::GET, &format!("/api/list?{query}"), &token, None).await;
        let answer = reply.json();
        assert_eq!((reply.status, &answer["items"]), (200, &json!([])), "{query}");
        assert!(answer["error"].is_string(), "{query}: {answer}");
    }
    assert_eq!(host.get("/api/list?url=/list&items=values").await.status, 401);
    assert_eq!(host.invoke_with("/forge/list", "a.b.c", &host.invocation()).await.status, 401);
}

#[actix_web::test]
async fn a_forge_user_reads_their_own_account() {
    let (host, tenant) = jira().await;
    host.stub_get("/rest/api/3/myself", json!({ "accountId": "mia" }));
    let reply = host.invoke("/forge/me", &host.invocation()).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "status": 200, "body": { "accountId": "mia" } })));
    assert_eq!(host.calls()[0].by, By::User(tenant.account_id));
    host.stub(Method::GET, "/rest/api/3/myself", |_| async { HttpResponse::NotFound().body("gone") });
    let reply = host.invoke("/forge/me", &host.invocation()).await;
    assert_eq!(reply.json(), json!({ "status": 404, "body": "gone" }));
    let reply = host.invoke("/forge/me", &host.invocation().unattended()).await;
    assert_eq!((reply.status, reply.header("content-type")), (403, "application/json"));
    assert!(reply.json()["message"].as_str().unwrap().contains("must be logged in"), "{}", reply.body);
    assert_eq!(host.calls().len(), 2);
}
