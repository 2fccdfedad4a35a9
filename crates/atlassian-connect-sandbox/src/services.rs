//! Atlassian's services for a site: the install keys, and users' tokens.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::api::scopes;
use super::journal::{DecodedToken, Direction, Entry};
use super::secret::new_secret;
use super::shared::Sandbox;
use super::user::User;
use atlassian_connect_actix::internal::jwt::now;
use atlassian_connect_testing::internal::{GrantForm, Issued};

/// The lifetime of a user's token in seconds, as at Atlassian.
const TOKEN_LIFETIME: i64 = 900;

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/install-keys/{kid}", web::get().to(install_key)).route("/oauth2/token", web::post().to(token));
}

async fn install_key(sandbox: web::Data<Sandbox>, kid: web::Path<String>) -> HttpResponse {
    let key = sandbox.key.existing().await.filter(|key| *kid == key.kid());
    let known = key.is_some();
    let pem = key.and_then(|key| key.public_pem().ok());
    let response = match pem {
        Some(pem) => HttpResponse::Ok().content_type("application/x-pem-file").body(pem),
        None => HttpResponse::NotFound().body("Key not found."),
    };
    let reason = (!known).then(|| "the sandbox does not have this key".to_owned());
    sandbox.journal.write(&entry("GET", &format!("/install-keys/{kid}"), response.status().as_u16(), reason));
    response
}

async fn token(sandbox: web::Data<Sandbox>, form: web::Form<GrantForm>) -> HttpResponse {
    let granted = form.check(&sandbox.ledger, &sandbox.service_origin()).and_then(|(client_key, account_id)| {
        let descriptor = sandbox.state.descriptor();
        if !scopes::of(descriptor.value()).contains(&"ACT_AS_USER") {
            return Err("the descriptor's scopes lack ACT_AS_USER".to_owned());
        }
        if !sandbox.sites.iter().any(|site| site.tenant().client_key == client_key && site.status().installed) {
            return Err("the site has not installed the add-on".to_owned());
        }
        match User::of_account(&account_id) {
            Some(_) => Ok((client_key, account_id)),
            None => Err("the site does not have this user".to_owned()),
        }
    });
    let mut written = entry("POST", "/oauth2/token", 200, None);
    written.token = DecodedToken::read(form.assertion());
    let response = match granted {
        Ok((client_key, account_id)) => {
            written.by = User::of_account(&account_id).map(|user| format!("for {}", user.display_name));
            let token = format!("sandbox-user-token-{}", new_secret());
            let (scope, expires_at) = (form.scope().map(str::to_owned), now() + TOKEN_LIFETIME);
            sandbox.ledger.issue(
                token.clone(),
                Issued { client_key, account_id: Some(account_id), forge: false, scope, expires_at },
            );
            HttpResponse::Ok()
                .json(json!({ "access_token": token, "expires_in": TOKEN_LIFETIME, "token_type": "Bearer" }))
        }
        Err(reason) => {
            written.status = 400;
            written.reason = Some(reason.clone());
            HttpResponse::BadRequest().json(json!({ "error": "invalid_grant", "error_description": reason }))
        }
    };
    sandbox.journal.write(&written);
    response
}

/// A journal entry for a request to one of the services.
pub(super) fn entry(method: &str, url: &str, status: u16, reason: Option<String>) -> Entry {
    Entry {
        direction: Direction::ToHost,
        method: method.to_owned(),
        url: url.to_owned(),
        status,
        took_ms: None,
        by: None,
        reason,
        headers: Vec::new(),
        token: None,
        body: None,
    }
}
