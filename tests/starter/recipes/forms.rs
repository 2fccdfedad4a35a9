//! Of `docs/recipes/forms.md`.

use actix_web::http::StatusCode;
use actix_web::{CustomizeResponder, get, post};
use askama::Template;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::{Error, Form, PageContext, View};
use serde::{Deserialize, Serialize};
use url::Url;

/// In characters.
const LONGEST: usize = 100;

/// The page as the host opens it, and as the form sends it.
type LinkPage = PageContext<SessionToken>;

#[derive(Template)]
#[template(
    source = r#"<form method="post" action="{{ page.local_base_url }}/link">
  {{ page.form_token() }}
  <label for="title">Title</label>
  <input id="title" name="title" value="{{ link.title }}">
  {% if let Some(problem) = problems.title %}<p role="alert">{{ problem }}</p>{% endif %}
  <label for="address">Address</label>
  <input id="address" name="address" value="{{ link.address }}">
  {% if let Some(problem) = problems.address %}<p role="alert">{{ problem }}</p>{% endif %}
  <button type="submit">Save</button>
</form>"#,
    ext = "html"
)]
pub struct LinkForm {
    page: LinkPage,
    link: Link,
    problems: Problems,
}

/// The fields as they were typed, so that the form can be shown again with them.
#[derive(Default, Serialize, Deserialize)]
pub struct Link {
    title: String,
    address: String,
}

/// What is wrong, field by field.
#[derive(Default, PartialEq)]
struct Problems {
    title: Option<String>,
    address: Option<String>,
}

impl Link {
    fn problems(&self) -> Problems {
        let title = match self.title.chars().count() {
            0 => Some("Write a title.".to_owned()),
            length if length > LONGEST => Some(format!("A title may have {LONGEST} characters; this one has {length}.")),
            _ => None,
        };
        // an address of another scheme, such as javascript:, would be run by whoever clicks on it
        let is_web = Url::parse(&self.address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        let address = if is_web { None } else { Some("Write an address that begins with https:// or http://.".to_owned()) };
        Problems { title, address }
    }
}

#[get("/link")]
pub async fn show(page: LinkPage) -> Result<View<LinkForm>, Error> {
    let link = page.settings().get("link").await?.unwrap_or_default();
    Ok(View(LinkForm { page, link, problems: Problems::default() }))
}

#[post("/link")]
pub async fn save(page: LinkPage, form: Form<Link>) -> Result<CustomizeResponder<View<LinkForm>>, Error> {
    let link = Link { title: form.title.trim().to_owned(), address: form.address.trim().to_owned() };
    let problems = link.problems();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    if problems == Problems::default() {
        page.settings().set("link", &link).await?;
        status = StatusCode::OK;
    }
    Ok(View(LinkForm { page, link, problems }).status(status))
}

#[derive(Deserialize)]
pub struct Limit {
    limit: u16,
}

#[post("/limit")]
pub async fn save_limit(session: SessionToken, form: Result<Form<Limit>, Error>) -> Result<String, Error> {
    match form {
        Ok(form) => {
            session.settings().set("limit", &form.limit).await?;
            Ok("saved".to_owned())
        }
        Err(error) if error.field() == Some("limit") => Ok(format!("Look at the limit. {}", error.public_message())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use atlassian_connect_testing::TestHost;

    #[actix_web::test]
    async fn each_field_says_what_is_wrong_with_it() {
        let host = TestHost::installed(crate::routes::routes).await;
        let refused = host.post_form("/link", &[("title", " "), ("address", "javascript:alert(1)")]).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert!(refused.body.contains("Write a title.") && refused.body.contains("begins with https://"));
        assert!(refused.body.contains("value=\"javascript:alert(1)\""), "it is there to be corrected");

        let saved = host.post_form("/link", &[("title", "Rust"), ("address", "https://www.rust-lang.org")]).await;
        assert_eq!(saved.status, 200, "{}", saved.body);
        assert!(host.open_iframe("/link").await.body.contains("value=\"Rust\""));
    }
}

#[actix_web::test]
async fn a_field_that_is_no_number_is_named_in_words() {
    use atlassian_connect_testing::TestHost;

    let host = TestHost::installed(|cfg| { cfg.service(save_limit); }).await;
    let post = async |limit: &str| host.post_form("/limit", &[("limit", limit)]).await.body;
    assert_eq!(post("25").await, "saved");
    assert_eq!(post("many").await, "Look at the limit. The field \"limit\" is not valid: it must be a whole number.");
    assert_eq!(host.post_form("/limit", &[]).await.body, "Look at the limit. The field \"limit\" is missing.");
}
