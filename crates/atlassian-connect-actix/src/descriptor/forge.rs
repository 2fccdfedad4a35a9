//! An app on Forge alone, which has no Connect descriptor.

use std::path::Path;

use super::source::Source;
use super::{Descriptor, DescriptorError, faults};
use crate::config::Config;
use crate::manifest::Manifest;

impl Descriptor {
    /// The descriptor of an app that is on Forge alone: only its key. No host installs it, and its pages are those of
    /// `forge.pages`.
    pub(super) fn of_manifest(file: &Path, config: &Config) -> Result<Self, DescriptorError> {
        let shown = file.display().to_string();
        let unusable = |reason: String| DescriptorError::Manifest { file: shown.clone(), reason };
        let manifest = Manifest::read(file).map_err(|reason| unusable(format!("it cannot be read: {reason}")))?;
        // Connect modules need Connect's callbacks: without them, installs would be lost silently
        if manifest.has_connect_modules() {
            let reason =
                "it has connectModules, so the app needs its descriptor; deploy atlassian-connect.json as well";
            return Err(unusable(reason.to_owned()));
        }
        let key = config.app_key.as_deref().or(manifest.connect_key()).or(manifest.app_id());
        let key = key.ok_or_else(|| {
            unusable("it names no app; run `forge register`, or set appKey in config.json".to_owned())
        })?;
        let value = serde_json::json!({ "key": key, "baseUrl": config.local_base_url.as_str(), "modules": {} });
        let source = Source::made(&shown);
        match faults(&value).into_iter().next() {
            Some((path, reason)) => Err(source.refusal(path, reason)),
            None => Ok(Self { is_of_forge: true, ..Self::of(value, source)? }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::super::{DescriptorFile, FILE_NAME};
    use super::*;

    #[test]
    fn the_manifest_of_a_forge_app_takes_the_place_of_a_descriptor_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = DescriptorFile { path: folder.path().join(FILE_NAME), ..DescriptorFile::default() };
        assert!(matches!(file.load(&config(&[])), Err(DescriptorError::Unreadable { .. })));
        std::fs::create_dir(folder.path().join("forge")).unwrap();
        let manifest = folder.path().join("forge/manifest.yml");
        let loaded = |text: &str, vars: &[(&'static str, &str)]| {
            std::fs::write(&manifest, text).unwrap();
            let loaded = file.load(&config(vars));
            loaded.map(|descriptor| (descriptor.key().to_owned(), descriptor.is_of_forge()))
        };
        let id = "ari:cloud:ecosystem::app/1-2";
        assert_eq!(loaded(&format!("app:\n  id: {id}\n"), &[]).unwrap(), ("1-2".to_owned(), true));
        let both = format!("app:\n  id: {id}\n  connect: {{ key: com.example }}\n");
        assert_eq!(loaded(&both, &[]).unwrap().0, "com.example");
        assert_eq!(loaded(&both, &[("AC_APP_KEY", "mine")]).unwrap().0, "mine");
        for (text, reason) in [
            ("app: [", "it cannot be read"),
            ("app: {}", "it names no app; run `forge register`"),
            ("connectModules: { jira:lifecycle: [{ key: l }] }", "it has connectModules"),
        ] {
            let refused = loaded(text, &[]).unwrap_err().to_string();
            assert!(refused.contains("forge/manifest.yml ") && refused.contains(reason), "{refused}");
        }
        // a manifest at the top may be another program's
        std::fs::rename(&manifest, folder.path().join("manifest.yml")).unwrap();
        assert!(file.load(&config(&[])).is_err());
        std::fs::write(folder.path().join("manifest.yml"), &both).unwrap();
        assert!(file.load(&config(&[])).unwrap().is_of_forge());
        let other = DescriptorFile { path: folder.path().join("typo.json"), ..DescriptorFile::default() };
        assert!(matches!(other.load(&config(&[])), Err(DescriptorError::Unreadable { .. })));
        // the descriptor counts where there is one
        std::fs::write(&file.path, r#"{ "key": "own", "baseUrl": "{{localBaseUrl}}" }"#).unwrap();
        assert_eq!(loaded(&both, &[]).unwrap(), ("own".to_owned(), false));
    }
}
