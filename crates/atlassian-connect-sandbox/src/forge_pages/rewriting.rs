//! What Forge's CDN makes of a shell's page: its own scripts come first. And what the sandbox makes of it besides: the
//! shell is told where this add-on is.
//!
//! Source: npm `@forge/cli-shared` 9.8.0 for the scripts and their order.

use askama::Template;
use serde_json::Value;

use super::policy::hash;
use atlassian_connect_actix::internal::script_json;

/// The block of `forge/shell/index.html` that the build fills in.
const REMOTES: &str = r#"type="application/json" id="remotes">"#;
const END: &str = "</script>";

/// Forge's scripts.
#[derive(Template)]
#[template(path = "sandbox/forge_head.html")]
struct Head<'a> {
    product: &'a str,
    has_resizer: bool,
}

/// Where the shell is served.
pub(super) struct ShellLocation<'a> {
    /// The origin of the product's page.
    pub(super) product: &'a str,
    /// The origin of the add-on.
    pub(super) remote: &'a str,
    /// The path of the add-on's base URL, without a slash at its end.
    pub(super) base_path: &'a str,
    /// Which page of a module is shown, where it is not the first.
    pub(super) page: Option<&'a str>,
    pub(super) has_resizer: bool,
}

/// The page as it is sent, and the hashes of its inline scripts.
pub(super) struct Rewritten {
    pub(super) html: String,
    pub(super) scripts: Vec<String>,
}

/// `Err`: why it cannot be the app's shell.
pub(super) fn rewrite(html: &str, place: &ShellLocation<'_>) -> Result<Rewritten, String> {
    let html = with_remotes(html, place)?;
    let scripts = inline_scripts(&html).map(hash).collect();
    let head = Head { product: place.product, has_resizer: place.has_resizer };
    let head = head.render().map_err(|error| error.to_string())?;
    let start = after_tag(&html, "head").ok_or("index.html has no <head>")?;
    let (before, after) = html.split_at(start);
    Ok(Rewritten { html: format!("{before}{}{after}", head.trim_end()), scripts })
}

/// With this add-on in place of the remotes of the manifest.
fn with_remotes(html: &str, place: &ShellLocation<'_>) -> Result<String, String> {
    let missing = "index.html has no block for the remotes: it is not the app's shell, or an old one";
    let (before, rest) = html.split_once(REMOTES).ok_or(missing)?;
    let (block, after) = rest.split_once(END).ok_or(missing)?;
    let mut remotes: Value = serde_json::from_str(block).map_err(|error| format!("the remotes are broken: {error}"))?;
    if !remotes.is_object() {
        return Err("the remotes are not an object".to_owned());
    }
    remotes["origins"] = serde_json::json!([place.remote]);
    remotes["basePath"] = place.base_path.into();
    if let Some(page) = place.page {
        remotes["page"] = page.into();
    }
    Ok([before, REMOTES, &script_json(&remotes), END, after].concat())
}

/// What stands in the scripts that have no `src`.
fn inline_scripts(html: &str) -> impl Iterator<Item = &str> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let start = after_tag(rest, "script")?;
            let tag = &rest[..start];
            let tag = &tag[tag.rfind('<')?..];
            let end = rest[start..].find(END).map_or(rest.len(), |end| start + end);
            let content = &rest[start..end];
            rest = &rest[end..];
            if !tag.contains(" src=") && !content.is_empty() {
                return Some(content);
            }
        }
    })
}

/// Where the first start tag of that name ends.
fn after_tag(html: &str, name: &str) -> Option<usize> {
    let lower = html.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let start = from + lower[from..].find(&format!("<{name}"))?;
        let behind = start + 1 + name.len();
        // not <header>
        if lower[behind..].starts_with(|next: char| next == '>' || next.is_ascii_whitespace()) {
            return Some(behind + lower[behind..].find('>')? + 1);
        }
        from = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: ShellLocation<'_> = ShellLocation {
        product: "http://product.localhost:1",
        remote: "http://localhost:2",
        base_path: "/app",
        page: None,
        has_resizer: true,
    };

    #[test]
    fn forges_scripts_come_first_and_the_remotes_are_this_add_on() {
        let built = r#"<!doctype html><html><HEAD lang="x">
<script type="application/json" id="remotes">{"protocol":1,"origins":["https://app.example"],"basePath":""}</script>
<script src="./shell.js" defer></script></HEAD><body><header></header><script>go()</script></body></html>"#;
        let Rewritten { html, scripts } = rewrite(built, &PLACE).unwrap();
        let expected = r#"{"protocol":1,"origins":["http://localhost:2"],"basePath":"/app"}"#;
        assert!(html.contains(&format!("{REMOTES}{expected}</script>")), "{html}");
        assert!(!html.contains("app.example"), "{html}");
        let order = ["<HEAD", "rpc.js", "global-bridge.js", "iframeResizer", "remotes", "shell.js", "<header>"];
        let places: Vec<usize> = order.iter().map(|part| html.find(part).unwrap()).collect();
        assert!(places.is_sorted(), "{html}");
        assert!(html.contains(r#"data-product="http://product.localhost:1""#), "{html}");
        assert_eq!(scripts, [hash(expected), hash("go()")]);
        let without = rewrite(built, &ShellLocation { has_resizer: false, ..PLACE }).unwrap();
        assert!(!without.html.contains("iframeResizer"));
        let editor = rewrite(built, &ShellLocation { page: Some("editor"), ..PLACE }).unwrap();
        assert!(editor.html.contains(r#""basePath":"/app","page":"editor"}"#), "{}", editor.html);
    }

    #[test]
    fn what_is_no_shell_is_refused() {
        for html in [
            "",
            "<head></head>",
            "<script type=\"application/json\" id=\"remotes\">{}</script>",
            "<head><script type=\"application/json\" id=\"remotes\">{</script></head>",
            "<head><script type=\"application/json\" id=\"remotes\">[]</script></head>",
            "<head><script type=\"application/json\" id=\"remotes\">{}",
        ] {
            assert!(rewrite(html, &PLACE).is_err(), "{html}");
        }
    }
}
