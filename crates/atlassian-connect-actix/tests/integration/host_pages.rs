//! Paged lists as a stream.

use std::pin::pin;

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use atlassian_connect_actix::host::HostError;
use atlassian_connect_testing::{HostCall, TestHost};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::host_calls::{client, installed};

use crate::support::fixture;

/// The items of a page: five in total, two per page.
fn page(start: usize) -> Vec<usize> {
    (start..5).take(2).collect()
}

fn parameter(call: &HostCall, name: &str) -> Option<usize> {
    let query = web::Query::<Vec<(String, String)>>::from_query(&call.query).unwrap().into_inner();
    let mut values = query.iter().filter(|(key, _)| key == name);
    let value = values.next().map(|(_, value)| value.parse().unwrap());
    assert!(values.next().is_none(), "one {name} in {}", call.query);
    value
}

/// Makes the host answer `/list` with `answer`, which gets the number of the first item.
fn list(host: &TestHost, name: &'static str, answer: impl Fn(usize) -> Value + Send + Sync + 'static) {
    host.stub(Method::GET, "/list", move |call| {
        assert_eq!(parameter(&call, "maxResults"), Some(2), "the query stays: {}", call.query);
        let page = answer(parameter(&call, name).unwrap_or(0));
        async move { HttpResponse::Ok().json(page) }
    });
}

/// All five items are returned, and a page is requested only after the one before has been consumed.
async fn comes_as_taken(host: &TestHost) {
    let client = client(host, &host.tenant()).await;
    let before = host.calls().len();
    let pages = || host.calls().len() - before;
    let request = client.get("/list").query([("maxResults", 2)]).header("X-ExperimentalApi", "opt-in");
    let mut items = pin!(request.items("values"));
    assert_eq!(pages(), 0, "a stream that is not polled does nothing");
    for (number, expected_pages) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3)] {
        assert_eq!(items.try_next().await.unwrap(), Some(json!(number)));
        assert_eq!(pages(), expected_pages, "when {number} is taken");
    }
    assert_eq!(items.try_next().await.unwrap(), None);
    assert_eq!(pages(), 3);
    for call in &host.calls()[before..] {
        assert_eq!(call.header("x-experimentalapi"), "opt-in", "the request's own headers go with each page");
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn by_start_at() {
    let host = installed().await;
    list(&host, "startAt", |start| json!({"startAt": start, "total": 5, "values": page(start)}));
    comes_as_taken(&host).await;
    list(&host, "startAt", |start| json!({"startAt": start, "isLast": start == 4, "values": page(start)}));
    comes_as_taken(&host).await;
}

#[actix_web::test]
async fn by_next_page_token() {
    let host = installed().await;
    list(&host, "nextPageToken", |start| {
        let mut answer = json!({"values": page(start)});
        if start < 4 {
            answer["nextPageToken"] = (start + 2).to_string().into();
        }
        answer
    });
    comes_as_taken(&host).await;
}

#[actix_web::test]
async fn by_link_relative_and_absolute() {
    let host = fixture::start(|_| {}).await;
    let mut tenant = host.tenant();
    tenant.base_url.push_str("/wiki");
    host.install(&tenant).await;
    // relative to the base URL, relative to the site, absolute
    for link in ["", "/wiki", tenant.base_url.as_str()] {
        let link = link.to_owned();
        list(&host, "cursor", move |start| {
            let next = (start < 4).then(|| format!("{link}/list?maxResults=2&cursor={}", start + 2));
            json!({"values": page(start), "_links": {"next": next, "base": "https://elsewhere.example"}})
        });
        comes_as_taken(&host).await;
    }
}

#[actix_web::test]
async fn a_link_to_another_origin_gets_no_credentials() {
    let host = installed().await;
    let other = host.new_tenant();
    let next = format!("{}/list", other.base_url);
    host.stub(Method::GET, "/list", move |call| {
        let mut answer = json!({"values": [1]});
        if !call.header("authorization").is_empty() {
            answer["_links"] = json!({"next": next});
        }
        async move { HttpResponse::Ok().json(answer) }
    });
    let client = client(&host, &host.tenant()).await;
    let items: Vec<Value> = client.get("/list").items("values").try_collect().await.unwrap();
    assert_eq!((items.len(), host.calls().len()), (2, 2), "{:?}", host.calls());
    assert_eq!(host.calls()[1].header("authorization"), "");
}

#[actix_web::test]
async fn it_ends_with_the_first_error() {
    let host = installed().await;
    host.stub(Method::GET, "/list", |call| async move {
        match parameter(&call, "startAt") {
            None => HttpResponse::Ok().json(json!({"startAt": 0, "values": [1]})),
            Some(_) => HttpResponse::InternalServerError().body("broken"),
        }
    });
    host.stub_get("/other", json!({"issues": []}));
    let client = client(&host, &host.tenant()).await;
    let all: Vec<_> = client.get("/list").items("values").collect().await;
    assert!(matches!(all.as_slice(), [Ok(_), Err(HostError::Status { .. })]), "{all:?}");
    let all: Vec<_> = client.get("/other").items("values").collect().await;
    assert!(matches!(all.as_slice(), [Err(HostError::Answer(_))]), "{all:?}");
    let all: Vec<_> = client.get("http://[").items("values").collect().await;
    assert!(matches!(all.as_slice(), [Err(HostError::Url(_))]), "{all:?}");
}
