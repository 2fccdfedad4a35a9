//! Checks the descriptor against the mounted routes.

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::test::TestRequest;
use actix_web::web::ServiceConfig;
use actix_web::{App, test};
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use super::Addon;
use crate::descriptor::{Called, Finding, Severity};

impl Addon {
    /// The URLs of the descriptor that no route answers, as errors. The routes are called in this process, without a
    /// token, a body or a connection: a refusal means that the route exists, 404 or 405 that it does not. Handlers
    /// without an authenticated extractor do run. Callbacks and webhooks are mounted by the framework and not called,
    /// except `installed` if `setupInstallRoute` is off. Nothing of it is logged.
    ///
    /// The command `descriptor --validate` calls this; the start of an add-on does not. Tests do the same over HTTP,
    /// with the test kit's `assert_descriptor_routes`.
    pub async fn unanswered<F>(&self, routes: F) -> Vec<Finding>
    where
        F: FnOnce(&mut ServiceConfig) + 'static,
    {
        let descriptor = self.state().descriptor();
        let is_mounted = |called: &Called| {
            let is_install = called.path == "$.lifecycle.installed";
            called.methods.len() == 1 && (self.config().setup_install_route || !is_install)
        };
        let asked: Vec<Called> = descriptor.urls().into_iter().filter(|called| !is_mounted(called)).collect();
        if asked.is_empty() {
            return Vec::new();
        }
        let base = self.config().local_base_url.path();
        let search = async {
            let app = test::init_service(App::new().configure(self.mount(None, routes))).await;
            let mut missing = Vec::new();
            for called in asked {
                let url = format!("{base}{}", called.filled());
                // without a valid URL there is no request
                let methods = if Uri::try_from(&url).is_ok() { called.methods } else { &[] };
                let request = |method: &Method| TestRequest::with_uri(&url).method(method.clone()).to_request();
                if !answers(&app, methods.iter().map(request)).await {
                    let text = format!("is {:?}, but no route answers it", called.url);
                    missing.push(descriptor.finding(Severity::Error, called.path, text));
                }
            }
            missing
        };
        // nobody sent these requests: they must not appear in the log
        search.with_subscriber(NoSubscriber::default()).await
    }
}

async fn answers<S, R, B>(app: &S, requests: impl Iterator<Item = R>) -> bool
where
    S: Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    for request in requests {
        let status = match app.call(request).await {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        if !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return true;
        }
    }
    false
}
