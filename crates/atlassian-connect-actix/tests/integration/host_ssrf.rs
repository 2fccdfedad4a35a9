//! In production, requests go to public addresses and to those that the whitelist names.

use actix_web::HttpResponse;
use actix_web::http::Method;
use atlassian_connect_actix::host::HostError;
use atlassian_connect_testing::{TestHost, TestTenant};
use serde_json::json;

use crate::host_calls::client;

use crate::support::fixture;

/// An add-on with this whitelist, and a site that the host serves under this name.
async fn site(whitelist: &str, name: &str) -> (TestHost, TestTenant) {
    let host = fixture::builder().var("AC_HOST_WHITELIST", whitelist).start(|_| {}).await;
    host.stub_get("/x", json!(1));
    let mut tenant = host.tenant();
    tenant.base_url = tenant.base_url.replace("127.0.0.1", name);
    host.install(&tenant).await;
    (host, tenant)
}

#[actix_web::test]
async fn a_private_address_is_called_when_the_whitelist_names_it() {
    for (whitelist, name, is_called) in [
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.*", "127.0.0.1", false),
        ("127.0.0.*,127.0.0.2", "127.0.0.1", false),
        ("localhost", "localhost", true),
        ("l*calhost", "localhost", false),
    ] {
        let (host, tenant) = site(whitelist, name).await;
        let answer = client(&host, &tenant).await.get("/x").send().await;
        let case = format!("{name} by {whitelist}: {answer:?}");
        assert_eq!(answer.is_ok(), is_called, "{case}");
        assert_eq!(host.calls().len(), usize::from(is_called), "{case}");
        match answer {
            Ok(response) => assert_eq!(response.status(), 200, "{case}"),
            // an address is checked as it is, a name when it is resolved
            Err(HostError::PrivateAddress(_)) => assert_eq!(name, "127.0.0.1", "{case}"),
            Err(HostError::Unreachable { reason, .. }) => assert!(reason.contains("no public address"), "{case}"),
            Err(error) => panic!("{case}: {error}"),
        }
    }
}

#[actix_web::test]
async fn in_development_any_address_is_called() {
    let vars = fixture::builder().var("NODE_ENV", "development").var("AC_HOST_WHITELIST", "127.0.0.*");
    let host = vars.start(|_| {}).await;
    host.install(&host.tenant()).await;
    host.stub_get("/x", json!(1));
    assert_eq!(client(&host, &host.tenant()).await.get("/x").send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn neither_a_redirect_nor_an_absolute_url_leads_to_a_private_address() {
    let (host, tenant) = site("127.0.0.1", "127.0.0.1").await;
    let port = tenant.base_url.rsplit(':').next().unwrap().to_owned();
    let client = client(&host, &tenant).await;
    for name in ["127.0.0.2", "localhost", "[::1]", "0.0.0.0", "2130706434", "[::ffff:127.0.0.1]", "169.254.169.254"] {
        let url = format!("http://{name}:{port}/x");
        let location = url.clone();
        host.stub(Method::GET, "/redirect", move |_| {
            let location = location.clone();
            async { HttpResponse::Found().insert_header(("Location", location)).finish() }
        });
        for request in [client.get("/redirect"), client.get(&url), client.anonymous().post(&url)] {
            let error = request.send().await.unwrap_err();
            let is_refused =
                matches!(error, HostError::PrivateAddress(_)) || error.to_string().contains("no public address");
            assert!(is_refused, "{name}: {error}");
        }
    }
    assert!(host.calls().iter().all(|call| call.path == "/redirect"), "{:?}", host.calls());
}
