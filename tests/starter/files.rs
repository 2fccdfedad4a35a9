//! The starter's own files match what the framework reads.

use std::path::Path;

use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::internal::forge::{Comparison, compare_shell};
use atlassian_connect_actix::store::internal::admin::write_migrations;
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

/// `migrations/` holds the framework's steps without changes: nothing to write, nothing that differs.
#[test]
fn the_framework_migrations_are_unchanged() {
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

/// `forge/` holds the framework's shell and its build files without changes: nothing to write, nothing that differs.
#[test]
fn the_framework_shell_is_unchanged() {
    let files = compare_shell(Path::new("forge")).unwrap();
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(file.comparison, Comparison::Same, "forge/{}", file.path.display());
    }
}

/// The documentation has a table of what a Forge manifest cannot express.
#[test]
fn the_documentation_lists_what_manifests_cannot_express() {
    let documentation = include_str!("../../docs/forge.md");
    for exception in EXCEPTIONS {
        let row = format!("| {} | {} | {} |", exception.part, exception.severity, exception.reason);
        assert!(documentation.contains(&row), "docs/forge.md lacks the row\n{row}");
    }
}

/// A feature of `serde_json` that any dependency can turn on would parse strings of a stranger again, to any depth.
#[test]
fn json_values_stay_what_they_are() {
    let text = r#"{"$serde_json::private::RawValue":"[1]"}"#;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(text).unwrap().to_string(),
        text,
        "turn off serde_json/raw_value"
    );
}
