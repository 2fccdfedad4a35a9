//! Of `docs/recipes/settings.md`.

use actix_web::web::Json;
use actix_web::{get, put};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::Error;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Colours {
    background: String,
    text: String,
}

#[get("/colours")]
async fn show(session: SessionToken) -> Result<Json<Colours>, Error> {
    Ok(Json(session.settings().get("colours").await?.unwrap_or_default()))
}

#[put("/colours")]
async fn save(session: SessionToken, colours: Json<Colours>) -> Result<Json<Colours>, Error> {
    session.settings().set("colours", &*colours).await?;
    Ok(colours)
}

#[actix_web::test]
async fn each_site_has_its_own() {
    use actix_web::http::Method;
    use atlassian_connect_testing::TestHost;
    use serde_json::json;

    let host = TestHost::installed(|cfg| { cfg.service(show).service(save); }).await;
    let other = host.new_tenant();
    host.install(&other).await;
    let (ours, theirs) = (host.session_token(&host.tenant()).await, host.session_token(&other).await);
    let colours = json!({ "background": "white", "text": "black" });
    assert_eq!(host.call(Method::PUT, "/colours", &ours, Some(&colours)).await.status, 200);
    assert_eq!(host.call(Method::GET, "/colours", &ours, None).await.json(), colours);
    assert_eq!(host.call(Method::GET, "/colours", &theirs, None).await.json()["text"], "");
}
