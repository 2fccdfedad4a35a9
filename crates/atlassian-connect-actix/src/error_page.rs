//! The default error page. It needs no file of the app. To replace it, register your own with
//! `AddonBuilder::error_renderer`.

use askama::Template;

use crate::state::ErrorPage;

#[derive(Template)]
#[template(path = "connect/error.html")]
struct DefaultErrorPage<'a> {
    error: &'a ErrorPage,
}

/// Renders `error`.
///
/// # Errors
/// The error of askama.
pub(crate) fn render(error: &ErrorPage) -> Result<String, askama::Error> {
    DefaultErrorPage { error }.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_no_other_file_and_escapes_what_it_shows() {
        let error = ErrorPage {
            status: 403,
            message: "<b>no</b>".into(),
            reason: None,
            title: "An <i>app</i>".into(),
            local_base_url: "https://addon.example".into(),
            host_script_url: None,
            extra: serde_json::Map::new(),
        };
        let html = render(&error).unwrap();
        let on_forge = ErrorPage { host_script_url: Some("https://addon.example/forge/ap.js".into()), ..error };
        assert!(render(&on_forge).unwrap().contains(r#"<script src="https://addon.example/forge/ap.js">"#));
        for absent in ["<link", "<script", "src=", "href=", "url(", "https://", "<b>", "<i>"] {
            assert!(!html.contains(absent), "{absent} in {html}");
        }
        assert!(html.contains("&#60;b&#62;no") && html.contains("prefers-color-scheme: dark"), "{html}");
    }
}
