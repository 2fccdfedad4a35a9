//! Writes the framework's migrations as files into an app's `migrations` folder.

use std::io;
use std::path::{Path, PathBuf};

/// A migration of the framework: (backend, folder, up.sql, down.sql).
type Files = (&'static str, &'static str, &'static str, &'static str);

macro_rules! files {
    ($($backend:literal / $name:literal),* $(,)?) => {
        [$((
            $backend,
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $backend, "/", $name, "/up.sql")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $backend, "/", $name, "/down.sql")),
        )),*]
    };
}

const FILES: [Files; 9] = files![
    "mysql" / "2026-11-22-000001_create_addon_settings",
    "mysql" / "2026-11-22-000002_create_forge_tables",
    "mysql" / "2026-11-29-000001_create_forge_events",
    "postgres" / "2026-11-22-000001_create_addon_settings",
    "postgres" / "2026-11-22-000002_create_forge_tables",
    "postgres" / "2026-11-29-000001_create_forge_events",
    "sqlite" / "2026-11-22-000001_create_addon_settings",
    "sqlite" / "2026-11-22-000002_create_forge_tables",
    "sqlite" / "2026-11-29-000001_create_forge_events",
];

/// The result of [`write_migrations`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WrittenMigrations {
    /// The created folders, relative to the given one.
    pub written: Vec<PathBuf>,
    /// Existing files whose content differs from the framework's. They are not changed.
    pub different: Vec<PathBuf>,
}

/// Writes the framework's migrations that are missing in `folder` (an app's `migrations`). Existing files are never
/// changed.
///
/// # Errors
/// The file system's error.
pub fn write_migrations(folder: &Path) -> io::Result<WrittenMigrations> {
    let mut outcome = WrittenMigrations::default();
    for (backend, name, up, down) in FILES {
        let place = folder.join(backend).join(name);
        if !place.exists() {
            std::fs::create_dir_all(&place)?;
            std::fs::write(place.join("up.sql"), up)?;
            std::fs::write(place.join("down.sql"), down)?;
            outcome.written.push(place);
            continue;
        }
        for (file, text) in [("up.sql", up), ("down.sql", down)] {
            let file = place.join(file);
            match std::fs::read_to_string(&file) {
                Ok(found) if found.replace("\r\n", "\n") == text => {}
                Ok(_) => outcome.different.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    std::fs::write(&file, text)?;
                    outcome.written.push(file);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_migration_is_listed() {
        let listed: BTreeSet<_> = FILES.iter().map(|(backend, name, ..)| format!("{backend}/{name}")).collect();
        let mut found = BTreeSet::new();
        for backend in ["mysql", "postgres", "sqlite"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(backend);
            for step in folder.read_dir().unwrap() {
                found.insert(format!("{backend}/{}", step.unwrap().file_name().into_string().unwrap()));
            }
        }
        assert_eq!(listed, found);
    }

    #[test]
    fn missing_files_are_written_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = write_migrations(folder.path()).unwrap();
        assert_eq!((first.written.len(), first.different.len()), (FILES.len(), 0));
        assert_eq!(write_migrations(folder.path()).unwrap(), WrittenMigrations::default());

        let step = folder.path().join("sqlite/2026-11-22-000001_create_addon_settings");
        let own = folder.path().join("sqlite/2026-12-01-000001_create_notes");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(step.join("up.sql"), "SELECT 1;").unwrap();
        std::fs::remove_file(step.join("down.sql")).unwrap();
        std::fs::remove_dir_all(folder.path().join("mysql")).unwrap();
        let again = write_migrations(folder.path()).unwrap();
        assert_eq!(again.different, [step.join("up.sql")]);
        assert_eq!(again.written.len(), 4, "{again:?}");
        assert!(again.written.contains(&step.join("down.sql")));
        assert_eq!(std::fs::read_to_string(step.join("up.sql")).unwrap(), "SELECT 1;");
        assert!(own.read_dir().unwrap().next().is_none());
    }
}
