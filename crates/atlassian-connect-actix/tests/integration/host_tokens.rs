//! User tokens: as few requests for them as possible, and never another user's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpResponse, get};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::host::HostError;
use atlassian_connect_actix::store::{MemoryStore, Place, Store};
use atlassian_connect_testing::internal::TokenAnswer;
use atlassian_connect_testing::{By, KeyServer, claims_for};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};

use crate::host_calls::{client, installed};

use crate::support::fixture;

/// md5 of `557058:mia` and of `557058:mia,read,write`: ACE's keys for a user's token.
const MIA: &str = "bearer:76a2d67f7f61f98e083612aaf82fd984";
const MIA_READ_WRITE: &str = "bearer:634080fc4a04a41f5bc18c608a9333c7";

type Threads = web::Data<Mutex<HashSet<std::thread::ThreadId>>>;

#[get("/me")]
async fn me(session: SessionToken, threads: Threads) -> Result<Json<Value>, Error> {
    threads.lock().unwrap().insert(std::thread::current().id());
    let me = session.host().as_user(session.require_account_id()?).get("/rest/api/3/myself").send().await?;
    Ok(Json(me.json().await?))
}

#[actix_web::test]
async fn two_hundred_concurrent_calls_request_one_token() {
    let threads: Threads = web::Data::default();
    let shared = threads.clone();
    let routes = move |cfg: &mut ServiceConfig| {
        cfg.app_data(shared.clone()).service(me);
    };
    let host = fixture::builder().workers(2).start(routes).await;
    let tenant = host.tenant();
    host.install(&tenant).await;
    host.stub_get("/rest/api/3/myself", json!({"displayName": "Mia"}));
    // callers that arrive while the first one waits join it
    host.tokens().answer(TokenAnswer::Late(Duration::from_millis(300)));
    let token = tenant.context_token();
    let replies = join_all((0..200).map(|_| host.call(Method::GET, "/me", &token, None))).await;
    for reply in replies {
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"displayName":"Mia"}"#));
    }
    assert_eq!(host.tokens().requests(), 1);
    assert_eq!(threads.lock().unwrap().len(), 2, "both workers served");
    let calls = host.calls();
    assert_eq!(calls.len(), 200);
    assert!(calls.iter().all(|call| call.by == By::User(tenant.account_id.clone())));
}

#[actix_web::test]
async fn a_thousand_users_of_three_tenants_keep_their_tokens() {
    const USERS: usize = 334;
    let host = installed().await;
    let tenants = [host.tenant(), host.new_tenant(), host.new_tenant()];
    for tenant in &tenants[1..] {
        host.install(tenant).await;
    }
    host.stub_get("/whoami", json!(1));
    let mut clients = Vec::new();
    for tenant in &tenants {
        clients.push(client(&host, tenant).await);
    }
    for round in ["requested", "cached"] {
        // the same account ids on all three, one after the other, so that those of each site are adjacent
        let calls = (0..USERS).flat_map(|user| clients.iter().map(move |client| (client, format!("557058:{user}"))));
        let calls = calls.map(|(client, user)| async move {
            let request = client.as_user(&user).get("/whoami");
            let request = request.query([("user", user.as_str()), ("site", client.tenant().unwrap().client_key())]);
            request.send().await.unwrap().status()
        });
        let statuses: Vec<_> = stream::iter(calls).buffer_unordered(64).collect().await;
        assert!(statuses.iter().all(|status| *status == 200), "{round}");
        assert_eq!(host.tokens().requests(), 3 * USERS, "{round}");
    }
    let calls = host.calls();
    assert_eq!(calls.len(), 2 * 3 * USERS);
    for call in calls {
        let By::User(user) = &call.by else { panic!("{call:?}") };
        let expected = format!("user={}&site={}", user.replace(':', "%3A"), call.client_key);
        assert_eq!(call.query, expected);
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_re_installation_with_another_secret_drops_the_tokens() {
    let host = installed().await;
    host.stub_get("/x", json!(1));
    let mut tenant = host.tenant();
    let call = async |tenant: &_| {
        assert_eq!(client(&host, tenant).await.as_user("mia").get("/x").send().await.unwrap().status(), 200);
        host.tokens().requests()
    };
    assert_eq!((call(&tenant).await, call(&tenant).await), (1, 1));
    host.install(&tenant).await;
    assert_eq!(call(&tenant).await, 1, "the same secret, the same token");
    tenant.shared_secret.push_str("-rotated");
    host.install(&tenant).await;
    assert_eq!((call(&tenant).await, call(&tenant).await), (2, 2));
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn tokens_are_stored_under_aces_key_without_the_account_id() {
    let host = installed().await;
    host.stub_get("/x", json!(1));
    let tenant = host.tenant();
    let client = client(&host, &tenant).await;
    client.as_user("557058:mia").get("/x").send().await.unwrap();
    client.as_user_with_scopes("557058:mia", &["write", "READ", "Read"]).get("/x").send().await.unwrap();
    assert_eq!(host.tokens().requests(), 2, "other scopes, another token");
    client.as_user_with_scopes("557058:mia", &["READ", "WRITE"]).get("/x").send().await.unwrap();
    assert_eq!(host.tokens().requests(), 2, "the same scopes in another order");
    let store = host.addon().state().tenants.store();
    for (key, number) in [(MIA, 1), (MIA_READ_WRITE, 2)] {
        let value = store.get(Place::of_tenant(&tenant.client_key, key)).await.unwrap().unwrap();
        assert_eq!(value["token"]["access_token"], format!("user-token-{number}"));
        assert!(value["expiresAt"].is_i64(), "{value}");
        assert!(!value.to_string().contains("mia"), "{value}");
        assert!(!value.to_string().contains(&tenant.shared_secret), "{value}");
    }
}

#[actix_web::test]
async fn another_node_finds_the_token_in_the_store() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let node = || {
        let store = Arc::clone(&store);
        fixture::builder().addon(move |addon| addon.store(store)).start(|_| {})
    };
    let (first, second) = (node().await, node().await);
    let tenant = first.tenant();
    first.install(&tenant).await;
    first.stub_get("/x", json!(1));
    for node in [&first, &second] {
        assert_eq!(client(node, &tenant).await.as_user("mia").get("/x").send().await.unwrap().status(), 200);
    }
    assert_eq!((first.tokens().requests(), second.tokens().requests()), (1, 0));
    assert_eq!(first.calls().len(), 2);
}

#[actix_web::test]
async fn a_token_stored_by_ace_is_not_used() {
    let host = installed().await;
    host.stub_get("/x", json!(1));
    let tenant = host.tenant();
    // ACE's form: it does not say for which secret and client the token was issued
    let token = json!({"access_token": "of-ace", "expires_in": 900, "token_type": "Bearer"});
    let value = json!({"token": token, "expiresAt": i64::from(u32::MAX)});
    let store = host.addon().state().tenants.store();
    store.set(Place::of_tenant(&tenant.client_key, MIA), &value).await.unwrap();
    let response = client(&host, &tenant).await.as_user("557058:mia").get("/x").send().await.unwrap();
    assert_eq!((response.status().as_u16(), host.tokens().requests()), (200, 1));
    assert_eq!(host.calls()[0].by, By::User("557058:mia".into()));
    let value = store.get(Place::of_tenant(&tenant.client_key, MIA)).await.unwrap().unwrap();
    assert_eq!(value["token"]["access_token"], "user-token-1", "in place of ACE's");
}

#[actix_web::test]
async fn a_token_is_renewed_before_it_expires() {
    let host = installed().await;
    host.stub_get("/x", json!(1));
    let client = client(&host, &host.tenant()).await;
    // a token of 3 seconds could expire before it arrives
    for (lifetime, users_requests) in [(3, 3), (60, 1)] {
        host.tokens().lifetime(lifetime);
        let before = host.tokens().requests();
        for _ in 0..3 {
            let user = client.as_user(format!("user-{lifetime}"));
            assert_eq!(user.get("/x").send().await.unwrap().status(), 200);
        }
        assert_eq!(host.tokens().requests() - before, users_requests, "{lifetime} seconds");
    }
}

#[actix_web::test]
async fn without_a_token_nothing_is_sent() {
    let host = installed().await;
    host.stub_get("/x", json!(1));
    let tenant = host.tenant();
    let user = client(&host, &tenant).await.as_user("mia");
    let refused = json!({"error": "invalid_grant", "error_description": "unknown user"}).to_string();
    for (answer, expected) in [
        (
            TokenAnswer::Other(400, refused.clone()),
            "cannot act as the user: the authorization server answered 400 Bad Request invalid_grant unknown user; is the user active? the descriptor has the scope ACT_AS_USER: a site",
        ),
        (TokenAnswer::Other(401, String::new()), "that installed it without that scope must install the add-on again"),
        (TokenAnswer::Other(503, "away".into()), "the authorization server cannot be asked: it answered 503"),
        (TokenAnswer::Other(429, "slow".into()), "cannot be asked: it answered 429 Too Many Requests; try again later"),
        (TokenAnswer::Other(408, String::new()), "cannot be asked: it answered 408 Request Timeout; try again later"),
        (TokenAnswer::Other(500, refused.clone()), "cannot be asked: it answered 500"),
        (TokenAnswer::Other(200, r#"{"access_token":"","expires_in":900}"#.into()), "the answer has no access_token"),
        (TokenAnswer::Other(200, "<html>".into()), "cannot be asked: the answer is not JSON"),
        (TokenAnswer::Other(200, "{}".into()), "cannot be asked: the answer has no access_token"),
    ] {
        host.tokens().answer(answer.clone());
        let error = user.get("/x").send().await.unwrap_err();
        assert!(matches!(&error, HostError::Token(_)) && error.to_string().contains(expected), "{answer:?}: {error}");
        assert!(matches!(Error::from(error), Error::BadGateway { .. }), "{answer:?}");
    }
    host.tokens().answer(TokenAnswer::Token);
    assert!(
        client(&host, &tenant).await.as_user("").get("/x").send().await.is_err(),
        "an empty account id is not a user"
    );
    assert_eq!(host.calls().len(), 0);
    assert_eq!(user.get("/x").send().await.unwrap().status(), 200, "a failure is not cached");
}

#[actix_web::test]
async fn an_installation_without_an_oauth_client_is_an_error_with_a_remedy() {
    for (scopes, expected) in [
        (json!(["READ", "act_as_user"]), "no oauthClientId; the descriptor has the scope ACT_AS_USER: a site"),
        (json!(["READ"]), "no oauthClientId; the descriptor lacks the scope ACT_AS_USER: add it to scopes"),
    ] {
        let with_scopes = move |mut descriptor: Value, _: &_| {
            descriptor["scopes"] = scopes.clone();
            descriptor
        };
        let host = fixture::builder().addon(|addon| addon.descriptor_transformer(with_scopes)).start(|_| {}).await;
        let tenant = host.tenant();
        let mut payload = tenant.payload(host.addon().state().descriptor().key(), "installed");
        payload.as_object_mut().unwrap().remove("oauthClientId");
        let token = KeyServer::sign(&claims_for(&tenant, host.base_url(), "/installed"));
        assert_eq!(host.call(Method::POST, "/installed", &token, Some(&payload)).await.status, 204);
        let error = client(&host, &tenant).await.as_user("mia").get("/x").send().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!((host.tokens().requests(), host.calls().len()), (0, 0));
    }
}

#[actix_web::test]
async fn a_lifetime_is_accepted_in_any_form() {
    let host = installed().await;
    host.stub(Method::GET, "/x", |_| async { HttpResponse::Ok().finish() });
    let tenant = host.tenant();
    let client = client(&host, &tenant).await;
    for (number, (lifetime, requests)) in
        [(r#""900""#, 1), ("900.5", 1), (r#""900.5""#, 1), ("1e300", 1), ("null", 2), (r#""soon""#, 2), ("-1", 2)]
            .into_iter()
            .enumerate()
    {
        // the host knows the token, and the server issues it again in that form
        let user = client.as_user(format!("user-{number}"));
        host.tokens().answer(TokenAnswer::Token);
        let known = host.forge_token(&tenant, None, 900);
        let answer = format!(r#"{{"access_token":"{known}","expires_in":{lifetime}}}"#);
        host.tokens().answer(TokenAnswer::Other(200, answer));
        let before = host.tokens().requests();
        for _ in 0..2 {
            user.get("/x").anonymous().send().await.unwrap();
            user.get("/x").prepare().await.unwrap();
        }
        assert_eq!(host.tokens().requests() - before, requests, "{lifetime}");
    }
}

/// Requests that the host answers 401, and how many tokens they use.
#[actix_web::test]
async fn a_cached_token_that_the_host_refuses_is_requested_once_more() {
    let host = installed().await;
    let refused = Arc::new(Mutex::new(HashSet::<String>::new()));
    let stub = |method: Method| {
        let refused = Arc::clone(&refused);
        host.stub(method, "/x", move |call| {
            let token = call.header("authorization").to_owned();
            let is_refused = {
                let refused = refused.lock().unwrap();
                refused.contains(&token) || refused.contains("*")
            };
            async move { if is_refused { HttpResponse::Unauthorized() } else { HttpResponse::Ok() }.finish() }
        });
    };
    [Method::GET, Method::POST].into_iter().for_each(stub);
    let tenant = host.tenant();
    let user = client(&host, &tenant).await.as_user("557058:mia");
    let revoke = || {
        let token = host.calls().pop().unwrap().header("authorization").to_owned();
        refused.lock().unwrap().insert(token);
    };
    let post = || user.post("/x").json(&json!({"a": 1}));
    assert_eq!((user.get("/x").send().await.unwrap().status().as_u16(), host.tokens().requests()), (200, 1));

    revoke();
    assert_eq!((user.get("/x").send().await.unwrap().status().as_u16(), host.tokens().requests()), (200, 2));
    let store = host.addon().state().tenants.store();
    let stored = store.get(Place::of_tenant(&tenant.client_key, MIA)).await.unwrap().unwrap();
    assert_eq!(stored["token"]["access_token"], "user-token-2", "the store has the new one");
    // a POST was not processed either: its body is sent again
    revoke();
    assert_eq!((post().send().await.unwrap().status().as_u16(), host.tokens().requests()), (200, 3));
    assert_eq!(host.calls().pop().unwrap().json(), json!({"a": 1}));
    // many concurrent requests: one token
    revoke();
    let replies = join_all((0..10).map(|_| user.get("/x").send())).await;
    assert!(replies.into_iter().all(|reply| reply.unwrap().status() == 200));
    assert_eq!(host.tokens().requests(), 4);

    // a host that refuses every token: its 401 is the answer, and not every request uses a token
    refused.lock().unwrap().insert("*".into());
    for _ in 0..5 {
        assert_eq!(user.get("/x").send().await.unwrap().status(), 401);
    }
    assert_eq!(host.tokens().requests(), 5);
    let newcomer = client(&host, &tenant).await.as_user("557058:new");
    let seen = host.calls().len();
    assert_eq!(newcomer.get("/x").send().await.unwrap().status(), 401);
    assert_eq!((host.tokens().requests(), host.calls().len()), (6, seen + 1), "a new token is not replaced");
    // the add-on itself has no token to renew
    assert_eq!(client(&host, &tenant).await.get("/x").send().await.unwrap().status(), 401);
    assert_eq!(host.tokens().requests(), 6);
}

#[actix_web::test]
async fn waiting_for_a_token_counts_toward_the_timeout() {
    let host = installed().await;
    host.stub(Method::GET, "/x", |_| async { HttpResponse::Ok().finish() });
    host.tokens().answer(TokenAnswer::Late(Duration::from_secs(5)));
    let user = client(&host, &host.tenant()).await.as_user("mia");
    let begun = Instant::now();
    let error = user.get("/x").timeout(Duration::from_millis(100)).send().await.unwrap_err();
    assert!(matches!(error, HostError::Timeout(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // the next request is not delayed by the one that gave up
    host.tokens().answer(TokenAnswer::Token);
    assert_eq!(user.get("/x").send().await.unwrap().status(), 200);
}
