//! [`SessionToken`].

use std::ops::Deref;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, counted, pipeline};
use crate::error::Error;

/// A call from the add-on's own page, through Connect or Forge: our session token, a context JWT, or a token that is
/// bound to this request.
///
/// ```
/// use actix_web::{HttpResponse, get};
/// use atlassian_connect_actix::auth::SessionToken;
///
/// #[get("/api")]
/// async fn api(caller: SessionToken) -> HttpResponse {
///     HttpResponse::Ok().body(caller.tenant_key().to_owned())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SessionToken(Rc<Caller>);

impl Deref for SessionToken {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for SessionToken {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller =
            pipeline::accepted(request, &[Binding::Session, Binding::Context, Binding::Request, Binding::Page]);
        Box::pin(async move { counted("SessionToken", caller).await.map(Self) })
    }
}
