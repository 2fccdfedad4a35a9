//! Of `docs/recipes/other-services.md`.

use actix_web::post;
use actix_web::web::{Data, Json};
use atlassian_connect_actix::Error;
use atlassian_connect_actix::auth::SessionToken;
use serde_json::{Value, json};

/// The service's address and your token there, as you configured them.
pub struct Chat {
    pub url: String,
    pub token: String,
}

#[post("/announce")]
async fn announce(session: SessionToken, chat: Data<Chat>) -> Result<Json<Value>, Error> {
    let message = json!({ "text": format!("Hello from {}", session.host().base_url()) });
    let request = session.host().anonymous().post(&chat.url).json(&message);
    let request = request.header("Authorization", &format!("Bearer {}", chat.token));
    Ok(Json(request.send().await?.json().await?))
}

#[actix_web::test]
async fn the_service_gets_the_apps_token_and_nothing_of_the_sites() {
    use actix_web::http::{Method, StatusCode};
    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
    use atlassian_connect_testing::TestHost;

    async fn say(request: HttpRequest, message: Json<Value>) -> HttpResponse {
        let token = request.headers().get("Authorization").map(|token| token.to_str().unwrap().to_owned());
        let text = message["text"].as_str().unwrap();
        let status = if text.starts_with("Hello from http") { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        HttpResponse::build(status).json(json!({ "token": token, "text": text }))
    }
    let service = HttpServer::new(|| App::new().route("/chat", web::post().to(say))).workers(1);
    let service = service.bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", service.addrs()[0]);
    let server = service.run();
    let stop = server.handle();
    actix_web::rt::spawn(server);

    for (path, status) in [("chat", 200), ("away", 502)] {
        let chat = Data::new(Chat { url: format!("{url}/{path}"), token: "secret".to_owned() });
        let host = TestHost::installed(move |cfg| { cfg.app_data(chat.clone()).service(announce); }).await;
        let token = host.session_token(&host.tenant()).await;
        let request = host.request(Method::POST, "/announce").insert_header(("Authorization", format!("JWT {token}")));
        let reply = host.send(request, Vec::new()).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        if status == 200 {
            assert_eq!(reply.json()["token"], "Bearer secret");
        }
    }
    stop.stop(false).await;
}
