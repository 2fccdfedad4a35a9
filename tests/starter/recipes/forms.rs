//! Of `docs/recipes/forms.md`.

use actix_web::http::StatusCode;
use actix_web::{CustomizeResponder, get, post};
use askama::Template;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::{Error, Form, PageContext, View};

#[derive(Template)]
#[template(
    source = r#"<form method="post" action="{{ page.local_base_url }}/limit">
  {{ page.form_token() }}
  <label for="limit">Limit</label>
  <input id="limit" name="limit" value="{{ limit }}">
  {% if let Some(problem) = problem %}<p role="alert">{{ problem }}</p>{% endif %}
  <button type="submit">Save</button>
</form>"#,
    ext = "html"
)]
struct LimitPage {
    page: PageContext<SessionToken>,
    limit: u16,
    problem: Option<String>,
}

#[derive(serde::Deserialize)]
struct Limit {
    limit: u16,
}

#[get("/limit")]
async fn show(page: PageContext<SessionToken>) -> Result<View<LimitPage>, Error> {
    let limit = page.settings().get("limit").await?.unwrap_or(10);
    Ok(View(LimitPage { page, limit, problem: None }))
}

#[post("/limit")]
async fn save(
    page: PageContext<SessionToken>,
    form: Result<Form<Limit>, Error>,
) -> Result<CustomizeResponder<View<LimitPage>>, Error> {
    match form {
        Ok(form) => {
            page.settings().set("limit", &form.limit).await?;
            Ok(View(LimitPage { page, limit: form.limit, problem: None }).status(StatusCode::OK))
        }
        // "The field "limit" does not fit: …"
        Err(error) => {
            let problem = Some(error.public_message().into_owned());
            let limit = page.settings().get("limit").await?.unwrap_or(10);
            Ok(View(LimitPage { page, limit, problem }).status(StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

#[actix_web::test]
async fn a_number_is_saved_and_another_text_is_refused_on_the_page() {
    use actix_web::http::Method;
    use atlassian_connect_testing::TestHost;

    let host = TestHost::installed(|cfg| { cfg.service(show).service(save); }).await;
    let post = async |limit: &str| {
        let body = format!("jwt={}&limit={limit}", host.session_token(&host.tenant()).await);
        let request = host.request(Method::POST, "/limit").content_type("application/x-www-form-urlencoded");
        host.send(request, body.into_bytes()).await
    };
    assert_eq!(post("25").await.status, 200);
    let refused = post("many").await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("does not fit") && refused.body.contains("value=\"25\""), "{}", refused.body);
    assert!(host.open_iframe("/limit").await.body.contains("value=\"25\""));
}
