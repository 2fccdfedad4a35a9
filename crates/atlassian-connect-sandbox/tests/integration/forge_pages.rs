//! A module through Forge: the product's page, the CDN with the shell, the gateway between them and the add-on.

use actix_web::http::Method;
use actix_web::web::{self, Bytes, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, post};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_testing::Reply;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Sandbox;

/// What `npm run build` writes, in small.
const INDEX: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<script type="application/json" id="remotes">{"protocol":1,"origins":["https://app.example"],"basePath":"/x"}</script>
<script src="./shell.js" defer></script></head><body></body></html>"#;

/// Says what came, as it came.
#[post("/forge/echo")]
async fn echo(request: HttpRequest, invocation: ForgeInvocation, body: Bytes) -> Json<Value> {
    let headers: serde_json::Map<String, Value> = request
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str() != "authorization")
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let text = String::from_utf8_lossy(&body).into_owned();
    Json(json!({ "claims": invocation.claims().raw(), "headers": headers, "body": text }))
}

/// Answers as the body wants it: `{"status", "type", "text"}`, or `{"bytes"}`, or `{"wait"}`.
#[post("/forge/odd")]
async fn odd(wish: Json<Value>) -> HttpResponse {
    let status = wish["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let mut answer = HttpResponse::build(status.try_into().unwrap());
    answer.content_type(wish["type"].as_str().unwrap_or("application/json"));
    if let Some(bytes) = wish["bytes"].as_u64() {
        return answer.body(format!("\"{}\"", "x".repeat(usize::try_from(bytes).unwrap())));
    }
    answer.body(wish["text"].as_str().unwrap_or("{}").to_owned())
}

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(echo).service(odd);
    let never = || async { std::future::pending::<HttpResponse>().await };
    cfg.route("/forge/never", web::post().to(never));
}

/// A folder with a shell, and with iframe-resizer.
pub(super) fn app_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shell = folder.path().join("forge/static/shell");
    let resizer = folder.path().join("forge/node_modules/iframe-resizer/js");
    for path in [&shell, &resizer] {
        std::fs::create_dir_all(path).unwrap();
    }
    std::fs::write(shell.join("index.html"), INDEX).unwrap();
    std::fs::write(shell.join("shell.js"), "shell();").unwrap();
    std::fs::write(shell.join("shell.css"), "body {}").unwrap();
    for name in ["iframeResizer.min.js", "iframeResizer.contentWindow.min.js"] {
        std::fs::write(resizer.join(name), format!("{name}\n//# sourceMappingURL=x.map\n")).unwrap();
    }
    folder
}

pub(super) const PANEL: &str = "/jira/modules/webPanels/panel";

impl Sandbox {
    fn port(&self) -> &str {
        self.running.url().rsplit(':').next().unwrap()
    }

    /// `product.localhost:3001`
    pub(super) fn host_of(&self, name: &str) -> String {
        format!("{name}:{}", self.port())
    }

    /// Asks by that name, as a browser does which goes there.
    pub(super) async fn by_name(&self, name: &str, path: &str) -> Reply {
        self.ask(Method::GET, path, &[("host", &self.host_of(name))], String::new()).await
    }

    pub(super) async fn on_product(&self, path: &str) -> Reply {
        self.by_name("product.localhost", path).await
    }

    pub(super) async fn on_cdn(&self, path: &str) -> Reply {
        self.by_name("jira.cdn.localhost", path).await
    }

    /// What the product's page knows.
    pub(super) async fn shown(&self, path: &str) -> Value {
        let page = self.on_product(path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, rest) = page.body.split_once("id=\"forge\">").unwrap_or_else(|| panic!("{}", page.body));
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    /// The first module's `localId`.
    pub(super) async fn local_id(&self, path: &str) -> String {
        self.shown(path).await["modules"][0]["localId"].as_str().unwrap().to_owned()
    }

    /// Asks the gateway as product.js does.
    pub(super) async fn gateway(&self, path: &str, body: &Value) -> Reply {
        let host = self.host_of("product.localhost");
        let origin = format!("http://{host}");
        let headers = [
            ("host", host.as_str()),
            ("origin", origin.as_str()),
            ("x-sandbox", "1"),
            ("content-type", "application/json"),
        ];
        self.ask(Method::POST, &format!("/gateway/{path}"), &headers, body.to_string()).await
    }

    pub(super) async fn invoked(&self, local_id: &str, path: &str, body: Value) -> Value {
        let call = json!({ "localId": local_id, "path": path, "method": "POST", "body": body,
            "headers": { "X-Own": "1", "Authorization": "Bearer mine" }, "invokeType": "ui-remote-fetch" });
        let reply = self.gateway("invoke", &call).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }
}

#[actix_web::test]
async fn the_products_page_shows_a_module() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    // from the sandbox's own page it is one click away, and back
    let list = sandbox.get("/jira?through=forge&user=mia").await.body;
    let product = format!("http://{}", sandbox.host_of("product.localhost"));
    let url = format!("{product}{PANEL}?user=mia&#38;theme=system&#38;license=active&#38;through=forge");
    assert!(list.contains(&url), "{list}");
    let led = sandbox.get(&format!("{PANEL}?through=forge")).await;
    assert_eq!(led.status, 302);
    assert!(led.header("location").starts_with(&format!("{product}{PANEL}?")), "{}", led.header("location"));

    let page = sandbox.on_product(&format!("{PANEL}?user=mia&issue.key=JRA-2&theme=dark&license=none")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let connect =
        format!("{}{PANEL}?user=mia&#38;theme=dark&#38;license=none&#38;issue.key=JRA-2", sandbox.running.url());
    assert!(page.body.contains(&format!("href=\"{connect}\"")), "{}", page.body);
    let policy = page.header("content-security-policy");
    let shell = format!("http://{}", sandbox.host_of("jira.cdn.localhost"));
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains(&shell), "{policy}");
    for script in ["page.js", "rpc.js", "product-ui.js", "iframeResizer.min.js", "product.js"] {
        assert!(page.body.contains(&format!("<script src=\"/forge/{script}\"></script>")), "{script}");
        assert_eq!(sandbox.on_product(&format!("/forge/{script}")).await.status, 200, "{script}");
    }

    let settings = sandbox.shown(&format!("{PANEL}?user=mia&issue.key=JRA-2&theme=dark&license=none")).await;
    assert_eq!(settings["shell"], format!("{shell}/index.html"));
    assert_eq!((&settings["gateway"], &settings["colorMode"]), (&json!("/gateway"), &json!("dark")));
    assert_eq!(
        settings["sandbox"],
        "allow-downloads allow-forms allow-modals allow-pointer-lock allow-same-origin allow-scripts"
    );
    let module = &settings["modules"][0];
    assert_eq!((&module["isFixed"], &module["hasHistory"]), (&json!(false), &json!(false)));
    let context = &module["context"];
    assert_eq!(context["accountId"], "557058:sandbox-mia");
    assert_eq!((&context["moduleKey"], &context["siteUrl"]), (&json!("panel"), &json!(product)));
    assert_eq!((&context["locale"], &context["license"]["active"]), (&json!("en-US"), &json!(false)));
    assert_eq!(context["extension"]["type"], "jira:issueContext");
    assert_eq!(context["extension"]["issue"]["key"], "JRA-2");
    assert_eq!(context["localId"], module["localId"]);
    assert!(settings["pages"]["hello"].as_str().unwrap().starts_with(&product), "{settings}");

    let nobody = sandbox.shown(&format!("{PANEL}?user=anonymous")).await;
    assert_eq!(nobody["modules"][0]["context"].get("accountId"), None);
    assert_ne!(nobody["modules"][0]["localId"], module["localId"], "each showing has its own");
}

#[actix_web::test]
async fn other_modules_are_what_they_are_on_forge() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    for (path, kind, has_history) in [
        ("/jira/modules/generalPages/hello", "jira:globalPage", true),
        ("/confluence/modules/generalPages/hello", "confluence:globalPage", true),
        ("/jira/modules/jiraIssueContents/content", "jira:issuePanel", false),
        ("/jira/modules/jiraDashboardItems/item", "jira:dashboardGadget", false),
        ("/confluence/modules/dynamicContentMacros/macro", "macro", false),
        ("/jira/modules/somethingNew/new", "jira:globalPage", true),
    ] {
        let module = sandbox.shown(path).await["modules"][0].clone();
        assert_eq!(module["context"]["extension"]["type"], kind, "{path}");
        assert_eq!(module["hasHistory"], has_history, "{path}");
    }
    let stand_in = sandbox.on_product("/jira/modules/somethingNew/new").await.body;
    assert!(stand_in.contains("Forge has no module of this kind"), "{stand_in}");
    // both modules of an issue on one page
    let place = sandbox.shown("/jira/places/issue").await;
    let keys: Vec<&Value> =
        place["modules"].as_array().unwrap().iter().map(|module| &module["context"]["moduleKey"]).collect();
    assert_eq!(keys, ["panel", "content"]);
    assert!(sandbox.on_product(PANEL).await.body.contains("/jira/places/issue?"));
    for path in [
        "/",
        "/jira/places/none",
        "/jira/places/space",
        "/none/places/issue",
        "/jira/modules/webPanels/none",
        "/browse/JRA-1",
    ] {
        let page = sandbox.on_product(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.body.contains(&format!("href=\"{}/jira?", sandbox.running.url())), "{}", page.body);
    }
}

#[actix_web::test]
async fn the_cdn_serves_the_shell_as_forge_does() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let page = sandbox.on_cdn("/index.html").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let product = format!("http://{}", sandbox.host_of("product.localhost"));
    let remotes = json!({ "protocol": 1, "origins": [sandbox.host.base_url()], "basePath": "" });
    assert!(page.body.contains(&format!("id=\"remotes\">{remotes}</script>")), "{}", page.body);
    let order =
        ["<head>", "/__forge/rpc.js", "/__forge/global-bridge.js", "contentWindow.min.js", "remotes", "./shell.js"];
    let places: Vec<usize> = order.iter().map(|part| page.body.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{}", page.body);
    assert!(page.body.contains(&format!("data-product=\"{product}\"")), "{}", page.body);
    let policy = page.header("content-security-policy");
    for directive in [
        format!("frame-ancestors 'self' *.atlassian.net bitbucket.org *.jira.com *.atlassian.com *.frontend.public.atl-paas.net {} ", &product[7..]),
        format!("frame-src 'self' {} https://api.media.atlassian.com {} ", &product[7..], sandbox.host.base_url()),
        "sandbox allow-popups allow-popups-to-escape-sandbox allow-downloads allow-forms allow-modals allow-pointer-lock allow-same-origin allow-scripts;".to_owned(),
        format!("report-uri http://{}/violations", sandbox.host_of("jira.cdn.localhost")),
    ] {
        assert!(policy.contains(&directive), "{directive}: {policy}");
    }
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    for (path, kind, text) in [
        ("/shell.js", "text/javascript; charset=utf-8", "shell();"),
        ("/shell.css", "text/css; charset=utf-8", "body {}"),
        ("/__forge/iframeResizer.contentWindow.min.js", "text/javascript; charset=utf-8", "// x.map"),
        ("/__forge/global-bridge.js", "text/javascript; charset=utf-8", "callBridge"),
    ] {
        let file = sandbox.on_cdn(path).await;
        assert_eq!((file.status, file.header("content-type")), (200, kind), "{path}");
        assert!(file.body.contains(text), "{path}: {}", file.body);
    }
    for (name, path) in [
        ("jira.cdn.localhost", "/none.js"),
        ("jira.cdn.localhost", "/__forge/product.js"),
        ("jira.cdn.localhost", "/jira"),
        ("other.cdn.localhost", "/index.html"),
    ] {
        assert_eq!(sandbox.by_name(name, path).await.status, 404, "{name}{path}");
    }
    // what the policy stops is told in the journal
    let host = sandbox.host_of("jira.cdn.localhost");
    let report =
        json!({ "csp-report": { "blocked-uri": "http://evil.example/x", "effective-directive": "frame-src" } });
    let headers = [("host", host.as_str()), ("content-type", "application/csp-report")];
    assert_eq!(sandbox.ask(Method::POST, "/violations", &headers, report.to_string()).await.status, 204);
    let journal = sandbox.journal().await;
    let expected = "The shell&#39;s policy stopped http://evil.example/x (frame-src)";
    assert!(journal[0].ends_with(expected), "{journal:?}");
}

#[actix_web::test]
async fn the_gateway_invokes_the_add_on_as_forge_does() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let local_id = sandbox.local_id(&format!("{PANEL}?user=mia&issue.key=JRA-2")).await;
    let answer = sandbox.invoked(&local_id, "/forge/echo", json!({ "moduleKey": "hello", "site": "confluence" })).await;
    assert_eq!((&answer["success"], &answer["payload"]["status"]), (&json!(true), &json!(200)));
    assert_eq!(answer["payload"]["headers"]["content-type"], json!(["application/json"]));
    let came = &answer["payload"]["body"];
    assert_eq!(came["claims"]["principal"], "557058:sandbox-mia");
    assert_eq!(came["claims"]["context"]["moduleKey"], "panel");
    assert_eq!(came["claims"]["context"]["extension"]["issue"]["key"], "JRA-2");
    assert_eq!(came["claims"]["app"]["license"]["isActive"], true);
    assert_eq!(came["body"], r#"{"moduleKey":"hello","site":"confluence"}"#);
    assert_eq!(
        (&came["headers"]["x-own"], &came["headers"]["content-type"]),
        (&json!("1"), &json!("application/json"))
    );
    for name in ["x-forge-oauth-system", "x-forge-oauth-user", "x-b3-traceid", "x-b3-spanid"] {
        assert!(came["headers"][name].as_str().is_some_and(|value| value.len() >= 16), "{name}: {came}");
    }
    let journal = sandbox.journal().await;
    assert!(journal[0].contains("to the add-on POST /forge/echo 200"), "{journal:?}");

    let nobody = sandbox.local_id(&format!("{PANEL}?user=anonymous")).await;
    let came = sandbox.invoked(&nobody, "/forge/echo", json!({})).await["payload"]["body"].clone();
    assert_eq!((came["claims"].get("principal"), came["headers"].get("x-forge-oauth-user")), (None, None));

    // the page itself, by a URL of the framework's own endpoint
    let shell = format!("http://{}", sandbox.host_of("jira.cdn.localhost"));
    let opened = sandbox.invoked(&local_id, "/forge/open", json!({ "moduleKey": "hello", "shell": shell })).await;
    let url = opened["payload"]["body"]["url"].as_str().unwrap_or_else(|| panic!("{opened}")).to_owned();
    let page = sandbox.get(&url).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.json()["user"], "557058:sandbox-mia");
    assert_eq!(page.json()["context"]["jira"]["issue"]["key"], "JRA-2");
    let unknown = sandbox.invoked(&local_id, "/forge/open", json!({ "moduleKey": "none", "shell": shell })).await;
    assert_eq!((&unknown["success"], &unknown["error"]["status"]), (&json!(false), &json!(404)));
}

#[actix_web::test]
async fn forges_rules_hold_at_the_gateway() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let local_id = sandbox.local_id(PANEL).await;
    let refused = async |path: &str, body: Value| {
        let answer = sandbox.invoked(&local_id, path, body).await;
        answer["reject"].as_str().unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
    };
    for (path, body, reason) in [
        ("//evil.example/x", json!({}), "leads to another server"),
        ("http://127.0.0.1:9/x", json!({}), "leads to another server"),
        ("/forge/echo", json!([1]), "must be a JSON object"),
        ("/forge/echo", json!("text"), "must be a JSON object"),
        ("/forge/echo", json!({ "a": "x".repeat(500_000) }), "larger than 500000 bytes"),
        ("/forge/odd", json!({ "status": 401 }), "did not accept the invocation token"),
        ("/forge/odd", json!({ "status": 302 }), "follows no redirect"),
        // what is no success has JSON by the framework itself; see the table of `invocation`
        ("/forge/odd", json!({ "status": 200, "type": "text/plain", "text": "{}" }), "answered 200 without JSON"),
        ("/forge/odd", json!({ "status": 200, "text": "{" }), "broken JSON"),
        ("/forge/odd", json!({ "bytes": 5_000_000 }), "larger than 5000000 bytes"),
    ] {
        let told = refused(path, body).await;
        assert!(told.contains(reason), "{path}: {told}");
    }
    let journal = sandbox.journal().await;
    assert!(journal[0].contains("through the bridge POST /forge/odd 502 Forge"), "{journal:?}");
    let error = sandbox.invoked(&local_id, "/forge/odd", json!({ "status": 422, "text": r#"{"message":"no"}"# })).await;
    assert_eq!(error["error"]["body"]["message"], "no");
    let nothing = sandbox.invoked(&local_id, "/forge/odd", json!({ "status": 204, "text": "" })).await;
    assert_eq!((&nothing["success"], nothing["payload"].get("body")), (&json!(true), None));
    for (change, reason) in [
        (json!({ "method": "TRACE" }), "The method must be"),
        (json!({ "method": "post" }), "The method must be"),
        (json!({ "invokeType": "ui-container-fetch" }), "no container"),
        (json!({ "headers": { "a b": "1" } }), "headers must be"),
    ] {
        let mut call =
            json!({ "localId": local_id, "path": "/forge/echo", "method": "POST", "invokeType": "ui-remote-fetch" });
        call.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let reply = sandbox.gateway("invoke", &call).await.json();
        assert!(reply["reject"].as_str().unwrap_or_default().contains(reason), "{reply}");
    }
    // 25 seconds
    let begun = std::time::Instant::now();
    assert!(refused("/forge/never", json!({})).await.contains("within 25 s"));
    assert!((24..35).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[actix_web::test]
async fn the_manifests_scopes_hold() {
    let folder = app_folder();
    let manifest = folder.path().join("forge/manifest.yml");
    std::fs::write(&manifest, "permissions:\n  scopes:\n    - read:jira-work\n").unwrap();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let local_id = sandbox.local_id(PANEL).await;
    let tokens = async || {
        let came = sandbox.invoked(&local_id, "/forge/echo", json!({})).await["payload"]["body"]["headers"].clone();
        ["x-forge-oauth-system", "x-forge-oauth-user"].map(|name| came.get(name).is_some())
    };
    assert_eq!(tokens().await, [false, false]);
    let asked = async |path: &str| {
        let call = json!({ "localId": local_id, "product": "jira", "restPath": path,
            "fetchRequestInit": { "method": "GET", "headers": [["Accept", "application/json"]] } });
        sandbox.gateway("product", &call).await.json()["status"].clone()
    };
    assert_eq!(asked("/rest/api/3/issue/JRA-1").await, 200);
    assert_eq!(asked("/rest/api/3/myself").await, 403);
    // it is read again with every call
    let scopes = "permissions:\n  scopes: ['read:jira-user', 'read:app-system-token', 'read:app-user-token']\n";
    std::fs::write(&manifest, scopes).unwrap();
    assert_eq!(tokens().await, [true, true]);
    assert_eq!(asked("/rest/api/3/issue/JRA-1").await, 403);
    assert_eq!(asked("/rest/api/3/myself").await, 200);
}

#[actix_web::test]
async fn the_product_is_asked_as_the_user() {
    let folder = app_folder();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let local_id = sandbox.local_id(&format!("{PANEL}?user=mia")).await;
    let ask = async |product: &str, path: &str, init: Value| {
        let call = json!({ "localId": local_id, "product": product, "restPath": path, "fetchRequestInit": init });
        sandbox.gateway("product", &call).await.json()
    };
    let mine = ask("jira", "/rest/api/3/myself", json!({ "headers": [] })).await;
    assert_eq!((&mine["status"], &mine["statusText"]), (&json!(200), &json!("OK")));
    let body: Value = serde_json::from_str(mine["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["displayName"], "Mia Member");
    let journal = sandbox.journal().await;
    assert!(journal[0].contains("through the bridge GET /jira/rest/api/3/myself 200 Mia Member"), "{journal:?}");
    let none = ask("jira", "/rest/api/3/issue/NONE-1", json!({})).await;
    assert_eq!((&none["status"], &none["statusText"]), (&json!(404), &json!("Not Found")));
    let fields =
        json!({ "fields": { "summary": "New", "project": { "key": "JRA" }, "issuetype": { "name": "Task" } } });
    let headers = json!([["Content-Type", "application/json"]]);
    let init = json!({ "method": "POST", "headers": headers, "body": fields.to_string() });
    assert_eq!(ask("jira", "/rest/api/3/issue", init).await["status"], 201);
    for (product, path) in [
        ("confluence", "/wiki/rest/api/content"),
        ("jira", "/jira/context-token"),
        ("jira", "/rest/../jira"),
        ("jira", "/rest/%2e%2e/globex/rest/api/3/myself"),
        ("jira", "//evil.example/rest/x"),
        ("jira", "rest/api/3/myself"),
    ] {
        let answer = ask(product, path, json!({})).await;
        assert!(answer["reject"].is_string(), "{path}: {answer}");
    }
    // a file in a form
    let form = json!({ "file": "data:text/plain;base64,aGVsbG8=", "__fileName": "a.txt", "__fileType": "text/plain" });
    let call = json!({ "localId": local_id, "product": "jira", "restPath": "/rest/api/3/issue/JRA-1/attachments",
        "isMultipartFormData": true,
        "fetchRequestInit": { "method": "POST", "headers": [["X-Atlassian-Token", "no-check"]], "body": form.to_string() } });
    let sent = sandbox.gateway("product", &call).await.json();
    assert_eq!(sent["status"], 200, "{sent}");
    assert!(sent["body"].as_str().unwrap().contains("a.txt"), "{sent}");

    let page = sandbox.local_id("/confluence/modules/dynamicContentMacros/macro").await;
    let call = json!({ "localId": page, "product": "confluence", "restPath": "/wiki/rest/api/content/98305" });
    let reply = sandbox.gateway("product", &call).await.json();
    assert_eq!(reply["status"], 200, "{reply}");
}

#[actix_web::test]
async fn without_the_shell_the_page_says_what_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::in_folder(folder.path()).await;
    let page = sandbox.on_product(PANEL).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("cd forge &amp;&amp; npm ci &amp;&amp; npm run build"), "{}", page.body);
    assert!(!page.body.contains("id=\"forge\""), "{}", page.body);
    assert_eq!(sandbox.on_cdn("/index.html").await.status, 404);
    // everything else goes on
    assert_eq!(sandbox.get("/jira").await.status, 200);
    assert_eq!(sandbox.open_frame("/jira/modules/generalPages/hello").await.status, 200);

    // with the shell, and without iframe-resizer
    let shell = folder.path().join("forge/static/shell");
    std::fs::create_dir_all(&shell).unwrap();
    std::fs::write(shell.join("index.html"), INDEX).unwrap();
    let page = sandbox.on_product(PANEL).await;
    assert!(page.body.contains("cd forge &amp;&amp; npm ci</code>"), "{}", page.body);
    assert_eq!(sandbox.shown(PANEL).await["modules"][0]["isFixed"], true);
    assert!(!sandbox.on_cdn("/index.html").await.body.contains("iframeResizer"));
    // not the shell of this app
    std::fs::write(shell.join("index.html"), "<head></head>").unwrap();
    let broken = sandbox.on_cdn("/index.html").await;
    assert!(broken.status == 500 && broken.body.contains("no block for the remotes"), "{}", broken.body);
}
