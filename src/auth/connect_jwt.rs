//! [`ConnectJwt`].

proof! {
    /// A token of the host's that is bound to this very request by its query string hash: an iframe page.
    /// A route that no page opens takes a [`CallbackJwt`](crate::auth::CallbackJwt).
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
    ConnectJwt takes Request
}
