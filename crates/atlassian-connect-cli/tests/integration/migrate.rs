//! `migrate`.

use crate::command::Workplace;
use crate::{install, of_ace};

const STEPS: [&str; 3] = [
    "2026-11-22-000001_create_addon_settings",
    "2026-11-22-000002_create_forge_tables",
    "2026-11-29-000001_create_forge_events",
];

#[actix_web::test]
async fn the_status_lists_the_state_of_each_migration() {
    let place = Workplace::new().with_file();
    let nothing = place.run(&["migrate", "--status"]);
    assert!(nothing.code == 0 && nothing.stdout.contains("does not exist yet"), "{nothing:?}");
    assert!(!place.path("addon.db").exists(), "inspecting must not create a file");

    let done = place.run(&["migrate"]);
    assert!(done.code == 0 && done.stdout.contains("ran 3 migrations"), "{done:?}");
    let status = place.run(&["migrate", "--status"]);
    assert_eq!(status.code, 0, "{status:?}");
    let shown = status.stdout.replace(place.path("").to_str().unwrap(), "");
    insta::assert_snapshot!(shown, @r"
    sqlite:addon.db, table AddonSettings
    applied  2026-11-22-000001_create_addon_settings
    applied  2026-11-22-000002_create_forge_tables
    applied  2026-11-29-000001_create_forge_events
    the database is up to date
    ");
    let both = place.run(&["migrate", "--status", "--revert"]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[actix_web::test]
async fn a_database_of_ace_has_all_before_it() {
    let (place, _) = of_ace();
    let before = std::fs::read(place.path("addon.db")).unwrap();
    let status = place.run(&["migrate", "--status"]);
    assert!(status.code == 0 && status.stdout.contains("table AddonSettings\npending"), "{status:?}");
    assert_eq!(std::fs::read(place.path("addon.db")).unwrap(), before, "inspecting must not change anything");
    let nothing = place.run(&["migrate", "--revert", "--yes"]);
    assert!(nothing.code == 0 && nothing.stdout.contains("nothing was reverted"), "{nothing:?}");
}

#[actix_web::test]
async fn a_mistake_reverts_no_tenants() {
    let place = Workplace::new().with_file();
    install(&place, "tenant", "https://acme.atlassian.net").await;
    place.store().await.associate("id", "tenant").await.unwrap();
    for arguments in [["migrate", "--revert", "2"], ["migrate", "--revert", "3"]] {
        let refused = place.run(&arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
        assert!(refused.stderr.contains("InstallationClientKeys (1 rows)") && refused.stderr.contains("--yes"));
    }
    assert_eq!(place.store().await.client_key_of_installation("id").await.unwrap().as_deref(), Some("tenant"));

    let two = place.run(&["migrate", "--revert", "2", "--yes"]);
    assert!(two.code == 0 && two.stdout.ends_with(&format!(": reverted {}, {}\n", STEPS[2], STEPS[1])), "{two:?}");
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.store().await.installations("tenant").await.unwrap().len(), 1, "the first migration's rows stay");

    let all = place.run(&["migrate", "--revert", "3", "--yes"]);
    assert!(all.code == 0 && all.stdout.ends_with(&format!("{}, {}\n", STEPS[1], STEPS[0])), "{all:?}");
    let status = place.run(&["migrate", "--status"]);
    assert!(status.stdout.contains("has no tables yet"), "{status:?}");
    assert_eq!(place.run(&["migrate", "--revert", "0"]).code, 2);
    assert_eq!(place.run(&["migrate", "--yes"]).code, 2);
}

#[actix_web::test]
async fn of_processes_that_migrate_at_once_one_does() {
    let place = Workplace::new().with_file();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..4).map(|_| scope.spawn(|| place.run(&["migrate"]))).collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(runs.iter().all(|run| run.code == 0), "{runs:?}");
    assert_eq!(runs.iter().filter(|run| run.stdout.contains("ran 3 migrations")).count(), 1, "{runs:?}");
    assert_eq!(runs.iter().filter(|run| run.stdout.contains("there are no pending migrations")).count(), 3, "{runs:?}");
}

#[test]
fn the_files_of_the_framework_are_written_where_they_are_missing() {
    let place = Workplace::empty();
    let done = place.run(&["migrate", "--write"]);
    assert!(done.code == 0 && done.stdout.lines().count() == 10, "{done:?}");
    let file = place.path("migrations/postgres/2026-11-22-000001_create_addon_settings/up.sql");
    std::fs::write(&file, "SELECT 1;").unwrap();
    std::fs::remove_dir_all(place.path("migrations/mysql")).unwrap();
    let again = place.run(&["migrate", "--write"]);
    assert!(again.code == 0 && again.stdout.matches("wrote migrations/mysql/").count() == 3, "{again:?}");
    assert!(again.stderr.contains("was left unchanged"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "SELECT 1;");
    assert_eq!(place.run(&["migrate", "--write", "--status"]).code, 2);
}
