//! Where a request carries its token, and its body as the middleware buffered it.

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use percent_encoding::percent_decode_str;

use super::AuthError;
use crate::error::Error;

const X_ACPT: HeaderName = HeaderName::from_static("x-acpt");
const FORM: &str = "application/x-www-form-urlencoded";

/// The body of a form or a lifecycle callback, which the middleware has read so that a token can be found in it while
/// the handler still gets it.
#[derive(Debug, Clone)]
pub struct BufferedBody(pub Bytes);

/// Whether the request says that its body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(FORM)
}

/// The buffered form, if the body is one and is UTF-8.
pub(crate) fn form(request: &HttpRequest) -> Option<String> {
    let extensions = request.extensions();
    let BufferedBody(body) = extensions.get::<BufferedBody>().filter(|_| is_form(request.headers()))?;
    std::str::from_utf8(body).ok().map(str::to_owned)
}

/// The token of a request, in ACE's order: query `jwt`, form `jwt` (both: refused), `Authorization: JWT …`, query
/// `acpt`, header `X-acpt`.
pub(super) fn token(request: &HttpRequest) -> Result<String, AuthError> {
    let query = request.query_string();
    let form = form(request).unwrap_or_default();
    let (in_query, in_form) = (parameter(query, "jwt")?, parameter(&form, "jwt")?);
    if in_query.is_some() && in_form.is_some() {
        return Err(AuthError::Ambiguous("in the query and in the form"));
    }
    if let Some(token) = in_query.or(in_form) {
        return Ok(token);
    }
    let authorization = single_header(request.headers(), &header::AUTHORIZATION)?;
    if let Some(token) = authorization.and_then(|value| value.strip_prefix("JWT ")) {
        return Ok(token.trim().to_owned());
    }
    match parameter(query, "acpt")? {
        Some(token) => Ok(token),
        None => Ok(single_header(request.headers(), &X_ACPT)?.ok_or(AuthError::Missing)?.trim().to_owned()),
    }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(payload: &mut Payload, limit: usize) -> Result<BytesMut, Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Error::Body { detail: error.to_string() })?;
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A body that must be JSON, or empty.
pub(crate) fn json_body(body: &[u8]) -> Result<serde_json::Value, Error> {
    if body.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    serde_json::from_slice(body).map_err(|_| Error::bad_request("The body is no JSON."))
}

/// The value of a parameter that may stand once; an empty one counts as none.
fn parameter(text: &str, name: &str) -> Result<Option<String>, AuthError> {
    let mut values = text.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // the hash leaves every parameter out whose *decoded* name is jwt: it must count here as well
        (percent_decode_str(key).decode_utf8_lossy() == name).then_some(value)
    });
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(AuthError::Ambiguous("a parameter is repeated"));
    }
    let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
    Ok((!value.is_empty()).then_some(value))
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
        if form.is_some() {
            request = request.append_header(("content-type", "application/x-www-form-urlencoded; charset=UTF-8"));
        }
        let request = request.to_http_request();
        if let Some(form) = form {
            request.extensions_mut().insert(BufferedBody(Bytes::from(form.to_owned())));
        }
        token(&request).map_err(|error| error.to_string())
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
            ("/", vec![("authorization", "Bearer x"), acpt], None, "acpt-header"),
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
