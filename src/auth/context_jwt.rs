//! [`ContextJwt`].

proof! {
    /// A context JWT alone, as `AP.context.getToken` gives it to the page.
    ///
    /// ```
    /// use actix_web::{HttpResponse, get};
    /// use atlassian_connect_actix::auth::ContextJwt;
    ///
    /// #[get("/fresh")]
    /// async fn fresh(caller: ContextJwt) -> HttpResponse {
    ///     HttpResponse::Ok().body(caller.client_key().to_owned())
    /// }
    /// ```
    ContextJwt takes Context
}
