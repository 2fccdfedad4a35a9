//! Where the real bridge comes from: the npm package `atlassian-connect-js` of the project, else a public copy of it.

use std::path::{Path, PathBuf};

/// The package, and the version whose public copy is used.
const PACKAGE: &str = "atlassian-connect-js";
/// The origin of the public copy.
pub(super) const CDN: &str = "https://cdn.jsdelivr.net";
/// The public copy: pinned, and checked by the browser.
pub(super) const CDN_SCRIPT: &str = "https://cdn.jsdelivr.net/npm/atlassian-connect-js@5.3.190/dist/connect-host.js";
/// What the pinned file of that version in the npm registry hashes to.
pub(super) const CDN_INTEGRITY: &str = "sha384-scOIfz2cLHVoee/Ej/ZkUChbrdfoegtQJgDNy9PYMUNEaVYPhfnE0B3U0UeUBYog";

/// The bridge that the sandbox speaks.
#[derive(Debug, Clone)]
pub(super) enum Bridge {
    /// The folder `dist` of the package.
    Npm(PathBuf),
    /// The public copy.
    Cdn,
}

impl Bridge {
    /// Looks where Node would: in `node_modules` of `folder` and of those above it.
    pub(super) fn find(folder: &Path) -> Self {
        let dist = |folder: &Path| folder.join("node_modules").join(PACKAGE).join("dist");
        let found = folder.ancestors().map(dist).find(|dist| dist.join("connect-host.js").is_file());
        found.map_or(Self::Cdn, Self::Npm)
    }

    /// For the pages' script.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Npm(_) => "npm",
            Self::Cdn => "cdn",
        }
    }

    /// A file of the package, under the name that the sandbox serves it by.
    pub(super) fn file(&self, name: &str) -> Option<PathBuf> {
        let Self::Npm(dist) = self else { return None };
        let file = match name {
            "connect-host.js" => "connect-host.js",
            "connect-host.css" => "connect-host.css",
            // the page's half
            "all.js" => "iframe.js",
            _ => return None,
        };
        Some(dist.join(file)).filter(|file| file.is_file())
    }
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
        assert_eq!(Bridge::find(&inner).name(), "cdn", "a folder without the script is no bridge");
        std::fs::write(dist.join("connect-host.js"), "1").unwrap();
        let bridge = Bridge::find(&inner);
        assert_eq!(bridge.name(), "npm");
        assert_eq!(bridge.file("connect-host.js"), Some(dist.join("connect-host.js")));
        assert_eq!(bridge.file("all.js"), None, "not there");
        assert_eq!(bridge.file("../package.json"), None);
    }
}
