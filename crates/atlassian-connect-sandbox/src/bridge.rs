//! The source of Atlassian's bridge: the project's npm package `atlassian-connect-js`, or else a public copy of it.

use std::path::{Path, PathBuf};

/// The package.
const PACKAGE: &str = "atlassian-connect-js";
/// The public copy: pinned, and verified by the browser.
pub(super) const CDN_SCRIPT: &str = "https://cdn.jsdelivr.net/npm/atlassian-connect-js@5.3.190/dist/connect-host.js";
/// The hash of that version's file in the npm registry.
pub(super) const CDN_INTEGRITY: &str = "sha384-scOIfz2cLHVoee/Ej/ZkUChbrdfoegtQJgDNy9PYMUNEaVYPhfnE0B3U0UeUBYog";
/// The part of the products' bridge extensions that runs in the page.
const FRAME: &str = include_str!("assets/frame.js");
/// How the package's script builds its stylesheet URLs. Source: `dist/iframe.js` of 5.3.190.
const CDN_OF_PAGES: &str = "\"https://\" + CDN_DOMAIN";

/// The bridge that the sandbox uses.
#[derive(Debug, Clone)]
pub(super) enum Bridge {
    /// The package's folder `dist`.
    Npm(PathBuf),
    /// The public copy.
    Cdn,
}

impl Bridge {
    /// Looks where Node would: in `node_modules` of `folder` and of its parents.
    pub(super) fn find(folder: &Path) -> Self {
        let dist = |folder: &Path| folder.join("node_modules").join(PACKAGE).join("dist");
        let found = folder.ancestors().map(dist).find(|dist| dist.join("connect-host.js").is_file());
        found.map_or(Self::Cdn, Self::Npm)
    }

    /// The name for the pages' script.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Npm(_) => "npm",
            Self::Cdn => "cdn",
        }
    }

    /// A file of the package, by the name that the sandbox serves it under.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        let Self::Npm(dist) = self else { return None };
        let is_theme =
            |file: &str| Path::new(file).extension().is_some_and(|kind| kind == "css") && !file.contains(['/', '\\']);
        let file = match name {
            "connect-host.js" | "surfaces.css" | "legacy-text-colors.css" => name,
            // the page's part
            "all.js" => "iframe.js",
            _ if name.strip_prefix("themes/").is_some_and(is_theme) => name,
            _ => return None,
        };
        Some(dist.join(file)).filter(|file| file.is_file())
    }
}

/// `all.js` for pages: the package's script, changed to load its stylesheets from the sandbox at `origin` instead of
/// Atlassian's CDN, followed by the products' extensions.
pub(super) fn page_script(package: &str, origin: &str) -> String {
    let own = format!("\"{origin}/atlassian-connect\"");
    format!("{}\n{FRAME}", package.replace(CDN_OF_PAGES, &own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_found_as_node_finds_it() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        let dist = root.path().join("node_modules/atlassian-connect-js/dist");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir_all(&dist).unwrap();
        assert_eq!(Bridge::find(&inner).name(), "cdn", "a folder without the script is not a bridge");
        std::fs::write(dist.join("connect-host.js"), "1").unwrap();
        let bridge = Bridge::find(&inner);
        assert_eq!(bridge.name(), "npm");
        assert_eq!(bridge.file("connect-host.js"), Some(dist.join("connect-host.js")));
        assert_eq!(bridge.file("all.js"), None, "not there");
        assert_eq!(bridge.file("../package.json"), None);
        std::fs::create_dir(dist.join("themes")).unwrap();
        std::fs::write(dist.join("themes/dark.css"), "").unwrap();
        assert!(bridge.file("themes/dark.css").is_some());
        assert_eq!(bridge.file("themes/../connect-host.js"), None);
        std::fs::write(dist.join("secret.css"), "").unwrap();
        assert_eq!(bridge.file("themes/../secret.css"), None);
    }

    #[test]
    fn the_pages_script_loads_nothing_from_elsewhere() {
        let package = "var CDN_DOMAIN = \"x\";\nvar CDN_URL = \"https://\" + CDN_DOMAIN;\n";
        let script = page_script(package, "http://localhost:3001");
        assert!(script.contains("var CDN_URL = \"http://localhost:3001/atlassian-connect\";"), "{script}");
        assert!(script.ends_with(FRAME));
    }
}
