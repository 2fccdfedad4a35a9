//! Of `docs/recipes/webhook-that-calls-back.md`.

use atlassian_connect_actix::Addon;
use atlassian_connect_actix::events::{ListenerError, Occurrence};
use serde_json::json;

async fn greet(webhook: Occurrence) -> Result<(), ListenerError> {
    let issue = webhook.body.pointer("/issue/key").and_then(|key| key.as_str()).ok_or("no issue")?.to_owned();
    // Jira waits for the answer to its webhook: slow work belongs into the background
    webhook.addon().spawn(move |addon| async move {
        let client = addon.http_client(webhook.client_key()).await?;
        let comment = json!({ "body": { "type": "doc", "version": 1, "content": [
            { "type": "paragraph", "content": [{ "type": "text", "text": "Welcome!" }] }
        ] } });
        client.post(format!("/rest/api/3/issue/{issue}/comment")).json(&comment).send().await?;
        Ok(())
    });
    Ok(())
}

pub fn listen(addon: &Addon) {
    addon.on("jira:issue_created", greet);
}

#[actix_web::test]
async fn a_new_issue_gets_a_comment() {
    use std::time::Duration;

    use atlassian_connect_testing::{By, TestHost};

    let host = TestHost::builder().prepare(listen).start(|_| {}).await;
    host.install(&host.tenant()).await;
    host.stub_post("/rest/api/3/issue/JRA-1/comment", json!({ "id": "1" }));
    let webhook = json!({ "webhookEvent": "jira:issue_created", "issue": { "key": "JRA-1" } });
    assert_eq!(host.webhook("/webhook/issue-created", &webhook).await.status, 204);
    host.addon().drain(Duration::from_secs(20)).await;
    let [call] = host.calls().try_into().unwrap();
    assert_eq!((call.by.clone(), call.json()["body"]["content"][0]["content"][0]["text"].clone()), (By::Addon, json!("Welcome!")));
}
