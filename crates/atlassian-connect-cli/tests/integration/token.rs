//! `token`, and a real server that accepts the printed URL.

use atlassian_connect_actix::internal::jwt::qsh;
use serde_json::json;

use crate::command::{Said, Workplace};
use crate::process::Process;
use crate::support::wire::{Answer, Connection};
use crate::support::{blocking, claims_of};
use crate::{HUSH, install};

/// No install request is sent here, so no key is fetched.
const NO_KEYS: &str = "http://127.0.0.1:1/keys";

/// A running add-on in development with one site in its store, and a folder for commands with the same variables.
async fn running(path: &str) -> (Process, Workplace) {
    let place = Workplace::new().with_file();
    install(&place, "acme", "https://acme.atlassian.net").await;
    let (path, url) = (path.to_owned(), format!("sqlite:{}", place.path("addon.db").display()));
    let log = place.path("log");
    let vars = move |process: &Process| process.base_url.clone();
    let process = blocking(move || {
        let vars = [("NODE_ENV", "development"), ("DATABASE_URL", &url), ("AC_OPTS", "no-reg")];
        Process::start_below(&path, NO_KEYS, &log, &vars)
    })
    .await;
    let base_url = vars(&process);
    (process, place.var("AC_LOCAL_BASE_URL", base_url))
}

/// The token in a printed URL.
fn token_of(said: &Said) -> &str {
    assert!(said.code == 0 && (said.stderr.is_empty() || said.stderr.starts_with("Nothing listens")), "{said:?}");
    said.stdout.trim_end().rsplit_once("jwt=").unwrap().1
}

fn get(process: &Process, url: &str) -> Answer {
    let target = &url[url.find("127.0.0.1").unwrap()..];
    let target = &target[target.find('/').unwrap()..];
    let request = format!("GET {target} HTTP/1.1\r\nHost: addon\r\n\r\n");
    Connection::to(&process.base_url).send(request.as_bytes()).unwrap()
}

#[actix_web::test]
async fn the_printed_url_opens_the_page_and_no_other() {
    for path in ["", "/an/addon"] {
        let (process, place) = running(path).await;
        for page in ["/hello-world", "/hello-world?lang=en&q=a+b%20c&q=ä", "/hello-world/"] {
            let said = place.run(&["token", page]);
            let (url, token) = (said.stdout.trim_end(), token_of(&said));
            assert_eq!(said.stderr, "");
            assert!(url.starts_with(&format!("{}/hello-world", process.base_url)), "{url}");
            let trailing = page.ends_with('/');
            assert_eq!(get(&process, url).status, if trailing { 404 } else { 200 }, "{url}");

            assert_eq!(get(&process, &format!("{}/admin?jwt={token}", process.base_url)).status, 401, "{page}");
            assert_eq!(get(&process, &format!("{url}&more=1")).status, if trailing { 404 } else { 401 }, "{page}");
        }
    }
}

#[actix_web::test]
async fn user_and_context_are_the_callers() {
    let (process, place) = running("").await;
    let context = r#"{"jira":{"issue":{"key":"JRA-1"}}}"#;
    let said = place.run(&["token", "/api/session", "--user", "557058:zoë", "--context", context]);
    let answer = get(&process, said.stdout.trim_end());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["clientKey"], "acme");
    assert_eq!(answer["userAccountId"], "557058:zoë");
    assert_eq!(answer["context"]["jira"]["issue"]["key"], "JRA-1");

    let bound_to_none = place.run(&["token", "/api/session", "--context-qsh"]);
    assert_eq!(claims_of(token_of(&bound_to_none))["qsh"], "context-qsh");
    assert_eq!(get(&process, bound_to_none.stdout.trim_end()).status, 200);
    let page = format!("{}/hello-world?jwt={}", process.base_url, token_of(&bound_to_none));
    assert_eq!(get(&process, &page).status, 401, "a page requires a token bound to its URL");
}

#[actix_web::test]
async fn the_claims_are_those_of_the_host() {
    let place = Workplace::new().with_file();
    install(&place, "acme", "https://acme.atlassian.net").await;
    // port 3000 of this machine may be in use
    let said = place.run(&["token", "/api/issues?x=1", "--method", "post"]);
    assert!(said.stdout.starts_with("http://localhost:3000/api/issues?x=1&jwt="), "{said:?}");
    let claims = claims_of(token_of(&said));
    assert_eq!(claims["iss"], "acme");
    assert_eq!(claims["qsh"], qsh::hash("POST", "/api/issues", "x=1"));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 180);
    assert_eq!(claims.get("sub").or(claims.get("context")), None);
}

#[actix_web::test]
async fn a_note_says_that_nothing_listens_where_the_url_leads() {
    // a port that nobody else gets
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let place = Workplace::new().with_file().var("PORT", port.to_string());
    install(&place, "acme", "https://acme.atlassian.net").await;
    assert_eq!(place.run(&["token", "/hello-world"]).stderr, "", "something listens there");
    drop(held);
    let said = place.run(&["token", "/hello-world"]);
    assert!(
        said.code == 0 && said.stdout.starts_with(&format!("http://localhost:{port}/hello-world?jwt=")),
        "{said:?}"
    );
    let note = format!("Nothing listens at http://localhost:{port}/. Start the add-on, or run this command ");
    assert!(said.stderr.starts_with(&note) && said.stderr.lines().count() == 1, "{said:?}");

    // `doctor` checks whether a tunnel leads to the add-on
    let place = place.var("AC_LOCAL_BASE_URL", "https://tunnel.example");
    assert_eq!(place.run(&["token", "/hello-world"]).stderr, "");
}

#[actix_web::test]
async fn of_several_sites_one_is_named() {
    let place = Workplace::new().with_file();
    drop(place.store().await);
    let none = place.run(&["token", "/hello-world"]);
    assert!(none.code == 1 && none.stderr.starts_with("no token: no site has installed the add-on in "), "{none:?}");

    for name in ["acme", "zoë-日本", "gone"] {
        install(&place, name, "https://acme.atlassian.net").await;
    }
    place.store().await.uninstall("gone").await.unwrap();
    let several = place.run(&["token", "/hello-world"]);
    assert_eq!((several.code, several.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(several.stderr, @r#"
    2 sites have the add-on. Choose the one that signs with --client-key:
      acme (https://acme.atlassian.net)
      zoë-日本 (https://acme.atlassian.net)
    "#);
    for name in ["acme", "zoë-日本"] {
        let said = place.run(&["token", "/hello-world", "--client-key", name]);
        assert_eq!(claims_of(token_of(&said))["iss"], json!(name));
    }
    for name in ["gone", "nobody"] {
        let said = place.run(&["token", "/hello-world", "--client-key", name]);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{name}");
        assert!(said.stderr.contains(&format!("no tenant {name:?} is installed")), "{said:?}");
    }
}

#[actix_web::test]
async fn production_has_no_such_tokens() {
    let place = Workplace::new().with_file().var("RUST_LOG", "trace").var("AC_OPTS", "no-regs");
    install(&place, "acme", "https://acme.atlassian.net").await;
    let development = place.run(&["token", "/hello-world"]);
    assert!(
        development.code == 0 && development.stdout.lines().count() == 1,
        "the log goes to standard error: {development:?}"
    );
    assert!(development.stderr.contains("did you mean `no-reg`?"), "standard error: {development:?}");
    assert!(!format!("{development:?}").contains(HUSH), "{development:?}");
    for (name, value) in [("APP_ENV", "production"), ("NODE_ENV", "staging"), ("DYNO", "web.1")] {
        let place = Workplace::new().var("DATABASE_URL", "sqlite:addon.db").var(name, value);
        let said = place.run(&["token", "/hello-world"]);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{name}={value}");
        assert!(said.stderr.starts_with("no token: ") && said.stderr.contains("production's rules"), "{said:?}");
    }
}
