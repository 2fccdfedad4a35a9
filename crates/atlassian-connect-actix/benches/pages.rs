//! What a page on Forge costs beside the same page in Connect: the endpoint that opens it, and the page itself. All in
//! this process and without a socket, one request after the other, in turns. Read the ratios.
//!
//!     cargo bench -p atlassian-connect-actix --bench pages
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, ServiceConfig};
use askama::Template;
use atlassian_connect_actix::internal::jwt::{RsaSigner, now};
use atlassian_connect_actix::{PageContext, View};
use atlassian_connect_testing::{TestHost, TestTenant};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const ROUNDS: usize = 15;
const REQUESTS: u32 = 2000;
/// Requests that are made before any of them is timed.
const TOGETHER: u32 = 50;
const PAGES: &str = r#"{ "forge": { "pages": { "panel": "/panel?issue={issue.key}" } } }"#;

#[derive(Template)]
#[template(source = "<head>{{ page.head() }}</head><p>{{ page.title }}</p>{{ page.context_script() }}", ext = "html")]
struct Panel {
    page: PageContext,
}

fn routes(cfg: &mut ServiceConfig) {
    cfg.route("/panel", web::get().to(|page: PageContext| async move { View(Panel { page }) }));
}

/// The time of `REQUESTS` calls. Making the requests is not part of it: a client does that.
async fn timed<S, B>(app: &S, request: impl Fn() -> TestRequest) -> Duration
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let mut took = Duration::ZERO;
    for _ in 0..REQUESTS / TOGETHER {
        let requests: Vec<_> = (0..TOGETHER).map(|_| request().to_request()).collect();
        let begun = Instant::now();
        for request in requests {
            let response = call_service(app, request).await;
            assert_eq!(response.status(), 200);
            black_box(response);
        }
        took += begun.elapsed();
    }
    took
}

/// The verification of an RSA signature over the claims, as any back end of Forge's has to do it.
fn rsa(claims: &Value) -> impl Fn() -> Duration {
    let signer = RsaSigner::generate().unwrap();
    let token = signer.sign("kid", claims).unwrap();
    let pem: String = signer.public_pem().unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, STANDARD.decode(pem).unwrap());
    move || {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let begun = Instant::now();
        for _ in 0..REQUESTS {
            black_box(&key).verify(black_box(message.as_bytes()), &signature).unwrap();
        }
        begun.elapsed()
    }
}

/// A tenant that is a Forge installation as well.
async fn installed() -> (TestHost, TestTenant) {
    let host = TestHost::builder().config(PAGES).start(routes).await;
    let mut tenant = host.tenant();
    tenant.installation_id = Some(host.invocation().installation_id());
    tenant.context =
        json!({ "jira": { "issue": { "id": "11", "key": "A-1" }, "project": { "id": "10", "key": "A" } } });
    host.install(&tenant).await;
    (host, tenant)
}

async fn measured() {
    let (host, tenant) = installed().await;
    let app = init_service(App::new().configure(host.addon().configure(routes))).await;
    let query = "issue=A-1&xdm_e=https%3A%2F%2Fsite.atlassian.net&cp=&lic=none&loc=en-US&tz=Europe%2FBerlin";
    let connect = format!("/panel?{query}&jwt={}", tenant.token("GET", "/panel", query));

    let extension = json!({ "type": "jira:issuePanel", "issue": { "id": "11", "key": "A-1" }, "project": { "id": "10", "key": "A" } });
    let invocation = host.invocation_of(&tenant).claim("/context/extension", extension).claim("/exp", now() + 3600);
    let claims = invocation.claims(TestHost::APP_ID);
    let (token, rsa) = (host.forge_keys().sign(&claims), rsa(&claims));
    let answer = host.forge_page_url(&invocation, "panel", TestHost::SHELL).await.json();
    let forge = answer["url"].as_str().unwrap().strip_prefix(host.base_url()).unwrap().to_owned();
    let body =
        json!({ "moduleKey": "panel", "shell": TestHost::SHELL, "locale": "en-US", "timezone": "Europe/Berlin" });
    let open = || {
        let request =
            TestRequest::post().uri("/forge/open").insert_header(("Authorization", format!("Bearer {token}")));
        request
            .insert_header(("x-forge-oauth-user", "user"))
            .insert_header(("x-forge-oauth-system", "app"))
            .set_json(&body)
    };

    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        let round = [
            timed(&app, || TestRequest::get().uri(&connect)).await,
            rsa(),
            timed(&app, open).await,
            timed(&app, || TestRequest::get().uri(&forge)).await,
        ];
        for (best, took) in best.iter_mut().zip(round) {
            *best = (*best).min(took);
        }
    }
    let [connect, rsa, open, forge] = best.map(|took| took.as_secs_f64() * 1e6 / f64::from(REQUESTS));
    println!("page in Connect {connect:.1} us, RSA {rsa:.1} us, open {open:.1} us, page on Forge {forge:.1} us");
    println!(
        "open to page and RSA {:.2}, page on Forge to page in Connect {:.2}",
        open / (connect + rsa),
        forge / connect
    );
}

fn main() {
    System::new().block_on(measured());
}
