//! Of `docs/recipes/translations.md`: the page.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{CustomizeResponder, get, post};
use askama::Template;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::{Error, Form, PageContext, View};
use serde::Deserialize;

use crate::texts::Language;

#[derive(Template)]
#[template(
    source = r#"{% extends "layout.html" %}
{% block lang %}{{ texts.tag() }}{% endblock %}
{% block content %}
<h1>{{ texts.text("title") }}</h1>
<p>{{ texts.text_with("state", "days", days) }}</p>
<form method="post" action="{{ page.local_base_url }}/reminders?loc={{ texts.tag() }}">
  {{ page.form_token() }}
  <label for="days">{{ texts.text("days") }}</label>
  <input id="days" name="days" value="{{ typed }}">
  {% if let Some(problem) = problem %}<p role="alert">{{ problem }}</p>{% endif %}
  <button type="submit">{{ texts.text("save") }}</button>
</form>
{% endblock %}"#,
    ext = "html"
)]
struct Reminders {
    page: PageContext<SessionToken>,
    texts: &'static Language,
    days: u8,
    typed: String,
    problem: Option<String>,
}

#[get("/reminders")]
async fn show(page: PageContext<SessionToken>) -> Result<View<Reminders>, Error> {
    let texts = language(&page).await;
    let days: u8 = page.settings().get("days").await?.unwrap_or(3);
    Ok(View(Reminders { page, texts, days, typed: days.to_string(), problem: None }))
}

/// A text and not a number, so that the page can say in the user's language what is wrong with it.
#[derive(Deserialize)]
struct Typed {
    days: String,
}

#[post("/reminders")]
async fn save(
    page: PageContext<SessionToken>,
    form: Form<Typed>,
) -> Result<CustomizeResponder<View<Reminders>>, Error> {
    let texts = language(&page).await;
    let typed = form.0.days;
    if let Ok(days) = typed.trim().parse::<u8>() {
        page.settings().set("days", &days).await?;
        return Ok(View(Reminders { page, texts, days, typed, problem: None }).status(StatusCode::OK));
    }
    let days = page.settings().get("days").await?.unwrap_or(3);
    let problem = Some(texts.text_with("not-a-number", "typed", &typed));
    Ok(View(Reminders { page, texts, days, typed, problem }).status(StatusCode::UNPROCESSABLE_ENTITY))
}

/// The language of the URL, else that of the user's profile, else English.
async fn language(page: &PageContext<SessionToken>) -> &'static Language {
    if page.locale.is_some() {
        return Language::of(page.locale.as_deref());
    }
    match profile(page).await {
        Ok(profile) => Language::of(profile.locale.as_deref()),
        Err(error) => {
            tracing::warn!(%error, "the language of the user is not known");
            Language::of(None)
        }
    }
}

#[derive(Default, Deserialize)]
struct Profile {
    locale: Option<String>,
}

async fn profile(page: &PageContext<SessionToken>) -> Result<Profile, Error> {
    let Some(user) = &page.user_account_id else { return Ok(Profile::default()) };
    let request = page.host().as_user(user).get("/rest/api/3/myself").timeout(Duration::from_secs(3));
    Ok(request.send().await?.json().await?)
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use atlassian_connect_testing::{Reply, TestHost};
    use serde_json::json;

    use super::{save, show};

    async fn installed() -> TestHost {
        TestHost::installed(|cfg| { cfg.service(show).service(save); }).await
    }

    #[track_caller]
    fn assert_language(page: &Reply, tag: &str, title: &str) {
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains(&format!("<html lang=\"{tag}\">")), "{}", page.body);
        assert!(page.body.contains(&format!("<h1>{title}</h1>")), "{}", page.body);
    }

    #[actix_web::test]
    async fn the_url_names_a_language_and_any_other_text_is_english() {
        let host = installed().await;
        for locale in ["de", "de-DE", "de_AT", "DE-ch", "de-Latn-DE"] {
            assert_language(&host.open_iframe(&format!("/reminders?loc={locale}")).await, "de", "Erinnerungen");
        }
        let long = "de-".repeat(2000);
        let others = ["en-GB", "fr", "pt_BR", "und", "xx-yy-zz", "..%2F..%2Fetc", "%22%3E%3Cscript%3Ealert(1)", "%FF%00", &long];
        for locale in others {
            let page = host.open_iframe(&format!("/reminders?loc={locale}")).await;
            assert_language(&page, "en", "Reminders");
            assert!(!page.body.contains("<script>alert"), "{}", page.body);
        }
        assert!(host.calls().is_empty());
    }

    #[actix_web::test]
    async fn without_one_in_the_url_the_profile_counts() {
        let host = installed().await;
        // Jira answers 404
        assert_language(&host.open_iframe("/reminders").await, "en", "Reminders");
        host.stub_get("/rest/api/3/myself", json!({ "locale": "de_DE" }));
        assert_language(&host.open_iframe("/reminders").await, "de", "Erinnerungen");
        host.stub_get("/rest/api/3/myself", json!({ "locale": "fr_FR" }));
        assert_language(&host.open_iframe("/reminders").await, "en", "Reminders");
    }

    #[actix_web::test]
    async fn the_answer_to_a_form_has_the_language_of_the_page() {
        let host = installed().await;
        let page = host.open_iframe("/reminders?loc=de_DE").await;
        assert!(page.body.contains("/reminders?loc=de\""), "{}", page.body);
        let post = async |locale: &str, days: &str| {
            let body = format!("jwt={}&days={days}", host.session_token(&host.tenant()).await);
            let request = host.request(Method::POST, &format!("/reminders?loc={locale}"));
            host.send(request.content_type("application/x-www-form-urlencoded"), body.into_bytes()).await
        };
        for (locale, days, status, text) in [
            ("de", "0", 200, "<p>Niemand wird erinnert.</p>"),
            ("de", "1", 200, "<p>Nach einem Tag wird erinnert, wer zuständig ist.</p>"),
            ("de", "21", 200, "<p>Nach 21 Tagen wird erinnert, wer zuständig ist.</p>"),
            ("en", "1", 200, "<p>The assignee is reminded after one day.</p>"),
            ("en", "+7+", 200, "<p>The assignee is reminded after 7 days.</p>"),
            ("de", "%3Cb%3E", 422, "<p role=\"alert\">„&#60;b&#62;“ ist keine ganze Zahl von 0 bis 255.</p>"),
            ("en", "256", 422, "<p role=\"alert\">“256” is not a whole number from 0 to 255.</p>"),
            // what was saved last is still there
            ("de", "%7B+%24days+%7D", 422, "Nach 7 Tagen"),
        ] {
            let reply = post(locale, days).await;
            assert_eq!(reply.status, status, "{}", reply.body);
            assert!(reply.body.contains(text), "{locale} {days}: {}", reply.body);
        }
    }
}
