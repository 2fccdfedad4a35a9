//! The app's shell, as `npm run build` writes it.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Below the folder in which the add-on was started.
const FOLDER: &str = "forge/static/shell";
/// The page among its files.
const INDEX: &str = "index.html";
/// What the resource of a further page begins with. It is the same shell, which says to the add-on which page it wants.
const FURTHER: &str = "/shell-";

/// Where the CDN has the shell's page, for the first page of a module or a further one.
pub(super) fn path(page: Option<&str>) -> String {
    match page {
        Some(page) => format!("{FURTHER}{page}/{INDEX}"),
        None => format!("/{INDEX}"),
    }
}

/// A path of the CDN: which page of a module it is for, and the path below the shell's folder.
pub(super) fn split(path: &str) -> (Option<&str>, &str) {
    let further = path.strip_prefix(FURTHER).and_then(|rest| Some((rest, rest.find('/')?)));
    match further {
        Some((rest, end)) => (Some(&rest[..end]), &rest[end..]),
        None => (None, path),
    }
}

/// Whether the path below the shell's folder is that of its page.
pub(super) fn is_page(path: &str) -> bool {
    path == "/" || path.strip_prefix('/') == Some(INDEX)
}

/// Whether the shell has been built.
pub(super) fn is_built(folder: &Path) -> bool {
    folder.join(FOLDER).join(INDEX).is_file()
}

/// The file at the path of a URL, which is still encoded. `None`: there is none, or it is not below the shell's folder:
/// neither the path nor a link in the folder leads out of it.
pub(super) fn file(folder: &Path, url_path: &str) -> Option<PathBuf> {
    let root = folder.join(FOLDER).canonicalize().ok()?;
    let mut file = root.clone();
    for segment in url_path.strip_prefix('/')?.split('/') {
        let segment = percent_decode_str(segment).decode_utf8().ok()?;
        if segment.is_empty() || segment.starts_with('.') || segment.contains(['/', '\\', '\0', ':']) {
            return None;
        }
        file.push(&*segment);
    }
    let file = file.canonicalize().ok()?;
    (file.starts_with(&root) && file.is_file()).then_some(file)
}

/// The media type of a file, by its name.
pub(super) fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_cdn_says_which_page_is_shown() {
        for (cdn, expected) in [
            ("/index.html", (None, "/index.html")),
            ("/shell.js", (None, "/shell.js")),
            ("/shell-editor/shell.js", (Some("editor"), "/shell.js")),
            ("/shell-editor", (None, "/shell-editor")),
            ("/shell-editor/../x", (Some("editor"), "/../x")),
        ] {
            assert_eq!(split(cdn), expected, "{cdn}");
        }
        assert_eq!(split(&path(Some("create"))), (Some("create"), "/index.html"));
        assert!(is_page("/") && is_page(&path(None)) && !is_page("/shell.js"));
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let shell = folder.path().join(FOLDER);
        std::fs::create_dir_all(shell.join("sub")).unwrap();
        for (name, text) in [("index.html", "i"), ("sub/a b.js", "a"), ("../secret", "s"), (".env", "s")] {
            std::fs::write(shell.join(name), text).unwrap();
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc", shell.join("etc")).unwrap();
            std::os::unix::fs::symlink(folder.path(), shell.join("sub/up")).unwrap();
            std::os::unix::fs::symlink(shell.join("../secret"), shell.join("link.js")).unwrap();
        }
        assert!(is_built(folder.path()));
        for (path, is_there) in [
            ("/index.html", true),
            ("/sub/a%20b.js", true),
            ("/sub/../index.html", false),
            ("/../secret", false),
            ("/%2e%2e/secret", false),
            ("/..%2fsecret", false),
            ("/%2E%2E%2Fsecret", false),
            ("/sub/..%5c..%5csecret", false),
            ("/%252e%252e/secret", false),
            ("//etc/passwd", false),
            ("/etc/passwd", false),
            ("/sub/up/forge/static/secret", false),
            ("/link.js", false),
            ("/.env", false),
            ("/%00", false),
            ("/index.html%00.js", false),
            ("/index.html/", false),
            ("/sub", false),
            ("/none.js", false),
            ("/%ff", false),
            ("/", false),
            ("", false),
            ("index.html", false),
        ] {
            assert_eq!(file(folder.path(), path).is_some(), is_there, "{path}");
        }
    }
}
