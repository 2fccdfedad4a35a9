//! The sandbox as Forge: it invokes the add-on's endpoints with keys and tokens of its own, and is the product's API that
//! takes the tokens. Each site is an installation of the app, whether Connect has installed the add-on there or not.

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes, Json};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::api::{self, Door};
use super::calls::{Answer, is_good, refused};
use super::draft::{Draft, Kind, Outcome, laid_out};
use super::forge::JWKS;
use super::news::News;
use super::secret::new_secret;
use super::services::entry;
use super::shared::Sandbox;
use super::site::Site;
use super::user::User;
use atlassian_connect_testing::internal::product_api::{self, GRAPHQL, TOKEN_LIFETIME};
use atlassian_connect_testing::{By, TestInvocation, TestTenant};

/// Methods that a page may choose.
///
/// Source: Atlassian, "Forge Remote essentials".
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route(JWKS, web::get().to(jwks)).route(GRAPHQL, web::post().to(graphql));
}

async fn jwks(sandbox: web::Data<Sandbox>) -> HttpResponse {
    let key = sandbox.platform.key.existing().await;
    let keys: Vec<Value> = key.iter().map(|key| key.signer().public_jwk(key.kid())).collect();
    sandbox.journal.write(&entry("GET", JWKS, 200, None));
    HttpResponse::Ok().json(json!({ "keys": keys }))
}

/// Tokens for users who are away.
async fn graphql(sandbox: web::Data<Sandbox>, request: HttpRequest, question: Json<Value>) -> HttpResponse {
    let input = &question["variables"]["input"];
    let asked = input["contextIds"][0].as_str().unwrap_or_default();
    let user = User::of_account(input["userId"].as_str().unwrap_or_default()).filter(|user| !user.anonymous);
    let tenant = sandbox.sites.iter().map(Site::tenant).find(|tenant| product_api::site_ari(tenant) == asked);
    let mut written = entry("POST", GRAPHQL, 200, None);
    let (answer, refusal) = if let Some(tenant) = tenant {
        match (sandbox.prove_forge(&tenant, request.headers()), user) {
            (By::Refused(reason), _) => {
                written.status = 401;
                (json!({ "message": reason }), Some(reason))
            }
            (by, Some(user)) => {
                written.by = Some(format!("for {}, who is away", user.display_name));
                let (answer, refusal) =
                    product_api::offline_token(&sandbox.ledger, &tenant, &by, &question, &new_secret());
                (answer, refusal.map(str::to_owned))
            }
            (_, None) => refused_offline("the site has no such user"),
        }
    } else {
        refused_offline("the sandbox has no such site")
    };
    written.reason = refusal;
    sandbox.journal.write(&written);
    if written.status == 401 { HttpResponse::Unauthorized().json(answer) } else { HttpResponse::Ok().json(answer) }
}

fn refused_offline(reason: &str) -> (Value, Option<String>) {
    (product_api::offline_refusal(reason), Some(reason.to_owned()))
}

/// Answers what is asked below `/ex`.
pub(super) async fn product_api(sandbox: &Sandbox, path: &str, request: &HttpRequest, body: Bytes) -> HttpResponse {
    let below = |site: &Site| product_api::below_api(&site.tenant(), path).map(str::to_owned);
    if let Some((site, path)) = sandbox.sites.iter().find_map(|site| Some((site, below(site)?))) {
        return api::answer(sandbox, site, Door::Forge, &path, request, body).await;
    }
    let reason = "the sandbox has no site of that cloudId and product";
    sandbox.journal.write(&entry(request.method().as_str(), path, 404, Some(reason.to_owned())));
    HttpResponse::NotFound().json(json!({ "message": reason }))
}

impl Sandbox {
    /// Proves a request to the product's API, which knows no visitors.
    pub(super) fn prove_forge(&self, tenant: &TestTenant, headers: &HeaderMap) -> By {
        match self.ledger.prove_forge(tenant, headers) {
            By::Nobody => By::Refused("it has no token of Forge's".to_owned()),
            by => by,
        }
    }

    /// Invokes an endpoint of the add-on's as Forge does.
    pub(super) async fn invoke(&self, site: &Site, user: User, draft: &Draft) -> Outcome {
        match self.sent(&site.tenant(), user, draft).await {
            Ok(answer) => outcome(answer),
            Err(reason) => Outcome { news: refused(format!("Not sent: {reason}.")), body: None },
        }
    }

    async fn sent(&self, tenant: &TestTenant, user: User, draft: &Draft) -> Result<Answer, String> {
        let method = METHODS.into_iter().find(|method| *method == draft.method).ok_or("Forge has no such method")?;
        let method = if draft.kind == Kind::Page { method } else { "POST" };
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let patch: Value = match draft.claims.trim() {
            "" => json!({}),
            text => serde_json::from_str(text).map_err(|error| format!("the claims are no JSON: {error}"))?,
        };
        if !patch.is_object() {
            return Err("the claims are no JSON object".to_owned());
        }
        let body = draft.body.trim();
        if !body.is_empty() {
            serde_json::from_str::<Value>(body).map_err(|error| format!("the body is no JSON: {error}"))?;
        }
        let invocation = TestInvocation::of(tenant);
        let invocation = match user.account() {
            _ if !draft.kind.has_user() => invocation.unattended(),
            Some(account_id) => invocation.claim("/principal", account_id),
            None => invocation.without("/principal"),
        };
        let claims = invocation.claim("/jti", new_secret()).patch(patch).claims(&self.platform.app_id);
        let signed = async { self.platform.key.get().await?.sign(&claims) };
        let token = signed.await.map_err(|error| error.to_string())?;
        // 128 and 64 bits
        let mut headers = vec![
            ("Authorization", format!("Bearer {token}")),
            ("x-b3-traceid", new_secret()[..32].to_owned()),
            ("x-b3-spanid", new_secret()[..16].to_owned()),
        ];
        let user = user.account().filter(|_| draft.user_token && draft.kind.has_user());
        for (name, account) in
            [("x-forge-oauth-system", draft.app_token.then_some(None)), ("x-forge-oauth-user", user.map(Some))]
        {
            let Some(account) = account else { continue };
            let token = product_api::issue(&self.ledger, tenant, account, TOKEN_LIFETIME, &new_secret());
            headers.push((name, token.map_err(|error| error.to_string())?));
        }
        let body = if method == Method::GET { String::new() } else { body.to_owned() };
        Ok(self.send(method, &draft.path, &headers, body).await)
    }
}

fn outcome(answer: Answer) -> Outcome {
    let good = is_good(&answer);
    match answer {
        Ok((status, text)) => {
            let verdict = match status {
                300..=399 => ": for Forge, a redirect is a failure.",
                _ if good => ".",
                _ => ". The journal says why.",
            };
            let body = serde_json::from_str(&text).map_or(text, |json: Value| laid_out(&json));
            let news = News { good, text: format!("The add-on answered {status}{verdict}") };
            Outcome { news, body: Some(body).filter(|body| !body.is_empty()) }
        }
        Err(reason) => Outcome { news: refused(format!("There is no answer: {reason}.")), body: None },
    }
}
