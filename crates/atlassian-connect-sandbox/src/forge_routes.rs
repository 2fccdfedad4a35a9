//! Forge in the sandbox: it invokes the add-on's endpoints with its own keys and tokens, and serves the product's API
//! that accepts the tokens. Each site is an installation of the app, whether or not Connect has installed the add-on
//! there.

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::api::{self, Via};
use super::calls::{Answer, is_good, refused};
use super::draft::{Draft, Kind, Outcome, laid_out};
use super::forge::{JWKS, METHODS, Tokens};
use super::news::News;
use super::secret::new_secret;
use super::services::entry;
use super::shared::Sandbox;
use super::site::SandboxSite;
use super::user::User;
use atlassian_connect_testing::internal::product_api::{self, GRAPHQL};
use atlassian_connect_testing::{By, TestInvocation, TestTenant};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route(JWKS, web::get().to(jwks)).route(GRAPHQL, web::post().to(graphql));
}

async fn jwks(sandbox: web::Data<Sandbox>) -> HttpResponse {
    let key = sandbox.platform.key.existing().await;
    let keys: Vec<Value> = key.iter().map(|key| key.signer().public_jwk(key.kid())).collect();
    sandbox.journal.write(&entry("GET", JWKS, 200, None));
    HttpResponse::Ok().json(json!({ "keys": keys }))
}

/// Issues tokens for absent users.
async fn graphql(sandbox: web::Data<Sandbox>, request: HttpRequest, question: Json<Value>) -> HttpResponse {
    let input = &question["variables"]["input"];
    let asked = input["contextIds"][0].as_str().unwrap_or_default();
    let user = User::of_account(input["userId"].as_str().unwrap_or_default()).filter(|user| !user.anonymous);
    let tenant = sandbox.sites.iter().map(SandboxSite::tenant).find(|tenant| product_api::site_ari(tenant) == asked);
    let mut written = entry("POST", GRAPHQL, 200, None);
    let (answer, refusal) = if let Some(tenant) = tenant {
        match (sandbox.prove_forge(&tenant, request.headers()), user) {
            (By::Refused(reason), _) => {
                written.status = 401;
                (json!({ "message": reason }), Some(reason))
            }
            (by, Some(user)) => {
                written.by = Some(format!("for {}, who is absent", user.display_name));
                let (answer, refusal) =
                    product_api::offline_token(&sandbox.ledger, &tenant, &by, &question, &new_secret());
                (answer, refusal.map(str::to_owned))
            }
            (_, None) => refused_offline("the site does not have this user"),
        }
    } else {
        refused_offline("the sandbox does not have this site")
    };
    written.reason = refusal;
    sandbox.journal.write(&written);
    if written.status == 401 { HttpResponse::Unauthorized().json(answer) } else { HttpResponse::Ok().json(answer) }
}

fn refused_offline(reason: &str) -> (Value, Option<String>) {
    (product_api::offline_refusal(reason), Some(reason.to_owned()))
}

/// Answers requests below `/ex`.
pub(super) async fn product_api(sandbox: &Sandbox, path: &str, request: &HttpRequest, body: Bytes) -> HttpResponse {
    let below = |site: &SandboxSite| product_api::below_api(&site.tenant(), path).map(str::to_owned);
    if let Some((site, path)) = sandbox.sites.iter().find_map(|site| Some((site, below(site)?))) {
        return api::answer(sandbox, site, Via::Forge, &path, request, body).await;
    }
    let reason = "the sandbox has no site with this cloudId and product";
    sandbox.journal.write(&entry(request.method().as_str(), path, 404, Some(reason.to_owned())));
    HttpResponse::NotFound().json(json!({ "message": reason }))
}

impl Sandbox {
    /// Verifies the credentials of a request to the product's API, which requires them.
    pub(super) fn prove_forge(&self, tenant: &TestTenant, headers: &HeaderMap) -> By {
        match self.ledger.prove_forge(tenant, headers) {
            By::Nobody => By::Refused("it has no Forge token".to_owned()),
            by => by,
        }
    }

    /// Invokes an endpoint of the add-on like Forge.
    pub(super) async fn invoke(&self, site: &SandboxSite, user: User, draft: &Draft) -> Outcome {
        match self.sent(&site.tenant(), user, draft).await {
            Ok(answer) => outcome(answer),
            Err(reason) => Outcome { news: refused(format!("Not sent: {reason}.")), body: None },
        }
    }

    async fn sent(&self, tenant: &TestTenant, user: User, draft: &Draft) -> Result<Answer, String> {
        let method =
            METHODS.into_iter().find(|method| *method == draft.method).ok_or("Forge does not support this method")?;
        let method = if draft.kind == Kind::Page { method } else { "POST" };
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let patch: Value = match draft.claims.trim() {
            "" => json!({}),
            text => serde_json::from_str(text).map_err(|error| format!("the claims are not valid JSON: {error}"))?,
        };
        if !patch.is_object() {
            return Err("the claims are not a JSON object".to_owned());
        }
        let body = draft.body.trim();
        if !body.is_empty() {
            serde_json::from_str::<Value>(body).map_err(|error| format!("the body is not valid JSON: {error}"))?;
        }
        let invocation = TestInvocation::of(tenant);
        let invocation = match user.account() {
            _ if !draft.kind.has_user() => invocation.unattended(),
            Some(account_id) => invocation.claim("/principal", account_id),
            None => invocation.without("/principal"),
        };
        let invocation = invocation.claim("/jti", new_secret()).patch(patch);
        let has_user_token = draft.user_token && draft.kind.has_user();
        let user = if has_user_token { user.account() } else { None };
        let tokens = Tokens { app: draft.app_token, user };
        let headers = self.invocation_headers(tenant, &invocation, tokens).await?;
        let body = if method == Method::GET { String::new() } else { body.to_owned() };
        Ok(self.send(method, &draft.path, &headers, body).await)
    }
}

fn outcome(answer: Answer) -> Outcome {
    let good = is_good(&answer);
    match answer {
        Ok((status, text)) => {
            let verdict = match status {
                300..=399 => ": Forge treats a redirect as a failure.",
                _ if good => ".",
                _ => ". The journal shows why.",
            };
            let body = serde_json::from_str(&text).map_or(text, |json: Value| laid_out(&json));
            let news = News { good, text: format!("The add-on answered {status}{verdict}") };
            Outcome { news, body: Some(body).filter(|body| !body.is_empty()) }
        }
        Err(reason) => Outcome { news: refused(format!("No answer: {reason}.")), body: None },
    }
}
