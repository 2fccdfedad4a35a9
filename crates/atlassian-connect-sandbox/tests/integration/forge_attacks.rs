//! What others may try against the product's page, the CDN and the gateway.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::Sandbox;
use super::forge_pages::{PANEL, app_folder};

fn call(local_id: &str) -> Value {
    json!({ "localId": local_id, "path": "/forge/echo", "method": "POST", "body": {}, "invokeType": "ui-remote-fetch" })
}

#[actix_web::test]
async fn foreign_names_are_refused() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    for name in [
        "evil.example",
        "product.localhost.evil.example",
        "evil.product.localhost",
        "evilproduct.localhost",
        "cdn.localhost",
        "a.jira.cdn.localhost",
        "jira.cdn.localhost.evil.example",
        "evil.localhost",
        "product.localhost.",
    ] {
        for path in [PANEL, "/index.html", "/gateway/invoke", "/"] {
            assert_eq!(sandbox.by_name(name, path).await.status, 403, "{name}{path}");
        }
    }
    for host in
        ["product.localhost:", "product.localhost:3001:1", "jira.cdn.localhost:x", "product.localhost:@evil.example"]
    {
        let reply = sandbox.ask(Method::GET, PANEL, &[("host", host)], String::new()).await;
        assert!(matches!(reply.status, 400 | 403), "{host}: {}", reply.status);
    }
}

#[actix_web::test]
async fn each_name_has_only_its_own_routes() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let own = [("x-sandbox", "1"), ("x-sandbox-user", "557058:sandbox-ada"), ("content-type", "application/json")];
    for (name, method, path) in [
        ("product.localhost", Method::GET, "/jira/rest/api/3/myself"),
        ("product.localhost", Method::GET, "/jira/context-token?module=generalPages/hello"),
        ("product.localhost", Method::GET, "/jira/frames/hello"),
        ("product.localhost", Method::POST, "/jira/lifecycle/uninstalled"),
        ("product.localhost", Method::GET, "/ex/jira/00000001-0000-4000-8000-5a4db0c00000/rest/api/3/myself"),
        ("product.localhost", Method::GET, "/forge/jwks.json"),
        ("product.localhost", Method::POST, "/oauth2/token"),
        ("product.localhost", Method::GET, "/index.html"),
        ("jira.cdn.localhost", Method::GET, PANEL),
        ("jira.cdn.localhost", Method::GET, "/events"),
        ("jira.cdn.localhost", Method::GET, "/assets/sandbox.js"),
        ("jira.cdn.localhost", Method::GET, "/jira/rest/api/3/myself"),
        ("localhost", Method::POST, "/gateway/invoke"),
        ("localhost", Method::POST, "/gateway/product"),
        ("localhost", Method::GET, "/index.html"),
        ("localhost", Method::GET, "/__forge/rpc.js"),
    ] {
        let host = sandbox.host_of(name);
        let mut headers = vec![("host", host.as_str())];
        headers.extend(own);
        let reply = sandbox.ask(method, path, &headers, "{}".to_owned()).await;
        assert_eq!(reply.status, 404, "{name}{path}: {}", reply.body);
    }
    let host = sandbox.host_of("jira.cdn.localhost");
    let reply = sandbox.ask(Method::POST, "/gateway/invoke", &[("host", &host), ("x-sandbox", "1")], "{}".into()).await;
    assert_eq!(reply.status, 405);
}

#[actix_web::test]
async fn the_gateway_answers_only_the_products_page() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let local_id = sandbox.local_id(PANEL).await;
    let host = sandbox.host_of("product.localhost");
    let own = format!("http://{host}");
    let shell = format!("http://{}", sandbox.host_of("jira.cdn.localhost"));
    let json = "application/json";
    for (headers, status) in [
        (vec![("origin", own.as_str()), ("x-sandbox", "1"), ("content-type", json)], 200),
        (vec![("origin", own.as_str()), ("content-type", json)], 403),
        (vec![("origin", own.as_str()), ("x-sandbox", "1"), ("content-type", "text/plain")], 403),
        (vec![("origin", own.as_str()), ("x-sandbox", "1")], 403),
        (vec![("origin", shell.as_str()), ("x-sandbox", "1"), ("content-type", json)], 403),
        (vec![("origin", sandbox.host.base_url()), ("x-sandbox", "1"), ("content-type", json)], 403),
        (vec![("origin", sandbox.running.url()), ("x-sandbox", "1"), ("content-type", json)], 403),
        (vec![("origin", "https://evil.example"), ("x-sandbox", "1"), ("content-type", json)], 403),
        (vec![("origin", "null"), ("x-sandbox", "1"), ("content-type", json)], 403),
        (vec![("sec-fetch-site", "cross-site"), ("x-sandbox", "1"), ("content-type", json)], 403),
        (vec![("sec-fetch-site", "same-site"), ("x-sandbox", "1"), ("content-type", json)], 403),
    ] {
        let mut all = vec![("host", host.as_str())];
        all.extend(&headers);
        for path in ["/gateway/invoke", "/gateway/product"] {
            let body = if path == "/gateway/invoke" {
                call(&local_id)
            } else {
                serde_json::json!({ "localId": local_id, "product": "jira", "restPath": "/rest/api/3/myself" })
            };
            let reply = sandbox.ask(Method::POST, path, &all, body.to_string()).await;
            assert_eq!(reply.status, status, "{path} {headers:?}: {}", reply.body);
        }
    }
    // a page of another origin gets no CORS permission
    let headers = [
        ("host", host.as_str()),
        ("origin", shell.as_str()),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-sandbox"),
    ];
    let asked = sandbox.ask(Method::OPTIONS, "/gateway/invoke", &headers, String::new()).await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (403, ""));
    assert_eq!(sandbox.on_product("/gateway/invoke").await.status, 404);
}

#[actix_web::test]
async fn a_body_names_neither_user_nor_site_nor_module() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let local_id = sandbox.local_id(&format!("{PANEL}?user=mia")).await;
    let mut asked = call(&local_id);
    let more = json!({ "site": "confluence", "user": "ada", "accountId": "557058:sandbox-ada", "moduleKey": "hello",
        "context": { "moduleKey": "hello" }, "extension": { "issue": { "key": "EVIL-1" } },
        "body": { "context": { "moduleKey": "hello" }, "principal": "557058:sandbox-ada" } });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = sandbox.gateway("invoke", &asked).await.json();
    let claims = &answer["payload"]["body"]["claims"];
    assert_eq!(claims["principal"], "557058:sandbox-mia");
    assert_eq!(claims["context"]["moduleKey"], "panel");
    assert_eq!(claims["context"]["extension"]["issue"]["key"], "JRA-1");
    assert!(claims["app"]["installation"]["contexts"][0]["name"] == "jira", "{claims}");
    for unknown in ["", "jira", "local-panel", &local_id[1..]] {
        let answer = sandbox.gateway("invoke", &call(unknown)).await.json();
        assert!(answer["reject"].as_str().unwrap().contains("Load it again"), "{unknown}: {answer}");
    }
    for broken in [json!({}), json!([]), json!("x"), json!({ "localId": [local_id] }), json!({ "localId": local_id })] {
        let reply = sandbox.gateway("invoke", &broken).await;
        assert_eq!(reply.status, 400, "{broken}: {}", reply.body);
    }
}

#[actix_web::test]
async fn the_cdn_serves_nothing_from_outside_of_the_shell() {
    let folder = app_folder();
    let shell = folder.path().join("forge/static/shell");
    std::fs::write(folder.path().join("forge/secret"), "secret").unwrap();
    std::fs::write(folder.path().join("forge/static/secret"), "secret").unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("forge/secret"), shell.join("link.js")).unwrap();
        std::os::unix::fs::symlink(folder.path(), shell.join("up")).unwrap();
    }
    std::fs::write(shell.join(".hidden"), "secret").unwrap();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2f%2e%2e%2fsecret",
        "/..%5csecret",
        "/%252e%252e/secret",
        "/x/../../secret",
        "//../secret",
        "/link.js",
        "/up/forge/secret",
        "/.hidden",
        "/%2ehidden",
        "/shell.js%00.css",
        "/shell.js/",
        "/__forge/../shell.js",
        "/__forge/..%2fshell.js",
        "/__forge/%2e%2e/%2e%2e/secret",
        "/",
    ] {
        let reply = raw(&sandbox, path).await;
        let is_index = path == "/" && reply.starts_with("HTTP/1.1 200");
        assert!(is_index || reply.starts_with("HTTP/1.1 404") || reply.starts_with("HTTP/1.1 400"), "{path}: {reply}");
        assert!(!reply.contains("secret"), "{path}: {reply}");
    }
}

/// Sends the path unchanged; HTTP clients would normalize it.
async fn raw(sandbox: &Sandbox, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = sandbox.running.url().replace("http://localhost", "127.0.0.1");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let host = sandbox.host_of("jira.cdn.localhost");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[actix_web::test]
async fn pages_of_other_sites_can_only_navigate_to_the_products_page() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    for (name, path, site, mode, allowed) in [
        ("product.localhost", PANEL, "cross-site", "navigate", true),
        ("product.localhost", PANEL, "cross-site", "cors", false),
        ("product.localhost", "/forge/product.js", "cross-site", "no-cors", false),
        ("product.localhost", "/events", "cross-site", "cors", false),
        // this is how the product's page frames it
        ("jira.cdn.localhost", "/index.html", "cross-site", "navigate", true),
        ("jira.cdn.localhost", "/shell.js", "same-origin", "no-cors", true),
        ("jira.cdn.localhost", "/shell.js", "cross-site", "no-cors", false),
        ("jira.cdn.localhost", "/atlassian-connect/all.js", "cross-site", "no-cors", false),
    ] {
        let host = sandbox.host_of(name);
        let headers = [("host", host.as_str()), ("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        let reply = sandbox.ask(Method::GET, path, &headers, String::new()).await;
        assert_eq!(reply.status != 403, allowed, "{name}{path} {site} {mode}");
    }
    let page = sandbox.on_product(PANEL).await;
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(page.header("cross-origin-resource-policy"), "same-origin");
    let file = sandbox.on_cdn("/shell.js").await;
    assert_eq!(file.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(file.header("cross-origin-resource-policy"), "same-origin");
}
