//! Forge in the sandbox: the add-on's endpoints are invoked, and the product's API accepts the tokens that came with
//! the invocation.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::post;
use actix_web::web::{Json, ServiceConfig};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::forge;
use atlassian_connect_actix::host::HostClient;
use atlassian_connect_actix::{Addon, Error};
use atlassian_connect_testing::TestInvocation;
use serde_json::{Value, json};

use super::{DESCRIPTOR, Sandbox};

const INSTALLATION: &str = "ari:cloud:ecosystem::installation/00000001-0000-4000-8000-5a4db0f00000";

#[post("/forge/who")]
async fn who(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    let tenant = invocation.connect_tenant().await?.map(|tenant| tenant.client_key().to_owned());
    Ok(Json(json!({
        "installation": invocation.installation_id(),
        "user": invocation.account_id(),
        "tenant": tenant,
        "issue": invocation.claims().raw().pointer("/context/extension/issue/key"),
        "trial": invocation.license().and_then(|license| license.is_evaluation),
    })))
}

/// The product's answer to a request for the current user.
async fn myself(client: HostClient) -> Value {
    match client.get("/rest/api/3/myself").send().await {
        Ok(answer) => json!([answer.status().as_u16(), answer.json::<Value>().await.unwrap()["displayName"]]),
        Err(error) => json!(error.to_string()),
    }
}

#[post("/forge/ask")]
async fn ask(invocation: ForgeInvocation) -> Result<Json<Value>, Error> {
    let host = invocation.host();
    let info = host.get("/rest/api/3/serverInfo").send().await.map(|answer| answer.status().as_u16());
    Ok(Json(json!({
        "app": info.map_err(|error| error.to_string()),
        "user": myself(host.as_user(invocation.require_account_id()?)).await,
        "away": myself(host.as_user("557058:sandbox-mia")).await,
        "stranger": myself(host.as_user("557058:nobody")).await,
    })))
}

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(who).service(ask).configure(forge::events("/forge/events"));
}

impl Sandbox {
    /// Sends the form of that kind. Returns the shown result and the answer.
    async fn invoke(&self, kind: &str, fields: &[(&str, &str)]) -> (String, String) {
        self.invoke_by("ada", kind, fields).await
    }

    async fn invoke_by(&self, user: &str, kind: &str, fields: &[(&str, &str)]) -> (String, String) {
        let form: Vec<(&str, &str)> = [("kind", kind)].into_iter().chain(fields.iter().copied()).collect();
        self.post(&format!("/jira/invocations?user={user}"), &form).await;
        let section = self.section(kind).await;
        let (_, news) = section.split_once("<p class=\"news ").unwrap_or_else(|| panic!("{section}"));
        let news = news.split(['>', '<']).nth(1).unwrap().to_owned();
        let answer = section.split_once("<pre class=\"answer\">").map_or("", |(_, text)| text);
        let answer = answer.split('<').next().unwrap();
        (plain(&news), plain(answer))
    }

    /// The form of that kind.
    async fn section(&self, kind: &str) -> String {
        let page = self.get("/jira").await.body;
        let (_, section) = page.split_once(&format!("id=\"invocation-{kind}\"")).unwrap();
        section.split_once("</details>").unwrap().0.to_owned()
    }

    async fn product(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask(Method::GET, path, headers, String::new()).await.status
    }
}

fn plain(html: &str) -> String {
    html.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}

fn json_of((news, answer): (String, String)) -> Value {
    assert_eq!(news, "The add-on answered 200.", "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[actix_web::test]
async fn a_page_invokes_with_chosen_claims() {
    let sandbox = Sandbox::open().await;
    let claims = r#"{ "app": { "license": { "isEvaluation": true } }, "context": { "extension": { "issue": { "key": "J-7" } } } }"#;
    let answer = json_of(sandbox.invoke("page", &[("path", "/forge/who"), ("claims", claims)]).await);
    let expected = json!({ "installation": INSTALLATION, "user": "557058:sandbox-ada", "tenant": "sandbox-jira",
        "issue": "J-7", "trial": true });
    assert_eq!(answer, expected);
    let nobody = json_of(sandbox.invoke_by("anonymous", "page", &[("path", "/forge/who")]).await);
    assert_eq!((&nobody["user"], &nobody["trial"]), (&Value::Null, &Value::Null));
    let journal = sandbox.journal().await;
    assert!(journal.iter().any(|line| line.contains("POST /forge/who 200")), "{journal:?}");
}

#[actix_web::test]
async fn the_products_api_accepts_the_tokens_of_the_invocation() {
    let sandbox = Sandbox::open().await;
    let both = [("path", "/forge/ask"), ("app_token", "true"), ("user_token", "true")];
    let answer = json_of(sandbox.invoke("page", &both).await);
    assert_eq!(answer["app"], json!({ "Ok": 200 }));
    assert_eq!(answer["user"], json!([200, "Ada Admin"]));
    assert_eq!(answer["away"], json!([200, "Mia Member"]));
    assert!(answer["stranger"].as_str().unwrap().contains("the site does not have this user"), "{answer}");
    let journal = sandbox.journal().await;
    for asker in ["the Forge app", "for Mia Member, who is absent"] {
        assert!(journal.iter().any(|entry| entry.contains(asker)), "{asker}: {journal:?}");
    }

    let other = Sandbox::open().await;
    let answer = json_of(other.invoke("page", &[("path", "/forge/ask"), ("user_token", "true")]).await);
    assert_eq!(answer["user"], json!([200, "Ada Admin"]));
    for missing in ["app", "away"] {
        assert!(answer[missing].to_string().contains("no invocation has brought"), "{answer}");
    }
    let page = other.get("/jira").await.body;
    assert!(!page.contains("eyJ"), "no token is shown: {page}");
}

#[actix_web::test]
async fn the_products_api_accepts_nothing_else() {
    let sandbox = Sandbox::open().await;
    let api = "/ex/jira/00000001-0000-4000-8000-5a4db0c00000/rest/api/3/myself";
    assert_eq!(sandbox.product(api, &[]).await, 401);
    let bridge = [("x-sandbox", "1"), ("x-sandbox-user", "557058:sandbox-ada")];
    assert_eq!(sandbox.product("/jira/rest/api/3/myself", &bridge).await, 200);
    assert_eq!(sandbox.product(api, &bridge).await, 401, "the bridge is at the site");
    assert_eq!(sandbox.product(api, &[("authorization", "Bearer made-up")]).await, 401);
    let other_product = api.replace("/jira/", "/confluence/");
    assert_eq!(sandbox.product(&other_product, &[]).await, 404);
    assert_eq!(sandbox.product("/ex/jira/../../jira", &[]).await, 404);
    let question = json!({ "variables": { "input": { "userId": "557058:sandbox-ada",
        "contextIds": ["ari:cloud:jira::site/00000001-0000-4000-8000-5a4db0c00000"] } } });
    let headers = [("content-type", "application/json")];
    let reply = sandbox.ask(Method::POST, "/graphql", &headers, question.to_string()).await;
    assert_eq!((reply.status, reply.body.contains("ttl")), (401, false));
}

#[actix_web::test]
async fn events_and_schedules_reach_the_listeners() {
    type Heard = Arc<Mutex<Vec<(String, Option<String>)>>>;
    let heard = Heard::default();
    let ours = Arc::clone(&heard);
    let prepare = move |addon: &Addon| {
        for event in ["avi:jira:created:issue", "forge:hourly"] {
            let heard = Arc::clone(&ours);
            addon.on(event, move |occurrence| {
                let said = occurrence.forge.as_ref().map(|origin| origin.installation_id.clone());
                heard.lock().unwrap().push((occurrence.event.clone(), said));
                async { Ok(()) }
            });
        }
    };
    let sandbox = Sandbox::prepared(&DESCRIPTOR.replace("SCOPES", "[]"), prepare).await;
    let path = ("path", "/forge/events");
    let event = r#"{ "eventType": "avi:jira:created:issue" }"#;
    let (news, _) = sandbox.invoke("event", &[path, ("body", event), ("app_token", "true")]).await;
    assert_eq!(news, "The add-on answered 204.");
    let hourly = r#"{ "app": { "module": { "key": "hourly" } } }"#;
    let (news, _) = sandbox.invoke("schedule", &[path, ("claims", hourly), ("body", "{}")]).await;
    assert_eq!(news, "The add-on answered 204.");
    assert!(sandbox.host.addon().state().deliveries.drained(std::time::Duration::from_secs(20)).await);
    let installation = Some(INSTALLATION.to_owned());
    let expected =
        [("avi:jira:created:issue".to_owned(), installation.clone()), ("forge:hourly".to_owned(), installation)];
    assert_eq!(*heard.lock().unwrap(), expected);
    let token = sandbox.host.addon().state().forge_app_token(INSTALLATION).await.unwrap();
    assert!(token.is_some(), "the event came with it");

    for user in ["ada", "anonymous"] {
        let (news, _) = sandbox.invoke_by(user, "page", &[path, ("body", event)]).await;
        assert!(news.starts_with("The add-on answered 403"), "it comes from a page: {news}");
    }
}

#[actix_web::test]
async fn the_key_rotates() {
    let sandbox = Sandbox::open().await;
    let path = [("path", "/forge/who")];
    let fetches = async || {
        let journal = sandbox.journal().await;
        journal.iter().filter(|line| line.contains("GET /forge/jwks.json 200")).count()
    };
    for (rotations, expected) in [(0, 1), (1, 2), (1, 3)] {
        for _ in 0..rotations {
            sandbox.post("/jira/forge-keys", &[]).await;
            assert!(sandbox.news("jira").await.contains("another key"));
        }
        json_of(sandbox.invoke("page", &path).await);
        json_of(sandbox.invoke("page", &path).await);
        assert_eq!(fetches().await, expected);
    }
}

#[actix_web::test]
async fn its_key_proves_its_own_installations_and_no_other_key_does() {
    let sandbox = Sandbox::open().await;
    let other = r#"{ "app": { "installationId": "ari:cloud:ecosystem::installation/1" } }"#;
    let (news, _) = sandbox.invoke("page", &[("path", "/forge/who"), ("claims", other)]).await;
    assert!(news.starts_with("The add-on answered 401"), "{news}");
    let of_forge = sandbox.host.invoke("/forge/who", &TestInvocation::new()).await;
    assert_eq!(of_forge.status, 200, "Forge's own keys are those of all others");
    let claimed = TestInvocation::new().installation(INSTALLATION);
    assert_eq!(sandbox.host.invoke("/forge/who", &claimed).await.status, 401);
    for (claims, status) in [
        (r#"{ "exp": 1 }"#, 401),
        (r#"{ "aud": "ari:cloud:ecosystem::app/other" }"#, 401),
        (r#"{ "iss": null }"#, 401),
        (r#"{ "app": null }"#, 401),
        (r#"{ "context": null, "principal": null }"#, 200),
    ] {
        let (news, _) = sandbox.invoke("page", &[("path", "/forge/who"), ("claims", claims)]).await;
        assert!(news.starts_with(&format!("The add-on answered {status}")), "{claims}: {news}");
    }
}

#[actix_web::test]
async fn what_cannot_be_sent_is_reported_and_kept() {
    let sandbox = Sandbox::open().await;
    for (field, value, reason) in [
        ("claims", "[]", "Not sent: the claims are not a JSON object."),
        ("claims", "{", "Not sent: the claims are not valid JSON: "),
        ("body", "<b>", "Not sent: the body is not valid JSON: "),
        ("method", "TRACE", "Not sent: Forge does not support this method."),
        ("path", "@evil.example/", "No answer: @evil.example/ does not begin with /."),
    ] {
        let fields = [("path", "/forge/who"), (field, value)];
        let from = usize::from(field == "path");
        let (news, answer) = sandbox.invoke("page", &fields[from..]).await;
        assert!(news.starts_with(reason), "{news}");
        assert_eq!(answer, "");
        let section = sandbox.section("page").await;
        assert!(plain(&section).contains(value) && !section.contains("<b>"), "{section}");
    }
    let (news, answer) = sandbox.invoke("page", &[("path", "/nowhere")]).await;
    assert!(news.starts_with("The add-on answered 404") && answer.contains("message"), "{news} {answer}");
}
