//! Calls of the add-on to a product, through Forge and through both.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::web::{Json, Query, ServiceConfig};
use actix_web::{Error, HttpResponse, get, post, route};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::forge::AnyCaller;
use atlassian_connect_actix::host::HostClient;
use atlassian_connect_testing::{By, TestHost, TestInvocation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{eventually, fixture};
use atlassian_connect_actix::store::Place;

#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    user: Option<String>,
    #[serde(default = "myself")]
    url: String,
}

fn myself() -> String {
    "/rest/api/3/myself".to_owned()
}

async fn answer(client: HostClient, ask: &Ask) -> Result<Json<Value>, Error> {
    let client = match &ask.user {
        Some(user) => client.as_user(user),
        None => client,
    };
    let response = client.get(&ask.url).send().await.map_err(atlassian_connect_actix::Error::from)?;
    let status = response.status().as_u16();
    Ok(Json(json!({ "status": status })))
}

#[post("/call")]
async fn ask_product(invocation: ForgeInvocation, ask: Query<Ask>) -> Result<Json<Value>, Error> {
    answer(invocation.host(), &ask).await
}

#[route("/either", method = "GET", method = "POST")]
async fn either(caller: AnyCaller, ask: Query<Ask>) -> Result<Json<Value>, Error> {
    let Json(answer) = answer(caller.host().as_user(caller.require_account_id()?), &ask).await?;
    Ok(Json(json!({ "answer": answer, "key": caller.tenant_key().await?, "user": caller.account_id() })))
}

#[get("/hello-world")]
async fn hello(page: atlassian_connect_actix::auth::ConnectJwt) -> String {
    page.tenant_key().to_owned()
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(ask_product).service(either).service(hello);
}

async fn installed() -> TestHost {
    let host = fixture::installed(routes).await;
    host.stub_get("/rest/api/3/myself", json!({}));
    host
}

fn by(host: &TestHost) -> Vec<By> {
    host.calls().into_iter().map(|call| call.by).collect()
}

#[actix_web::test]
async fn calls_as_the_app_and_the_user_use_the_tokens_of_the_invocation() {
    let host = installed().await;
    let invocation = host.invocation();
    let user = host.tenant().account_id;
    assert_eq!(host.invoke("/call", &invocation).await.json(), json!({ "status": 200 }));
    assert_eq!(host.invoke(&format!("/call?user={user}"), &invocation).await.json(), json!({ "status": 200 }));
    assert_eq!(by(&host), [By::Addon, By::User(user)]);
    assert_eq!(host.calls()[0].path, "/rest/api/3/myself");
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn tokens_are_sent_only_to_the_products_origin() {
    let (host, other) = (installed().await, installed().await);
    let elsewhere = format!("{}/rest/api/3/myself", other.tenant().base_url);
    let reply = host.invoke(&format!("/call?url={elsewhere}"), &host.invocation()).await;
    assert_eq!(reply.json(), json!({ "status": 200 }));
    assert_eq!((by(&other), by(&host)), (vec![By::Nobody], vec![]));
}

#[actix_web::test]
async fn without_the_apps_token_nothing_is_sent_and_the_log_names_the_remedy() {
    let host = installed().await;
    let reply = host.invoke("/call", &host.invocation().app_token(None)).await;
    assert_eq!((reply.status, host.calls().len()), (502, 0), "{}", reply.body);
    let nowhere = host.invocation().without("/app/apiBaseUrl").without("/app/installation");
    let reply = host.invoke("/call", &nowhere).await;
    assert_eq!((reply.status, host.calls().len()), (500, 0));
    let plain = host.invocation().claim("/app/apiBaseUrl", "http://api.example.com/ex/jira/c");
    assert_eq!((host.invoke("/call", &plain).await.status, host.calls().len()), (500, 0), "a token in the clear");
}

#[actix_web::test]
async fn the_apps_token_is_kept_if_an_invocation_has_none() {
    let host = installed().await;
    let token = host.forge_token(&host.tenant(), None, 3600);
    let invocation = host.invocation().unattended().app_token(Some(&token));
    assert_eq!(host.invoke("/call", &invocation).await.status, 200);
    let id = invocation.installation_id();
    let later = host.invocation().installation(&id).app_token(None);
    assert_eq!(host.invoke("/call", &later).await.json(), json!({ "status": 200 }), "the previous token");

    let client = host.addon().forge_client(&id).await.unwrap();
    assert_eq!(client.get("/rest/api/3/myself").send().await.unwrap().status(), 200);
    assert!(host.addon().forge_client("ari:cloud:ecosystem::installation/unknown").await.is_err());
    assert_eq!(by(&host), [By::Addon, By::Addon, By::Addon]);

    // under ACE's key, for the other nodes
    let store = host.addon().state().tenants.store().clone();
    let deadline = Instant::now() + Duration::from_secs(10);
    let stored = loop {
        match store.get(Place::of_forge(&id, "appToken")).await.unwrap() {
            Some(stored) => break stored,
            None => assert!(Instant::now() < deadline, "the token is never stored"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(stored["appToken"], token.as_str());
    assert!(stored["apiBaseUrl"].as_str().unwrap().contains("/ex/jira/"));
}

/// A visitor of a page can send an invocation token with any headers beside it.
#[actix_web::test]
async fn a_token_from_a_page_is_not_stored_and_does_not_replace_one_from_forge() {
    let host = installed().await;
    let user = host.invocation().app_token(Some("made-up"));
    let id = user.installation_id();
    host.invoke("/call", &user).await;
    let store = host.addon().state().tenants.store().clone();
    let own = host.invocation().installation(&id).unattended();
    assert_eq!(host.invoke("/call", &own).await.json(), json!({ "status": 200 }));
    host.invoke("/call", &user).await;
    let client = host.addon().forge_client(&id).await.unwrap();
    assert_eq!(client.get("/rest/api/3/myself").send().await.unwrap().status(), 200, "not with the made-up one");
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.get(Place::of_forge(&id, "appToken")).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the token is never stored");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(store.get(Place::of_forge(&id, "appToken")).await.unwrap().unwrap()["appToken"], "made-up");
}

#[actix_web::test]
async fn an_expired_app_token_is_not_used() {
    let host = installed().await;
    let expired = host.forge_token(&host.tenant(), None, 3);
    let invocation = host.invocation().app_token(Some(&expired));
    host.invoke("/call", &invocation).await;
    assert!(host.addon().forge_client(&invocation.installation_id()).await.is_err());
}

#[actix_web::test]
async fn an_offline_user_token_is_requested_once() {
    let host = installed().await;
    let invocation = host.invocation();
    let calls = (0..20).map(|_| host.invoke("/call?user=557058:away", &invocation));
    let replies = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(|reply| reply.json() == json!({ "status": 200 })), "{:?}", replies[0]);
    let (asked, sent): (Vec<_>, Vec<_>) = host.calls().into_iter().partition(|call| call.path == "/graphql");
    assert_eq!((asked.len(), asked[0].by.clone()), (1, By::Addon));
    assert!(sent.iter().all(|call| call.by == By::User("557058:away".into())));
    // another installation on the same site has its own token
    host.invoke("/call?user=557058:away", &host.invocation()).await;
    assert_eq!(host.calls().iter().filter(|call| call.path == "/graphql").count(), 2);
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_refused_offline_user_token_is_requested_once_more() {
    let host = installed().await;
    let invocation = host.invocation();
    let asked = || host.calls().iter().filter(|call| call.path == "/graphql").count();
    assert_eq!(host.invoke("/call?user=away", &invocation).await.json(), json!({ "status": 200 }));
    let old = host.calls().pop().unwrap().header("authorization").to_owned();
    host.stub(Method::GET, "/rest/api/3/myself", move |call| {
        let is_old = call.header("authorization") == old;
        async move { if is_old { HttpResponse::Unauthorized() } else { HttpResponse::Ok() }.finish() }
    });
    assert_eq!(host.invoke("/call?user=away", &invocation).await.json(), json!({ "status": 200 }));
    assert_eq!(host.invoke("/call?user=away", &invocation).await.json(), json!({ "status": 200 }));
    assert_eq!(asked(), 2);
    // the invocation's own token cannot be renewed
    host.stub(Method::GET, "/rest/api/3/myself", |_| async { HttpResponse::Unauthorized().finish() });
    let user = host.tenant().account_id;
    assert_eq!(host.invoke(&format!("/call?user={user}"), &invocation).await.json(), json!({ "status": 401 }));
    assert_eq!(asked(), 2);
}

#[actix_web::test]
async fn a_refusal_by_forge_is_an_error() {
    let host = installed().await;
    for body in [
        json!({ "data": { "offlineUserAuthToken": { "success": false, "errors": [{ "message": "no consent" }] } } }),
        json!({ "errors": [{ "message": "not authorised" }] }),
        json!({ "data": null }),
        json!("what"),
    ] {
        host.stub_post("/graphql", body);
        assert_eq!(host.invoke("/call?user=away", &host.invocation()).await.status, 502);
    }
    assert!(host.calls().iter().all(|call| call.path == "/graphql"));
}

#[actix_web::test]
async fn one_handler_serves_connect_and_forge() {
    let host = installed().await;
    let tenant = host.tenant();
    let expected = json!({ "answer": { "status": 200 }, "key": tenant.client_key, "user": tenant.account_id });

    assert_eq!(host.call_with_session("/either").await.json(), expected);

    let mut migrated = tenant.clone();
    let invocation = host.invocation();
    migrated.installation_id = Some(invocation.installation_id());
    host.install(&migrated).await;
    assert_eq!(host.invoke("/either", &invocation).await.json(), expected);

    assert!(host.calls().iter().all(|call| call.by == By::User(tenant.account_id.clone())));
    assert_eq!(host.get("/either").await.status, 401);
    let forge = host.forge_keys().sign(&invocation.claims(TestHost::APP_ID));
    assert_eq!(
        host.call(Method::GET, "/either", &forge, None).await.status,
        401,
        "each token only with its own scheme"
    );
    let session = host.session_token(&tenant).await;
    assert_eq!(host.invoke_with("/either", &session, &invocation).await.status, 401);
}

/// A request with both tokens is authenticated by one of them, or refused.
#[actix_web::test]
async fn two_tokens_in_one_request_are_not_mixed() {
    let host = installed().await;
    let stranger = host.new_tenant();
    let invocation = host.invocation_of(&stranger);
    let forge = host.forge_keys().sign(&invocation.claims(TestHost::APP_ID));
    let session = host.session_token(&host.tenant()).await;
    let (bearer, jwt) = (format!("Bearer {forge}"), format!("JWT {session}"));
    let send = async |path: String, headers: &[(&'static str, &str)], form: &str| {
        let mut request = host.request(Method::POST, &path);
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let reply = host.send(request, form.as_bytes().to_vec()).await;
        let key = if reply.status == 200 { reply.json()["key"].clone() } else { Value::Null };
        (reply.status, key.as_str().unwrap_or_default().to_owned())
    };
    let forms = ("content-type", "application/x-www-form-urlencoded");
    let user = ("x-forge-oauth-user", host.forge_token(&stranger, Some(&stranger.account_id), 60));
    let user = (user.0, user.1.as_str());
    let (by_forge, by_connect) =
        ((200, format!("ari:cloud:jira::site/{}", stranger.cloud_id)), (200, host.tenant().client_key));
    let refused = (401, String::new());
    let in_query = format!("/either?jwt={session}");
    let plain = || "/either".to_owned();
    for (what, path, headers, form, expected) in [
        ("a session in the query", in_query.clone(), vec![("authorization", bearer.as_str()), user], "", &by_forge),
        ("a session in a form", plain(), vec![("authorization", &bearer), user, forms], "jwt=SESSION", &by_forge),
        ("a session in X-acpt", plain(), vec![("authorization", &bearer), user, ("x-acpt", &session)], "", &by_forge),
        ("both, Forge first", plain(), vec![("authorization", &bearer), ("authorization", &jwt), user], "", &refused),
        ("both, Connect first", plain(), vec![("authorization", &jwt), ("authorization", &bearer), user], "", &refused),
        ("a session as a bearer", plain(), vec![("authorization", &jwt.replace("JWT", "Bearer")), user], "", &refused),
        ("an invocation as a JWT", plain(), vec![("authorization", &bearer.replace("Bearer", "JWT"))], "", &refused),
        ("a bad bearer, a session in the query", in_query, vec![("authorization", "Bearer a.b.c"), user], "", &refused),
        ("a session alone", plain(), vec![("authorization", &jwt), user], "", &by_connect),
    ] {
        let form = form.replace("SESSION", &session);
        assert_eq!(&send(path, &headers, &form).await, expected, "{what}");
    }
}

#[actix_web::test]
async fn a_site_keeps_its_tenant_when_its_installation_changes() {
    let host = installed().await;
    let mut tenant = host.tenant();
    let first = host.invocation();
    tenant.installation_id = Some(first.installation_id());
    host.install(&tenant).await;
    let key = async |invocation: &TestInvocation| host.invoke("/either", invocation).await.json()["key"].clone();
    assert_eq!(key(&first).await, tenant.client_key.as_str());
    // installed again: another id, and nothing names the old one
    let again = host.invocation();
    eventually("the site is known", async || key(&again).await == tenant.client_key.as_str()).await;
    // Connect is uninstalled: no longer a tenant, but still the same site, with the same data
    host.uninstall(&tenant).await;
    let reply = host.invoke("/either", &host.invocation()).await.json();
    assert_eq!((&reply["tenant"], &reply["key"]), (&Value::Null, &tenant.client_key.as_str().into()));
    let other = host.new_tenant();
    let site = format!("ari:cloud:jira::site/{}", other.cloud_id);
    assert_eq!(key(&host.invocation_of(&other)).await, site.as_str());
}
