//! iframe-resizer, by which Atlassian's products measure a frame: npm's package, which comes with `@forge/bridge`.

use std::path::{Path, PathBuf};

/// The host's half.
pub(super) const HOST: &str = "iframeResizer.min.js";
/// The half of the page in the frame.
pub(super) const CONTENT: &str = "iframeResizer.contentWindow.min.js";

/// A file of the package, where it is installed: for the shell, or for the add-on.
pub(super) fn resizer(folder: &Path, name: &str) -> Option<PathBuf> {
    let places = std::iter::once(folder.join("forge")).chain(folder.ancestors().map(Path::to_owned));
    let mut files = places.map(|place| place.join("node_modules/iframe-resizer/js").join(name));
    files.find(|file| file.is_file())
}
