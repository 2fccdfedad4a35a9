//! The manifest of the Forge app, in the folder in which the add-on was started.

use std::path::Path;

use atlassian_connect_actix::internal::manifest::Manifest;

/// Reads it anew each time: it may change while the sandbox runs. `None`: there is none that can be read.
pub(super) fn read(folder: &Path) -> Option<Manifest> {
    let file = Manifest::file(folder)?;
    let read = Manifest::read(&file);
    read.inspect_err(|reason| tracing::warn!("{} cannot be read: {reason}", file.display())).ok()
}
