//! Which invocations `ForgeInvocation` accepts.

use actix_web::http::Method;
use actix_web::web::{self, Json};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::internal::jwt::{SharedSecret, now};
use atlassian_connect_testing::internal::JwksServer;
use atlassian_connect_testing::{KeyServer, TestHost, TestInvocation};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::routes;

use crate::support::{eventually, fixture};

const APP: &str = TestHost::APP_ID;

fn segment(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A token with any header, signed with the platform's key.
fn with_header(header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", segment(header), segment(claims));
    format!("{message}.{}", JwksServer::signature(&message))
}

#[actix_web::test]
async fn an_invocation_is_accepted_with_its_tokens() {
    let host = fixture::start(routes).await;
    let page = TestInvocation::new();
    let reply = host.invoke("/remote", &page).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{}", reply.body);
    assert_eq!(
        reply.json(),
        json!({
            "installation": page.installation_id(), "account": page.claims(APP)["principal"],
            "tokens": [true, true], "tenant": null,
        })
    );
    let event = TestInvocation::event(json!({}));
    let reply = host.invoke("/remote", &event).await.json();
    assert_eq!((&reply["account"], &reply["tokens"]), (&Value::Null, &json!([true, false])));
    let bare = TestInvocation::new().app_token(Some("")).user_token(Some(" "));
    assert_eq!(host.invoke("/remote", &bare).await.json()["tokens"], json!([false, false]));
}

#[actix_web::test]
async fn an_invocation_has_the_license() {
    async fn license(invocation: ForgeInvocation) -> Json<Value> {
        Json(match invocation.license() {
            None => Value::Null,
            Some(license) => {
                json!([license.is_active(), license.license_type(), license.is_evaluation(), license.modes])
            }
        })
    }
    let host = fixture::start(|cfg| {
        cfg.route("/license", web::post().to(license));
    })
    .await;
    for (claim, told) in [
        (
            json!({ "active": true, "type": "commercial", "isEvaluation": false, "modes": ["USER_ACCESS"] }),
            json!([true, "COMMERCIAL", false, ["USER_ACCESS"]]),
        ),
        (json!({ "isActive": true, "type": "ACADEMIC", "isEvaluation": true }), json!([true, "ACADEMIC", true, []])),
        (json!({ "active": false, "isActive": true }), json!([false, null, false, []])),
        (json!({}), json!([false, null, false, []])),
        (json!("COMMERCIAL"), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let reply = host.invoke("/license", &TestInvocation::new().claim("/app/license", claim.clone())).await;
        assert_eq!((reply.status, reply.json()), (200, told), "{claim}");
    }
    assert_eq!(host.invoke("/license", &TestInvocation::new()).await.json(), Value::Null);
}

#[actix_web::test]
async fn a_body_may_be_as_large_as_forges_limit() {
    let host = fixture::start(routes).await;
    let of = |length: usize| TestInvocation::new().body(json!({ "text": "x".repeat(length) }));
    let reply = host.invoke("/length", &of(4_900_000)).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "4900000"));
    assert_eq!(host.invoke("/length", &of(5_300_000)).await.status, 413);
    assert_eq!(host.invoke("/length", &TestInvocation::new().body(json!("x"))).await.body, "0");
}

#[actix_web::test]
async fn a_token_with_only_the_required_claims_is_accepted() {
    let host = fixture::start(routes).await;
    let claims = json!({
        "iss": "forge/invocation-token", "aud": format!("ari:cloud:ecosystem::app/{APP}"), "exp": now() + 25,
        "app": { "installationId": "ari:cloud:ecosystem::installation/1" },
    });
    let token = host.forge_keys().sign(&claims);
    assert_eq!(host.invoke_with("/remote", &token, &TestInvocation::new()).await.status, 200);
}

#[actix_web::test]
async fn the_configured_id_may_have_its_prefix() {
    let ari = format!("ari:cloud:ecosystem::app/{APP}");
    let host = fixture::builder().var("AC_APP_ID", ari).start(routes).await;
    assert_eq!(host.invoke("/remote", &TestInvocation::new()).await.status, 200);
}

#[actix_web::test]
async fn invalid_claims_are_refused() {
    let host = fixture::start(routes).await;
    let good = TestInvocation::new;
    for (what, invocation) in [
        ("no exp", good().without("/exp")),
        ("exp null", good().claim("/exp", Value::Null)),
        ("exp text", good().claim("/exp", (now() + 60).to_string())),
        ("expired", good().claim("/exp", now() - 31)),
        ("not yet", good().claim("/nbf", now() + 60)),
        ("nbf text", good().claim("/nbf", "soon")),
        ("no iss", good().without("/iss")),
        ("other iss", good().claim("/iss", "forge")),
        ("iss list", good().claim("/iss", json!(["forge/invocation-token"]))),
        ("no aud", good().without("/aud")),
        ("bare aud", good().claim("/aud", APP)),
        ("other aud", good().claim("/aud", "ari:cloud:ecosystem::app/other")),
        ("longer aud", good().claim("/aud", format!("ari:cloud:ecosystem::app/{APP}x"))),
        ("no app", good().without("/app")),
        ("app text", good().claim("/app", "app")),
        ("no installation", good().without("/app/installationId")),
        ("empty installation", good().claim("/app/installationId", "")),
        ("installation list", good().claim("/app/installationId", json!(["a"]))),
        ("principal object", good().claim("/principal", json!({ "$ne": "" }))),
    ] {
        let reply = host.invoke("/remote", &invocation).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{what}: {}", reply.body);
        assert!(!reply.body.contains("installation"), "{what}: {}", reply.body);
    }
    // a clock that is half a minute off is tolerated
    assert_eq!(host.invoke("/remote", &good().claim("/exp", now() - 20)).await.status, 200);
    assert_eq!(host.invoke("/remote", &good().claim("/nbf", now() + 20)).await.status, 200);
}

#[actix_web::test]
async fn invalid_signatures_are_refused() {
    let host = fixture::start(routes).await;
    let invocation = TestInvocation::new();
    let claims = invocation.claims(APP);
    let good = host.forge_keys().sign(&claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": JwksServer::KID });
    let mut other = claims.clone();
    other["principal"] = "admin".into();
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        with_header(&header, &claims)
    };
    let unsigned = json!({ "alg": "none", "kid": JwksServer::KID });
    let pem = KeyServer::public_pem();
    for (what, token) in [
        ("empty", String::new()),
        ("garbage", "a.b.c".to_owned()),
        ("no signature", format!("{message}.")),
        ("two segments", message.to_owned()),
        ("four segments", format!("{good}.x")),
        ("changed claims", format!("{}.{}.{signature}", segment(&header), segment(&other))),
        ("alg none", format!("{}.{}.", segment(&unsigned), segment(&claims))),
        ("HS256 by nothing", SharedSecret::new("").sign(&claims).unwrap()),
        ("HS256 by a public key", SharedSecret::new(&pem).sign(&claims).unwrap()),
        ("the install key", KeyServer::sign_as(JwksServer::KID, &claims)),
        ("PS256", with("alg", "PS256".into())),
        ("RS512", with("alg", "RS512".into())),
        ("alg in lower case", with("alg", "rs256".into())),
        ("crit", with("crit", json!(["b64"]))),
        ("crit null", with("crit", Value::Null)),
        ("crit empty", with("crit", json!([]))),
        ("unknown kid", with("kid", "unknown".into())),
        ("kid number", with("kid", 7.into())),
        ("kid path", with("kid", "../keys".into())),
        ("claims list", {
            let message = format!("{}.{}", segment(&header), segment(&json!([claims])));
            format!("{message}.{}", JwksServer::signature(&message))
        }),
    ] {
        let reply = host.invoke_with("/remote", &token, &invocation).await;
        assert_eq!(reply.status, 401, "{what}: {}", reply.body);
    }
    assert_eq!(host.invoke_with("/remote", &good, &invocation).await.status, 200);
    assert_eq!(
        host.invoke_with("/remote", &with("jku", "https://evil.example/".into()), &invocation).await.status,
        200
    );
}

#[actix_web::test]
async fn a_token_is_accepted_in_one_place() {
    let host = fixture::start(routes).await;
    let token = host.forge_keys().sign(&TestInvocation::new().claims(APP));
    let send = async |headers: &[(&'static str, String)], query: &str| {
        let mut request = host.request(Method::POST, &format!("/remote{query}"));
        for (name, value) in headers {
            request = request.append_header((*name, value.as_str()));
        }
        host.send(request, Vec::new()).await.status
    };
    let bearer = ("authorization", format!("Bearer {token}"));
    assert_eq!(send(std::slice::from_ref(&bearer), "").await, 200);
    assert_eq!(send(&[("authorization", format!("bearer {token}"))], "").await, 200);
    assert_eq!(send(&[bearer.clone(), bearer.clone()], "").await, 401);
    assert_eq!(send(&[("authorization", format!("JWT {token}"))], "").await, 401);
    assert_eq!(send(&[("authorization", token.clone())], "").await, 401);
    assert_eq!(send(&[("x-acpt", token.clone())], "").await, 401);
    assert_eq!(send(&[], &format!("?jwt={token}")).await, 401);
    let twice = [bearer, ("x-forge-oauth-user", "a".into()), ("x-forge-oauth-user", "b".into())];
    assert_eq!(send(&twice, "").await, 401);
}

#[actix_web::test]
async fn an_add_on_without_an_app_id_refuses_invocations() {
    let host = fixture::builder().var("AC_APP_ID", "").start(routes).await;
    let reply = host.invoke("/remote", &TestInvocation::new()).await;
    assert_eq!((reply.status, host.forge_keys().fetches()), (401, 0));
}

#[actix_web::test]
async fn no_auth_does_not_apply() {
    let host = fixture::builder().var("NODE_ENV", "development").var("AC_OPTS", "no-auth,no-reg").start(routes).await;
    assert_eq!(host.invoke_with("/remote", "a.b.c", &TestInvocation::new()).await.status, 401);
    assert_eq!(host.post("/remote", &json!({})).await.status, 401);
}

#[actix_web::test]
async fn connect_tokens_are_refused_here_and_vice_versa() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let token = tenant.token("POST", "/remote", "");
    assert_eq!(host.invoke_with("/remote", &token, &TestInvocation::new()).await.status, 401);
    assert_eq!(host.call(Method::POST, "/remote", &token, None).await.status, 401);
    let forge = host.forge_keys().sign(&TestInvocation::new().claims(APP));
    let payload = tenant.payload("atlassian-connect-actix", "installed");
    assert_eq!(host.call(Method::POST, "/installed", &forge, Some(&payload)).await.status, 401);
    assert_eq!(host.call(Method::POST, "/uninstalled", &forge, Some(&payload)).await.status, 401);
}

#[actix_web::test]
async fn an_installation_is_associated_as_long_as_its_tenant_is_installed() {
    let host = fixture::start(routes).await;
    let invocation = TestInvocation::new();
    let associated = async || {
        let found = host.invoke("/remote", &invocation).await.json()["tenant"].clone();
        // a look at the installation that is still under way would find this tenant later
        let associations = &host.addon().state().outbound.associations;
        eventually("its look has ended", async || associations.is_idle()).await;
        found
    };
    assert_eq!(associated().await, Value::Null);
    let mut tenant = host.tenant();
    host.install(&tenant).await;
    assert_eq!(associated().await, Value::Null);
    tenant.installation_id = Some(invocation.installation_id());
    host.install(&tenant).await;
    assert_eq!(associated().await, tenant.client_key.as_str());
    let mut other = host.new_tenant();
    other.installation_id = Some(invocation.installation_id());
    host.install(&other).await;
    assert_eq!(associated().await, other.client_key.as_str());
    host.uninstall(&other).await;
    assert_eq!(associated().await, Value::Null);
}
