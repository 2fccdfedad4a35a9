//! The variables of pages, and their headers.

use std::collections::BTreeMap;
use std::ops::Deref;

use actix_web::http::{Method, header};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Responder as _};
use askama::Template;
use atlassian_connect_actix::{PageContext, PageVariables, PublicPage, View};
use atlassian_connect_testing::{Reply, TestHost, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;

#[derive(Template)]
#[template(source = r#"{{ page.head() }}<p>{{ page.host_base_url }}</p>{{ page.context_script() }}"#, ext = "html")]
struct Page<P: Deref<Target = PageVariables>> {
    page: P,
}

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    async fn page(page: PageContext) -> View<Page<PageContext>> {
        View(Page { page })
    }
    async fn public(page: PublicPage) -> View<Page<PublicPage>> {
        View(Page { page })
    }
    async fn form(page: PageContext, form: web::Form<BTreeMap<String, String>>) -> HttpResponse {
        HttpResponse::Ok().json(json!({ "clientKey": page.client_key, "license": page.license, "form": *form }))
    }
    cfg.route("/hello-world", web::get().to(page))
        .route("/hello-world", web::post().to(page))
        .route("/public", web::get().to(public))
        .route("/public", web::post().to(public))
        .route("/form", web::post().to(form));
}

/// A site with known values.
fn acme() -> TestTenant {
    let mut tenant = TestTenant::new();
    tenant.client_key = "acme-key".into();
    tenant.shared_secret = "acme's secret".into();
    tenant.base_url = "https://acme.atlassian.net/wiki".into();
    tenant.account_id = "557058:mia".into();
    tenant
}

/// The variables of a page, without those that change with each run.
fn variables(host: &TestHost, reply: &Reply) -> String {
    let mut variables = reply.connect_context();
    if variables["token"] != "" {
        assert_eq!(variables["token"], reply.header("x-acpt"));
        variables["token"] = "[token]".into();
    }
    serde_json::to_string_pretty(&variables).unwrap().replace(host.base_url(), "[base]")
}

const QUERY: &str =
    "lic=active&tz=Europe%2FBerlin&loc=de-DE&user_id=mia&xdm_e=https%3A%2F%2Fevil.example&cp=%2Fwiki&user_key=x";

#[actix_web::test]
async fn the_variables_of_a_page_come_from_the_token_and_the_store() {
    let host = fixture::start(routes).await;
    host.install(&acme()).await;
    let reply = host.open_iframe_as(&acme(), &format!("/hello-world?{QUERY}")).await;
    assert_eq!(reply.status, 200);
    insta::assert_snapshot!(variables(&host, &reply), @r#"
    {
      "title": "Fixture app",
      "addonKey": "com.example.fixture-app",
      "localBaseUrl": "[base]",
      "hostBaseUrl": "https://acme.atlassian.net/wiki",
      "hostUrl": "https://acme.atlassian.net",
      "hostStylesheetUrl": "https://acme.atlassian.net/wiki/atlassian-connect/all.css",
      "hostScriptUrl": "https://connect-cdn.atl-paas.net/all.js",
      "token": "[token]",
      "license": "active",
      "context": {
        "user": {
          "accountId": "557058:mia",
          "displayName": "Mia"
        }
      },
      "clientKey": "acme-key",
      "userAccountId": "557058:mia",
      "userId": "mia",
      "timezone": "Europe/Berlin",
      "locale": "de-DE"
    }
    "#);
    assert!(!reply.body.contains("evil.example"), "{}", reply.body);

    // a form gives the same
    let (token, headers) =
        (acme().token("POST", "/hello-world", QUERY), (header::CONTENT_TYPE, "application/x-www-form-urlencoded"));
    let request = host.request(Method::POST, "/hello-world").insert_header(headers);
    let posted = host.send(request, format!("{QUERY}&jwt={token}").into_bytes()).await;
    assert_eq!((posted.status, variables(&host, &posted)), (200, variables(&host, &reply)));

    // a value that the token does not contain is absent
    let mut claims = acme().claims("GET", "/hello-world", "");
    for claim in ["sub", "context"] {
        claims.as_object_mut().unwrap().shift_remove(claim);
    }
    let reply = host.get(&format!("/hello-world?jwt={}", acme().sign(&claims))).await;
    let context = reply.connect_context();
    for name in ["license", "context", "userAccountId", "userId", "timezone", "locale"] {
        assert_eq!(context.get(name), Some(&Value::Null), "{name}");
    }
}

#[actix_web::test]
async fn a_public_page_trusts_little() {
    let host = fixture::installed(routes).await;
    let token = host.tenant().token("GET", "/public", "");
    let reply =
        host.get(&format!("/public?lic=active&xdm_e=https%3A%2F%2Facme.atlassian.net&cp=%2Fwiki&jwt={token}")).await;
    assert_eq!(reply.status, 200);
    insta::assert_snapshot!(variables(&host, &reply), @r#"
    {
      "title": "Fixture app",
      "addonKey": "com.example.fixture-app",
      "localBaseUrl": "[base]",
      "hostBaseUrl": "https://acme.atlassian.net/wiki",
      "hostUrl": "https://acme.atlassian.net",
      "hostStylesheetUrl": null,
      "hostScriptUrl": "https://connect-cdn.atl-paas.net/all.js",
      "token": "",
      "license": "active",
      "context": null,
      "clientKey": "",
      "userAccountId": null,
      "userId": null,
      "timezone": null,
      "locale": null
    }
    "#);
    for name in ["x-acpt", "content-security-policy"] {
        assert_eq!(reply.header(name), "", "{name}");
    }
    for query in [
        "xdm_e=javascript:alert(1)",
        "xdm_e=data:text/html,x",
        "xdm_e=//evil.example",
        "xdm_e=https://a.example/path",
        "xdm_e=",
        "cp=/wiki",
        "",
        "xdm_e=https://a.example&cp=@evil.example",
        "xdm_e=https://user:pw@a.example",
        "xdm_e=https://a.example%0D%0AX-Injected:1",
        "xdm_e=%00https://a.example",
    ] {
        let reply = host.get(&format!("/public?{query}")).await;
        let context = reply.connect_context();
        // browsers remove a line break from a URL, and so do we
        let expected = if query.contains("%0D") { "https://a.example" } else { "" };
        assert!(context["hostBaseUrl"] == "" || context["hostBaseUrl"] == expected, "{query}: {context}");
        assert_eq!(context["hostStylesheetUrl"], Value::Null);
        assert_eq!(context["hostScriptUrl"], "https://connect-cdn.atl-paas.net/all.js");
        assert_eq!(reply.header("x-injected"), "");
    }
}

#[actix_web::test]
async fn every_value_is_escaped() {
    let host = fixture::start(routes).await;
    let mut tenant = acme();
    tenant.account_id = "</script><img src=x onerror=alert(1)>".into();
    host.install(&tenant).await;
    let hostile = "</script><script>alert(\"1\")</script>'<!--\u{2028}]]>&lt;\0\u{feff}";
    let encoded: String =
        percent_encoding::percent_encode(hostile.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
    let query = format!("lic={encoded}&tz={encoded}&loc={encoded}&user_id={encoded}");
    for reply in [
        host.open_iframe_as(&tenant, &format!("/hello-world?{query}")).await,
        host.get(&format!("/public?{query}")).await,
    ] {
        assert_eq!(reply.status, 200);
        let context = reply.connect_context();
        for name in ["license", "timezone", "locale", "userId"] {
            assert_eq!(context[name], hostile, "{name} arrives as it was sent");
        }
        let markup = reply.body.to_lowercase();
        assert_eq!(markup.matches("<script").count(), 2, "{markup}");
        assert_eq!(markup.matches("</script>").count(), 2, "{markup}");
        assert!(!markup.contains("<img") && !markup.contains("<!--") && !markup.contains('\u{2028}'), "{markup}");
    }
}

#[actix_web::test]
async fn only_the_tenants_own_origins_may_frame_its_pages() {
    let builder = fixture::builder().config(r#"{ "frameAncestors": ["https://portal.example"] }"#);
    let host = builder.start(routes).await;
    let tenant = acme();
    for (display, help_center, expected) in [
        (json!("https://acme.atlassian.net/wiki"), json!(null), "https://acme.atlassian.net"),
        (
            json!("https://jira.acme.example/x"),
            json!("https://help.acme.example"),
            "https://acme.atlassian.net https://jira.acme.example https://help.acme.example",
        ),
        (json!("https://*"), json!("https://*.example"), "https://acme.atlassian.net"),
        (json!("https://a.example;script-src *"), json!("https://b.example,c"), "https://acme.atlassian.net"),
        (json!("https://c.example;default-src"), json!("https://'self'"), "https://acme.atlassian.net"),
        (json!("javascript:alert(1)"), json!("https://d.example\r\nX-Injected: 1/"), "https://acme.atlassian.net"),
        (json!("data:text/html,x"), json!(""), "https://acme.atlassian.net"),
    ] {
        let mut payload = tenant.payload("key", "installed");
        payload["displayUrl"] = display.clone();
        payload["displayUrlServicedeskHelpCenter"] = help_center;
        let token = atlassian_connect_testing::KeyServer::sign(&atlassian_connect_testing::claims_for(
            &tenant,
            host.base_url(),
            "/installed",
        ));
        assert_eq!(host.call(Method::POST, "/installed", &token, Some(&payload)).await.status, 204);
        let reply = host.open_iframe_as(&tenant, "/hello-world").await;
        let policy = format!("frame-ancestors {expected} https://portal.example");
        assert_eq!(reply.header("content-security-policy"), policy, "{display}");
        assert_eq!(reply.header("x-injected"), "");
    }
    for path in ["/public", "/atlassian-connect.json", "/healthz"] {
        assert_eq!(host.get(path).await.header("content-security-policy"), "", "{path}");
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

#[actix_web::test]
async fn a_form_reaches_its_handler_after_its_token_is_read() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let fields = "name=J%C3%A9r%C3%B4me+x&lic=active&a=1";
    let form = |body: String, kind: &'static str| {
        host.send(host.request(Method::POST, "/form").insert_header((header::CONTENT_TYPE, kind)), body.into_bytes())
    };
    // signed as atlassian-jwt does it (the form is part of the query), and as others do (it is not)
    for signed in [fields, ""] {
        let token = tenant.token("POST", "/form", signed);
        for kind in [FORM, "application/x-www-form-urlencoded; charset=UTF-8"] {
            let reply = form(format!("{fields}&jwt={token}"), kind).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let expected = json!({
                "clientKey": tenant.client_key,
                "license": "active",
                "form": { "a": "1", "jwt": token, "lic": "active", "name": "Jérôme x" },
            });
            assert_eq!(reply.json(), expected);
        }
    }
    let token = tenant.token("POST", "/form", fields);
    for (what, body) in [
        ("another value", format!("{fields}2&jwt={token}")),
        ("another field", format!("{fields}&b=2&jwt={token}")),
        ("a field less", format!("a=1&jwt={token}")),
        ("two tokens", format!("{fields}&jwt={token}&jwt={token}")),
        ("no token", fields.to_owned()),
    ] {
        assert_eq!(form(body, FORM).await.status, 401, "{what}");
    }
    // JSON is not a form, so its token is ignored
    assert_eq!(form(format!("{fields}&jwt={token}"), "application/json").await.status, 401);
}

#[actix_web::test]
async fn a_failing_template_is_an_error_and_not_half_a_page() {
    struct Broken;
    impl std::fmt::Display for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    #[derive(Template)]
    #[template(source = "half a page {{ broken }}", ext = "html")]
    struct Half {
        broken: Broken,
    }
    let host = fixture::start(|cfg: &mut ServiceConfig| {
        cfg.route(
            "/half",
            web::get().to(|request: actix_web::HttpRequest| async move {
                View(Half { broken: Broken }).respond_to(&request)
            }),
        );
    })
    .await;
    let reply = host.get("/half").await;
    assert_eq!((reply.status, reply.body.as_str()), (500, "Something went wrong in the add-on."));
}
