//! Where a request carries its token.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use super::AuthError;

const X_ACPT: HeaderName = HeaderName::from_static("x-acpt");

/// The parts of a request that may carry a token, except its form.
#[derive(Debug, Clone)]
pub(super) struct TokenPlaces {
    query: String,
    authorization: Result<Option<String>, AuthError>,
    acpt: Result<Option<String>, AuthError>,
}

impl TokenPlaces {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let header = |name| Ok(single_header(request.headers(), name)?.map(str::to_owned));
        Self {
            query: request.query_string().to_owned(),
            authorization: header(&header::AUTHORIZATION),
            acpt: header(&X_ACPT),
        }
    }

    /// Whether the query has a token, even if other parts have one too.
    pub(super) fn has_token_in_query(&self) -> bool {
        !matches!(parameter(&self.query, "jwt"), Ok(None))
    }

    /// The token, in ACE's order: query `jwt`, form `jwt` (refused if both have one), `Authorization: JWT …` (in any
    /// case), query `acpt`, header `X-acpt`. `form` is empty if the body is not a form.
    pub(super) fn token(&self, form: &str) -> Result<String, AuthError> {
        let (in_query, in_form) = (parameter(&self.query, "jwt")?, parameter(form, "jwt")?);
        if in_query.is_some() && in_form.is_some() {
            return Err(AuthError::Ambiguous("in the query and in the form"));
        }
        if let Some(token) = in_query.or(in_form) {
            return Ok(token);
        }
        let authorization = self.authorization.clone()?;
        if let Some((scheme, token)) = authorization.as_deref().and_then(|value| value.split_once(' '))
            && scheme.eq_ignore_ascii_case("JWT")
        {
            return Ok(token.trim().to_owned());
        }
        match parameter(&self.query, "acpt")? {
            Some(token) => Ok(token),
            None => Ok(self.acpt.clone()?.ok_or(AuthError::Missing)?.trim().to_owned()),
        }
    }
}

/// The value of a parameter that may occur once; an empty one counts as none.
fn parameter(text: &str, name: &str) -> Result<Option<String>, AuthError> {
    let mut values = text.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // the hash omits every parameter whose *decoded* name is jwt: it must count here as well
        (decoded(key) == name).then_some(value)
    });
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(AuthError::Ambiguous("a parameter is repeated"));
    }
    let value = decoded(value).into_owned();
    Ok((!value.is_empty()).then_some(value))
}

fn decoded(text: &str) -> Cow<'_, str> {
    // most have no escape, and a token is long
    if text.contains('%') { percent_decode_str(text).decode_utf8_lossy() } else { Cow::Borrowed(text) }
}

fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, AuthError> {
    let mut values = headers.get_all(name);
    let value = values.next().and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    match values.next() {
        Some(_) => Err(AuthError::Ambiguous("a header is repeated")),
        None => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn of(uri: &str, headers: &[(&'static str, &str)], form: Option<&str>) -> Result<String, String> {
        let mut request = TestRequest::with_uri(uri);
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let places = TokenPlaces::of(&request.to_http_request());
        places.token(form.unwrap_or_default()).map_err(|error| error.to_string())
    }

    #[test]
    fn aces_order() {
        let auth = ("authorization", "JWT header");
        let acpt = ("x-acpt", "acpt-header");
        for (uri, headers, form, expected) in [
            ("/?jwt=query", vec![auth, acpt], None, "query"),
            ("/?acpt=acpt-query", vec![auth, acpt], Some("jwt=form"), "form"),
            ("/?acpt=acpt-query", vec![auth, acpt], Some("a=1"), "header"),
            ("/?acpt=acpt-query", vec![acpt], None, "acpt-query"),
            ("/?jwt=", vec![acpt], None, "acpt-header"),
            ("/?acpt=acpt-query", vec![("authorization", "jwt header")], None, "header"),
            ("/", vec![("authorization", "Jwt  header "), acpt], None, "header"),
            ("/", vec![("authorization", "Bearer x"), acpt], None, "acpt-header"),
            ("/", vec![("authorization", "JWTx header"), acpt], None, "acpt-header"),
            ("/", vec![("authorization", "JWT"), acpt], None, "acpt-header"),
        ] {
            assert_eq!(of(uri, &headers, form).as_deref(), Ok(expected), "{uri} {headers:?} {form:?}");
        }
    }

    #[test]
    fn more_than_one_is_refused() {
        for (uri, headers, form) in [
            ("/?jwt=a&jwt=b", vec![], None),
            ("/?jwt=a&%6Awt=b", vec![], None),
            ("/?jwt=a", vec![], Some("jwt=a")),
            ("/", vec![], Some("jwt=a&jwt=a")),
            ("/", vec![("authorization", "JWT a"), ("authorization", "JWT b")], None),
            ("/?acpt=a&acpt=b", vec![], None),
            ("/", vec![("x-acpt", "a"), ("x-acpt", "b")], None),
        ] {
            assert!(
                of(uri, &headers, form).is_err_and(|error| error.starts_with("there is more than one token")),
                "{uri}"
            );
        }
    }

    #[test]
    fn none_is_missing() {
        for headers in
            [vec![], vec![("authorization", "Basic eDp5")], vec![("authorization", "")], vec![("x-acpt", "")]]
        {
            assert!(of("/?a=1", &headers, None).is_err_and(|error| error.starts_with("there is no token")));
        }
    }
}
