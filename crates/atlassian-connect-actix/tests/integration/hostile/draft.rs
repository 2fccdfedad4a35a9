//! A request before it is signed and sent; every part of it can be changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use atlassian_connect_actix::internal::jwt::{AddonClaims, CONTEXT_QSH, RsaSigner, now};
use atlassian_connect_testing::{KeyServer, TestTenant};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::guards::Guard;
use super::mutations::Class;
use crate::support::vectors::{Base, bases};

/// The sender: a site, another site with the add-on, and what they know of the add-on.
#[derive(Clone)]
pub(super) struct Actor {
    pub tenant: TestTenant,
    pub other: TestTenant,
    pub addon_key: String,
    pub base_urls: BTreeMap<Guard, String>,
    /// A key pair that no key server knows.
    pub other_rsa: Arc<RsaSigner>,
}

/// How the signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    Hs256,
    Hs384,
    Hs512,
    /// The secret of another site.
    OtherSecret,
    /// HMAC with the public install key as the secret.
    PublicKeyAsSecret,
    /// HMAC with an empty secret.
    NoSecret,
    /// The install key.
    Rsa,
    OtherRsa,
    /// An empty signature.
    Nobody,
}

/// Where the token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Query,
    Form,
    Authorization,
    Acpt,
}

#[derive(Clone)]
pub(super) struct Draft {
    pub guard: Guard,
    pub base: &'static Base,
    /// Whether the token is a session token of the add-on.
    pub is_session: bool,
    pub path: String,
    pub query: String,
    /// A form, or JSON.
    pub body: String,
    /// The header's JSON.
    pub header: String,
    pub claims: Value,
    /// The JSON of the claims, if a `Value` cannot represent it.
    pub claims_text: Option<String>,
    pub signer: Signer,
    pub place: Place,
    /// Changes the finished token.
    pub tamper: Option<Tamper>,
    /// Further parameters of the query or form, besides what is hashed.
    pub further: Vec<(Place, String)>,
}

pub(super) type Tamper = Arc<dyn Fn(&str) -> String>;

impl Draft {
    /// The unmutated request number `i` of a class for a guard: it is accepted.
    pub(super) fn of(guard: Guard, class: &Class, i: usize, actor: &Actor) -> Self {
        let bases = bases(guard.method(), class.part);
        let base = bases[i % bases.len()];
        let form_place = if guard == Guard::Form { Place::Form } else { Place::Query };
        let places: &[Place] = match guard {
            Guard::Page | Guard::Form | Guard::Token | Guard::Context => {
                &[form_place, Place::Authorization, Place::Acpt, Place::Query]
            }
            _ => &[Place::Authorization, Place::Query],
        };
        let mut draft = Self {
            guard,
            base,
            is_session: false,
            path: base.path.clone(),
            query: base.query.clone(),
            body: base.form.clone(),
            header: r#"{"typ":"JWT","alg":"HS256"}"#.to_owned(),
            claims: json!({
                "iss": actor.tenant.client_key,
                "sub": actor.tenant.account_id,
                "iat": now(),
                "exp": now() + 3600,
                "qsh": base.qsh,
            }),
            claims_text: None,
            signer: Signer::Hs256,
            place: places[i % places.len()],
            tamper: None,
            further: Vec::new(),
        };
        match guard {
            Guard::Context => draft.claims["qsh"] = CONTEXT_QSH.into(),
            // if the mutation is not one of the request, the token of the route may have three types
            Guard::Token if class.part == "path" && !class.of_request => match i % 3 {
                0 => {
                    draft.is_session = true;
                    draft.claims["iss"] = actor.addon_key.as_str().into();
                    draft.claims["aud"] = json!([actor.tenant.client_key]);
                    draft.claims["use"] = AddonClaims::SESSION.into();
                    draft.claims.as_object_mut().unwrap().shift_remove("qsh");
                }
                1 => draft.claims["qsh"] = CONTEXT_QSH.into(),
                _ => {}
            },
            Guard::Page | Guard::Form | Guard::Token => {}
            Guard::Webhook | Guard::Enabled | Guard::Disabled => {
                draft.body = json!({ "clientKey": actor.tenant.client_key, "eventType": "enabled" }).to_string();
            }
            Guard::Installed | Guard::Uninstalled => {
                draft.header = json!({ "typ": "JWT", "alg": "RS256", "kid": KeyServer::KID }).to_string();
                draft.claims["aud"] = json!([actor.base_urls[&guard]]);
                draft.signer = Signer::Rsa;
                draft.body = actor.tenant.payload(&actor.addon_key, "installed").to_string();
            }
        }
        draft
    }

    pub(super) fn token(&self, actor: &Actor) -> String {
        let claims = self.claims_text.clone().unwrap_or_else(|| self.claims.to_string());
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&self.header), URL_SAFE_NO_PAD.encode(claims));
        let token = format!("{message}.{}", signature(self.signer, &message, actor));
        self.tamper.as_ref().map_or(token.clone(), |tamper| tamper(&token))
    }

    /// Whether the finished token is for an install and names a key that the key server does not have.
    pub(super) fn names_another_key(&self, actor: &Actor) -> bool {
        let token = self.token(actor);
        let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
        let header = header.and_then(|header| serde_json::from_slice::<Value>(&header).ok());
        let kid = header.as_ref().and_then(|header| header["kid"].as_str());
        self.guard.is_install() && kid.is_some_and(|kid| kid != KeyServer::KID)
    }

    /// The bytes that go out.
    pub(super) fn request(&self, actor: &Actor) -> Vec<u8> {
        let token = self.token(actor);
        let (mut query, mut form, mut headers) = (vec![self.query.clone()], vec![self.body.clone()], String::new());
        let carried = match self.place {
            Place::Query | Place::Form => format!("jwt={token}"),
            Place::Authorization => format!("Authorization: JWT {token}\r\n"),
            Place::Acpt => format!("X-acpt: {token}\r\n"),
        };
        for (place, text) in std::iter::once((self.place, carried)).chain(self.further.iter().cloned()) {
            match place {
                Place::Query => query.push(text),
                Place::Form => form.push(text),
                Place::Authorization | Place::Acpt => headers += &text,
            }
        }
        let join = |parts: Vec<String>| parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let (query, body) = (join(query), join(form));
        let separator = if query.is_empty() { "" } else { "?" };
        if self.guard.method() == "POST" {
            let kind = if self.guard == Guard::Form { "application/x-www-form-urlencoded" } else { "application/json" };
            headers += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        let method = self.guard.method();
        let path = &self.path;
        format!("{method} {path}{separator}{query} HTTP/1.1\r\nHost: addon\r\n{headers}\r\n{body}").into_bytes()
    }
}

fn signature(signer: Signer, message: &str, actor: &Actor) -> String {
    let mac = |algorithm, secret: &str| {
        let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    };
    let secret = actor.tenant.shared_secret.as_str();
    match signer {
        Signer::Hs256 => mac(hmac::HMAC_SHA256, secret),
        Signer::Hs384 => mac(hmac::HMAC_SHA384, secret),
        Signer::Hs512 => mac(hmac::HMAC_SHA512, secret),
        Signer::OtherSecret => mac(hmac::HMAC_SHA256, &actor.other.shared_secret),
        Signer::PublicKeyAsSecret => mac(hmac::HMAC_SHA256, &KeyServer::public_pem()),
        Signer::NoSecret => mac(hmac::HMAC_SHA256, ""),
        Signer::Rsa => KeyServer::signature(message),
        Signer::OtherRsa => actor.other_rsa.signature(message).unwrap(),
        Signer::Nobody => String::new(),
    }
}
