//! A site moves to another region: Forge's hooks and their answers.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::forge::{
    self, Migration, MigrationCode, MigrationFailure, MigrationPlan, MigrationStatus, RealmMigration,
};
use atlassian_connect_testing::{Reply, TestHost, TestInvocation};
use serde_json::{Value, json};

use crate::support::fixture;

const POSTS: [&str; 4] = ["schedule", "start", "commit", "rollback"];

/// Records its calls, and behaves as the migration's id says.
#[derive(Clone, Default)]
struct App(Arc<Mutex<Vec<Value>>>);

impl App {
    fn heard(&self, hook: &str, invocation: &ForgeInvocation, what: &Value) {
        self.0.lock().unwrap().push(json!([hook, invocation.installation_id(), what]));
    }

    fn outcome(id: &str) -> Result<(), MigrationFailure> {
        match id {
            "declined" => Err(MigrationCode::RegionNotSupported.into()),
            "away" => Err(Error::Unavailable { detail: "the new region".into() })?,
            _ => Ok(()),
        }
    }
}

fn plan(plan: &MigrationPlan) -> Value {
    json!([plan.id, plan.location, plan.start_time, plan.end_time, plan.more])
}

impl RealmMigration for App {
    async fn schedule(&self, invocation: &ForgeInvocation, sent: MigrationPlan) -> Result<(), MigrationFailure> {
        self.heard("schedule", invocation, &plan(&sent));
        Self::outcome(&sent.id)
    }

    async fn start(&self, invocation: &ForgeInvocation, sent: MigrationPlan) -> Result<(), MigrationFailure> {
        self.heard("start", invocation, &plan(&sent));
        Self::outcome(&sent.id)
    }

    async fn status(
        &self,
        invocation: &ForgeInvocation,
        id: Option<String>,
    ) -> Result<MigrationStatus, MigrationFailure> {
        self.heard("status", invocation, &json!(id));
        let id = id.unwrap_or_default();
        Self::outcome(&id)?;
        Ok(match id.as_str() {
            "57500" => MigrationStatus::ReadyToCommit,
            "failed" => MigrationStatus::Failed { code: MigrationCode::TooMany },
            _ => MigrationStatus::InProgress,
        })
    }

    async fn commit(&self, invocation: &ForgeInvocation, sent: Migration) -> Result<(), MigrationFailure> {
        self.heard("commit", invocation, &json!([sent.id, sent.more]));
        Self::outcome(&sent.id)
    }

    async fn rollback(&self, invocation: &ForgeInvocation, sent: Migration) -> Result<(), MigrationFailure> {
        self.heard("rollback", invocation, &json!([sent.id, sent.more]));
        Self::outcome(&sent.id)
    }
}

async fn start(path: &'static str) -> (TestHost, App) {
    let app = App::default();
    let ours = app.clone();
    let routes = move |cfg: &mut ServiceConfig| {
        cfg.configure(forge::realm_migration(path, ours.clone()));
    };
    (fixture::start(routes).await, app)
}

fn sent(id: &Value) -> Value {
    let (start, end) = ("2021-12-26T00:00:00.000Z", "2021-12-27T00:00:00.000Z");
    json!({ "startTime": start, "endTime": end, "location": "EU", "migrationId": id })
}

async fn post(host: &TestHost, hook: &str, body: Value) -> Reply {
    host.invoke(&format!("/migration/{hook}"), &TestInvocation::event(body)).await
}

async fn status(host: &TestHost, query: &str) -> Reply {
    let invocation = TestInvocation::event(Value::Null);
    host.invoke_by(Method::GET, &format!("/migration/status{query}"), &invocation).await
}

#[actix_web::test]
async fn a_migration_from_its_plan_to_its_end() {
    let (host, app) = start("/migration").await;
    let mut planned = sent(&json!(57500));
    planned["of"] = json!("tomorrow");
    let invocation = TestInvocation::event(planned.clone());
    for hook in ["schedule", "start"] {
        let reply = host.invoke(&format!("/migration/{hook}"), &invocation).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""), "{hook}");
    }
    let reply = host.invoke_by(Method::GET, "/migration/status?migrationId=57500", &invocation).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "status": "ready-to-commit" })));
    let ends = invocation.clone().body(json!({ "migrationId": 57500, "of": "tomorrow" }));
    for hook in ["commit", "rollback"] {
        assert_eq!(host.invoke(&format!("/migration/{hook}"), &ends).await.status, 204, "{hook}");
    }
    let (more, from) = (json!({ "of": "tomorrow" }), invocation.installation_id());
    let plan = json!(["57500", "EU", planned["startTime"], planned["endTime"], more]);
    let heard = json!([
        ["schedule", from, plan],
        ["start", from, plan],
        ["status", from, "57500"],
        ["commit", from, ["57500", more]],
        ["rollback", from, ["57500", more]],
    ]);
    assert_eq!(Value::Array(app.0.lock().unwrap().clone()), heard);
}

#[actix_web::test]
async fn the_answers_of_status() {
    let (host, app) = start("/migration").await;
    let answer = async |query: &str| {
        let reply = status(&host, query).await;
        (reply.status, reply.json())
    };
    let failed = json!({ "status": "failed", "errorResponseCode": "E0004" });
    assert_eq!(answer("?migrationId=failed").await, (200, failed));
    assert_eq!(answer("?migrationId=1&more=1").await, (200, json!({ "status": "in-progress" })));
    assert_eq!(answer("").await, (200, json!({ "status": "in-progress" })));
    assert_eq!(answer("?migrationId=declined").await, (409, json!({ "errorResponseCode": "E0002" })));
    assert_eq!(app.0.lock().unwrap().len(), 4);
    assert_eq!(status(&host, "?migrationId=1&migrationId=2").await.status, 400);
    assert_eq!(app.0.lock().unwrap().len(), 4);
}

#[actix_web::test]
async fn a_declined_hook_has_a_code_and_a_failed_one_has_none() {
    let (host, _) = start("/migration").await;
    for hook in POSTS {
        let reply = post(&host, hook, sent(&json!("declined"))).await;
        assert_eq!((reply.status, reply.json()), (409, json!({ "errorResponseCode": "E0002" })), "{hook}");
        let reply = post(&host, hook, sent(&json!("away"))).await;
        assert_eq!(reply.status, 503, "{hook}");
        assert!(!reply.body.contains("errorResponseCode") && !reply.body.contains("region"), "{}", reply.body);
    }
    assert_eq!(status(&host, "?migrationId=away").await.status, 503);
}

#[actix_web::test]
async fn invalid_requests_are_explained() {
    let (host, app) = start("/migration").await;
    let mut table = String::new();
    for (what, hook, body) in [
        ("no JSON object", "schedule", json!([])),
        ("no location", "schedule", json!({ "migrationId": 1, "startTime": "", "endTime": "" })),
        ("no id", "start", json!({ "location": "EU", "startTime": "", "endTime": "" })),
        ("an odd id", "start", sent(&json!({}))),
        ("an empty id", "commit", json!({ "migrationId": "" })),
        ("no end", "rollback", json!({})),
    ] {
        let reply = post(&host, hook, body).await;
        table += &format!("{what}: {} {}\n", reply.status, reply.json()["message"].as_str().unwrap());
    }
    insta::assert_snapshot!(table, @r"
    no JSON object: 400 The body is not valid: invalid type: sequence, expected struct MigrationPlan at line 1 column 0
    no location: 400 The body is not valid: missing field `location` at line 1 column 45
    no id: 400 The body is not valid: missing field `migrationId` at line 1 column 45
    an odd id: 400 The body is not valid: migrationId must be a number or a string at line 1 column 110
    an empty id: 400 The body is not valid: migrationId must be a number or a string at line 1 column 18
    no end: 400 The body is not valid: missing field `migrationId` at line 1 column 2
    ");
    let token = host.forge_keys().sign(&TestInvocation::event(json!({})).claims(TestHost::APP_ID));
    let request = host.request(Method::POST, "/migration/commit");
    let request = request.insert_header(("authorization", format!("Bearer {token}")));
    assert_eq!(host.send(request, b"{".to_vec()).await.status, 400);
    let large = json!({ "migrationId": 1, "text": "x".repeat(5_300_000) });
    assert_eq!(post(&host, "commit", large).await.status, 413);
    assert!(app.0.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn only_forge_itself_may_call_the_hooks() {
    let (host, app) = start("/migration").await;
    let by = async |method: &Method, hook: &str, invocation: &TestInvocation| {
        host.invoke_by(method.clone(), &format!("/migration/{hook}?migrationId=1"), invocation).await.status
    };
    let (body, other_app) = (sent(&json!(1)), "ari:cloud:ecosystem::app/other");
    let hooks = POSTS.map(|hook| (Method::POST, hook));
    for (method, hook) in hooks.iter().chain(&[(Method::GET, "status")]) {
        let forge = TestInvocation::event(body.clone());
        assert_eq!(by(method, hook, &forge.clone().claim("/principal", "557058:1")).await, 403, "{hook}");
        assert_eq!(by(method, hook, &forge.clone().claim("/aud", other_app)).await, 401, "{hook}");
        let reply = host.call(method.clone(), &format!("/migration/{hook}"), "a.b.c", Some(&body)).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{hook}");
        let other = if method == Method::GET { Method::POST } else { Method::GET };
        assert_eq!(by(&other, hook, &forge).await, 404, "{hook}");
        assert!(app.0.lock().unwrap().is_empty(), "{hook}");
    }
}

#[actix_web::test]
async fn the_hooks_are_below_the_path_of_the_manifest() {
    for (path, hook) in [("/migration/", "/migration/start"), ("dare?x=1", "/dare/start"), ("/", "/start")] {
        let (host, _) = start(path).await;
        assert_eq!(host.invoke(hook, &TestInvocation::event(sent(&json!(1)))).await.status, 204, "{path}");
    }
}
