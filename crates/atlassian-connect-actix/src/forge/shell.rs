//! The source files of the shell, for an app's folder `forge`.

use std::io;
use std::path::{Path, PathBuf};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/forge/", $name)))),*]
    };
}

/// The shell itself: the framework's, replaced by each release.
const SHELL: [(&str, &str); 24] = files![
    "shell/backend.ts",
    "shell/confluence.ts",
    "shell/dialogs.ts",
    "shell/events.ts",
    "shell/flags.ts",
    "shell/footer.ts",
    "shell/frame.ts",
    "shell/handshake.ts",
    "shell/history.ts",
    "shell/host.ts",
    "shell/icon.svg",
    "shell/index.html",
    "shell/jira.ts",
    "shell/messages.ts",
    "shell/operations.ts",
    "shell/page.ts",
    "shell/paths.ts",
    "shell/remotes.ts",
    "shell/request.ts",
    "shell/router.ts",
    "shell/shell.css",
    "shell/shell.ts",
    "shell/theme.ts",
    "shell/view.ts",
];

/// The files that build it. They belong to the app, so they are written only if they are missing.
const PROJECT: [(&str, &str); 3] = files!["build.mjs", "package.json", "tsconfig.json"];

/// What git ignores in the app's folder: the build and npm's packages. A real `.gitignore` in this crate would apply to
/// this crate.
const IGNORED: (&str, &str) = (".gitignore", "/node_modules/\n/static/\n");

/// How a file of the app compares with the framework's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It does not exist.
    Missing,
    /// It has another content.
    Different,
    /// They are the same, except perhaps for line ends.
    Same,
}

/// One of the framework's files, compared with the app's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellFile {
    /// The path below the app's folder.
    pub path: PathBuf,
    /// How the app's file compares.
    pub comparison: Comparison,
    /// Whether the framework replaces an existing file: only those of the shell.
    pub is_replaced: bool,
    text: &'static str,
}

impl ShellFile {
    /// Whether [`ShellFile::write`] would change something.
    #[must_use]
    pub fn is_due(&self) -> bool {
        match self.comparison {
            Comparison::Missing => true,
            Comparison::Different => self.is_replaced,
            Comparison::Same => false,
        }
    }

    /// Writes the framework's file into the app's `folder`.
    ///
    /// # Errors
    /// The error of the file system.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let file = folder.join(&self.path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, self.text)
    }
}

/// Compares `folder`, an app's folder `forge`, with the framework's files.
///
/// # Errors
/// The error of the file system.
pub fn compare_shell(folder: &Path) -> io::Result<Vec<ShellFile>> {
    let project = PROJECT.iter().chain(std::iter::once(&IGNORED)).map(|file| (file, false));
    let files = SHELL.iter().map(|file| (file, true)).chain(project);
    files
        .map(|(&(name, text), is_replaced)| {
            let comparison = match std::fs::read(folder.join(name)) {
                Ok(found) if without_returns(&found) == text.as_bytes() => Comparison::Same,
                Ok(_) => Comparison::Different,
                Err(error) if error.kind() == io::ErrorKind::NotFound => Comparison::Missing,
                Err(error) => return Err(error),
            };
            Ok(ShellFile { path: PathBuf::from(name), comparison, is_replaced, text })
        })
        .collect()
}

/// git may have written Windows line ends
fn without_returns(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).replace("\r\n", "\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_listed() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("forge");
        let mut found = BTreeSet::new();
        for (folder, prefix) in [(here.join("shell"), "shell/"), (here, "")] {
            for entry in folder.read_dir().unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    found.insert(format!("{prefix}{}", entry.file_name().into_string().unwrap()));
                }
            }
        }
        let listed: BTreeSet<_> = SHELL.iter().chain(&PROJECT).map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, found);
    }

    #[test]
    fn the_shell_is_replaced_and_other_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("forge");
        let due = || -> Vec<_> {
            let files = compare_shell(&at).unwrap();
            files
                .into_iter()
                .filter(ShellFile::is_due)
                .inspect(|file| file.write(&at).unwrap())
                .map(|f| f.path)
                .collect()
        };
        assert_eq!(due().len(), SHELL.len() + PROJECT.len() + 1);
        assert_eq!(due(), [] as [PathBuf; 0]);

        let page = std::fs::read_to_string(at.join("shell/index.html")).unwrap();
        std::fs::write(at.join("shell/index.html"), page.replace('\n', "\r\n")).unwrap();
        std::fs::write(at.join("shell/shell.ts"), "mine").unwrap();
        std::fs::write(at.join("shell/own.ts"), "mine").unwrap();
        std::fs::write(at.join("package.json"), "mine").unwrap();
        assert_eq!(due(), [Path::new("shell/shell.ts")]);
        assert_eq!(std::fs::read_to_string(at.join("package.json")).unwrap(), "mine");
        assert_eq!(std::fs::read_to_string(at.join("shell/own.ts")).unwrap(), "mine");
    }
}
