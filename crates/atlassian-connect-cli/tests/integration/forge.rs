//! `forge`: `manifest`, `shell`, `rotate-page-key`.

use atlassian_connect_actix::store::{Place, Store};
use serde_json::Value;

use crate::command::Workplace;
use crate::support::fixture;

#[test]
fn the_manifest_is_printed_or_written_and_never_over_another() {
    let place = Workplace::new().var("AC_APP_ID", "6f0e-1").var("AC_LOCAL_BASE_URL", "https://addon.example.com");
    let printed = place.run(&["forge", "manifest"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert!(printed.stdout.contains("id: ari:cloud:ecosystem::app/6f0e-1\n"), "{printed:?}");
    assert!(printed.stdout.contains("baseUrl: https://addon.example.com\n"), "{printed:?}");
    assert_eq!(place.files(), ["atlassian-connect.json"], "no store must be created");

    let written = place.run(&["forge", "manifest", "--output"]);
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    insta::assert_snapshot!(written.stderr, @"wrote manifest.yml: read its comments");
    let text = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    assert_eq!(text("manifest.yml"), printed.stdout);

    place.write("manifest.yml", "mine");
    let refused = place.run(&["forge", "manifest", "--output", "manifest.yml"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(refused.stderr, @"manifest.yml was not written: it already exists; --force overwrites it");
    assert_eq!(text("manifest.yml"), "mine");

    let forced = place.run(&["forge", "manifest", "--output", "manifest.yml", "--force"]);
    assert_eq!(forced.code, 0);
    assert_eq!(text("manifest.yml"), printed.stdout);

    let nowhere = place.run(&["forge", "manifest", "--output", "nowhere/manifest.yml"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.starts_with("nowhere/manifest.yml was not written: "), "{nowhere:?}");
}

#[test]
fn the_check_fails_where_something_is_lost() {
    let place = Workplace::new().var("AC_LOCAL_BASE_URL", "https://addon.example.com");
    let checked = place.run(&["forge", "manifest", "--check"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(checked.stdout, @"
    hint: atlassian-connect.json, line 3, column 3: $.name is left out: `forge register` asks for the app's name
    hint: atlassian-connect.json, line 5, column 3: $.vendor is left out: it belongs to the Marketplace listing, not to the manifest
    hint: atlassian-connect.json, line 10, column 3: $.links is left out: it belongs to the Marketplace listing, not to the manifest
    hint: atlassian-connect.json, line 16, column 3: $.apiVersion is left out: Forge numbers an app's versions itself
    hint: atlassian-connect.json, line 17, column 3: $.apiMigrations is left out: a manifest has no place for it
    warning: atlassian-connect.json, line 26, column 5: $.lifecycle.enabled is kept, but is never called once the app is on Forge
    warning: atlassian-connect.json, line 27, column 5: $.lifecycle.disabled is kept, but is never called once the app is on Forge
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
    insta::assert_snapshot!(made.stderr, @"The manifest does not contain the whole descriptor: --check lists what is missing and why.");
    assert_eq!(place.files(), ["atlassian-connect.json", "lossy.json"]);
}

#[test]
fn bitbucket_has_no_manifest() {
    let refused = Workplace::new().var("AC_PRODUCT", "bitbucket").run(&["forge", "manifest"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(refused.stderr, @"a Bitbucket add-on cannot become a Forge app: Atlassian only offers this for Jira and Confluence");
}

#[test]
fn the_shell_is_written_and_kept_up_to_date() {
    let place = Workplace::empty();
    let checked = place.run(&["forge", "shell"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (1, ""));
    assert!(checked.stdout.starts_with("missing forge/shell/backend.ts\n"), "{checked:?}");
    assert!(checked.stdout.ends_with("28 missing, 0 different, 0 unchanged: --write updates them\n"), "{checked:?}");
    assert!(place.files().is_empty());

    let written = place.run(&["forge", "shell", "--write"]);
    assert_eq!((written.code, written.stderr.as_str()), (0, ""));
    assert!(written.stdout.starts_with("added forge/shell/backend.ts\n"), "{written:?}");
    let end = "28 added, 0 changed, 0 unchanged\nBuild the shell: cd forge && npm install && npm run build\n";
    assert!(written.stdout.ends_with(end), "{written:?}");
    let checked = place.run(&["forge", "shell"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, "forge has this release's shell\n"));

    place.write("forge/shell/page.ts", "an older release");
    place.write("forge/package.json", "mine");
    place.write("forge/manifest.yml", "mine");
    let checked = place.run(&["forge", "shell"]);
    insta::assert_snapshot!(checked.stdout, @"
    different forge/shell/page.ts
    0 missing, 1 different, 27 unchanged: --write updates them
    ");
    insta::assert_snapshot!(checked.stderr, @"forge/package.json differs from the framework's; it belongs to the app and was left unchanged");
    assert_eq!(checked.code, 1);
    let written = place.run(&["forge", "shell", "--write"]);
    insta::assert_snapshot!(written.stdout, @"
    changed forge/shell/page.ts
    0 added, 1 changed, 27 unchanged
    Build the shell: cd forge && npm install && npm run build
    ");
    assert_eq!(written.code, 0);
    for name in ["package.json", "manifest.yml"] {
        assert_eq!(std::fs::read_to_string(place.path("forge").join(name)).unwrap(), "mine");
    }
    let checked = place.run(&["forge", "shell"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, "forge has this release's shell\n"));

    assert_eq!(place.run(&["forge", "shell", "--write", "--dir", "apps/forge"]).code, 0);
    assert!(place.path("apps/forge/shell/shell.ts").exists());
    place.write("file", "");
    let refused = place.run(&["forge", "shell", "--write", "--dir", "file"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.starts_with("cannot read the folder file: "), "{refused:?}");
}

/// The ids of the signing key and of the previous one.
async fn page_keys(store: &dyn Store) -> (String, Option<String>) {
    let row = store.get(Place::of_forge("atlassian-connect:pages", "currentKey")).await.unwrap().unwrap();
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    (text("kid").unwrap(), text("previous"))
}

#[actix_web::test]
async fn the_key_of_pages_is_rotated_in_the_store() {
    let place = Workplace::new().with_file();
    let store = place.store().await;
    let rotated = place.run(&["forge", "rotate-page-key"]);
    assert_eq!((rotated.code, rotated.stderr.as_str()), (0, ""));
    let output = rotated.stdout.replace(&place.path("addon.db").display().to_string(), "addon.db");
    insta::assert_snapshot!(output, @"
    The tokens of pages are now signed with a new key in sqlite:addon.db. Other nodes follow within a minute.
    Tokens of the old key stay valid until they expire, after 15 minutes or maxTokenAge. Wait that long before you rotate again, unless the key has leaked.
    ");
    let (first, before) = page_keys(store.as_ref()).await;
    assert_eq!(before, None);
    assert_eq!(place.run(&["forge", "rotate-page-key"]).code, 0);
    let (second, before) = page_keys(store.as_ref()).await;
    assert!(second != first && before.as_ref() == Some(&first));

    let place = place.var("AC_PAGE_KEYS", "k".repeat(32));
    let refused = place.run(&["forge", "rotate-page-key"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(refused.stderr, @"pageKeys is configured, and its first key signs the tokens of pages. Add a new key before the others in AC_PAGE_KEYS (or pageKeys in config.json) and restart every node. Remove the old key when its tokens have expired, after 15 minutes or maxTokenAge.");
    assert_eq!(page_keys(store.as_ref()).await.0, second);

    let without = Workplace::new().run(&["forge", "rotate-page-key"]);
    assert_eq!((without.code, without.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(without.stderr, @"No key to rotate: the store sqlite:data/addon.db does not exist yet. The app makes the key when it first shows a page on Forge. If the app has another store, name it in DATABASE_URL.");
    let in_memory = Workplace::new().var("DATABASE_URL", "memory:").run(&["forge", "rotate-page-key"]);
    assert_eq!((in_memory.code, in_memory.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(in_memory.stderr, @"No key to rotate: the store is in memory, so each process has a key of its own. Restart the app: it makes a new one.");
}

#[test]
fn an_app_on_forge_alone_has_no_descriptor_to_show_or_to_convert() {
    let place = Workplace::empty().var("AC_LOCAL_BASE_URL", "https://addon.example.com");
    std::fs::create_dir(place.path("forge")).unwrap();
    place.write("forge/manifest.yml", "app:\n  id: ari:cloud:ecosystem::app/1-2\n");
    for arguments in
        [&["forge", "manifest"][..], &["forge", "manifest", "--check"], &["descriptor"], &["descriptor", "--validate"]]
    {
        let refused = place.run(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(
            refused.stderr.trim_end(),
            "There is no atlassian-connect.json: the app is on Forge alone, and forge/manifest.yml describes it.",
            "{arguments:?}"
        );
    }
    let doctor = place.run(&["doctor", "--json"]);
    let findings = doctor.json()["findings"].clone();
    let descriptor = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "descriptor").unwrap();
    assert_eq!((&descriptor["level"], &descriptor["message"]), (&"ok".into(), &"1-2, \"1-2\"".into()), "{doctor:?}");
}
