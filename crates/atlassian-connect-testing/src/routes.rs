//! Checks that the descriptor's URLs are answered.

use super::TestHost;
use atlassian_connect_actix::internal::descriptor::Called;

/// Fails the test unless a route answers every URL in the descriptor: lifecycle callbacks and webhooks to POST, the
/// `url` of every other module to GET (or POST). Refusing an unsigned request counts as an answer.
pub async fn assert_descriptor_routes(host: &TestHost) {
    let descriptor = host.addon().state().descriptor();
    let mut missing = Vec::new();
    for called in descriptor.urls() {
        if !answers(host, &called).await {
            missing.push(format!("{} {}", called.methods[0], called.url));
        }
    }
    assert!(missing.is_empty(), "no route answers these URLs of the descriptor: {missing:#?}");
}

async fn answers(host: &TestHost, called: &Called) -> bool {
    for method in called.methods {
        let status = host.send(host.request(method.clone(), &called.filled()), Vec::new()).await.status;
        if status != 404 && status != 405 {
            return true;
        }
    }
    false
}
