//! The headers of every answer, the bodies of errors, the limits of requests, and where everything is mounted.

use std::collections::BTreeMap;

use actix_files::Files;
use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_testing::{KeyServer, Reply, TestHost, claims_for};
use serde_json::json;

use crate::pages;
use crate::support::blocking;
use crate::support::fixture;
use crate::support::wire::Connection;

fn routes(cfg: &mut ServiceConfig) {
    pages::routes(cfg);
    cfg.route("/token", web::get().to(|caller: SessionToken| async move { caller.tenant_key().to_owned() }))
        .route("/json", web::post().to(|_: web::Json<BTreeMap<String, String>>| async { "" }))
        .route("/query", web::get().to(|_: web::Query<BTreeMap<String, u8>>| async { "" }))
        .route("/number/{number}", web::get().to(|_: web::Path<u8>| async { "" }))
        .service(web::resource("/resource").route(web::put().to(HttpResponse::Ok)))
        .route("/bytes", web::post().to(|_: web::Bytes| async { "" }))
        .route("/teapot", web::get().to(|| async { HttpResponse::ImATeapot().body("short and stout") }))
        .route("/fault", web::get().to(|| async { Err::<String, _>(Error::internal("the key of db-7 is hunter2")) }))
        .route(
            "/foreign",
            web::get().to(|| async {
                Err::<String, _>(actix_web::error::ErrorInternalServerError("the key of db-7 is hunter2"))
            }),
        )
        .route(
            "/escape",
            web::get().to(|| async { Err::<String, _>(Error::forbidden("<b onclick='x'>\"&amp;", "not granted")) }),
        )
        .service(
            web::scope("/static")
                .wrap(DefaultHeaders::new().add(("Cache-Control", "public, max-age=3600")))
                .service(Files::new("", fixture::folder().join("static"))),
        );
}

async fn accepting(host: &TestHost, path: &str, accept: &str) -> Reply {
    host.send(host.request(Method::GET, path).insert_header((header::ACCEPT, accept)), vec![]).await
}

#[actix_web::test]
async fn every_answer_has_the_security_headers() {
    let host = fixture::installed(routes).await;
    let session = host.session_token(&host.tenant()).await;
    let mut table = String::new();
    for (what, reply) in [
        ("page", host.open_iframe("/hello-world").await),
        ("public page", host.get("/public").await),
        ("json", host.get("/atlassian-connect.json").await),
        ("health", host.get("/healthz").await),
        ("token route", host.call(Method::GET, "/token", &session, None).await),
        ("static", host.get("/static/addon.css").await),
        ("static 404", host.get("/static/none.css").await),
        ("401", host.get("/hello-world").await),
        ("404", host.get("/nowhere").await),
        ("405 of the framework", host.post("/healthz", &json!({})).await),
        ("405 of the app's", host.get("/resource").await),
        ("400", host.post("/json", &json!("text")).await),
        ("400 of the query", host.get("/query?number=x").await),
        ("404 of the path", host.get("/number/x").await),
        ("500", host.get("/fault").await),
        ("the app's own", host.get("/teapot").await),
    ] {
        assert_eq!(reply.header("strict-transport-security"), "max-age=31536000; includeSubDomains", "{what}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{what}");
        assert_eq!(reply.header("x-request-id").len(), 36, "{what}");
        for name in ["x-frame-options", "x-powered-by", "server"] {
            assert_eq!(reply.header(name), "", "{what}");
        }
        table += &format!("{} {what}: {}\n", reply.status, reply.header("cache-control"));
    }
    insta::assert_snapshot!(table, @r"
    200 page: no-store
    200 public page: 
    200 json: 
    200 health: 
    200 token route: no-store
    200 static: public, max-age=3600
    404 static 404: no-store
    401 401: no-store
    404 404: no-store
    405 405 of the framework: no-store
    405 405 of the app's: no-store
    400 400: no-store
    400 400 of the query: no-store
    404 404 of the path: no-store
    500 500: no-store
    418 the app's own: no-store
    ");
}

#[actix_web::test]
async fn errors_have_the_format_of_accept() {
    let host = fixture::start(routes).await;
    let mut table = String::new();
    for accept in ["text/html,*/*;q=0.8", "application/json", "image/png"] {
        for path in ["/hello-world", "/nowhere", "/fault", "/foreign", "/escape", "/query?n=x", "/number/x"] {
            let reply = accepting(&host, path, accept).await;
            let body = if reply.body.starts_with("<!DOCTYPE html>") {
                let message = reply.body.split_once("<p id=\"message\">").unwrap().1;
                message.split_once("</p>").unwrap().0.to_owned()
            } else {
                reply.body.clone()
            };
            assert!(!reply.body.contains("db-7") && !reply.body.contains("hunter2"), "{}", reply.body);
            assert_eq!(reply.header("www-authenticate"), if reply.status == 401 { "JWT" } else { "" });
            table += &format!("{accept} {path}: {} {} {body}\n", reply.status, reply.header("content-type"));
        }
    }
    insta::assert_snapshot!(table, @r#"
    text/html,*/*;q=0.8 /hello-world: 401 text/html; charset=utf-8 Could not find authentication data on the request.
    text/html,*/*;q=0.8 /nowhere: 404 text/html; charset=utf-8 There is nothing at this address.
    text/html,*/*;q=0.8 /fault: 500 text/html; charset=utf-8 Something went wrong in the add-on.
    text/html,*/*;q=0.8 /foreign: 500 text/html; charset=utf-8 Something went wrong in the add-on.
    text/html,*/*;q=0.8 /escape: 403 text/html; charset=utf-8 &#60;b onclick=&#39;x&#39;&#62;&#34;&#38;amp;
    text/html,*/*;q=0.8 /query?n=x: 400 text/html; charset=utf-8 Query deserialize error: invalid digit found in string
    text/html,*/*;q=0.8 /number/x: 404 text/html; charset=utf-8 There is nothing at this address.
    application/json /hello-world: 401 application/json {"message":"Could not find authentication data on the request."}
    application/json /nowhere: 404 application/json {"message":"There is nothing at this address."}
    application/json /fault: 500 application/json {"message":"Something went wrong in the add-on."}
    application/json /foreign: 500 application/json {"message":"Something went wrong in the add-on."}
    application/json /escape: 403 application/json {"message":"<b onclick='x'>\"&amp;"}
    application/json /query?n=x: 400 application/json {"message":"Query deserialize error: invalid digit found in string"}
    application/json /number/x: 404 application/json {"message":"There is nothing at this address."}
    image/png /hello-world: 401 text/plain; charset=utf-8 Could not find authentication data on the request.
    image/png /nowhere: 404 text/plain; charset=utf-8 There is nothing at this address.
    image/png /fault: 500 text/plain; charset=utf-8 Something went wrong in the add-on.
    image/png /foreign: 500 text/plain; charset=utf-8 Something went wrong in the add-on.
    image/png /escape: 403 text/plain; charset=utf-8 <b onclick='x'>"&amp;
    image/png /query?n=x: 400 text/plain; charset=utf-8 Query deserialize error: invalid digit found in string
    image/png /number/x: 404 text/plain; charset=utf-8 There is nothing at this address.
    "#);
}

#[actix_web::test]
async fn a_token_is_not_repeated_in_a_refusal() {
    let host = fixture::start(routes).await;
    for accept in ["text/html", "application/json", "text/plain"] {
        let reply = accepting(&host, "/hello-world?jwt=%3Cscript%3Esecret%3C/script%3E.b.c", accept).await;
        assert_eq!(reply.status, 401);
        assert!(!reply.body.contains("secret"), "{}", reply.body);
    }
}

#[actix_web::test]
async fn the_app_chooses_how_errors_look() {
    let host = fixture::builder().config(r#"{ "errorTemplate": false }"#).start(routes).await;
    let reply = accepting(&host, "/escape", "text/html").await;
    assert_eq!((reply.status, reply.header("content-type")), (403, "text/plain; charset=utf-8"));
    assert_eq!(reply.body, "<b onclick='x'>\"&amp;");

    let builder = fixture::builder()
        .config(r#"{ "errorTemplateName": "mine", "errorTemplateObject": { "support": "mailto:help@example" } }"#)
        .addon(|addon| {
            addon.error_renderer("mine", |page| {
                Ok(format!("{} {} {}", page.status, page.message, page.extra["support"]))
            })
        });
    let host = builder.start(routes).await;
    let reply = accepting(&host, "/nowhere", "text/html").await;
    assert_eq!(reply.body, r#"404 There is nothing at this address. "mailto:help@example""#);
    assert_eq!(
        accepting(&host, "/nowhere", "application/json").await.json()["message"],
        "There is nothing at this address."
    );

    let builder = fixture::builder().addon(|addon| {
        addon
            .error_renderer("unauthorized", |_| Err(askama::Error::Fmt))
            .error_renderer("other", |_| Ok("other".into()))
    });
    let host = builder.start(routes).await;
    let reply = accepting(&host, "/nowhere", "text/html").await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (404, "There is nothing at this address."),
        "a template that fails"
    );

    let builder = fixture::builder().config(r#"{ "expressErrorHandling": true }"#).addon(|addon| {
        addon.error_handler(|request, error| {
            let status = actix_web::ResponseError::status_code(error);
            HttpResponse::build(status).body(format!("{} says {}", request.path(), error.public_message()))
        })
    });
    let host = builder.start(routes).await;
    let reply = accepting(&host, "/fault", "text/html").await;
    assert_eq!((reply.status, reply.body.as_str()), (500, "/fault says Something went wrong in the add-on."));
    let reply = accepting(&host, "/hello-world", "text/html").await;
    assert_eq!((reply.status, reply.header("cache-control"), reply.header("x-acpt")), (401, "no-store", ""));
}

#[actix_web::test]
async fn a_missing_error_template_is_a_start_error() {
    let vars = [("NODE_ENV", "test"), ("DATABASE_URL", "memory:")];
    let refused = async |config: &str| {
        let config = Config::from_parts(Some(config), &Vars::from(vars)).unwrap();
        let addon = fixture::addon().config(config).error_renderer("mine", |_| Ok(String::new()));
        addon.build().await.unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused(r#"{ "errorTemplateName": "yours" }"#).await, @r#"errorTemplateName is "yours", and the add-on registers mine, unauthorized: choose one of them, or register it with AddonBuilder::error_renderer"#);
    insta::assert_snapshot!(refused(r#"{ "expressErrorHandling": true }"#).await, @r"expressErrorHandling is true, and the add-on registers no error handler: call AddonBuilder::error_handler, or set it to false");
}

#[actix_web::test]
async fn bodies_have_a_limit() {
    let host =
        fixture::builder().config(r#"{ "limits": { "body": 10000, "lifecycleBody": 10000 } }"#).start(routes).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    let form = "application/x-www-form-urlencoded";
    for (path, kind, size) in [
        ("/form", form, 20_000),
        ("/form", form, 3_000_000),
        ("/json", "application/json", 20_000),
        ("/json", "application/json", 3_000_000),
        ("/bytes", "text/plain", 20_000),
        ("/bytes", form, 20_000),
        ("/installed", "application/json", 20_000),
        ("/installed", form, 20_000),
        ("/uninstalled", "application/json", 3_000_000),
        ("/enabled", "application/json", 20_000),
        ("/disabled", "application/json", 20_000),
        ("/webhook/issue-created", "application/json", 20_000),
    ] {
        let token = match path {
            "/installed" | "/uninstalled" => KeyServer::sign(&claims_for(&tenant, host.base_url(), path)),
            _ => tenant.token("POST", path, ""),
        };
        let request = host.request(Method::POST, path).insert_header((header::CONTENT_TYPE, kind));
        let request = request.insert_header((header::AUTHORIZATION, format!("JWT {token}")));
        let body = json!({ "a": "x".repeat(size) }).to_string();
        let whole = host.send(request, body.clone().into_bytes()).await;
        assert_eq!(whole.status, 413, "{path} {kind} {size}: {}", whole.body);
        assert!(whole.body.contains("10000"), "{}", whole.body);

        let raw = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nAuthorization: JWT {token}\r\n\
             Accept: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        let base_url = host.base_url().to_owned();
        let chunked = blocking(move || Connection::to(&base_url).send(raw.as_bytes())).await.unwrap();
        assert_eq!(chunked.status, 413, "{path} {kind} {size}, in chunks: {}", chunked.text());
        assert_eq!(chunked.text(), r#"{"message":"The body is larger than 10000 bytes."}"#, "{path}");
    }
    let reply = host.post("/json", &json!({ "a": "x".repeat(9_000) })).await;
    assert_eq!(reply.status, 200);
    for (body, status) in [("{", 400), ("", 400), ("[1,]", 400), ("{}", 200)] {
        let request = host.request(Method::POST, "/json").content_type("application/json");
        let reply = host.send(request, body.into()).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
    }
}

#[actix_web::test]
async fn everything_is_below_the_base_url_and_nothing_outside() {
    for (base_path, slash) in [("/addon/base", ""), ("/addon/base", "/"), ("/my%20addon", ""), ("/caf%C3%A9", "/")] {
        let builder = fixture::builder().base_path(&format!("{base_path}{slash}"));
        let host = builder.start(routes).await;
        assert!(!host.base_url().ends_with('/'));
        host.install(&host.tenant()).await;
        assert_eq!(host.open_iframe("/hello-world").await.status, 200, "{base_path}");
        for path in ["/atlassian-connect.json", "/healthz", "/readyz", "/public", "/static/addon.css"] {
            assert_eq!(host.get(path).await.status, 200, "{base_path}{path}");
        }
        assert_eq!(host.get("/atlassian-connect.json").await.json()["baseUrl"], host.base_url());
        let issue = json!({ "webhookEvent": "jira:issue_created" });
        assert_eq!(host.webhook("/webhook/issue-created", &issue).await.status, 204);

        // a token is bound to the path below the base URL, however that is written
        let origin = host.base_url().strip_suffix(base_path).unwrap().to_owned();
        let token = host.tenant().token("GET", "/hello-world", "");
        for path in ["/hello-world", "/healthz", "/atlassian-connect.json", "/installed", "/static/addon.css", "/"] {
            let requests = [
                format!("GET {path}?jwt={token}"),
                format!("GET {base_path}x{path}?jwt={token}"),
                format!("GET /x{base_path}{path}?jwt={token}"),
            ];
            for line in requests {
                let (origin, request) = (origin.clone(), format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
                let answer = blocking(move || Connection::to(&origin).send(request.as_bytes())).await.unwrap();
                assert_eq!(answer.status, 404, "{line}");
            }
        }
    }
}

#[actix_web::test]
async fn the_reason_is_shown_only_in_development() {
    const REASON: &str = "not authenticated: there is no token in the query, the form or the headers";
    for (environment, is_told) in [("development", true), ("test", false), ("production", false)] {
        let host = fixture::builder().var("NODE_ENV", environment).start(routes).await;
        let json = accepting(&host, "/hello-world", "application/json").await.json();
        assert_eq!(json["message"], "Could not find authentication data on the request.", "{environment}");
        assert_eq!(json.get("reason").and_then(|reason| reason.as_str()), is_told.then_some(REASON), "{environment}");
        for accept in ["text/html", "text/plain"] {
            let reply = accepting(&host, "/hello-world", accept).await;
            assert_eq!((reply.status, reply.body.contains(REASON)), (401, is_told), "{environment} {accept}");
            let fault = accepting(&host, "/fault", accept).await;
            assert_eq!(
                (fault.status, fault.body.contains("internal error: ")),
                (500, is_told),
                "{environment} {accept}"
            );
            // a reason can contain text from outside
            let forged = accepting(&host, "/hello-world?jwt=%3Cscript%3Esecret%3C/script%3E.b.c", accept).await;
            assert!(!forged.body.contains("<script>secret") && !forged.body.contains("secret"), "{}", forged.body);
        }
    }
}
