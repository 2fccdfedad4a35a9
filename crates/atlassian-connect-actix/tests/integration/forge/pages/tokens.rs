//! What each token is good for, and for whom.

use super::*;

#[actix_web::test]
async fn a_page_token_is_good_for_its_own_request_alone() {
    let host = started().await;
    let url = url_of(&host, &looking_at(&host, at_issue()), "panel").await;
    let token = parameter(&url, "jwt").unwrap();
    // a frame that is reloaded
    assert_eq!([host.get(&url).await.status, host.get(&url).await.status], [200, 200]);
    for (what, other) in [
        ("another issue", url.replace("A-1", "A-2")),
        ("another site", url.replace("xdm_e=", "xdm_e=https%3A%2F%2Fevil.example&x=")),
        ("another shell", url.replace("xdm_shell=", "xdm_shell=https%3A%2F%2Fevil.cdn.prod.atlassian-dev.net&x=")),
        ("another page", url.replace("/panel", "/hello-world")),
        ("a parameter more", format!("{url}&admin=1")),
        ("a parameter less", url.replace("&loc=en-US", "")),
        ("no token", url.replace(&token, "")),
    ] {
        assert_eq!(host.get(&other).await.status, UNAUTHORIZED, "{what}: {other}");
    }
    // it calls nothing but the page's own URL
    assert_eq!(call(&host, "/api/seen", &token).await.status, UNAUTHORIZED);
    let post = host.request(Method::POST, "/panel").insert_header(("Authorization", format!("JWT {token}")));
    assert_eq!(host.send(post, Vec::new()).await.status, UNAUTHORIZED);
    // and a session token opens no page
    let page = host.get(&url).await;
    let session = page.session_token();
    assert_eq!(host.get(&format!("/panel?jwt={session}")).await.status, UNAUTHORIZED);
    assert_eq!(call(&host, "/old", session).await.status, UNAUTHORIZED);
}

#[actix_web::test]
async fn the_tokens_that_come_along_serve_this_page_session_alone() {
    let host = started().await;
    let invocation = looking_at(&host, at_issue());
    let page = host.open_forge_by(&invocation, "panel").await;
    assert_eq!(call(&host, "/api/me", page.session_token()).await.json()["displayName"], "Mia");
    assert_eq!(host.calls().last().unwrap().by, By::User(host.tenant().account_id));
    assert_eq!(call(&host, "/api/app", page.session_token()).await.status, 200);
    assert_eq!(host.calls().last().unwrap().by, By::Addon);
    // they are no token of the installation
    let installation = invocation.installation_id();
    assert!(host.addon().forge_client(&installation).await.is_err());

    // another session of the same user came without tokens
    let bare = invocation.clone().app_token(None).user_token(None);
    let other = host.open_forge_by(&bare, "panel").await;
    let calls = host.calls().len();
    assert_ne!(call(&host, "/api/app", other.session_token()).await.status, 200);
    assert_eq!(host.calls().len(), calls);

    // a token that runs out: the page asks for another one, and the shell brings it
    let short = host.forge_token(&host.tenant(), Some(&host.tenant().account_id), 4);
    let opened =
        host.forge_page_url(&invocation.clone().user_token(Some(&short)), "panel", TestHost::SHELL).await.json();
    let url = opened["url"].as_str().unwrap().strip_prefix(host.base_url()).unwrap().to_owned();
    let page = host.get(&url).await;
    assert_eq!(call(&host, "/api/me", page.session_token()).await.status, UNAUTHORIZED);
    let body = json!({ "moduleKey": "panel", "session": opened["session"], "shell": TestHost::SHELL });
    let fresh = host.invoke("/forge/token", &invocation.clone().body(body)).await;
    let token = fresh.json()["token"].as_str().unwrap().to_owned();
    for token in [token.as_str(), page.session_token()] {
        assert_eq!(call(&host, "/api/me", token).await.status, 200, "the session has a token again");
    }
    // somebody else who knows the name of the session gets nothing of it
    let thief = invocation.clone().claim("/principal", "557058:eve").user_token(None);
    let body = json!({ "moduleKey": "panel", "session": opened["session"], "shell": TestHost::SHELL });
    let stolen = host.invoke("/forge/token", &thief.body(body)).await.json()["token"].as_str().unwrap().to_owned();
    call(&host, "/api/me", &stolen).await;
    assert_ne!(host.calls().last().unwrap().by, By::User(host.tenant().account_id));
    assert_eq!(call(&host, "/api/me", page.session_token()).await.json()["displayName"], "Mia");
}

#[actix_web::test]
async fn a_token_without_a_shell_is_not_given_and_one_with_it_frames_what_a_form_answers() {
    let host = started().await;
    let invocation = looking_at(&host, at_issue());
    let bare = host.invoke("/forge/token", &invocation.clone().body(json!({ "moduleKey": "panel" }))).await;
    assert_eq!(bare.status, 400, "{}", bare.body);
    let body = json!({ "moduleKey": "panel", "shell": TestHost::SHELL });
    let token = host.invoke("/forge/token", &invocation.body(body)).await.json()["token"].as_str().unwrap().to_owned();
    let answer = host.post_form_with(&token, "/panel", &[]).await;
    let policy = format!("frame-ancestors {} {}", TestHost::SHELL, host.tenant().base_url);
    assert_eq!((answer.status, answer.header("content-security-policy")), (200, policy.as_str()), "{}", answer.body);
}

#[actix_web::test]
async fn apps_that_share_keys_do_not_take_each_others_tokens() {
    let key = "k".repeat(32);
    let of = async |id: &str| builder().var("AC_PAGE_KEYS", key.clone()).var("AC_APP_ID", id).start(routes).await;
    let (one, other) = (of(TestHost::APP_ID).await, of("another-app").await);
    let page = one.open_forge("panel", at_issue()).await;
    assert_eq!(call(&one, "/api/seen", page.session_token()).await.status, 200);
    assert_eq!(call(&other, "/api/seen", page.session_token()).await.status, UNAUTHORIZED);
}

#[actix_web::test]
async fn a_link_opens_the_one_page_that_it_names_through_either() {
    let host = started().await;
    host.install(&host.tenant()).await;
    for page in [host.open_forge("panel", at_issue()).await, host.open_iframe("/panel").await] {
        let link = page.body.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
        let link = link.strip_prefix(host.base_url()).unwrap().to_owned();
        assert!(link.starts_with("/panel?issue=A-2&jwt=") && link.ends_with("#top"), "{link}");
        let link = link.strip_suffix("#top").unwrap();
        let next = host.get(link).await;
        assert_eq!((next.status, next.session_token().is_empty()), (200, false), "{}", next.body);
        assert_eq!(host.get(&link.replace("A-2", "A-3")).await.status, UNAUTHORIZED);
        assert_eq!(host.get(&link.replace("/panel", "/old").replace("issue=A-2&", "")).await.status, UNAUTHORIZED);
        assert_eq!(call(&host, "/api/seen", &parameter(link, "jwt").unwrap()).await.status, UNAUTHORIZED);
    }
}
