//! [`PageToken`].

use std::ops::Deref;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, counted, pipeline};
use crate::error::Error;

/// A token that is bound to this very request: the host's JWT of a Connect frame, or our own page token of a frame on
/// Forge or of [`Caller::link`]. It is what stands behind a [`PageContext`](crate::PageContext).
///
/// ```
/// use actix_web::{HttpResponse, get};
/// use atlassian_connect_actix::auth::PageToken;
///
/// #[get("/download")]
/// async fn download(caller: PageToken) -> HttpResponse {
///     HttpResponse::Ok().body(caller.tenant_key().to_owned())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct PageToken(Rc<Caller>);

impl Deref for PageToken {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for PageToken {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = pipeline::accepted(request, &[Binding::Request, Binding::Page]);
        Box::pin(async move { counted("PageToken", caller).await.map(Self) })
    }
}
