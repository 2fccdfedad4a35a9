//! `tenants`.

use serde_json::json;

use crate::command::Workplace;
use crate::{HUSH, install, of_ace, sql};
use atlassian_connect_actix::store::Place;

/// A tenant in each state, and one with an unusual name.
async fn several() -> Workplace {
    let place = Workplace::new().with_file();
    install(&place, "acme", "https://acme.atlassian.net").await;
    install(&place, "zoë-日本-☃", "https://zoe.atlassian.net").await;
    install(&place, "gone", "https://gone.atlassian.net").await;
    let store = place.store().await;
    store.set(Place::of_tenant("acme", "greeting"), &json!({ "text": HUSH })).await.unwrap();
    store.set(Place::of_tenant("only values", "greeting"), &json!(HUSH)).await.unwrap();
    store.uninstall("gone").await.unwrap();
    store.set(Place::of_tenant("old", "clientInfo:superseded"), &json!({ "sharedSecret": HUSH })).await.unwrap();
    drop(store);
    let twice = r#"{"clientKey": "twice", "sharedSecret": "hush", "baseUrl": "https://twice.atlassian.net"}"#;
    for _ in 0..2 {
        sql(
            &place,
            &format!(
                r#"INSERT INTO "AddonSettings" ("clientKey", "key", "val") VALUES ('twice', 'clientInfo', '{twice}')"#
            ),
        );
    }
    place
}

#[actix_web::test]
async fn a_list_has_every_tenant_and_its_state() {
    let place = several().await;
    let list = place.run(&["tenants", "list"]);
    assert_eq!((list.code, list.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(list.stdout, @r#"
    CLIENT KEY   BASE URL                     PRODUCT  STATE
    acme         https://acme.atlassian.net   jira     installed
    gone         https://gone.atlassian.net   jira     uninstalled
    old          -                            -        superseded
    only values  -                            -        no installation
    twice        https://twice.atlassian.net  -        installed, 2 rows
    zoë-日本-☃     https://zoe.atlassian.net    jira     installed
    "#);

    let json = place.run(&["tenants", "list", "--json"]).json();
    assert_eq!(json.as_array().unwrap().len(), 6);
    assert_eq!(
        json[0],
        json!({
            "clientKey": "acme", "baseUrl": "https://acme.atlassian.net", "product": "jira", "state": "installed",
            "installations": 1, "superseded": 0,
        })
    );
    assert_eq!((&json[4]["state"], &json[4]["installations"]), (&json!("installed"), &json!(2)));
}

#[actix_web::test]
async fn one_is_shown_without_its_secret() {
    let place = several().await;
    let shown = place.run(&["tenants", "show", "acme"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(shown.stdout, @r#"
    clientKey     acme
    state         installed
    key           com.example.fixture-app
    sharedSecret  ***
    baseUrl       https://acme.atlassian.net
    productType   jira
    description   Zoë & Søn ☃ 日本
    further keys  greeting
    association   unchecked
    "#);

    let json = place.run(&["tenants", "show", "zoë-日本-☃", "--json"]).json();
    assert_eq!((&json["installation"]["sharedSecret"], &json["furtherKeys"]), (&json!("***"), &json!([])));
    assert_eq!(json["installation"]["description"], "Zoë & Søn ☃ 日本");
    let gone = place.run(&["tenants", "show", "gone", "--json"]).json();
    assert_eq!((&gone["state"], &gone["baseUrl"]), (&json!("uninstalled"), &json!("https://gone.atlassian.net")));

    for name in ["acme ", "acm", "", "'; DROP TABLE \"AddonSettings\"; --"] {
        let said = place.run(&["tenants", "show", name]);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{name:?}: {said:?}");
        assert!(said.stderr.starts_with("no tenant ") && said.stderr.contains("`tenants list`"), "{said:?}");
    }
}

#[actix_web::test]
async fn a_removal_is_asked_for_and_leaves_the_others() {
    let place = several().await;
    let unasked = place.run(&["tenants", "remove", "acme"]);
    assert_eq!((unasked.code, unasked.stdout.as_str()), (2, ""));
    assert!(unasked.stderr.contains("its installation (installed) and the values under greeting"), "{unasked:?}");
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    assert_eq!(place.run(&["tenants", "show", "acme"]).code, 0, "it is still there");

    for name in ["acme", "zoë-日本-☃", "gone", "twice"] {
        let removed = place.run(&["tenants", "remove", name, "--yes"]);
        assert_eq!((removed.code, removed.stderr.as_str()), (0, ""), "{name}");
        assert!(removed.stdout.starts_with(&format!("removed {name} (https://")), "{removed:?}");
        let again = place.run(&["tenants", "remove", name, "--yes"]);
        assert_eq!((again.code, again.stdout.as_str()), (1, ""), "{name}");
        assert!(again.stderr.starts_with(&format!("no tenant {name:?} in sqlite:")), "{again:?}");
    }
    let left = place.run(&["tenants", "list", "--json"]).json();
    let left: Vec<_> = left.as_array().unwrap().iter().map(|tenant| tenant["clientKey"].as_str().unwrap()).collect();
    assert_eq!(left, ["old", "only values"]);
    assert_eq!(place.store().await.get(Place::of_tenant("acme", "greeting")).await.unwrap(), None);
}

#[actix_web::test]
async fn a_database_of_ace_is_read_unchanged() {
    let (place, tenants) = of_ace();
    let before = std::fs::read(place.path("addon.db")).unwrap();
    let list = place.run(&["tenants", "list"]);
    assert_eq!(list.code, 0, "{list:?}");
    let mut all = list.stdout.clone();
    for tenant in &tenants {
        let field = |name: &str| tenant[name].as_str().unwrap();
        let line = list.stdout.lines().find(|line| line.starts_with(field("clientKey"))).unwrap();
        assert!(line.contains(field("baseUrl")) && line.ends_with("  installed"), "{line}");
        for arguments in
            [&["tenants", "show", field("clientKey")][..], &["tenants", "show", field("clientKey"), "--json"]]
        {
            let shown = place.run(arguments);
            assert!(shown.code == 0 && shown.stdout.contains(field("oauthClientId")), "{shown:?}");
            all.push_str(&shown.stdout);
        }
    }
    for tenant in &tenants {
        assert!(!all.contains(tenant["sharedSecret"].as_str().unwrap()), "{all}");
    }
    assert!(std::fs::read(place.path("addon.db")).unwrap() == before, "inspecting must not change the file");
    assert_eq!(place.files(), ["addon.db", "atlassian-connect.json"]);

    let name = tenants[0]["clientKey"].as_str().unwrap();
    assert_eq!(place.run(&["tenants", "remove", name, "--yes"]).code, 0);
    assert_eq!(place.run(&["tenants", "list", "--json"]).json().as_array().unwrap().len(), tenants.len() - 1);
}

#[actix_web::test]
async fn a_missing_store_is_reported_and_not_created() {
    for (url, reason) in [
        ("sqlite:data/addon.db", "the store sqlite:data/addon.db does not exist"),
        ("memory:", "the store is in memory"),
    ] {
        let place = Workplace::new().var("DATABASE_URL", url);
        for arguments in
            [&["tenants", "list"][..], &["tenants", "show", "x"], &["tenants", "remove", "x", "--yes"], &["token", "/"]]
        {
            let said = place.run(arguments);
            assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{arguments:?}");
            assert!(said.stderr.starts_with(&format!("no tenants: {reason}")), "{said:?}");
        }
        assert_eq!(place.files(), ["atlassian-connect.json"]);
    }
    let place = Workplace::new().with_file();
    sql(&place, "CREATE TABLE other (id INTEGER)");
    let said = place.run(&["tenants", "list", "--json"]);
    assert!(said.code == 1 && said.stderr.contains("does not have the add-on's tables"), "{said:?}");

    // and one with its tables and no tenants; production needs neither a port nor a base URL here
    let place = Workplace::new().with_file();
    drop(place.store().await);
    let place = place.var("APP_ENV", "production");
    assert!(place.run(&["tenants", "list"]).stdout.starts_with("no tenants: no site has installed the add-on in "));
    assert_eq!(place.run(&["tenants", "list", "--json"]).json(), json!([]));
}

#[actix_web::test]
async fn no_secret_is_printed_and_no_terminal_is_steered() {
    let place = several().await;
    install(&place, "odd\u{1b}[31m\nFORGED", "https://u:hush@odd.example").await;
    for arguments in [
        &["tenants", "list"][..],
        &["tenants", "list", "--json"],
        &["tenants", "show", "acme"],
        &["tenants", "show", "twice", "--json"],
        &["tenants", "show", "old"],
        &["tenants", "show", "odd\u{1b}[31m\nFORGED"],
        &["tenants", "remove", "odd\u{1b}[31m\nFORGED"],
        &["tenants", "remove", "twice", "--yes"],
    ] {
        let said = place.run(arguments);
        let all = said.stdout + &said.stderr;
        assert!(!all.contains(HUSH), "{arguments:?}: {all}");
        assert!(!all.contains('\u{1b}') && !all.lines().any(|line| line.starts_with("FORGED")), "{arguments:?}: {all}");
    }
}
