//! Permission checks: the requests to the host, and the result of each answer.

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, get};
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_testing::{By, TestHost, TestTenant};
use serde_json::{Value, json};

use crate::support::fixture;

const JIRA: &str = "/rest/api/3/permissions/check";
const USER: &str = "/rest/api/user";
const CONTENT: &str = "/rest/api/content/77/permission/check";

const DENIED: &str = "You do not have permission to do this.";
const UNDETERMINED: &str = "Your permissions could not be determined.";

macro_rules! guarded {
    ($($route:literal $handler:ident $permission:ident = $needed:expr;)*) => {
        $(
            struct $permission;

            impl Permission for $permission {
                const NEEDED: Needed = $needed;
            }

            #[get($route)]
            async fn $handler(_: Authorized<$permission>) -> &'static str {
                "may"
            }
        )*

        fn routes(cfg: &mut ServiceConfig) {
            $(cfg.service($handler);)*
        }
    };
}

guarded! {
    "/global" global Global = Needed::Jira { project: &[], global: &["ADMINISTER", "BULK_CHANGE"] };
    "/project" project Project = Needed::Jira { project: &["BROWSE_PROJECTS", "EDIT_ISSUES"], global: &[] };
    "/application" application Application = Needed::Confluence { application: &["use", "administer"], content: None };
    "/content" content Content = Needed::Confluence { application: &[], content: Some("update") };
}

/// A context JWT with this context; `user` `None`: nobody is logged in.
fn token(tenant: &TestTenant, user: Option<&str>, context: Value) -> String {
    let mut claims = tenant.claims("GET", "/", "");
    claims["qsh"] = "context-qsh".into();
    claims["sub"] = json!(user);
    claims["context"] = context;
    tenant.sign(&claims)
}

fn of_issue() -> Value {
    json!({"jira": {"project": {"id": "10"}, "issue": {"id": 11}}})
}

async fn answer(host: &TestHost, path: &str, token: &str) -> (u16, String) {
    let reply = host.call(Method::GET, path, token, None).await;
    (reply.status, reply.body)
}

/// A site of Confluence that has installed the add-on.
async fn confluence(host: &TestHost) -> TestTenant {
    let tenant = host.new_tenant_of("confluence");
    host.install(&tenant).await;
    tenant
}

/// Each case has its own user, so that no answer is cached.
async fn table(path: &str, method: Method, url: &str, context: &Value, cases: &[(&str, u16, Value, Result<(), &str>)]) {
    let host = fixture::installed(routes).await;
    let tenant = if url == JIRA { host.tenant() } else { confluence(&host).await };
    for (number, (case, status, body, expected)) in cases.iter().enumerate() {
        let (status, body) = (*status, body.clone());
        host.stub(method.clone(), url, move |_| {
            std::future::ready(HttpResponse::build(status.try_into().unwrap()).json(&body))
        });
        let token = token(&tenant, Some(&format!("user-{number}")), context.clone());
        let expected = expected.map_or_else(|message| (403, message.to_owned()), |()| (200, "may".to_owned()));
        assert_eq!(answer(&host, path, &token).await, expected, "{path}: {case}");
    }
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn global_permissions_of_jira() {
    let granted = json!({"globalPermissions": ["BULK_CHANGE", "ADMINISTER"], "projectPermissions": []});
    table(
        "/global",
        Method::POST,
        JIRA,
        &json!({}),
        &[
            ("all", 200, granted.clone(), Ok(())),
            ("one of two", 200, json!({"globalPermissions": ["ADMINISTER"]}), Err(DENIED)),
            ("none", 200, json!({"globalPermissions": []}), Err(DENIED)),
            ("silence", 200, json!({}), Err(DENIED)),
            ("a word in another case", 200, json!({"globalPermissions": ["administer", "bulk_change"]}), Err(DENIED)),
            (
                "errors",
                200,
                json!({"globalPermissions": ["ADMINISTER", "BULK_CHANGE"], "errorMessages": ["no"]}),
                Err(UNDETERMINED),
            ),
            ("an error status", 500, granted.clone(), Err(UNDETERMINED)),
            ("may not ask", 403, granted, Err(UNDETERMINED)),
            ("another shape", 200, json!({"globalPermissions": "ADMINISTER"}), Err(UNDETERMINED)),
            ("a list", 200, json!([]), Err(DENIED)),
        ],
    )
    .await;
}

#[actix_web::test]
async fn project_permissions_of_jira() {
    let grant = |permission: &str, projects: Value, issues: Value| json!({"permission": permission, "projects": projects, "issues": issues});
    let answer = |edit: Value| json!({"globalPermissions": [], "projectPermissions": [grant("BROWSE_PROJECTS", json!([10]), json!([11])), edit]});
    table(
        "/project",
        Method::POST,
        JIRA,
        &of_issue(),
        &[
            ("both, for project and issue", 200, answer(grant("EDIT_ISSUES", json!([10]), json!([11]))), Ok(())),
            ("ids as strings", 200, answer(grant("EDIT_ISSUES", json!(["10"]), json!(["11"]))), Ok(())),
            ("another project", 200, answer(grant("EDIT_ISSUES", json!([12]), json!([11]))), Err(DENIED)),
            ("another issue", 200, answer(grant("EDIT_ISSUES", json!([10]), json!([12]))), Err(DENIED)),
            ("only the project", 200, answer(grant("EDIT_ISSUES", json!([10]), json!([]))), Err(DENIED)),
            ("another permission", 200, answer(grant("VIEW", json!([10]), json!([11]))), Err(DENIED)),
            ("an error status", 502, json!(null), Err(UNDETERMINED)),
        ],
    )
    .await;
}

#[actix_web::test]
async fn application_operations_of_confluence() {
    let operations = |list: &[(&str, &str)]| {
        let list: Vec<Value> = list.iter().map(|(name, on)| json!({"operation": name, "targetType": on})).collect();
        json!({"operations": list})
    };
    table(
        "/application",
        Method::GET,
        USER,
        &json!({}),
        &[
            ("both", 200, operations(&[("use", "application"), ("administer", "application")]), Ok(())),
            ("one of two", 200, operations(&[("use", "application")]), Err(DENIED)),
            ("of a space", 200, operations(&[("use", "application"), ("administer", "space")]), Err(DENIED)),
            ("silence", 200, json!({}), Err(DENIED)),
            ("an unknown user", 404, json!({}), Err(UNDETERMINED)),
        ],
    )
    .await;
}

#[actix_web::test]
async fn content_operations_of_confluence() {
    let context = json!({"confluence": {"content": {"id": "77"}}});
    table(
        "/content",
        Method::POST,
        CONTENT,
        &context,
        &[
            ("yes", 200, json!({"hasPermission": true}), Ok(())),
            ("no", 200, json!({"hasPermission": false}), Err(DENIED)),
            ("yes, with errors", 200, json!({"hasPermission": true, "errors": [{"message": "x"}]}), Err(UNDETERMINED)),
            ("silence", 200, json!({}), Err(UNDETERMINED)),
            ("no such content", 404, json!({}), Err(UNDETERMINED)),
        ],
    )
    .await;
}

#[actix_web::test]
async fn without_a_project_or_content_the_check_fails_and_nothing_is_sent() {
    let host = fixture::installed(routes).await;
    let tenant = host.tenant();
    let no_project = "Your permissions could not be determined: there is no project and no issue here.";
    let no_content = "Your permissions could not be determined: there is no content here.";
    for (path, user, context, message) in [
        ("/project", Some("mia"), json!({}), no_project),
        ("/project", Some("mia"), json!({"jira": {"project": {"id": ""}}}), no_project),
        ("/content", Some("mia"), json!({}), no_content),
        ("/content", Some("mia"), json!({"confluence": {"content": {"id": "../../user"}}}), UNDETERMINED),
        ("/content", None, json!({"confluence": {"content": {"id": "77"}}}), UNDETERMINED),
        ("/application", None, json!({}), UNDETERMINED),
    ] {
        let answer = answer(&host, path, &token(&tenant, user, context.clone())).await;
        assert_eq!(answer, (403, message.to_owned()), "{path} {context}");
    }
    assert_eq!(host.calls().len(), 0, "{:?}", host.calls());
    assert_eq!(host.get("/project").await.status, 401, "nobody at all");
}

/// As atlassian-connect-express does: an install need not say which product it is. A product that does not know the
/// question refuses it.
#[actix_web::test]
async fn a_tenant_is_asked_for_permissions_whatever_its_product() {
    let host = fixture::installed(routes).await;
    let (jira, wiki) = (host.tenant(), confluence(&host).await);
    // without a product, the base URL says it
    let mut nameless = host.new_tenant();
    (nameless.product, nameless.base_url) = (String::new(), format!("{}/wiki", nameless.base_url));
    host.install(&nameless).await;
    let of_content = json!({"confluence": {"content": {"id": "77"}}});
    for (path, tenant, context) in [
        ("/global", &wiki, json!({})),
        ("/global", &nameless, json!({})),
        ("/project", &wiki, of_issue()),
        ("/application", &jira, json!({})),
        ("/content", &jira, of_content),
    ] {
        let answer = answer(&host, path, &token(tenant, Some("mia"), context)).await;
        assert_eq!(answer, (403, UNDETERMINED.to_owned()), "{path}");
        assert_eq!(host.calls().last().unwrap().client_key, tenant.client_key, "{path}");
    }
    assert_eq!(host.calls().len(), 5);
}

#[actix_web::test]
async fn the_check_is_aces_request() {
    let host = fixture::installed(routes).await;
    let (tenant, wiki) = (host.tenant(), confluence(&host).await);
    answer(&host, "/project", &token(&tenant, Some("mia"), of_issue())).await;
    let asked = json!({
        "globalPermissions": [],
        "projectPermissions": [{"permissions": ["BROWSE_PROJECTS", "EDIT_ISSUES"], "projects": ["10"], "issues": [11]}],
        "accountId": "mia",
    });
    assert_eq!((host.calls()[0].json(), &host.calls()[0].by), (asked, &By::Addon));
    answer(&host, "/global", &token(&tenant, None, json!({}))).await;
    let asked = json!({"globalPermissions": ["ADMINISTER", "BULK_CHANGE"], "projectPermissions": []});
    assert_eq!((host.calls()[1].json(), &host.calls()[1].by), (asked, &By::Nobody), "the anonymous user's");
    answer(&host, "/application", &token(&wiki, Some("mia"), json!({}))).await;
    assert_eq!(host.calls()[2].query, "accountId=mia&expand=operations");
    answer(&host, "/content", &token(&wiki, Some("mia"), json!({"confluence": {"content": {"id": 77}}}))).await;
    let asked = json!({"subject": {"type": "user", "identifier": "mia"}, "operation": "update"});
    assert_eq!((host.calls()[3].json(), host.calls()[3].path.as_str()), (asked, CONTENT));
    assert_eq!(host.problems(), [""; 0]);
}

#[actix_web::test]
async fn answers_are_cached_by_tenant_user_and_permission() {
    let host = fixture::installed(routes).await;
    let (tenant, other) = (host.tenant(), host.new_tenant());
    host.install(&other).await;
    // only mia has the permissions
    host.stub(Method::POST, JIRA, |call| async move {
        let all = json!({"globalPermissions": ["ADMINISTER", "BULK_CHANGE"]});
        HttpResponse::Ok().json(if call.json()["accountId"] == "mia" { all } else { json!({}) })
    });
    let mia = token(&tenant, Some("mia"), json!({}));
    for (case, path, token, status, asked) in [
        ("the first time", "/global", mia.clone(), 200, 1),
        ("again", "/global", mia.clone(), 200, 1),
        ("another user", "/global", token(&tenant, Some("max"), json!({})), 403, 2),
        ("again", "/global", token(&tenant, Some("max"), json!({})), 403, 2),
        ("nobody", "/global", token(&tenant, None, json!({})), 403, 3),
        ("another tenant", "/global", token(&other, Some("mia"), json!({})), 200, 4),
        ("another question", "/project", token(&tenant, Some("mia"), of_issue()), 403, 5),
        ("another issue", "/project", token(&tenant, Some("mia"), json!({"jira": {"issue": {"id": 12}}})), 403, 6),
        ("the first one still", "/global", mia, 200, 6),
    ] {
        assert_eq!(answer(&host, path, &token).await.0, status, "{case}");
        assert_eq!(host.calls().len(), asked, "{case}");
    }
    // an undetermined check is repeated
    host.stub(Method::POST, JIRA, |_| async { HttpResponse::InternalServerError().finish() });
    let eve = token(&tenant, Some("eve"), json!({}));
    assert_eq!((answer(&host, "/global", &eve).await.0, answer(&host, "/global", &eve).await.0), (403, 403));
    assert_eq!(host.calls().len(), 8);
}
