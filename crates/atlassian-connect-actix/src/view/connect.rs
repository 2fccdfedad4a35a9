//! The parts that every page of an add-on needs: its head, its context script, and the token field of its forms.

use askama::Template;
use askama::filters::HtmlSafe;

use super::PageVariables;

/// The elements for the `<head>` of a page, see [`PageVariables::head`].
#[derive(Template)]
#[template(path = "connect/head.html")]
pub(super) struct Head<'a> {
    page: &'a PageVariables,
}

// its own template has escaped the values
impl HtmlSafe for Head<'_> {}

/// The `<script>` element with the page's variables, see [`PageVariables::context_script`].
#[derive(Template)]
#[template(path = "connect/context.html")]
pub(super) struct ContextScript<'a> {
    page: &'a PageVariables,
}

// `PageVariables::json` has escaped the values
impl HtmlSafe for ContextScript<'_> {}

/// The hidden field that authenticates a form, see [`PageVariables::form_token`].
#[derive(Template)]
#[template(path = "connect/form_token.html")]
pub(super) struct FormToken<'a> {
    page: &'a PageVariables,
}

// its own template has escaped the values
impl HtmlSafe for FormToken<'_> {}

/// See [`PageVariables::form_token`].
pub(super) fn form_token(page: &PageVariables) -> FormToken<'_> {
    FormToken { page }
}

/// See [`PageVariables::head`].
pub(super) fn head(page: &PageVariables) -> Head<'_> {
    Head { page }
}

/// See [`PageVariables::context_script`].
pub(super) fn context_script(page: &PageVariables) -> ContextScript<'_> {
    ContextScript { page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Template)]
    #[template(source = "{{ page.head() }}|{{ page.context_script() }}", ext = "html")]
    struct Page {
        page: PageVariables,
    }

    #[test]
    fn elements_are_printed_unescaped_and_values_escaped() {
        let hostile = "</script><b \"'&>".to_owned();
        let page = PageVariables {
            title: hostile.clone(),
            addon_key: "key".into(),
            local_base_url: "https://addon.example".into(),
            host_base_url: hostile.clone(),
            host_url: String::new(),
            host_stylesheet_url: Some(hostile.clone()),
            host_script_url: hostile.clone(),
            token: hostile.clone(),
            license: Some(hostile.clone()),
            context: None,
            client_key: String::new(),
            user_account_id: None,
            user_id: None,
            timezone: None,
            locale: None,
        };
        let html = Page { page }.render().unwrap();
        let (head, script) = html.split_once('|').unwrap();
        assert!(head.starts_with("<meta charset=\"utf-8\">"), "{head}");
        assert!(head.contains("<title>&#60;/script&#62;&#60;b &#34;&#39;&#38;&#62;</title>"), "{head}");
        assert!(script.starts_with("<script type=\"application/json\" id=\"connect-context\">{"), "{script}");
        assert_eq!((head.matches("</script>").count(), script.matches("</script>").count()), (1, 1), "{html}");
        assert!(!html.contains("<b "), "{html}");
    }
}
