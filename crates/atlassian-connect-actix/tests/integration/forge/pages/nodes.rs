//! Several nodes, and a key that is rotated in the middle.

use tempfile::TempDir;

use super::*;

/// Two nodes that share a store.
async fn nodes(more: &[(&str, &str)]) -> (TempDir, TestHost, TestHost) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("addon.db").display());
    let node = async |base: Option<&str>| {
        let mut builder = builder().var("DATABASE_URL", &url).var("AC_AUTO_MIGRATE", "true");
        for (name, value) in more {
            builder = builder.var(name, *value);
        }
        if let Some(base) = base {
            builder = builder.var("AC_LOCAL_BASE_URL", base);
        }
        builder.start(routes).await
    };
    let first = node(None).await;
    let second = node(Some(first.base_url())).await;
    (folder, first, second)
}

#[actix_web::test]
async fn a_rotation_in_the_middle_is_not_noticed() {
    let (_folder, host, other) = nodes(&[]).await;
    let url = url_of(&host, &host.invocation(), "panel").await;
    assert_eq!(other.get(&url).await.status, 200, "it knows the first key");
    host.addon().rotate_page_key().await.unwrap();
    let page = host.get(&url).await;
    assert_eq!(page.status, 200);
    for node in [&host, &other] {
        assert_eq!(call(node, "/api/seen", page.session_token()).await.status, 200);
    }
    // the key before the last one counts no longer where that is known
    host.addon().rotate_page_key().await.unwrap();
    assert_eq!(host.get(&url).await.status, UNAUTHORIZED);
    let fresh = url_of(&host, &host.invocation(), "panel").await;
    assert_eq!([other.get(&fresh).await.status, other.get(&url).await.status], [200, UNAUTHORIZED]);
}

#[actix_web::test]
async fn another_node_serves_the_page_and_its_calls() {
    let key = "k".repeat(32);
    let seal = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for (more, has_tokens) in [
        (vec![("AC_PAGE_KEYS", key.as_str())], true),
        (vec![("AC_STORE_ENCRYPTION_KEYS", seal)], true),
        (vec![], false),
    ] {
        let (_folder, first, second) = nodes(&more).await;
        first.stub_get("/rest/api/3/myself", json!({ "displayName": "Mia" }));
        let url = url_of(&first, &first.invocation(), "panel").await;
        // the other node has the base URL of the first one, and its own port
        let page = second.get(&url).await;
        assert_eq!(page.status, 200, "{more:?}: {}", page.body);
        let token = page.session_token().to_owned();
        assert_eq!(call(&first, "/api/me", &token).await.status, 200);
        let begun = std::time::Instant::now();
        let expected = if has_tokens { 200 } else { UNAUTHORIZED };
        // the store is written to in the background, and that it had nothing is believed for some seconds
        while call(&second, "/api/me", &token).await.status != expected {
            assert!(begun.elapsed().as_secs() < 10, "{more:?}");
            actix_web::rt::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
