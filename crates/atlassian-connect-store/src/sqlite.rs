//! SQLite, in a file or in memory.
//!
//! A new file gets mode 0600, because it holds secrets, and a write-ahead log. A commit is on the disk before the host
//! is answered (`synchronous = FULL`): a secret is sent only once.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::Connection as _;
use diesel::r2d2::R2D2Connection as _;
use diesel::sqlite::SqliteConnection;
use r2d2::ManageConnection;

use super::StoreError;
use super::connection::{DbConnection, is_temporary};
use super::database::{Pooled, message};
use super::statement::{Dialect, equals};

pub(super) static DIALECT: Dialect = Dialect {
    quote: '"',
    text: "TEXT",
    integer: "BIGINT",
    json: "?",
    bytes: str::to_owned,
    same: equals,
    insert_new: ("INSERT INTO", "ON CONFLICT DO NOTHING"),
    lock: None,
    notify: None,
    table_exists: r#"SELECT @one AS "number" FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?"#,
    before_migrations: &[],
    lock_migrations: None,
    list: |migrations| migrations.sqlite,
};

/// Settings of each connection. A commit is on disk before the answer: a host sends each secret only once.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL;";

/// The connection pool for the database of `url`, with at most `size` connections. Creates its folder and file if they
/// are missing.
pub(super) fn database(url: &str, size: u32) -> Result<Pooled<SqliteConnector>, StoreError> {
    let path = path(url)?;
    if path == Path::new(":memory:") {
        // Each connection would be a separate database.
        return Ok(Pooled::new(SqliteConnector { path }, &DIALECT, 1, None));
    }
    let created = create(&path).map_err(|error| not_writable(&path, error))?;
    let connector = SqliteConnector { path };
    let mut connection = connector.connect()?;
    if created {
        // In WAL mode readers do not wait for the writer; the file stores the mode. An existing file keeps its
        // permissions, because another program may rely on them. Failure only costs speed: some file systems do not
        // support WAL, and another node may be changing the mode.
        let _ = connection.batch_execute("PRAGMA journal_mode = WAL");
    }
    Ok(Pooled::new(connector, &DIALECT, size, None))
}

/// The same for an existing file, which is left unchanged.
pub(super) fn existing(path: &Path, size: u32) -> Result<Pooled<SqliteConnector>, StoreError> {
    let connector = SqliteConnector { path: path.to_owned() };
    connector.connect()?;
    Ok(Pooled::new(connector, &DIALECT, size, None))
}

/// The file that `url` names: `sqlite:x`, `sqlite://x`, `sqlite:///x`; `:memory:` for `sqlite::memory:`.
pub(super) fn path(url: &str) -> Result<PathBuf, StoreError> {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or_default();
    match path {
        "" => Err(StoreError::configuration(
            "the store's URL does not name an SQLite file: write it as sqlite:data/addon.db, or sqlite:///var/lib/addon.db",
        )),
        ":memory:" => Ok(PathBuf::from(path)),
        // Relative paths get a leading dot, so that SQLite does not treat them as special names (`file:…`, `:memory:`).
        path => Ok(Path::new(".").join(path)),
    }
}

/// Makes sure that the file exists and is writable. Returns whether it is new. The file contains secrets: only its
/// owner may read it. SQLite gives its journals the same mode.
fn create(path: &Path) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.clone().create_new(true).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path).map(|_| false),
        Err(error) => Err(error),
    }
}

pub(super) fn shown(path: &Path) -> std::path::Display<'_> {
    path.strip_prefix(".").unwrap_or(path).display()
}

fn not_writable(path: &Path, error: io::Error) -> StoreError {
    StoreError::configuration(format!(
        "the SQLite file {} cannot be written: {error}; make its folder writable for this process, or name another \
         store with DATABASE_URL",
        shown(path)
    ))
    .caused_by(error)
}

/// Opens connections to one file.
#[derive(Debug)]
pub(super) struct SqliteConnector {
    path: PathBuf,
}

impl ManageConnection for SqliteConnector {
    type Connection = DbConnection;
    type Error = StoreError;

    fn connect(&self) -> Result<DbConnection, StoreError> {
        let named = |error: &dyn std::fmt::Display| format!("the SQLite file {}: {error}", shown(&self.path));
        let mut connection = SqliteConnection::establish(&self.path.to_string_lossy())
            .map_err(|error| StoreError::unavailable(named(&error)).caused_by(error))?;
        // The first access to the file: it fails here if this is not an SQLite database.
        let opened = connection.batch_execute(PRAGMAS).and_then(|()| connection.batch_execute("PRAGMA schema_version"));
        if let Err(error) = opened {
            let failed = if is_temporary(&mut connection, &error) {
                StoreError::unavailable(message(&error))
            } else {
                StoreError::configuration(named(&message(&error)))
            };
            return Err(failed.caused_by(error));
        }
        Ok(DbConnection::Sqlite(connection))
    }

    fn is_valid(&self, _: &mut DbConnection) -> Result<(), StoreError> {
        Ok(())
    }

    /// After a panic inside a transaction, the connection's state is unknown.
    fn has_broken(&self, connection: &mut DbConnection) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_each_form() {
        for (url, expected) in [
            ("sqlite:data/addon.db", "./data/addon.db"),
            ("sqlite://data/addon.db", "./data/addon.db"),
            ("sqlite:///var/addon.db", "/var/addon.db"),
            ("sqlite:/var/addon.db", "/var/addon.db"),
            ("sqlite:addon.db?mode=rwc", "./addon.db"),
            ("sqlite:file:addon.db", "./file:addon.db"),
            ("sqlite::memory:", ":memory:"),
            ("sqlite://:memory:", ":memory:"),
        ] {
            assert_eq!(path(url).unwrap(), Path::new(expected), "{url}");
        }
        for url in ["sqlite:", "sqlite://", "sqlite:?mode=rwc"] {
            assert!(matches!(path(url), Err(StoreError::Configuration(_))), "{url}");
        }
    }

    #[test]
    fn a_new_file_is_its_owners_alone_and_in_wal_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/addon.db");
        drop(database(&format!("sqlite:{}", file.display()), 2).unwrap());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777, 0o600);
        let wal = fs::read(&file).unwrap();
        assert_eq!(wal[18], 2, "the file's write version: 2 is WAL");
    }

    #[test]
    fn an_impossible_file_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "text").unwrap();
        let below_a_file = folder.path().join("file/addon.db");
        let error = database(&format!("sqlite:{}", below_a_file.display()), 2).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
        assert!(text.contains("file/addon.db") && text.contains("DATABASE_URL"), "{text}");
    }

    #[test]
    fn a_file_of_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes.txt");
        fs::write(&file, "not a database at all\n".repeat(100)).unwrap();
        let error = database(&format!("sqlite:{}", file.display()), 2).err().unwrap();
        assert!(matches!(error, StoreError::Configuration(_)), "{error:?}");
        assert!(error.to_string().contains("notes.txt"), "{error}");
    }
}
