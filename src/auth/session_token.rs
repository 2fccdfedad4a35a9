//! [`SessionToken`].

proof! {
    /// A call from the add-on's own page: our session token, a context JWT, or a token of the host's bound to this request.
    ///
    /// ```
    /// use actix_web::{HttpResponse, get};
    /// use atlassian_connect_actix::auth::SessionToken;
    ///
    /// #[get("/api")]
    /// async fn api(caller: SessionToken) -> HttpResponse {
    ///     HttpResponse::Ok().body(caller.client_key().to_owned())
    /// }
    /// ```
    SessionToken takes Session, Context, Request
}
