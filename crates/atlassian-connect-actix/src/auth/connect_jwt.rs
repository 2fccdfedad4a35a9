//! [`ConnectJwt`].

use std::ops::Deref;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, counted, pipeline};
use crate::error::Error;

/// A JWT of the host that is bound to this request by its query string hash, as the host sends it for an iframe page.
/// It does not accept a page on Forge or a link made by [`Caller::link`]: [`PageToken`](crate::auth::PageToken) does.
/// On a route that no page opens, use [`CallbackJwt`](crate::auth::CallbackJwt).
///
/// ```
/// use actix_web::{HttpResponse, get};
/// use atlassian_connect_actix::auth::ConnectJwt;
///
/// #[get("/page")]
/// async fn page(caller: ConnectJwt) -> HttpResponse {
///     HttpResponse::Ok().body(caller.tenant_key().to_owned())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ConnectJwt(Rc<Caller>);

impl Deref for ConnectJwt {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for ConnectJwt {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = pipeline::accepted(request, &[Binding::Request]);
        Box::pin(async move { counted("ConnectJwt", caller).await.map(Self) })
    }
}
