//! Forms and queries, whose errors name the invalid field.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::auth::FormBody;
use crate::error::Error;

/// The longest name or error of a field that is shown, in characters: it may repeat what was sent.
const LONGEST: usize = 200;

/// The fields of an HTML form, `application/x-www-form-urlencoded`. An invalid field is a 400 that names it. To show
/// the form again with the error, take `Result<Form<T>, Error>` as the argument: [`Error::field`] is the field,
/// [`Error::public_message`] the message.
///
/// A NUL character is not valid in any field: PostgreSQL cannot store it, and no keyboard types it.
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
/// Put `{{ page.form_token() }}` into a `<form method="post">` to authenticate its sender.
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
                    "The body must be a form (application/x-www-form-urlencoded), not {}.",
                    if content_type.is_empty() { "a body without Content-Type" } else { content_type.as_str() }
                )));
            };
            // the token from `form_token()` is not one of the app's fields
            let body = body.read().await?;
            let own = form_urlencoded::parse(&body).filter(|(name, _)| name != "jwt");
            parse(form_urlencoded::Serializer::new(String::new()).extend_pairs(own).finish().as_bytes()).map(Self)
        })
    }
}

/// The parameters of the URL. An invalid parameter is a 400 that names it.
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
    let has_nul = |text: &str| text.contains('\0');
    if let Some((name, _)) = form_urlencoded::parse(text).find(|(name, value)| has_nul(name) || has_nul(value)) {
        let name = shortened(&name.replace('\0', ""));
        let sentence = format!("The field \"{name}\" contains a NUL character, which is not allowed.");
        return Err(Error::bad_field(name, sentence));
    }
    let fields = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let (field, reason) = (shortened(&error.path().to_string()), error.inner().to_string());
        // a missing or duplicate field has no path: its name is in the reason
        let named = |what: &str| Some(reason.strip_prefix(what)?.strip_prefix(" `")?.strip_suffix('`')?.to_owned());
        if let Some(missing) = named("missing field") {
            let sentence = format!("The field \"{missing}\" is missing.");
            return Error::bad_field(missing, sentence);
        }
        if let Some(twice) = named("duplicate field") {
            let sentence = format!("The field \"{twice}\" is given twice.");
            return Error::bad_field(twice, sentence);
        }
        let reason = in_words(&reason).map_or_else(|| shortened(&reason), str::to_owned);
        if field == "." {
            return Error::bad_request(format!("The fields are not valid: {reason}."));
        }
        let sentence = format!("The field \"{field}\" is not valid: {reason}.");
        Error::bad_field(field, sentence)
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The errors of the standard library and of serde, in words for the person who filled in the form.
fn in_words(reason: &str) -> Option<&'static str> {
    match reason {
        "invalid digit found in string" | "cannot parse integer from empty string" => Some("it must be a whole number"),
        "number too large to fit in target type" => Some("the number is too large"),
        "number too small to fit in target type" => Some("the number is too small"),
        "invalid float literal" | "cannot parse float from empty string" => Some("it must be a number"),
        "provided string was not `true` or `false`" => Some("it must be true or false"),
        _ => None,
    }
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
        #[serde(default)]
        price: Option<f64>,
        #[serde(default)]
        is_gift: bool,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Small {
        #[allow(dead_code)]
        number: i8,
    }

    #[test]
    fn the_invalid_field_is_named() {
        let order = parse::<Order>(b"name=Zo%C3%AB+B&count=7&jwt=x&price=1.5&is_gift=true").unwrap();
        assert_eq!(order, Order { name: "Zoë B".into(), count: 7, note: None, price: Some(1.5), is_gift: true });
        for (text, field, expected) in [
            ("count=7", "name", "The field \"name\" is missing."),
            ("name=a", "count", "The field \"count\" is missing."),
            ("", "name", "The field \"name\" is missing."),
            ("name=a&count=", "count", "The field \"count\" is not valid: it must be a whole number."),
            ("name=a&count=many", "count", "The field \"count\" is not valid: it must be a whole number."),
            ("name=a&count=256", "count", "The field \"count\" is not valid: the number is too large."),
            ("name=a&count=1&price=x", "price", "The field \"price\" is not valid: it must be a number."),
            ("name=a&count=1&price=", "price", "The field \"price\" is not valid: it must be a number."),
            ("name=a&count=1&is_gift=on", "is_gift", "The field \"is_gift\" is not valid: it must be true or false."),
            ("name=a&name=b&count=1", "name", "The field \"name\" is given twice."),
            ("name=a%00b&count=1", "name", "The field \"name\" contains a NUL character, which is not allowed."),
            (
                "name=a&count=1&ot%00her=b",
                "other",
                "The field \"other\" contains a NUL character, which is not allowed.",
            ),
        ] {
            let error = parse::<Order>(text.as_bytes()).unwrap_err();
            assert_eq!((error.field(), &*error.public_message()), (Some(field), expected), "{text}");
        }
        assert_eq!(parse::<i8>(b"a=1").unwrap_err().field(), None);
        let small = parse::<Small>(b"number=-129").unwrap_err();
        assert_eq!(small.public_message(), "The field \"number\" is not valid: the number is too small.");
    }
}
