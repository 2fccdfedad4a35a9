//! The descriptor's file while the add-on is developed: each new version is served, and registered with the sites.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use atlassian_connect_actix::internal::descriptor::{Descriptor, DescriptorFile, Finding, Lifecycle};
use atlassian_connect_actix::internal::panics;
use atlassian_connect_actix::internal::state::State;

/// Editors write a file in several steps, some of them by way of another file: what counts is how it is afterwards.
const QUIET: Duration = Duration::from_millis(150);

/// Serves each new version of the file, then calls `register_again`. A broken one is told of, and the last good one stays.
pub(super) async fn follow(state: &State, source: &DescriptorFile, register_again: impl AsyncFn()) {
    let (sender, mut changes) = mpsc::unbounded_channel();
    let _watcher = match watch(&source.path, sender) {
        Ok(watcher) => watcher,
        Err(error) => return tracing::warn!(%error, "the descriptor cannot be watched: a change of it needs a restart"),
    };
    let mounted = state.descriptor();
    let mut seen = std::fs::read(&source.path).ok();
    // what changed between the start and the first look counts, too
    if seen.is_some() && reload(state, source, &mounted) {
        register_again().await;
    }
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
        let now = tokio::fs::read(&source.path).await.ok();
        if now.is_none() {
            tracing::warn!(file = %source.path.display(), "the descriptor is gone: the last one stays");
        } else if now != seen && reload(state, source, &mounted) {
            register_again().await;
        }
        seen = now;
    }
}

/// Tells of everything that happens to the file. Its folder is watched: a file that is replaced takes its watch along.
fn watch(file: &Path, sender: mpsc::UnboundedSender<()>) -> notify::Result<RecommendedWatcher> {
    let file: PathBuf = std::path::absolute(file)?;
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let concerns = match &event {
            // looking at it is no change of it
            Ok(event) => !event.kind.is_access() && event.paths.iter().any(|path| path.file_name() == file.file_name()),
            // something was missed
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

/// Reads the file again; whether another descriptor is served now.
fn reload(state: &State, source: &DescriptorFile, mounted: &Arc<Descriptor>) -> bool {
    // a transformer of the add-on's own may panic
    let descriptor = match panics::caught_now(|| source.load(&state.config)) {
        Ok(Ok(descriptor)) => descriptor,
        Ok(Err(error)) => {
            tracing::error!("{error}; the last good descriptor is served");
            return false;
        }
        Err(panic) => {
            tracing::error!(%panic, "the last good descriptor is served");
            return false;
        }
    };
    if descriptor.json() == state.descriptor().json() {
        return false;
    }
    descriptor.check(&state.config).iter().for_each(Finding::log);
    if let Some(reason) = needs_restart(mounted, &descriptor) {
        tracing::warn!("the descriptor has changed, and {reason}: restart the add-on");
    }
    state.replace_descriptor(descriptor);
    tracing::info!("the descriptor has changed, and is served");
    true
}

/// What of a new descriptor only a start can do.
fn needs_restart(mounted: &Descriptor, new: &Descriptor) -> Option<&'static str> {
    if mounted.key() != new.key() {
        return Some("its key is another one, under which nobody has installed it yet");
    }
    if Lifecycle::ALL.iter().any(|callback| mounted.lifecycle(*callback) != new.lifecycle(*callback)) {
        return Some("its lifecycle callbacks have other paths than those that are mounted");
    }
    (mounted.webhooks() != new.webhooks()).then_some("its webhooks are others than those that are mounted")
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
