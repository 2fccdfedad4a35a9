//! Watches the descriptor's file in development: each new version is served and registered with the sites.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use atlassian_connect_actix::internal::descriptor::{Descriptor, DescriptorFile, Finding, Lifecycle};
use atlassian_connect_actix::internal::panics;
use atlassian_connect_actix::internal::state::State;

/// Editors write a file in several steps, some through a temporary file: only the final state counts.
const QUIET: Duration = Duration::from_millis(150);

/// Serves each new version of the file, then calls `register_again`. An invalid version is logged, and the last valid
/// one stays.
pub(super) async fn follow(state: &State, source: &DescriptorFile, register_again: impl AsyncFn()) {
    let (sender, mut changes) = mpsc::unbounded_channel();
    let _watcher = match watch(&source.path, sender) {
        Ok(watcher) => watcher,
        Err(error) => {
            return tracing::warn!(%error, "the descriptor cannot be watched: restart the add-on after changing it");
        }
    };
    let mounted = state.descriptor();
    let mut seen = std::fs::read(&source.path).ok();
    // a change between the start and the first look counts too
    if seen.is_some() && reload(state, source, &mounted) {
        register_again().await;
    }
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
        let now = tokio::fs::read(&source.path).await.ok();
        if now.is_none() {
            tracing::warn!(file = %source.path.display(), "the descriptor's file is gone: the last version is still served");
        } else if now != seen && reload(state, source, &mounted) {
            register_again().await;
        }
        seen = now;
    }
}

/// Reports every event of the file. Watches its folder, because a watch on the file ends when the file is replaced.
fn watch(file: &Path, sender: mpsc::UnboundedSender<()>) -> notify::Result<RecommendedWatcher> {
    let file: PathBuf = std::path::absolute(file)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns = match &event {
            // reading the file is not a change
            Ok(event) => !event.kind.is_access() && event.paths.iter().any(|path| path.file_name() == file.file_name()),
            // events may have been missed
            Err(_) => true,
        };
        if concerns {
            // nobody listens any more at the stop
            let _ = sender.send(());
        }
    })?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Reads the file again. Returns whether a different descriptor is now served.
fn reload(state: &State, source: &DescriptorFile, mounted: &Arc<Descriptor>) -> bool {
    // the add-on's own transformer may panic
    let descriptor = match panics::caught_now(|| source.load(&state.config)) {
        Ok(Ok(descriptor)) => descriptor,
        Ok(Err(error)) => {
            tracing::error!("{error}; the last valid descriptor is still served");
            return false;
        }
        Err(panic) => {
            tracing::error!(%panic, "the last valid descriptor is still served");
            return false;
        }
    };
    if descriptor.is_of_forge() != mounted.is_of_forge() {
        tracing::error!("atlassian-connect.json has appeared or vanished; the last descriptor is still served");
        return false;
    }
    if descriptor.json() == state.descriptor().json() {
        return false;
    }
    descriptor.check(&state.config).iter().for_each(Finding::log);
    if let Some(reason) = needs_restart(mounted, &descriptor) {
        tracing::warn!("the descriptor has changed, but {reason}: restart the add-on");
    }
    state.replace_descriptor(descriptor);
    tracing::info!("the new descriptor is served");
    true
}

/// The changes of a descriptor that need a restart.
fn needs_restart(mounted: &Descriptor, new: &Descriptor) -> Option<&'static str> {
    if mounted.key() != new.key() {
        return Some("its key has changed, and no site has installed the add-on under the new one");
    }
    if Lifecycle::ALL.iter().any(|callback| mounted.lifecycle(*callback) != new.lifecycle(*callback)) {
        return Some("its lifecycle callbacks have other paths");
    }
    (mounted.webhooks() != new.webhooks()).then_some("its webhooks have changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use atlassian_connect_actix::config::{Config, Vars};

    #[test]
    fn what_is_mounted_needs_a_restart() {
        let config = Config::from_parts(None, &Vars::from([("NODE_ENV", "development")])).unwrap();
        let descriptor = |rest: &str| {
            let text = format!(r#"{{"baseUrl": "http://localhost:3000", {rest}}}"#);
            Descriptor::parse("d", &text, &config, None).unwrap()
        };
        let mounted = descriptor(
            r#""key": "a", "lifecycle": {"installed": "/i"}, "modules": {"webhooks": [{"event": "e", "url": "/w"}]}"#,
        );
        let needs =
            |rest: &str| needs_restart(&mounted, &descriptor(rest)).map(|reason| reason.split(' ').nth(1).unwrap());
        let hooks =
            r#""modules": {"webhooks": [{"event": "e", "url": "/w"}], "generalPages": [{"key": "k", "url": "/p"}]}"#;
        assert_eq!(needs(&format!(r#""key": "a", "lifecycle": {{"installed": "/i"}}, {hooks}"#)), None, "a new page");
        assert_eq!(needs(&format!(r#""key": "b", "lifecycle": {{"installed": "/i"}}, {hooks}"#)), Some("key"));
        assert_eq!(needs(&format!(r#""key": "a", "lifecycle": {{"installed": "/j"}}, {hooks}"#)), Some("lifecycle"));
        assert_eq!(needs(r#""key": "a", "lifecycle": {"installed": "/i"}"#), Some("webhooks"));
    }
}
