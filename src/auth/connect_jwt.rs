//! [`ConnectJwt`].

use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::caller::{Binding, Caller};
use super::{ProofFuture, pipeline};
use crate::error::Error;

/// A token of the host's that is bound to this very request by its query string hash: an iframe page, a webhook.
///
/// ```
/// use actix_web::{HttpResponse, get};
/// use atlassian_connect_actix::auth::ConnectJwt;
///
/// #[get("/page")]
/// async fn page(caller: ConnectJwt) -> HttpResponse {
///     HttpResponse::Ok().body(caller.client_key().to_owned())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ConnectJwt(Rc<Caller>);

impl std::ops::Deref for ConnectJwt {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for ConnectJwt {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = pipeline::caller(&request).await?;
            Ok(Self(caller.accept(&request, &[Binding::Request])?))
        })
    }
}
