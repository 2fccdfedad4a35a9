//! [`CallbackJwt`].

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, counted, pipeline};
use crate::error::Error;
use crate::tenants::Tenant;

/// A JWT of the host that is bound to this request, on a route that no page opens: a webhook, `enabled`, `disabled`. It
/// is [`ConnectJwt`](super::ConnectJwt), except that `AC_OPTS=no-auth` does not apply to it.
///
/// ```
/// use actix_web::{HttpResponse, post};
/// use atlassian_connect_actix::auth::CallbackJwt;
///
/// #[post("/my-webhook")]
/// async fn webhook(caller: CallbackJwt) -> HttpResponse {
///     println!("from {}", caller.tenant_key());
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

impl CallbackJwt {
    /// The tenant that calls. Pages on Forge are not accepted here.
    pub(crate) fn connect_tenant(&self) -> Option<Arc<Tenant>> {
        self.0.tenant().cloned()
    }
}

impl FromRequest for CallbackJwt {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = pipeline::accepted_callback(request, &[Binding::Request]);
        Box::pin(async move { counted("CallbackJwt", caller).await.map(Self) })
    }
}
