//! The starter's own files fit what the framework reads.

use std::path::Path;

use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::store::internal::write_migrations;
use atlassian_connect_cli::internal::EXCEPTIONS;

const CONFIG: &str = include_str!("../../config.json");

#[test]
fn the_configuration_serves_development_and_a_platform() {
    let development = Config::from_parts(Some(CONFIG), &Vars::from([("", ""); 0])).unwrap();
    assert_eq!(development.warnings(), &[] as &[String]);
    assert!(development.store.is_default());
    let platform = Vars::from([
        ("DYNO", "web.1"),
        ("PORT", "5000"),
        ("DATABASE_URL", "postgres://u:p@db.example.com/x"),
        ("AC_LOCAL_BASE_URL", "https://app.example"),
    ]);
    let platform = Config::from_parts(Some(CONFIG), &platform).unwrap();
    assert_eq!((platform.port, platform.local_base_url.as_str()), (5000, "https://app.example"));
    assert_eq!(platform.warnings(), &[] as &[String]);
}

/// cargo runs these tests in the package's folder, where the file is.
#[test]
fn the_configuration_is_read_from_the_working_directory() {
    let vars = Vars::from([
        ("APP_ENV", "production"),
        ("PORT", "5000"),
        ("DATABASE_URL", "memory:"),
        ("AC_LOCAL_BASE_URL", "https://app.example"),
    ]);
    assert_eq!(Config::load_with(&vars).unwrap().port, 5000);
    let unknown = Config::load_with(&Vars::from([("APP_ENV", "staging")])).unwrap_err().to_string();
    assert!(unknown.contains("production"), "{unknown}");
}

/// `migrations/` holds the framework's steps as they are: nothing to write, nothing that differs.
#[test]
fn the_migrations_of_the_framework_are_there_as_it_writes_them() {
    let own = Path::new("migrations");
    let folder = tempfile::tempdir().unwrap();
    let written = write_migrations(folder.path()).unwrap().written;
    assert!(!written.is_empty());
    for step in written {
        let here = own.join(step.strip_prefix(folder.path()).unwrap());
        for file in ["up.sql", "down.sql"] {
            let text = |folder: &Path| std::fs::read_to_string(folder.join(file)).unwrap();
            assert_eq!(text(&here), text(&step), "{}", here.display());
        }
    }
}

/// What a Forge manifest cannot say is a table in the documentation.
#[test]
fn the_documentation_lists_what_manifests_cannot_say() {
    let documentation = include_str!("../../docs/forge.md");
    for exception in EXCEPTIONS {
        let row = format!("| {} | {} | {} |", exception.part, exception.severity, exception.reason);
        assert!(documentation.contains(&row), "docs/forge.md lacks the row\n{row}");
    }
}

/// The README quotes the store of the example, which the suite of the stores runs on.
#[test]
fn the_readme_shows_the_store_of_the_example() {
    let shelf = include_str!("../../crates/atlassian-connect-store/examples/own_store/shelf.rs");
    let (_, code) = shelf.split_once("\n\n").unwrap();
    let code = code.replace("atlassian_connect_store::", "atlassian_connect_actix::store::");
    assert!(include_str!("../../README.md").contains(&code), "README.md quotes another examples/own_store/shelf.rs");
}
