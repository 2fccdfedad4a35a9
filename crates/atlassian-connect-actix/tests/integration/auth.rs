//! Which tokens each extractor accepts.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse};
use atlassian_connect_actix::auth::{ConnectJwt, ContextJwt, SessionToken};
use atlassian_connect_actix::internal::jwt::{now, qsh};
use atlassian_connect_actix::{Error, PageContext};
use atlassian_connect_testing::{KeyServer, Reply, TestHost, TestTenant, claims_for};
use serde_json::{Value, json};

use crate::support::claims_of;
use crate::support::fixture;
use crate::support::log::captured;
use crate::support::store::FakeStore;

/// One route for each extractor.
fn routes(cfg: &mut ServiceConfig) {
    async fn forbidden(_: SessionToken) -> Result<HttpResponse, Error> {
        Err(Error::forbidden("Ask your administrator.", "not granted"))
    }
    cfg.route("/hello-world", web::get().to(|_: PageContext| async { "page" }))
        .route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }))
        .route(
            "/token/missing",
            web::get().to(|_: SessionToken| async { Err::<String, _>(Error::not_found("This does not exist.")) }),
        )
        .route("/token/forbidden", web::get().to(forbidden))
        .route("/context", web::get().to(|_: ContextJwt| async { "context" }))
        .route("/page-and-context", web::get().to(|_: ConnectJwt, _: ContextJwt| async { "both" }))
        .route(
            "/three",
            web::get().to(|page: PageContext, caller: ConnectJwt, session: SessionToken| async move {
                assert_eq!(page.client_key, caller.tenant_key());
                session.tenant_key().to_owned()
            }),
        );
}

async fn statuses(host: &TestHost, token: &str) -> [u16; 3] {
    let mut statuses = [0; 3];
    for (status, path) in statuses.iter_mut().zip(["/hello-world", "/token", "/context"]) {
        *status = host.call(Method::GET, path, token, None).await.status;
    }
    statuses
}

#[actix_web::test]
async fn three_extractors_in_one_request_read_the_store_once() {
    let store = FakeStore::new();
    let node = |store| fixture::builder().addon(|addon| addon.store(store)).start(routes);
    let (first, second) = (node(store.clone()).await, node(store.clone()).await);
    first.install(&first.tenant()).await;
    let before = store.reads().len();

    store.delay(Duration::from_millis(100));
    let reply = second.open_iframe_as(&first.tenant(), "/three").await;
    assert_eq!((reply.status, reply.body), (200, first.tenant().client_key));
    assert_eq!(store.reads().len(), before + 1, "nothing is cached");
}

#[actix_web::test]
async fn each_type_of_token_is_accepted_only_on_its_routes() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let key = host.addon().state().descriptor().key().to_owned();
    let base = |extra: Value| {
        let mut claims = json!({ "iss": tenant.client_key, "sub": "user", "iat": now(), "exp": now() + 60 });
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        tenant.sign(&claims)
    };
    let own = |extra: Value| {
        let mut claims = json!({ "iss": key, "aud": [tenant.client_key] });
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        base(claims)
    };
    let (page, token) = (qsh::hash("GET", "/hello-world", ""), qsh::hash("GET", "/token", ""));
    let tokens = [
        ("of the host, for the page", base(json!({ "qsh": page }))),
        ("of the host, for the token route", base(json!({ "qsh": token }))),
        ("of the host, for another URL", base(json!({ "qsh": qsh::hash("GET", "/other", "") }))),
        ("of the host, without qsh", base(json!({}))),
        ("of the host, that says session", base(json!({ "use": "session" }))),
        ("of the host, named as audience", base(json!({ "aud": tenant.client_key, "qsh": token }))),
        ("context", tenant.context_token()),
        ("session", host.session_token(&tenant).await),
        ("session, of ACE", own(json!({}))),
        ("session, with a qsh", own(json!({ "use": "session", "qsh": token }))),
        ("session, with a context-qsh", own(json!({ "use": "session", "qsh": "context-qsh" }))),
        ("session, for nobody", own(json!({ "use": "session", "aud": [] }))),
        ("session, for another add-on", own(json!({ "use": "session", "iss": "other-add-on" }))),
        ("session, of another use", own(json!({ "use": "Session" }))),
        ("for the host", own(json!({ "qsh": qsh::hash("GET", "/rest/api/3/myself", "") }))),
        ("for the host, that fits here", own(json!({ "qsh": token }))),
        ("for the host, context-qsh", own(json!({ "qsh": "context-qsh" }))),
        (
            "OAuth assertion",
            base(json!({
                "iss": "urn:atlassian:connect:clientid:oauth", "sub": "urn:atlassian:connect:useraccountid:user",
                "tnt": tenant.base_url, "aud": "https://oauth-2-authorization-server.services.atlassian.com",
            })),
        ),
        (
            "OAuth assertion, for us",
            base(json!({
                "iss": "urn:atlassian:connect:clientid:oauth", "aud": tenant.client_key, "qsh": token,
            })),
        ),
        ("install", KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed"))),
    ];
    let mut table = String::from("page token context\n");
    for (what, token) in tokens {
        let [page, token, context] = statuses(&host, &token).await;
        table += &format!(" {page}   {token}     {context}  {what}\n");
    }
    insta::assert_snapshot!(table, @r"
    page token context
     200   401     401  of the host, for the page
     401   200     401  of the host, for the token route
     401   401     401  of the host, for another URL
     401   401     401  of the host, without qsh
     401   401     401  of the host, that says session
     401   200     401  of the host, named as audience
     401   200     200  context
     401   200     401  session
     401   401     401  session, of ACE
     401   401     401  session, with a qsh
     401   401     401  session, with a context-qsh
     401   401     401  session, for nobody
     401   401     401  session, for another add-on
     401   401     401  session, of another use
     401   401     401  for the host
     401   401     401  for the host, that fits here
     401   401     401  for the host, context-qsh
     401   401     401  OAuth assertion
     401   401     401  OAuth assertion, for us
     401   401     401  install
    ");
}

#[actix_web::test]
async fn the_tenant_is_the_signer() {
    let host = fixture::installed(routes).await;
    let (own, other, stranger) = (host.tenant(), TestTenant::new(), TestTenant::new());
    host.install(&other).await;
    let claims = |iss: &str, aud: Value| json!({ "iss": iss, "aud": aud, "exp": now() + 60, "qsh": qsh::hash("GET", "/token", "") });
    let mut table = String::new();
    for (what, signer, iss, aud) in [
        ("own", &own, &own, json!(null)),
        ("own for own", &own, &own, json!([own.client_key])),
        ("own for own and other", &own, &own, json!([own.client_key, other.client_key])),
        ("own for other", &own, &own, json!([other.client_key])),
        ("own for other and own", &own, &own, json!([other.client_key, own.client_key])),
        ("own as other", &own, &other, json!(null)),
        ("own as other for own", &own, &other, json!([own.client_key])),
        ("other as own", &other, &own, json!(null)),
        ("other as own for other", &other, &own, json!([other.client_key])),
        ("stranger", &stranger, &stranger, json!(null)),
        ("stranger as own", &stranger, &own, json!(null)),
        ("stranger for own", &stranger, &stranger, json!([own.client_key])),
        ("other", &other, &other, json!(null)),
    ] {
        let reply = host.call(Method::GET, "/token", &signer.sign(&claims(&iss.client_key, aud)), None).await;
        let who = [(&own, "own"), (&other, "other")].into_iter().find(|(tenant, _)| tenant.client_key == reply.body);
        table += &format!("{} {:6} {what}\n", reply.status, who.map_or("", |(_, who)| who));
    }
    insta::assert_snapshot!(table, @r"
    200 own    own
    200 own    own for own
    200 own    own for own and other
    401        own for other
    401        own for other and own
    401        own as other
    401        own as other for own
    401        other as own
    401        other as own for other
    401        stranger
    401        stranger as own
    401        stranger for own
    200 other  other
    ");
}

#[actix_web::test]
async fn leeway_applies_to_the_hosts_tokens_but_not_to_ours() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let key = host.addon().state().descriptor().key().to_owned();
    let mut session = json!({ "iss": key, "aud": [tenant.client_key], "use": "session", "iat": now(), "exp": now() });
    let mut bound = tenant.claims("GET", "/token", "");
    let opens = async |claims: &Value| host.call(Method::GET, "/token", &tenant.sign(claims), None).await.status == 200;

    for (seconds, expected) in [(60, true), (0, false), (-1, false), (-29, false), (-3600, false)] {
        session["exp"] = (now() + seconds).into();
        assert_eq!(opens(&session).await, expected, "a session token, exp {seconds} s");
    }
    for (seconds, expected) in [(60, true), (0, true), (-20, true), (-31, false), (-3600, false)] {
        bound["exp"] = (now() + seconds).into();
        assert_eq!(opens(&bound).await, expected, "a token of the host, exp {seconds} s");
    }
    (session["exp"], bound["exp"]) = ((now() + 600).into(), (now() + 600).into());
    for (seconds, of_ours, of_the_host) in [(-5, true, true), (20, false, true), (60, false, false)] {
        (session["nbf"], bound["nbf"]) = ((now() + seconds).into(), (now() + seconds).into());
        assert_eq!(opens(&session).await, of_ours, "a session token, nbf {seconds} s");
        assert_eq!(opens(&bound).await, of_the_host, "a token of the host, nbf {seconds} s");
    }
}

#[actix_web::test]
async fn every_authenticated_answer_has_a_fresh_token_but_no_refusal() {
    let host = fixture::builder().var("AC_MAX_TOKEN_AGE", "120").start(routes).await;
    let tenant = host.tenant();
    host.install(&tenant).await;

    let page = host.open_iframe("/hello-world").await;
    let claims = claims_of(page.header("x-acpt"));
    assert_eq!(claims["iss"], host.addon().state().descriptor().key());
    assert_eq!(claims["aud"], json!([tenant.client_key]));
    assert_eq!(claims["sub"], tenant.account_id.as_str());
    assert_eq!(claims["use"], "session");
    assert_eq!(claims["context"]["user"]["displayName"], "Mia");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
    assert!(claims.get("qsh").is_none());

    // the session can be continued with the token in any place
    let mut token = page.header("x-acpt").to_owned();
    for request in ["/token?jwt=", "/token?acpt=", "X-acpt", "Authorization"] {
        let reply = match request {
            "X-acpt" => host.send(host.request(Method::GET, "/token").insert_header((request, token)), vec![]).await,
            "Authorization" => host.call(Method::GET, "/token", &token, None).await,
            path => host.get(&format!("{path}{token}")).await,
        };
        assert_eq!((reply.status, reply.body.as_str()), (200, tenant.client_key.as_str()), "{request}");
        token = reply.header("x-acpt").to_owned();
        assert_eq!(claims_of(&token)["context"], claims["context"]);
    }

    let missing = host.call(Method::GET, "/token/missing", &token, None).await;
    assert_eq!(missing.status, 404);
    assert!(!missing.header("x-acpt").is_empty(), "the caller is authenticated, whatever the route says");
    let fitting = tenant.token("GET", "/page-and-context", "");
    for (path, token, status) in [
        ("/token", "", 401),
        ("/token", "a.b.c", 401),
        ("/hello-world", token.as_str(), 401),
        ("/page-and-context", fitting.as_str(), 401),
        ("/token/forbidden", token.as_str(), 403),
        ("/nowhere", token.as_str(), 404),
    ] {
        let reply = host.call(Method::GET, path, token, None).await;
        assert_eq!((reply.status, reply.header("x-acpt")), (status, ""), "{path}");
    }
}

#[actix_web::test]
async fn a_session_ends_at_its_maximum_age_however_often_it_is_renewed() {
    let vars = fixture::builder().var("AC_MAX_TOKEN_AGE", "100").var("AC_MAX_SESSION_AGE", "1000");
    let host = vars.start(routes).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let key = host.addon().state().descriptor().key().to_owned();
    let session = |began: Option<i64>, issued: Option<i64>, expires: i64| {
        let mut claims = json!({
            "iss": key, "sub": "mia", "aud": [tenant.client_key], "use": "session", "exp": now() + expires,
        });
        for (name, ago) in [("auth_time", began), ("iat", issued)] {
            if let Some(ago) = ago {
                claims[name] = now().saturating_sub(ago).into();
            }
        }
        tenant.sign(&claims)
    };
    let call = async |token: &str| host.call(Method::GET, "/token", token, None).await;
    let lives = |reply: &Reply| {
        let claims = claims_of(reply.header("x-acpt"));
        let number = |name: &str| claims[name].as_i64().unwrap();
        (now() - number("auth_time"), number("exp") - number("iat"))
    };
    let is_near = |life: (i64, i64), age: i64, rest: i64| {
        (age..age + 10).contains(&life.0) && (rest - 10..=rest).contains(&life.1)
    };

    // a token of the host begins a session, whatever it claims
    let mut claims = tenant.claims("GET", "/token", "");
    claims["auth_time"] = 1.into();
    for token in [tenant.context_token(), tenant.sign(&claims)] {
        let reply = call(&token).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(is_near(lives(&reply), 0, 100), "{:?}", lives(&reply));
    }
    let page = host.open_iframe("/hello-world").await;
    assert!(is_near(lives(&page), 0, 100), "{:?}", lives(&page));
    // our own tokens continue it, and the last one ends with it
    for (began, issued, rest) in [(Some(500), Some(50), 100), (Some(950), Some(0), 50), (None, Some(50), 100)] {
        let age = began.or(issued).unwrap();
        let reply = call(&session(began, issued, 50)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(is_near(lives(&reply), age, rest), "{age} s: {:?}", lives(&reply));
        let again = call(reply.header("x-acpt")).await;
        assert!(is_near(lives(&again), age, rest), "{age} s: {:?}", lives(&again));
    }
    for (what, token) in [
        ("too old", session(Some(1000), Some(0), 50)),
        ("too old, valid for years", session(Some(1000), Some(0), i64::from(i32::MAX))),
        ("older than time", session(Some(i64::MAX), Some(0), 50)),
        ("of an older version, too old", session(None, Some(1001), 50)),
        ("without a beginning", session(None, None, 50)),
        ("of the future", session(Some(-60), Some(0), 50)),
        ("of the far future", session(Some(-i64::MAX), Some(0), 50)),
        ("of an older version, of the future", session(None, Some(-60), 50)),
    ] {
        let reply = call(&token).await;
        assert_eq!((reply.status, reply.header("x-acpt")), (401, ""), "{what}");
        assert_eq!(reply.body, "The authentication has expired. Try reloading the page.", "{what}");
    }
    for beginning in [json!("now"), json!(true), json!([1]), json!({})] {
        let claims = json!({
            "iss": key, "aud": [tenant.client_key], "use": "session", "exp": now() + 50, "iat": now(),
            "auth_time": beginning,
        });
        assert_eq!(call(&tenant.sign(&claims)).await.status, 401, "{beginning}");
    }
    let app = actix_web::test::init_service(App::new().configure(host.addon().configure(routes))).await;
    let log = captured();
    let token = format!("JWT {}", session(Some(1000), Some(0), 50));
    let request = actix_web::test::TestRequest::with_uri("/token").insert_header(("authorization", token));
    assert_eq!(actix_web::test::call_service(&app, request.to_request()).await.status(), 401);
    assert!(log.text().contains("the session is older than maxSessionAge"), "{}", log.text());
}

#[actix_web::test]
async fn an_anonymous_user_has_no_account() {
    async fn account(session: SessionToken) -> Result<String, Error> {
        session.require_account_id().map(str::to_owned)
    }
    let host = fixture::installed(|cfg: &mut ServiceConfig| {
        cfg.route("/account", web::get().to(account));
    })
    .await;
    let tenant = host.tenant();
    let mut claims = tenant.claims("GET", "/account", "");
    claims["context"] = json!({ "user": { "accountId": "", "displayName": "\u{202e}" } });
    let reply = host.call(Method::GET, "/account", &tenant.sign(&claims), None).await;
    assert_eq!((reply.status, reply.body), (200, tenant.account_id.clone()), "sub, where the context has none");
    claims.as_object_mut().unwrap().shift_remove("sub");
    let reply = host.call(Method::GET, "/account", &tenant.sign(&claims), None).await;
    assert_eq!((reply.status, reply.body.as_str()), (401, "You must be logged in to do this."));
}

#[actix_web::test]
async fn outside_the_scope_an_extractor_fails_and_the_log_explains_it() {
    let app = actix_web::test::init_service(App::new().configure(routes)).await;
    let log = captured();
    for path in ["/hello-world", "/token", "/context"] {
        let request = actix_web::test::TestRequest::with_uri(path).to_request();
        let response = actix_web::test::call_service(&app, request).await;
        assert_eq!(response.status(), 500);
        let body = actix_web::test::read_body(response).await;
        assert_eq!(body, "Something went wrong in the add-on.");
    }
    let log = log.text();
    assert!(log.contains("outside the add-on's scope") && log.contains("Addon::configure"), "{log}");
}

#[actix_web::test]
async fn a_test_needs_no_page_for_a_session_token_and_may_name_other_callback_paths() {
    let descriptor = tempfile::NamedTempFile::new().unwrap();
    let text = r#"{ "key": "k", "baseUrl": "{{localBaseUrl}}", "authentication": { "type": "jwt" },
        "lifecycle": { "installed": "/hooks/in?from=host", "uninstalled": "/hooks/out" } }"#;
    std::fs::write(descriptor.path(), text).unwrap();
    let file = descriptor.path().to_owned();
    let routes = |cfg: &mut ServiceConfig| {
        cfg.route(
            "/token",
            web::get().to(|session: SessionToken| async move { session.account_id().unwrap_or_default().to_owned() }),
        );
    };
    let host = fixture::builder().addon(|addon| addon.descriptor_file(file)).start(routes).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let reply = host.call_with_session("/token").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, tenant.account_id.as_str()));
    let token = host.session_token(&tenant).await;
    assert_eq!(host.uninstall(&tenant).await.status, 204);
    assert_eq!(host.call(Method::GET, "/token", &token, None).await.status, 401);
}
