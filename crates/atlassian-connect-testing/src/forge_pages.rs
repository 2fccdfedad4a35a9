//! The fake host's shell, which opens pages on Forge.

use serde_json::{Value, json};

use super::{Reply, TestHost, TestInvocation};
use crate::fake_host::must;

impl TestHost {
    /// The origin of the app's shell, in Forge's format.
    pub const SHELL: &'static str = "https://0a1b2c3d.cdn.prod.atlassian-dev.net";

    /// Opens a module's page on Forge, like the app's shell for the user of the first site: asks `/forge/open` for the
    /// page's URL and loads it. `extension` is the module's context: `{"type": "jira:issuePanel", "issue": {"id":
    /// "10001", "key": "JRA-1"}}`.
    ///
    /// ```
    /// # use actix_web::web;
    /// # use atlassian_connect_actix::PageContext;
    /// # actix_web::rt::System::new().block_on(async {
    /// use atlassian_connect_testing::TestHost;
    /// use serde_json::json;
    ///
    /// # fn routes(cfg: &mut web::ServiceConfig) {
    /// #     cfg.route("/hello", web::get().to(|page: PageContext| async move { page.token.clone() }));
    /// # }
    /// // a module of the descriptor, or one that only Forge has
    /// let pages = r#"{ "forge": { "pages": { "hello-page": "/hello" } } }"#;
    /// let host = TestHost::builder().config(pages).start(routes).await;
    /// let page = host.open_forge("hello-page", json!({ "type": "jira:globalPage" })).await;
    /// assert_eq!(page.status, 200, "{}", page.body);
    /// # });
    /// ```
    ///
    /// The page's requests use its [`Reply::session_token`]: pass it to [`TestHost::call`].
    pub async fn open_forge(&self, module_key: &str, extension: Value) -> Reply {
        self.open_forge_by(&self.invocation().claim("/context/extension", extension), module_key).await
    }

    /// The same with any invocation: of another user, another site, or a hostile one. If the page's URL is refused,
    /// returns that answer.
    pub async fn open_forge_by(&self, invocation: &TestInvocation, module_key: &str) -> Reply {
        let answer = self.forge_page_url(invocation, module_key, Self::SHELL).await;
        if answer.status != 200 {
            return answer;
        }
        let url = answer.json()["url"].as_str().unwrap_or_default().to_owned();
        let path = must(url.strip_prefix(self.base_url()).ok_or(&url), "the page is not below the base URL");
        self.get(path).await
    }

    /// The answer of `/forge/open` to a shell with that origin: `{"url", "session"}`.
    pub async fn forge_page_url(&self, invocation: &TestInvocation, module_key: &str, shell: &str) -> Reply {
        let body = json!({
            "protocol": 1, "moduleKey": module_key, "shell": shell, "locale": "en-US", "timezone": "Europe/Berlin",
        });
        self.invoke("/forge/open", &invocation.clone().body(body)).await
    }
}
