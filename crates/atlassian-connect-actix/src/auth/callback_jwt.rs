//! [`CallbackJwt`].

use std::ops::Deref;
use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, pipeline};
use crate::error::Error;

/// A token of the host's that is bound to this very request, on a route that no page opens: a webhook, `enabled`,
/// `disabled`. It is [`ConnectJwt`](super::ConnectJwt), but `AC_OPTS=no-auth` does not open it.
///
/// ```
/// use actix_web::{HttpResponse, post};
/// use atlassian_connect_actix::auth::CallbackJwt;
///
/// #[post("/my-webhook")]
/// async fn webhook(caller: CallbackJwt) -> HttpResponse {
///     println!("from {}", caller.client_key());
///     HttpResponse::NoContent().finish()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct CallbackJwt(Rc<Caller>);

impl Deref for CallbackJwt {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for CallbackJwt {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = pipeline::accepted_callback(request, &[Binding::Request]);
        Box::pin(async move { Ok(Self(caller.await?)) })
    }
}
