//! `forge manifest`.

use crate::command::Workplace;
use crate::support::fixture;

#[test]
fn the_manifest_is_printed_or_written_and_never_over_another() {
    let place = Workplace::new().var("AC_APP_ID", "6f0e-1").var("AC_LOCAL_BASE_URL", "https://addon.example.com");
    let printed = place.run(&["forge", "manifest"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert!(printed.stdout.contains("id: ari:cloud:ecosystem::app/6f0e-1\n"), "{printed:?}");
    assert!(printed.stdout.contains("baseUrl: https://addon.example.com\n"), "{printed:?}");
    assert_eq!(place.files(), ["atlassian-connect.json"], "no store is made");

    let written = place.run(&["forge", "manifest", "--output"]);
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    insta::assert_snapshot!(written.stderr, @"manifest.yml is written: read its comments");
    let text = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(text("manifest.yml"), printed.stdout);

    place.write("manifest.yml", "mine");
    let refused = place.run(&["forge", "manifest", "--output", "manifest.yml"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(refused.stderr, @"manifest.yml is not written: it is there already; --force writes over it");
    assert_eq!(text("manifest.yml"), "mine");

    let forced = place.run(&["forge", "manifest", "--output", "manifest.yml", "--force"]);
    assert_eq!(forced.code, 0);
    assert_eq!(text("manifest.yml"), printed.stdout);

    let nowhere = place.run(&["forge", "manifest", "--output", "nowhere/manifest.yml"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.starts_with("nowhere/manifest.yml is not written: "), "{nowhere:?}");
}

#[test]
fn the_check_fails_where_something_is_lost() {
    let place = Workplace::new().var("AC_LOCAL_BASE_URL", "https://addon.example.com");
    let checked = place.run(&["forge", "manifest", "--check"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(checked.stdout, @"
    hint: atlassian-connect.json, line 3, column 3: $.name is left out: `forge register` asks for the app's name
    hint: atlassian-connect.json, line 5, column 3: $.vendor is left out: a manifest has no place for it, the Marketplace listing has
    hint: atlassian-connect.json, line 10, column 3: $.links is left out: a manifest has no place for it, the Marketplace listing has
    hint: atlassian-connect.json, line 16, column 3: $.apiVersion is left out: Forge counts an app's versions itself
    hint: atlassian-connect.json, line 17, column 3: $.apiMigrations is left out: a manifest has no place for it
    warning: atlassian-connect.json, line 26, column 5: $.lifecycle.enabled is kept, and never called once the app is on Forge
    warning: atlassian-connect.json, line 27, column 5: $.lifecycle.disabled is kept, and never called once the app is on Forge
    0 errors, 2 warnings, 5 hints
    ");

    place.write("lossy.json", &fixture::DESCRIPTOR.replace("generalPages", "profilePages"));
    let lossy = place.run(&["forge", "manifest", "--check", "--file", "lossy.json"]);
    assert_eq!(lossy.code, 1);
    let line = "error: lossy.json, line 31, column 5: $.modules.profilePages is left out: ";
    assert!(lossy.stdout.contains(line), "{lossy:?}");

    let made = place.run(&["forge", "manifest", "--file", "lossy.json"]);
    assert_eq!(made.code, 0);
    assert!(!made.stdout.contains("profilePages"), "{made:?}");
    insta::assert_snapshot!(made.stderr, @"Not all of the descriptor is in the manifest: --check says what is not, and why.");
    assert_eq!(place.files(), ["atlassian-connect.json", "lossy.json"]);
}

#[test]
fn bitbucket_has_no_manifest() {
    let refused = Workplace::new().var("AC_PRODUCT", "bitbucket").run(&["forge", "manifest"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(refused.stderr, @"an add-on of Bitbucket cannot become a Forge app: Atlassian has this way for Jira and Confluence alone");
}
