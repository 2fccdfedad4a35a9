//! What the add-on's code requires of the descriptor, as far as the source text shows.

use std::fs;
use std::path::{Path, PathBuf};

/// How many levels of folders are searched.
const DEPTH: usize = 8;

/// Finds the calls of `as_user` in the Rust files below `folder`: the file and the line, counted from 1.
///
/// It reads text, not code. It misses a call through another function, and counts a call in a test. Files that cannot
/// be read are skipped, and so is a missing folder.
#[must_use]
pub fn calls_of_as_user(folder: &Path) -> Vec<(PathBuf, usize)> {
    let mut calls = Vec::new();
    look(folder, DEPTH, &mut calls);
    calls.sort();
    calls
}

fn look(folder: &Path, depth: usize, calls: &mut Vec<(PathBuf, usize)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
            if depth > 0 {
                look(&path, depth - 1, calls);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines = text.lines().enumerate().filter(|(_, line)| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains(".as_user(")
            });
            calls.extend(lines.map(|(index, _)| (path.clone(), index + 1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_and_comments_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("api");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("me.rs"), "fn f() {\n    // host.as_user(id)\n    host.as_user(id);\n}\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "host.as_user(id)").unwrap();
        assert_eq!(calls_of_as_user(folder.path()), [(inner.join("me.rs"), 3)]);
        assert_eq!(calls_of_as_user(Path::new("nowhere")), []);
    }
}
