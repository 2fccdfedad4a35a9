//! What the add-on asks of a product by Forge's door, and by both.

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

use crate::support::fixture;

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
    page.client_key().to_owned()
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
async fn the_app_and_the_user_speak_with_the_tokens_of_the_invocation() {
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
async fn tokens_go_to_the_products_origin_alone() {
    let (host, other) = (installed().await, installed().await);
    let elsewhere = format!("{}/rest/api/3/myself", other.tenant().base_url);
    let reply = host.invoke(&format!("/call?url={elsewhere}"), &host.invocation()).await;
    assert_eq!(reply.json(), json!({ "status": 200 }));
    assert_eq!((by(&other), by(&host)), (vec![By::Nobody], vec![]));
}

#[actix_web::test]
async fn without_the_apps_token_the_remedy_is_told_to_the_log_and_nothing_is_sent() {
    let host = installed().await;
    let reply = host.invoke("/call", &host.invocation().app_token(None)).await;
    assert_eq!((reply.status, host.calls().len()), (502, 0), "{}", reply.body);
    let reply = host.invoke("/call", &host.invocation().without("/app/apiBaseUrl")).await;
    assert_eq!((reply.status, host.calls().len()), (500, 0));
    let plain = host.invocation().claim("/app/apiBaseUrl", "http://api.example.com/ex/jira/c");
    assert_eq!((host.invoke("/call", &plain).await.status, host.calls().len()), (500, 0), "a token in the clear");
}

#[actix_web::test]
async fn the_apps_token_is_kept_and_no_absent_one_overwrites_it() {
    let host = installed().await;
    let token = host.forge_token(&host.tenant(), None, 3600);
    let invocation = host.invocation().unattended().app_token(Some(&token));
    assert_eq!(host.invoke("/call", &invocation).await.status, 200);
    let id = invocation.installation_id();
    let later = host.invocation().installation(&id).app_token(None);
    assert_eq!(host.invoke("/call", &later).await.json(), json!({ "status": 200 }), "the one of before");

    let client = host.addon().forge_client(&id).await.unwrap();
    assert_eq!(client.get("/rest/api/3/myself").send().await.unwrap().status(), 200);
    assert!(host.addon().forge_client("ari:cloud:ecosystem::installation/unknown").await.is_err());
    assert_eq!(by(&host), [By::Addon, By::Addon, By::Addon]);

    // as ACE has it, for the other nodes
    let store = host.addon().state().tenants.store().clone();
    let deadline = Instant::now() + Duration::from_secs(10);
    let stored = loop {
        match store.forge_get(&id, "appToken").await.unwrap() {
            Some(stored) => break stored,
            None => assert!(Instant::now() < deadline, "the token is never stored"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(stored["appToken"], token.as_str());
    assert!(stored["apiBaseUrl"].as_str().unwrap().contains("/ex/jira/"));
}

/// Who looks at a page can send an invocation token of their own with any headers beside it.
#[actix_web::test]
async fn a_token_that_comes_with_a_user_is_not_stored_and_displaces_none_of_forges_own() {
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
    while store.forge_get(&id, "appToken").await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the token is never stored");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(store.forge_get(&id, "appToken").await.unwrap().unwrap()["appToken"], "made-up");
}

#[actix_web::test]
async fn an_expired_token_of_the_app_is_not_used() {
    let host = installed().await;
    let expired = host.forge_token(&host.tenant(), None, 3);
    let invocation = host.invocation().app_token(Some(&expired));
    host.invoke("/call", &invocation).await;
    assert!(host.addon().forge_client(&invocation.installation_id()).await.is_err());
}

#[actix_web::test]
async fn a_user_who_is_away_is_spoken_for_by_a_token_that_is_asked_for_once() {
    let host = installed().await;
    let invocation = host.invocation();
    let calls = (0..20).map(|_| host.invoke("/call?user=557058:away", &invocation));
    let replies = futures_util::future::join_all(calls).await;
    assert!(replies.iter().all(|reply| reply.json() == json!({ "status": 200 })), "{:?}", replies[0]);
    let (asked, sent): (Vec<_>, Vec<_>) = host.calls().into_iter().partition(|call| call.path == "/graphql");
    assert_eq!((asked.len(), asked[0].by.clone()), (1, By::Addon));
    assert!(sent.iter().all(|call| call.by == By::User("557058:away".into())));
    // another installation of the same site is another one
    host.invoke("/call?user=557058:away", &host.invocation()).await;
    assert_eq!(host.calls().iter().filter(|call| call.path == "/graphql").count(), 2);
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_kept_token_of_an_absent_user_that_the_product_refuses_is_requested_once_more() {
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
    // the invocation's own token cannot be had anew
    host.stub(Method::GET, "/rest/api/3/myself", |_| async { HttpResponse::Unauthorized().finish() });
    let user = host.tenant().account_id;
    assert_eq!(host.invoke(&format!("/call?user={user}"), &invocation).await.json(), json!({ "status": 401 }));
    assert_eq!(asked(), 2);
}

#[actix_web::test]
async fn what_forge_refuses_is_no_token() {
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
async fn one_handler_serves_both_doors() {
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
    assert_eq!(host.call(Method::GET, "/either", &forge, None).await.status, 401, "each proof at its own door");
    let session = host.session_token(&tenant).await;
    assert_eq!(host.invoke_with("/either", &session, &invocation).await.status, 401);
}

/// Who stands at both doors comes in by one, as whom that one proves, or not at all.
#[actix_web::test]
async fn two_proofs_at_once_are_not_mixed() {
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
async fn a_site_stays_the_same_tenant_when_its_installation_changes() {
    let host = installed().await;
    let mut tenant = host.tenant();
    let first = host.invocation();
    tenant.installation_id = Some(first.installation_id());
    host.install(&tenant).await;
    let key = async |invocation: &TestInvocation| host.invoke("/either", invocation).await.json()["key"].clone();
    assert_eq!(key(&first).await, tenant.client_key.as_str());
    // installed anew: another id, and nobody says so
    assert_eq!(key(&host.invocation()).await, tenant.client_key.as_str());
    // uninstalled: a tenant no more, but still the same site
    host.uninstall(&tenant).await;
    let site = format!("ari:cloud:jira::site/{}", tenant.cloud_id);
    assert_eq!(key(&host.invocation()).await, site.as_str());
}

#[actix_web::test]
async fn a_site_that_nobody_knows_is_asked_who_it_was() {
    const PROPERTIES: &str = "/rest/atlassian-connect/1/addons/*";
    let host = installed().await;
    let key = async |invocation: &TestInvocation| host.invoke("/either", invocation).await.json()["key"].clone();
    let asked = || host.calls().iter().filter(|call| call.path.contains("/properties/")).count();

    let stranger = host.new_tenant();
    let site = format!("ari:cloud:jira::site/{}", stranger.cloud_id);
    let invocation = host.invocation_of(&stranger);
    assert_eq!((key(&invocation).await, key(&invocation).await), (site.as_str().into(), site.as_str().into()));
    assert_eq!(asked(), 1, "and not again at once");

    let tenant = host.tenant();
    host.stub_get(PROPERTIES, json!({ "key": "connect_client_key", "value": tenant.client_key }));
    let invocation = host.invocation();
    assert_eq!(key(&invocation).await, tenant.client_key.as_str());
    assert_eq!(key(&host.invocation()).await, tenant.client_key.as_str());
    assert_eq!(asked(), 2, "the site is known from now on");

    // whoever looks at a page can send any token with its invocation: the site has said nothing then
    let made_up = host.invocation_of(&host.new_tenant()).app_token(Some("made-up"));
    key(&made_up).await;
    let until = host.addon().state().outbound.strangers.get(&made_up.installation_id()).unwrap();
    assert!(until <= Instant::now() + Duration::from_secs(10));

    // a name that nobody has installed under is nobody
    let stranger = host.new_tenant();
    for value in [json!("made-up"), json!({ "clientKey": tenant.client_key }), json!(""), json!(7)] {
        host.stub_get(PROPERTIES, json!({ "value": value }));
        let site = format!("ari:cloud:jira::site/{}", stranger.cloud_id);
        assert_eq!(key(&host.invocation_of(&stranger)).await, site.as_str());
    }
}
