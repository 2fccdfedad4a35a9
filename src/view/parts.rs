//! What stands in every page: the head and the context script. Each is a template of the framework.

use askama::Template;
use askama::filters::HtmlSafe;

use super::PageVariables;

#[derive(Template)]
#[template(path = "connect/head.html")]
struct Head<'a> {
    page: &'a PageVariables,
}

#[derive(Template)]
#[template(path = "connect/context.html")]
struct ContextScript<'a> {
    page: &'a PageVariables,
}

// what their templates print is escaped there
impl HtmlSafe for Head<'_> {}
impl HtmlSafe for ContextScript<'_> {}

/// The content of `<head>`.
pub(super) fn head(page: &PageVariables) -> impl Template + HtmlSafe {
    Head { page }
}

/// The element with the page's variables.
pub(super) fn context_script(page: &PageVariables) -> impl Template + HtmlSafe {
    ContextScript { page }
}
