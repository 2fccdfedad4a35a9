//! Permission checks of a handler that serves Connect and Forge: the requests to the host, and when access is denied.

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{Error, HttpResponse, post, route};
use atlassian_connect_actix::auth::ForgeInvocation;
use atlassian_connect_actix::forge::AnyCaller;
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_testing::{By, TestHost, TestInvocation, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;

const JIRA: &str = "/rest/api/3/permissions/check";
const USER: &str = "/rest/api/user";
const CONTENT: &str = "/rest/api/content/77/permission/check";

const DENIED: &str = "You do not have permission to do this.";
const UNDETERMINED: &str = "Your permissions could not be determined.";
const NO_PROJECT: &str = "Your permissions could not be determined: there is no project and no issue here.";
const NO_CONTENT: &str = "Your permissions could not be determined: there is no content here.";

macro_rules! guarded {
    ($($route:literal $handler:ident $permission:ident = $needed:expr;)*) => {
        $(
            struct $permission;

            impl Permission for $permission {
                const NEEDED: Needed = $needed;
            }

            #[route($route, method = "GET", method = "POST")]
            async fn $handler(caller: Authorized<$permission, AnyCaller>) -> Result<String, Error> {
                Ok(caller.require_account_id()?.to_owned())
            }
        )*

        fn routes(cfg: &mut ServiceConfig) {
            $(cfg.service($handler);)*
            cfg.service(administer).service(by_hand);
        }
    };
}

guarded! {
    "/global" global Global = Needed::Jira { project: &[], global: &["ADMINISTER"] };
    "/project" project Project = Needed::Jira { project: &["EDIT_ISSUES"], global: &[] };
    "/application" application Application = Needed::Confluence { application: &["administer"], content: None };
    "/content" content Content = Needed::Confluence { application: &[], content: Some("update") };
}

#[post("/administer")]
async fn administer(caller: Authorized<Global, ForgeInvocation>) -> String {
    caller.installation_id().to_owned()
}

#[post("/by-hand")]
async fn by_hand(invocation: ForgeInvocation) -> Result<&'static str, Error> {
    Global::NEEDED.authorize(&invocation).await?;
    Ok("may")
}

/// An invocation from a place with this `extension`.
fn looking_at(host: &TestHost, extension: &Value) -> TestInvocation {
    host.invocation().claim("/context/extension", extension.clone())
}

/// The same in Confluence.
fn reading(host: &TestHost, wiki: &TestTenant, extension: &Value) -> TestInvocation {
    host.invocation_of(wiki).claim("/context/extension", extension.clone())
}

/// A site of Confluence that has installed the add-on.
async fn confluence(host: &TestHost) -> TestTenant {
    let tenant = host.new_tenant_of("confluence");
    host.install(&tenant).await;
    tenant
}

fn at_issue() -> Value {
    json!({ "type": "jira:issuePanel", "issue": { "id": "11", "key": "A-1" }, "project": { "id": "10", "key": "A" } })
}

fn at_content() -> Value {
    json!({ "content": { "id": "77", "subtype": null }, "space": { "id": "7", "key": "S" } })
}

fn granted(projects: &Value, issues: &Value) -> Value {
    json!({ "projectPermissions": [{ "permission": "EDIT_ISSUES", "projects": projects, "issues": issues }] })
}

async fn invoke(host: &TestHost, path: &str, invocation: &TestInvocation) -> (u16, String) {
    let reply = host.invoke(path, invocation).await;
    if reply.status == 200 {
        return (reply.status, reply.body);
    }
    (reply.status, reply.json()["message"].as_str().unwrap().to_owned())
}

fn refused(message: &str) -> (u16, String) {
    (403, message.to_owned())
}

/// Lets only `may` administer. Without an accountId, Jira answers about the caller.
fn let_administer(host: &TestHost, may: &str) {
    let may = may.to_owned();
    host.stub(Method::POST, JIRA, move |call| {
        let about = match (call.json()["accountId"].as_str(), &call.by) {
            (Some(user), _) => user.to_owned(),
            (None, By::User(user)) => user.clone(),
            _ => String::new(),
        };
        let granted = if about == may { json!({ "globalPermissions": ["ADMINISTER"] }) } else { json!({}) };
        std::future::ready(HttpResponse::Ok().json(granted))
    });
}

#[actix_web::test]
async fn connect_and_forge_check_the_same_each_with_its_own_identity() {
    let host = fixture::installed(routes).await;
    let (of_jira, wiki) = (host.tenant(), confluence(&host).await);
    let jira = json!({ "globalPermissions": ["ADMINISTER"] });
    for (path, method, url, connect, forge, answer) in [
        ("/global", Method::POST, JIRA, json!({}), json!({}), jira),
        (
            "/project",
            Method::POST,
            JIRA,
            json!({ "jira": at_issue() }),
            at_issue(),
            granted(&json!([10]), &json!([11])),
        ),
        (
            "/application",
            Method::GET,
            USER,
            json!({}),
            json!({}),
            json!({ "operations": [{ "operation": "administer", "targetType": "application" }] }),
        ),
        (
            "/content",
            Method::POST,
            CONTENT,
            json!({ "confluence": at_content() }),
            at_content(),
            json!({ "hasPermission": true }),
        ),
    ] {
        host.stub(method, url, move |_| std::future::ready(HttpResponse::Ok().json(&answer)));
        let before = host.calls().len();
        let tenant = if url == JIRA { &of_jira } else { &wiki };
        let user = tenant.account_id.clone();
        let mut claims = tenant.claims("GET", path, "");
        (claims["qsh"], claims["context"]) = ("context-qsh".into(), connect);
        let reply = host.call(Method::GET, path, &tenant.sign(&claims), None).await;
        assert_eq!((reply.status, &reply.body), (200, &user), "{path} through Connect");
        assert_eq!(
            invoke(&host, path, &reading(&host, tenant, &forge)).await,
            (200, user.clone()),
            "{path} through Forge"
        );

        let calls = host.calls().split_off(before);
        let [connect, forge] = &calls[..] else { panic!("{path}: {calls:?}") };
        assert_eq!((&connect.path, &connect.query, &connect.body), (&forge.path, &forge.query, &forge.body), "{path}");
        assert_eq!((&connect.by, &forge.by), (&By::Addon, &By::User(user.clone())), "{path}");
        let asked = format!("{}{:?}", forge.query.replace("%3A", ":"), forge.body);
        assert!(asked.contains(&user), "it is asked about the user: {path}");
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn a_forge_only_extractor_and_a_manual_check() {
    let host = fixture::start(routes).await;
    let_administer(&host, &host.tenant().account_id);
    let (invocation, other) = (host.invocation(), host.invocation().claim("/principal", "557058:other"));
    assert_eq!(invoke(&host, "/administer", &invocation).await, (200, invocation.installation_id()));
    assert_eq!(invoke(&host, "/administer", &other).await, refused(DENIED));
    assert_eq!(invoke(&host, "/by-hand", &invocation).await, (200, "may".into()));
    assert_eq!(invoke(&host, "/by-hand", &other).await, refused(DENIED));
    assert_eq!(host.post("/administer", &json!({})).await.status, 401, "nobody at all");
}

#[actix_web::test]
async fn access_requires_a_grant_for_this_issue_and_this_project() {
    let host = fixture::start(routes).await;
    for (case, status, answer, expected) in [
        ("both", 200, granted(&json!([10]), &json!([11])), None),
        ("ids as strings", 200, granted(&json!(["10"]), &json!(["11"])), None),
        ("a foreign issue, which Jira leaves out", 200, granted(&json!([10]), &json!([])), Some(DENIED)),
        ("a foreign project", 200, granted(&json!([]), &json!([11])), Some(DENIED)),
        ("another issue", 200, granted(&json!([10]), &json!([12])), Some(DENIED)),
        ("silence", 200, json!({}), Some(DENIED)),
        ("errors", 200, json!({ "errors": { "a": "b" } }), Some(UNDETERMINED)),
        ("another shape", 200, json!({ "projectPermissions": { "EDIT_ISSUES": true } }), Some(UNDETERMINED)),
        ("no JSON object", 200, json!("yes"), Some(UNDETERMINED)),
        ("a missing scope", 401, granted(&json!([10]), &json!([11])), Some(UNDETERMINED)),
        ("an error", 500, granted(&json!([10]), &json!([11])), Some(UNDETERMINED)),
    ] {
        host.stub(Method::POST, JIRA, move |_| {
            std::future::ready(HttpResponse::build(status.try_into().unwrap()).json(&answer))
        });
        let expected = expected.map_or_else(|| (200, host.tenant().account_id), refused);
        assert_eq!(invoke(&host, "/project", &looking_at(&host, &at_issue())).await, expected, "{case}");
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn ids_are_strings_or_numbers_and_anything_else_is_denied() {
    let host = fixture::start(routes).await;
    host.stub_post(JIRA, granted(&json!([10]), &json!([11])));
    host.stub_post(CONTENT, json!({ "hasPermission": true }));
    let wiki = confluence(&host).await;
    let at = |path: &str| if path == "/content" { wiki.clone() } else { host.tenant() };
    let yes = || (200, host.tenant().account_id);
    for (path, extension, expected) in [
        ("/project", json!({ "issue": { "id": 11 }, "project": { "id": 10 } }), yes()),
        ("/project", json!({ "issue": { "id": "11" } }), yes()),
        ("/project", json!({ "project": { "id": "10", "key": "A" }, "issue": null }), yes()),
        ("/content", json!({ "content": { "id": 77 } }), (200, wiki.account_id.clone())),
        ("/project", json!({ "issue": { "id": "011" } }), refused(DENIED)),
        ("/project", json!({ "issue": { "id": 11.0 } }), refused(DENIED)),
    ] {
        assert_eq!(invoke(&host, path, &reading(&host, &at(path), &extension)).await, expected, "{path} {extension}");
    }
    let asked = host.calls().len();
    for (path, extension, message) in [
        ("/project", json!({ "project": { "id": "10" }, "issue": { "key": "B-1" } }), UNDETERMINED),
        ("/project", json!({ "project": { "id": "10" }, "issue": { "id": ["11"] } }), UNDETERMINED),
        ("/project", json!({ "project": { "id": "10" }, "issue": [{ "id": "12" }] }), UNDETERMINED),
        ("/project", json!({ "project": { "id": { "id": "10" } } }), UNDETERMINED),
        ("/project", json!({ "project": true }), UNDETERMINED),
        ("/project", json!({ "jira": at_issue() }), NO_PROJECT),
        ("/project", json!({ "issueId": "11" }), NO_PROJECT),
        ("/project", json!([at_issue()]), NO_PROJECT),
        ("/project", json!("jira:issuePanel"), NO_PROJECT),
        ("/project", json!(null), NO_PROJECT),
        ("/content", json!({ "content": { "id": "../../user" } }), UNDETERMINED),
        ("/content", json!({ "content": { "id": ["77"] } }), UNDETERMINED),
        ("/content", json!({ "content": { "type": "page" } }), NO_CONTENT),
        ("/content", json!({}), NO_CONTENT),
    ] {
        let invocation = reading(&host, &at(path), &extension);
        assert_eq!(invoke(&host, path, &invocation).await, refused(message), "{path} {extension}");
    }
    let nowhere = host.invocation().without("/context");
    assert_eq!(invoke(&host, "/project", &nowhere).await, refused(NO_PROJECT));
    assert_eq!(invoke(&host, "/content", &nowhere.claim("/context", 3)).await, refused(NO_CONTENT));
    assert_eq!(host.calls().len(), asked, "{:?}", host.calls());
}

#[actix_web::test]
async fn without_a_user_nothing_is_sent() {
    let host = fixture::start(routes).await;
    for path in ["/global", "/project", "/application", "/content"] {
        for invocation in [host.invocation().without("/principal"), host.invocation().claim("/principal", "")] {
            let invocation = invocation.claim("/context/extension", at_issue());
            assert_eq!(invoke(&host, path, &invocation).await, refused(UNDETERMINED), "{path}");
        }
        assert_eq!(invoke(&host, path, &TestInvocation::event(json!({}))).await, refused(UNDETERMINED), "{path}");
    }
    assert_eq!(host.calls().len(), 0, "{:?}", host.calls());
}

#[actix_web::test]
async fn a_token_beside_the_invocation_cannot_change_its_user() {
    let host = fixture::start(routes).await;
    let tenant = host.tenant();
    let_administer(&host, "admin");
    let admins = host.forge_token(&tenant, Some("admin"), 3600);
    let apps = host.forge_token(&tenant, None, 3600);
    for token in [&admins, &apps] {
        let invocation = host.invocation().user_token(Some(token));
        assert_eq!(invoke(&host, "/global", &invocation).await, refused(DENIED));
    }
    assert!(host.calls().iter().all(|call| call.json()["accountId"] == tenant.account_id.as_str()));

    let_administer(&host, &tenant.account_id);
    let elsewhere = host.new_tenant();
    let foreign = host.forge_token(&elsewhere, Some(&tenant.account_id), 3600);
    for token in ["made-up", &foreign] {
        let invocation = host.invocation().user_token(Some(token));
        assert_eq!(invoke(&host, "/global", &invocation).await, refused(UNDETERMINED), "a token that is refused");
    }
}

#[actix_web::test]
async fn without_the_users_token_one_is_requested_or_access_is_denied() {
    let host = fixture::start(routes).await;
    let user = host.tenant().account_id;
    let_administer(&host, &user);
    let away = host.invocation().user_token(None);
    assert_eq!(invoke(&host, "/global", &away).await, (200, user.clone()));
    let by: Vec<(String, By)> = host.calls().into_iter().map(|call| (call.path, call.by)).collect();
    assert_eq!(by, [("/graphql".into(), By::Addon), (JIRA.into(), By::User(user))]);

    let no_tokens = host.invocation().user_token(None).app_token(None);
    let no_server = host.invocation().claim("/app/apiBaseUrl", "http://127.0.0.1:1/ex/jira/cloud");
    let no_api = host.invocation().without("/app/apiBaseUrl").without("/app/installation");
    host.stub_post("/graphql", json!({ "errors": [{ "message": "no consent" }] }));
    let no_consent = host.invocation().user_token(None);
    for (case, invocation) in
        [("no tokens", no_tokens), ("nobody listens", no_server), ("no API", no_api), ("no consent", no_consent)]
    {
        assert_eq!(invoke(&host, "/global", &invocation).await, refused(UNDETERMINED), "{case}");
    }
}

#[actix_web::test]
async fn cached_answers_are_separate_by_user_installation_site_and_caller() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let user = tenant.account_id.clone();
    let_administer(&host, &user);
    let first = host.invocation();
    let id = first.installation_id();
    let other_user = host.invocation().installation(&id).claim("/principal", "557058:other");
    let other_site = host.invocation_of(&host.new_tenant()).installation(&id).claim("/principal", user.as_str());
    for (case, invocation, status, asked) in [
        ("the first time", first.clone(), 200, 1),
        ("again", host.invocation().installation(&id), 200, 1),
        ("looking at something else", looking_at(&host, &at_issue()).installation(&id), 200, 1),
        ("another user", other_user.clone(), 403, 2),
        ("again", other_user, 403, 2),
        ("another installation", host.invocation(), 200, 3),
        ("another site of the same installation", other_site, 200, 4),
        ("the first one still", first, 200, 4),
    ] {
        assert_eq!(host.invoke("/global", &invocation).await.status, status, "{case}");
        assert_eq!(host.calls().len(), asked, "{case}");
    }

    let mut claims = tenant.claims("GET", "/global", "");
    claims["qsh"] = "context-qsh".into();
    let token = tenant.sign(&claims);
    assert_eq!(host.call(Method::GET, "/global", &token, None).await.status, 200);
    assert_eq!(host.calls().len(), 5, "through Connect it is checked again");
    // an installation with the name of a Connect tenant, in the same place: it does not get that tenant's answer
    let namesake =
        host.invocation().installation(&tenant.client_key).claim("/app/apiBaseUrl", tenant.base_url.as_str());
    let context = json!([{ "name": "jira", "apiBaseUrl": tenant.base_url }]);
    let namesake = namesake.claim("/app/installation/contexts", context);
    assert_eq!(invoke(&host, "/global", &namesake).await, refused(UNDETERMINED));
    assert_eq!(host.calls().len(), 6);
}

#[actix_web::test]
async fn another_issue_is_checked_separately() {
    let host = fixture::start(routes).await;
    host.stub_post(JIRA, granted(&json!([10]), &json!([11])));
    let id = host.invocation().installation_id();
    for (issue, place, status, asked) in
        [("11", "10", 200, 1), ("11", "10", 200, 1), ("12", "10", 403, 2), ("11", "12", 403, 3), ("11", "10", 200, 3)]
    {
        let place = json!({ "issue": { "id": issue }, "project": { "id": place } });
        let invocation = looking_at(&host, &place).installation(&id);
        assert_eq!(host.invoke("/project", &invocation).await.status, status, "{place}");
        assert_eq!(host.calls().len(), asked, "{place}");
    }
}
