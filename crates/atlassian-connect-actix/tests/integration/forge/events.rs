//! Forge events: answered at once, processed afterwards, none lost and none processed twice.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web::ServiceConfig;
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::events::{AppInstalled, PreUninstall};
use atlassian_connect_actix::forge;
use atlassian_connect_actix::store::{MemoryStore, OwnerKind, Place, QueuedEvent, Store};
use atlassian_connect_testing::{TestHost, TestHostBuilder, TestInvocation};
use serde_json::{Value, json};

use crate::support::store::FakeStore;
use crate::support::{eventually, fixture};

const CREATED: &str = "avi:jira:created:issue";

fn routes(cfg: &mut ServiceConfig) {
    cfg.configure(forge::events("/forge/events")).configure(forge::pre_uninstall("/forge/leave"));
}

type Heard = Arc<Mutex<Vec<(String, Value)>>>;

fn listen(addon: &Addon, event: &str, heard: &Heard) {
    let heard = Arc::clone(heard);
    addon.on(event, move |occurrence| {
        let heard = Arc::clone(&heard);
        async move {
            heard.lock().unwrap().push((occurrence.event.clone(), occurrence.body.as_ref().clone()));
            Ok(())
        }
    });
}

fn hearing(events: &'static [&'static str]) -> (TestHostBuilder, Heard) {
    let heard = Heard::default();
    let ours = Arc::clone(&heard);
    let prepare = move |addon: &Addon| events.iter().for_each(|event| listen(addon, event, &ours));
    (fixture::builder().prepare(prepare), heard)
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn idle(host: &TestHost) {
    assert!(host.addon().state().deliveries.drained(Duration::from_secs(20)).await);
}

fn created(number: u32) -> Value {
    json!({ "eventType": CREATED, "issue": { "key": format!("A-{number}") } })
}

#[actix_web::test]
async fn an_event_reaches_its_listener_after_the_answer() {
    let (builder, heard) = hearing(&[CREATED, "forge:hourly"]);
    let host = builder.start(routes).await;
    let reply = host.invoke("/forge/events", &TestInvocation::event(created(1))).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    let schedule = TestInvocation::event(json!({ "context": {} })).claim("/app/module/key", "hourly");
    assert_eq!(host.invoke("/forge/events", &schedule).await.status, 204);
    assert_eq!(
        host.invoke("/forge/events", &TestInvocation::event(json!({ "eventType": "unheard" }))).await.status,
        204
    );
    idle(&host).await;
    let mut heard = heard.lock().unwrap().clone();
    heard.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(heard, [(CREATED.into(), created(1)), ("forge:hourly".into(), json!({ "context": {} }))]);
}

#[actix_web::test]
async fn two_schedules_of_one_endpoint_are_distinguished() {
    let (builder, heard) = hearing(&["forge:nightly", "forge:hourly", "forge:endpoint"]);
    let host = builder.start(routes).await;
    let installation = TestInvocation::new().installation_id();
    let schedule = |body: Value| TestInvocation::event(body).installation(&installation);
    let of = |key: &str| json!({ "context": { "cloudId": "c", "moduleKey": key } });
    let again = |mut body: Value| {
        body["retryContext"] = json!({ "retryCount": 1, "retryReason": "TIMEOUT_ERROR" });
        schedule(body)
    };
    // the token names the endpoint of both; the retry of one is not a repetition of the other
    for invocation in [
        schedule(of("nightly")),
        again(of("hourly")),
        again(of("nightly")),
        again(of("hourly")),
        schedule(json!({ "context": { "cloudId": "c" } })),
    ] {
        assert_eq!(host.invoke("/forge/events", &invocation).await.status, 204);
    }
    // bodies may be equal if the tokens name the schedules
    let named = |key: &str| again(json!({})).claim("/app/module/key", key);
    assert_eq!(host.invoke("/forge/events", &named("nightly")).await.status, 204);
    assert_eq!(host.invoke("/forge/events", &named("hourly")).await.status, 204);
    idle(&host).await;
    let mut names: Vec<_> = heard.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    assert_eq!(names, ["forge:endpoint", "forge:hourly", "forge:hourly", "forge:nightly", "forge:nightly"]);
}

#[actix_web::test]
async fn an_event_must_be_authenticated_json_and_not_too_large() {
    let (builder, heard) = hearing(&[CREATED]);
    let host = builder.config(r#"{ "limits": { "forgeBody": 100000 } }"#).start(routes).await;
    assert_eq!(host.post("/forge/events", &created(1)).await.status, 401);
    let event = TestInvocation::event(created(1));
    assert_eq!(host.invoke_with("/forge/events", "a.b.c", &event).await.status, 401);
    assert_eq!(host.invoke_by(actix_web::http::Method::GET, "/forge/events", &event).await.status, 404);
    let of_a_user = TestInvocation::new().body(created(1));
    assert_eq!(host.invoke("/forge/events", &of_a_user).await.status, 403, "a user can send no event");
    assert_eq!(host.invoke("/forge/leave", &of_a_user).await.status, 403);
    let large = event.clone().body(json!({ "eventType": CREATED, "text": "x".repeat(100_000) }));
    assert_eq!(host.invoke("/forge/events", &large).await.status, 413);
    let token = host.forge_keys().sign(&event.claims(TestHost::APP_ID));
    let request = host.request(actix_web::http::Method::POST, "/forge/events");
    let request = request.insert_header(("authorization", format!("Bearer {token}")));
    assert_eq!(host.send(request, b"{".to_vec()).await.status, 400);
    idle(&host).await;
    assert_eq!(heard.lock().unwrap().len(), 0);
}

#[actix_web::test]
async fn lifecycle_events_are_typed_and_their_listeners_act_as_the_app() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let builder = fixture::builder().prepare(move |addon| {
        let host = addon.clone();
        addon.listen(move |event: AppInstalled| {
            let (host, seen) = (host.clone(), Arc::clone(&seen));
            async move {
                let client = host.forge_client(&event.origin.installation_id).await?;
                let status = client.get("/rest/api/3/serverInfo").send().await?.status();
                seen.lock().unwrap().push((event.installation_id, status.as_u16()));
                Ok(())
            }
        });
    });
    let host = builder.start(routes).await;
    host.stub_get("/rest/api/3/serverInfo", json!({}));
    let invocation = host.invocation().without("/principal").without("/context");
    let body = json!({ "eventType": "avi:forge:installed:app", "id": "1234", "app": { "version": "1" } });
    let id = invocation.installation_id();
    assert_eq!(host.invoke("/forge/events", &invocation.body(body)).await.status, 204);
    idle(&host).await;
    assert_eq!(*asked.lock().unwrap(), [(id, 200)], "of whose token it is");
}

#[actix_web::test]
async fn pre_uninstall_waits_for_its_listeners() {
    let (left, seen) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&left);
    let builder = fixture::builder().prepare(move |addon| {
        addon.listen(move |_: PreUninstall| {
            let count = Arc::clone(&count);
            async move {
                *count.lock().unwrap() += 1;
                Ok(())
            }
        });
    });
    let host = builder.start(routes).await;
    assert_eq!(host.invoke("/forge/leave", &TestInvocation::event(json!({}))).await.status, 204);
    *seen.lock().unwrap() = *left.lock().unwrap();
    assert_eq!(*seen.lock().unwrap(), 1, "it is done when the answer comes");
    assert_eq!(host.post("/forge/leave", &json!({})).await.status, 401);
}

#[actix_web::test]
async fn a_repeated_event_is_not_processed_again() {
    let (builder, heard) = hearing(&[CREATED]);
    let host = builder.start(routes).await;
    let send = async |invocation: &TestInvocation| host.invoke("/forge/events", invocation).await.status;
    let first = TestInvocation::event(created(1));
    assert_eq!(send(&first).await, 204);
    assert_eq!(send(&first).await, 204, "the same token");
    let again = |count: u32| {
        let mut body = created(1);
        body["retryContext"] = json!({ "retryCount": count, "retryReason": "TIMEOUT_ERROR" });
        // each try has its own token
        TestInvocation::event(body).installation(&first.installation_id())
    };
    assert_eq!([send(&again(1)).await, send(&again(2)).await], [204, 204]);
    idle(&host).await;
    assert_eq!(heard.lock().unwrap().len(), 1);
    // the same thing happens once more: elsewhere, or with a first try that never arrived
    assert_eq!(send(&TestInvocation::event(created(1)).installation(&first.installation_id())).await, 204);
    assert_eq!(send(&again(1).installation("ari:cloud:ecosystem::installation/other")).await, 204);
    idle(&host).await;
    assert_eq!(heard.lock().unwrap().len(), 3);
}

#[actix_web::test]
async fn many_concurrent_events_are_all_processed_once() {
    let (builder, heard) = hearing(&[CREATED]);
    let host = builder.start(routes).await;
    let invocations: Vec<_> = (0..200).map(|number| TestInvocation::event(created(number))).collect();
    let replies = futures_util::future::join_all(invocations.iter().map(|i| host.invoke("/forge/events", i))).await;
    assert!(replies.iter().all(|reply| reply.status == 204));
    idle(&host).await;
    let mut keys: Vec<_> = heard.lock().unwrap().iter().map(|(_, body)| body["issue"]["key"].to_string()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((heard.lock().unwrap().len(), keys.len()), (200, 200));
}

#[actix_web::test]
async fn a_failed_listener_is_called_again() {
    let tries = Arc::new(Mutex::new(0));
    let count = Arc::clone(&tries);
    let builder = fixture::builder().prepare(move |addon| {
        addon.on(CREATED, move |_| {
            let count = Arc::clone(&count);
            async move {
                *count.lock().unwrap() += 1;
                if *count.lock().unwrap() == 1 { Err("no disk".into()) } else { Ok(()) }
            }
        });
    });
    let host = builder.start(routes).await;
    assert_eq!(host.invoke("/forge/events", &TestInvocation::event(created(1))).await.status, 204);
    idle(&host).await;
    assert_eq!(*tries.lock().unwrap(), 2);
}

/// A node stops with an unfinished event, and the next one on its store takes it over.
async fn left_behind_and_taken_over(on_the_store: impl Fn(TestHostBuilder) -> TestHostBuilder) {
    let stuck = fixture::builder().prepare(|addon| addon.on(CREATED, |_| std::future::pending()));
    let stuck = on_the_store(stuck).start(routes).await;
    assert_eq!(stuck.invoke("/forge/events", &TestInvocation::event(created(7))).await.status, 204);
    stuck.stop().await;
    stuck.addon().drain(Duration::from_millis(10)).await;

    let (builder, heard) = hearing(&[CREATED]);
    let next = on_the_store(builder).start(routes).await;
    until("it is not taken over", || !heard.lock().unwrap().is_empty()).await;
    assert_eq!(*heard.lock().unwrap(), [(CREATED.into(), created(7))]);
    idle(&next).await;
}

#[actix_web::test]
async fn an_unfinished_event_is_taken_over_at_the_next_start() {
    // with a queue of its own, and without one
    let stores: [Arc<dyn Store>; 2] = [Arc::new(MemoryStore::new()), FakeStore::new()];
    for store in stores {
        left_behind_and_taken_over(|builder| {
            builder.addon({
                let store = Arc::clone(&store);
                move |addon| addon.store(store)
            })
        })
        .await;
    }
}

/// As during a rolling update: a node of a release before the queue has written a value.
#[actix_web::test]
async fn an_event_of_an_older_release_is_taken_over_and_known() {
    let store = Arc::new(MemoryStore::new());
    let older = FakeStore::on(Arc::clone(&store));
    let stuck = fixture::builder().prepare(|addon| addon.on(CREATED, |_| std::future::pending()));
    let stuck = stuck.addon(move |addon| addon.store(older)).start(routes).await;
    let event = TestInvocation::event(created(7));
    assert_eq!(stuck.invoke("/forge/events", &event).await.status, 204);

    let (builder, heard) = hearing(&[CREATED]);
    let shared = Arc::clone(&store);
    let next = builder.addon(move |addon| addon.store(shared)).start(routes).await;
    let mut again = created(7);
    again["retryContext"] = json!({ "retryCount": 1, "retryReason": "TIMEOUT_ERROR" });
    let again = TestInvocation::event(again).installation(&event.installation_id());
    assert_eq!(next.invoke("/forge/events", &again).await.status, 204);
    idle(&next).await;
    assert!(heard.lock().unwrap().is_empty(), "the other node has it");

    stuck.stop().await;
    stuck.addon().drain(Duration::from_millis(10)).await;
    let (builder, heard) = hearing(&[CREATED]);
    let shared = Arc::clone(&store);
    let last = builder.addon(move |addon| addon.store(shared)).start(routes).await;
    until("it is not taken over", || !heard.lock().unwrap().is_empty()).await;
    idle(&last).await;
    assert_eq!(last.invoke("/forge/events", &again).await.status, 204);
    idle(&last).await;
    assert_eq!(*heard.lock().unwrap(), [(CREATED.into(), created(7))]);
}

/// As deep as JSON can be read: nested one level deeper, in a row, it could not be read again.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[actix_web::test]
async fn an_event_with_the_deepest_nesting_is_processed_and_does_not_block_others() {
    const OWNER: &str = "atlassian-connect:deliveries";
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    let (builder, heard) = hearing(&["forge:endpoint"]);
    let host = builder.var("DATABASE_URL", url.clone()).start(routes).await;
    assert_eq!(host.invoke("/forge/events", &TestInvocation::event(deep(127))).await.status, 204);
    assert_eq!(host.invoke("/forge/events", &TestInvocation::event(deep(128))).await.status, 400);
    idle(&host).await;
    assert_eq!(*heard.lock().unwrap(), [("forge:endpoint".into(), deep(127))]);
    let store = host.addon().state().tenants.store().clone();
    let queue = store.events().unwrap();
    let mut found = Vec::new();
    for digit in "0123456789abcdef".chars() {
        found.extend(queue.find(&digit.to_string()).await.unwrap());
    }
    assert!(found.len() == 1 && found[0].done.is_some(), "{found:?}");
    assert!(store.keys(OwnerKind::Forge, OWNER).await.unwrap().is_empty(), "it is not where older releases look");

    // after one that cannot be read, the next one is still taken over
    store.set(Place::of_forge(OWNER, "0"), &deep(200)).await.unwrap();
    let unreadable = QueuedEvent { id: "0".into(), installation_id: "i".into(), attempts: 0, body: deep(200) };
    assert!(queue.add(&unreadable, 0, 0).await.unwrap());
    left_behind_and_taken_over(|builder| builder.var("DATABASE_URL", url.clone())).await;
}

/// A node that ends while a listener runs, without a word to the store. `event`: what Forge sends it.
fn node_that_dies(store: &Arc<MemoryStore>, event: Option<Value>) {
    let store = Arc::clone(store);
    let live = move || async move {
        let calls = Arc::new(Mutex::new(0));
        let count = Arc::clone(&calls);
        let builder = fixture::builder().prepare(move |addon| {
            addon.on(CREATED, move |_| {
                *count.lock().unwrap() += 1;
                std::future::pending()
            });
        });
        let host = builder.addon(move |addon| addon.store(store)).start(routes).await;
        if let Some(event) = event {
            assert_eq!(host.invoke("/forge/events", &TestInvocation::event(event)).await.status, 204);
        }
        until("its listener is not called", || *calls.lock().unwrap() == 1).await;
    };
    std::thread::spawn(|| actix_web::rt::System::new().block_on(live())).join().unwrap();
}

#[actix_web::test]
async fn an_event_that_ends_its_node_each_time_is_not_tried_for_ever() {
    let store = Arc::new(MemoryStore::new());
    node_that_dies(&store, Some(created(7)));
    let queue = store.events().unwrap();
    // its lease ends
    let expire = async |tries| {
        let left = queue.take_over(u64::MAX >> 1, u64::MAX >> 1, 9).await.unwrap();
        assert_eq!((left.len(), left[0].attempts), (1, tries));
        assert!(queue.renew(&left[0].id, tries, 0).await.unwrap());
        left[0].id.clone()
    };
    expire(0).await;
    for tries in 1..=10 {
        node_that_dies(&store, None);
        expire(tries).await;
    }
    let id = expire(10).await;
    let (builder, heard) = hearing(&[CREATED]);
    let shared = Arc::clone(&store);
    let last = builder.addon(move |addon| addon.store(shared)).start(routes).await;
    eventually("it is not tried any more", async || queue.find(&id).await.unwrap()[0].done.is_some()).await;
    idle(&last).await;
    assert!(heard.lock().unwrap().is_empty());
}
