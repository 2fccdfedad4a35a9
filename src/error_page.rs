//! The default error page: `templates/unauthorized.html`, which belongs to the add-on.

use askama::Template;

use crate::state::ErrorPage;

#[derive(Template)]
#[template(path = "unauthorized.html")]
struct Unauthorized<'a> {
    error: &'a ErrorPage,
}

/// Renders `error`.
///
/// # Errors
/// What askama says.
pub fn render(error: &ErrorPage) -> Result<String, askama::Error> {
    Unauthorized { error }.render()
}
