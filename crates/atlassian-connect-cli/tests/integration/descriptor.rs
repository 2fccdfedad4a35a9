//! The findings about the descriptor: on the command line, and with an add-on's own routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use atlassian_connect_actix::auth::ConnectJwt;
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::store::MemoryStore;
use atlassian_connect_actix::{Addon, PublicPage};
use serde_json::{Value, json};

use crate::command::Workplace;
use crate::support::fixture;

/// A folder with that descriptor. Bitbucket has no official schema, so nothing is requested.
fn place(name: &str, text: &str) -> Workplace {
    let place = Workplace::empty().var("AC_PRODUCT", "bitbucket");
    place.write(name, text);
    place
}

/// Exit code, standard output and standard error of `descriptor`.
fn run(place: &Workplace, arguments: &[&str]) -> (i32, String, String) {
    let said = place.run(&[&["descriptor"], arguments].concat());
    (said.code, said.stdout, said.stderr)
}

#[test]
fn the_command_prints_what_is_served() {
    let place = place("atlassian-connect.json", fixture::DESCRIPTOR);
    let (code, out, _) = run(&place, &[]);
    let served: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &served["baseUrl"]), (0, &json!("http://localhost:3000")));
    assert!(place.files().len() == 1, "no store must be created");
}

#[test]
fn the_command_lists_findings_and_fails_only_for_errors() {
    let place = place("atlassian-connect.json", fixture::DESCRIPTOR);
    let write = |text: &str| place.write("atlassian-connect.json", text);
    let (code, out, err) = run(&place, &["--validate"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "0 errors, 0 warnings, 0 hints\n", ""));

    write(&fixture::DESCRIPTOR.replace("\"vendor\"", "\"vender\""));
    let (code, out, _) = run(&place, &["--validate"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @"
    warning: atlassian-connect.json, line 5, column 3: $.vender is not known; did you mean vendor?
    0 errors, 1 warning, 0 hints
    ");

    write(&fixture::DESCRIPTOR.replace("\"/admin\"", "\"/admni\""));
    let (code, out, _) = run(&place, &["--validate"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(out, @r#"
    error: atlassian-connect.json, line 44, column 9: $.modules.adminPages[0].url is "/admni", but no route answers it
    1 error, 0 warnings, 0 hints
    "#);

    let fatal = fixture::DESCRIPTOR.replace("\"baseUrl\"", "\"baseURL\"").replace("\"/admin\"", "\"admin\"");
    write(&fatal.replace("\"/installed\"", "7"));
    let (code, out, err) = run(&place, &["--validate"]);
    assert_eq!((code, err.as_str()), (1, ""));
    for part in
        ["error: ", "$.baseUrl must be", "$.lifecycle.installed must be", "$.baseURL is not known", "is \"admin\""]
    {
        assert!(out.contains(part), "one error must not hide other findings: {part}: {out}");
    }

    write("{\n  \"key\" \"a\"\n}");
    let (code, out, err) = run(&place, &["--validate"]);
    assert_eq!((code, out.as_str()), (1, ""));
    insta::assert_snapshot!(err, @"atlassian-connect.json, line 2, column 9: expected `:`");
}

#[test]
fn a_requested_schema_that_cannot_be_loaded_is_an_error() {
    let place = place("other.json", fixture::DESCRIPTOR);
    let (code, out, err) = run(&place, &["--validate", "--file", "other.json", "--schema", "nowhere.json"]);
    assert_eq!((code, out.as_str()), (1, "0 errors, 0 warnings, 0 hints\n"));
    assert!(err.starts_with("error: not checked against a schema: "), "{err}");
    let reason = if cfg!(feature = "schema") { "nowhere.json cannot be loaded" } else { "--features schema" };
    assert!(err.contains(reason), "{err}");
}

static OPENED: AtomicUsize = AtomicUsize::new(0);

#[get("/page")]
async fn page(_: ConnectJwt) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[get("/public/{issue}")]
async fn public(_: PublicPage) -> HttpResponse {
    OPENED.fetch_add(1, Ordering::Relaxed);
    HttpResponse::Ok().finish()
}

#[post("/posted")]
async fn posted(_: ConnectJwt) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn urls_that_no_route_answers_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.json");
    let dialog = |url: &str| json!({ "key": "k", "url": url });
    let descriptor = json!({
        "key": "a", "baseUrl": "{{localBaseUrl}}",
        "lifecycle": { "installed": "/mine", "enabled": "/enabled" },
        "modules": {
            "dialogs": [dialog("/page?x={issue.key}"), dialog("/public/{issue.key}"), dialog("/posted"), dialog("/gone"),
                dialog("/with space"), dialog("https://x.example/base/page"), dialog("https://other.example/")],
            "webhooks": [{ "event": "e", "url": "/hook" }]
        }
    });
    std::fs::write(&file, descriptor.to_string()).unwrap();
    for (set_up, expected) in [("true", &["[3]", "[4]"][..]), ("false", &["installed", "[3]", "[4]"])] {
        let vars = Vars::from([("AC_LOCAL_BASE_URL", "https://x.example/base"), ("DATABASE_URL", "memory:")]);
        let config = Config::from_parts(Some(&format!("{{\"setupInstallRoute\": {set_up}}}")), &vars).unwrap();
        let store = Arc::new(MemoryStore::default());
        let addon = Addon::builder().config(config).descriptor_file(&file).store(store).build().await.unwrap();
        let missing = addon
            .unanswered(|cfg: &mut ServiceConfig| {
                cfg.service(page).service(public).service(posted);
                cfg.route("/other", web::get().to(HttpResponse::Ok));
            })
            .await;
        let paths: Vec<&str> = missing.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths.len(), expected.len(), "{paths:?}");
        assert!(paths.iter().zip(expected).all(|(path, part)| path.contains(part)), "{paths:?}");
    }
    assert_eq!(OPENED.load(Ordering::Relaxed), 2, "handlers without authentication run once each time");
}
