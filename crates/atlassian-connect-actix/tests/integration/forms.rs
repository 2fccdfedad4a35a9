//! Forms of pages: authenticated by the page's token, and shown again with errors.

use actix_web::CustomizeResponder;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, ServiceConfig};
use askama::Template;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::{Error, Form, PageContext, Query, View};
use atlassian_connect_testing::{Reply, TestHost};

use crate::support::fixture;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    count: u8,
}

#[derive(Template)]
#[template(
    source = "{% if let Some(problem) = problem %}<p>{{ problem }}</p>{% endif %}<form method=\"post\">{{ page.form_token() }}</form>{{ count }}",
    ext = "html"
)]
struct OrderPage<P: std::ops::Deref<Target = atlassian_connect_actix::PageVariables>> {
    page: P,
    count: u8,
    problem: Option<String>,
}

async fn show(page: PageContext) -> View<OrderPage<PageContext>> {
    View(OrderPage { page, count: 0, problem: None })
}

async fn save(
    page: PageContext<SessionToken>,
    form: Result<Form<Order>, Error>,
) -> CustomizeResponder<View<OrderPage<PageContext<SessionToken>>>> {
    match form {
        Ok(form) => View(OrderPage { page, count: form.count, problem: None }).status(StatusCode::OK),
        Err(error) => {
            let problem = Some(error.public_message().into_owned());
            View(OrderPage { page, count: 0, problem }).status(StatusCode::UNPROCESSABLE_ENTITY)
        }
    }
}

async fn plain(_: SessionToken, form: Form<Order>) -> String {
    form.count.to_string()
}

async fn query(query: Query<Order>) -> String {
    query.count.to_string()
}

async fn gone(_: web::Path<u8>) -> Result<&'static str, Error> {
    Err(Error::not_found("The order is not there."))
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/order").route(web::get().to(show)).route(web::post().to(save)))
        .route("/plain", web::post().to(plain))
        .route("/query", web::get().to(query))
        .route("/gone/{id}", web::get().to(gone));
}

async fn post(host: &TestHost, path: &str, form: &str) -> Reply {
    let request = host.request(Method::POST, path).content_type("application/x-www-form-urlencoded");
    host.send(request, form.as_bytes().to_vec()).await
}

/// The token in the page's form.
fn token(page: &Reply) -> String {
    let (_, rest) = page.body.split_once(r#"<input type="hidden" name="jwt" value=""#).expect("a form with a token");
    rest.split('"').next().unwrap().to_owned()
}

#[actix_web::test]
async fn a_form_with_the_pages_token_is_accepted() {
    let host = fixture::installed(routes).await;
    let page = host.open_iframe("/order").await;
    let answer = post(&host, "/order", &format!("jwt={}&count=7", token(&page))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.ends_with("</form>7"), "{}", answer.body);
    // the page in the answer has a token for the next time
    let again = post(&host, "/order", &format!("jwt={}&count=8", token(&answer))).await;
    assert!(again.body.ends_with("</form>8"), "{}", again.body);
    assert_eq!(post(&host, "/order", "count=7").await.status, 401);
    assert_eq!(post(&host, "/order", "jwt=x.y.z&count=7").await.status, 401);
}

#[actix_web::test]
async fn an_invalid_field_is_named_on_the_page() {
    let host = fixture::installed(routes).await;
    let token = token(&host.open_iframe("/order").await);
    let answer = post(&host, "/order", &format!("jwt={token}&count=many")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("The field &#34;count&#34; is not valid"), "{}", answer.body);
    let answer = post(&host, "/plain", &format!("jwt={token}")).await;
    assert_eq!(
        (answer.status, answer.body.contains("The field \"count\" is missing.")),
        (400, true),
        "{}",
        answer.body
    );
}

#[actix_web::test]
async fn a_body_other_than_a_form_is_an_unsupported_media_type() {
    let host = fixture::installed(routes).await;
    let session = host.session_token(&host.tenant()).await;
    let reply = host.call(Method::POST, "/plain", &session, Some(&serde_json::json!({ "count": 7 }))).await;
    assert_eq!(reply.status, 415, "{}", reply.body);
    assert_eq!(host.call(Method::POST, "/plain", &session, None).await.status, 415);
}

#[actix_web::test]
async fn errors_of_queries_and_missing_resources() {
    let host = fixture::installed(routes).await;
    assert_eq!(host.get("/query?count=7").await.body, "7");
    let reply = host.get("/query?count=x").await;
    assert_eq!((reply.status, reply.body.contains("The field \"count\" is not valid")), (400, true), "{}", reply.body);
    let reply = host.get("/gone/7").await;
    assert_eq!((reply.status, reply.body.contains("The order is not there.")), (404, true), "{}", reply.body);
}
