//! What people send: forms and queries, whose errors say which field is wrong.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::auth::FormBody;
use crate::error::Error;

/// The longest error of a field that is shown, in characters: it may repeat what was sent.
const LONGEST: usize = 200;

/// The fields of an HTML form, `application/x-www-form-urlencoded`. What does not fit is a 400 that names the field. To
/// show the form again with that sentence, take `Result<Form<T>, Error>` as the argument, and
/// [`Error::public_message`].
///
/// ```
/// use actix_web::post;
/// use atlassian_connect_actix::{Error, Form, auth::SessionToken};
///
/// #[derive(serde::Deserialize)]
/// struct Settings { greeting: String }
///
/// #[post("/settings")]
/// async fn save(session: SessionToken, form: Form<Settings>) -> Result<String, Error> {
///     session.settings().set("greeting", &form.greeting).await?;
///     Ok("saved".into())
/// }
/// ```
///
/// A `<form method="post">` proves who sends it by `{{ page.form_token() }}` in it.
#[derive(Debug, Clone, Copy)]
pub struct Form<T>(pub T);

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let (body, content_type) = (FormBody::of(request), request.content_type().to_owned());
        Box::pin(async move {
            let Some(body) = body else {
                return Err(Error::unsupported_media_type(format!(
                    "This takes a form (application/x-www-form-urlencoded), not {}.",
                    if content_type.is_empty() { "a body without Content-Type" } else { content_type.as_str() }
                )));
            };
            // the token that `form_token()` puts there is not the app's
            let body = body.read().await?;
            let own = form_urlencoded::parse(&body).filter(|(name, _)| name != "jwt");
            parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(own).finish().as_bytes()).map(Self)
        })
    }
}

/// The parameters of the URL. What does not fit is a 400 that names the parameter.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string().as_bytes()).map(Self))
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let fields = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let field = error.path().to_string();
        let reason: String = error.inner().to_string().chars().take(LONGEST).collect();
        // a field that is missing has no path, and its name stands in the reason
        match reason.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            Some(missing) => Error::bad_request(format!("The field \"{missing}\" is missing.")),
            None if field == "." => Error::bad_request(format!("The fields do not fit: {reason}.")),
            None => Error::bad_request(format!("The field \"{field}\" does not fit: {reason}.")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Order {
        name: String,
        count: u8,
        #[serde(default)]
        note: Option<String>,
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let order = parse::<Order>(b"name=Zo%C3%AB+B&count=7&jwt=x").unwrap();
        assert_eq!(order, Order { name: "Zoë B".into(), count: 7, note: None });
        for (text, expected) in [
            ("count=7", "The field \"name\" is missing."),
            ("name=a", "The field \"count\" is missing."),
            ("", "The field \"name\" is missing."),
            ("name=a&count=", "The field \"count\" does not fit: cannot parse integer from empty string."),
            ("name=a&count=many", "The field \"count\" does not fit: invalid digit found in string."),
            ("name=a&count=256", "The field \"count\" does not fit: number too large to fit in target type."),
            ("name=a&name=b&count=1", "The fields do not fit: duplicate field `name`."),
        ] {
            assert_eq!(parse::<Order>(text.as_bytes()).unwrap_err().public_message(), expected, "{text}");
        }
    }
}
