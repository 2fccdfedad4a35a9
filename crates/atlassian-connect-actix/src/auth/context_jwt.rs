//! [`ContextJwt`].

use std::ops::Deref;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, counted, pipeline};
use crate::error::Error;

/// A context JWT, as `AP.context.getToken` returns it to the page. No other token is accepted.
///
/// ```
/// use actix_web::{HttpResponse, get};
/// use atlassian_connect_actix::auth::ContextJwt;
///
/// #[get("/fresh")]
/// async fn fresh(caller: ContextJwt) -> HttpResponse {
///     HttpResponse::Ok().body(caller.tenant_key().to_owned())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ContextJwt(Rc<Caller>);

impl Deref for ContextJwt {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for ContextJwt {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = pipeline::accepted(request, &[Binding::Context]);
        Box::pin(async move { counted("ContextJwt", caller).await.map(Self) })
    }
}
