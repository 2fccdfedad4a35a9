//! The default error page. It needs no file of the app: the page is its own style and has no script.

use askama::Template;

use crate::state::ErrorPage;

#[derive(Template)]
#[template(path = "connect/error.html")]
struct Page<'a> {
    error: &'a ErrorPage,
}

/// Renders `error`.
///
/// # Errors
/// What askama says.
pub fn render(error: &ErrorPage) -> Result<String, askama::Error> {
    Page { error }.render()
}
