//! Of `docs/recipes/tables.md`.

diesel::table! {
    votes (tenant, issue, account) {
        tenant -> Text,
        issue -> Text,
        account -> Text,
    }
}

use actix_web::web::{Json, Path};
use actix_web::{get, post};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::database::{Database, DbConnection};
use atlassian_connect_actix::Error;
use diesel::prelude::*;

fn count(connection: &mut DbConnection, tenant: &str, issue: &str) -> QueryResult<i64> {
    votes::table.filter(votes::tenant.eq(tenant)).filter(votes::issue.eq(issue)).count().get_result(connection)
}

#[get("/votes/{issue}")]
async fn show(session: SessionToken, issue: Path<String>, db: Database) -> Result<Json<i64>, Error> {
    let tenant = session.client_key().to_owned();
    Ok(Json(db.read(move |connection| count(connection, &tenant, &issue)).await?))
}

#[post("/votes/{issue}")]
async fn vote(session: SessionToken, issue: Path<String>, db: Database) -> Result<Json<i64>, Error> {
    let (tenant, account) = (session.client_key().to_owned(), session.require_account_id()?.to_owned());
    let votes = db.write(move |connection| {
        let vote = (votes::tenant.eq(&tenant), votes::issue.eq(&*issue), votes::account.eq(&account));
        diesel::insert_into(votes::table).values(vote).execute(connection)?;
        count(connection, &tenant, &issue)
    });
    Ok(Json(votes.await?))
}

#[actix_web::test]
async fn votes_are_counted_once_for_each_user_and_site() {
    use actix_web::http::Method;
    use atlassian_connect_testing::{TestHost, assert_schema};
    use diesel::connection::SimpleConnection as _;

    // stands for the app's own list of migrations
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("votes.db").display());
    let host = TestHost::builder().var("DATABASE_URL", url).start(|cfg| { cfg.service(show).service(vote); }).await;
    let up = include_str!("votes.sql");
    host.addon().database().unwrap().write(|connection| connection.batch_execute(up)).await.unwrap();
    assert_schema::<votes::table>(host.addon(), "votes").await;

    let other = host.new_tenant();
    host.install(&host.tenant()).await;
    host.install(&other).await;
    let (ours, theirs) = (host.session_token(&host.tenant()).await, host.session_token(&other).await);
    assert_eq!(host.call(Method::POST, "/votes/A-1", &ours, None).await.json(), 1);
    assert_eq!(host.call(Method::POST, "/votes/A-1", &ours, None).await.status, 409);
    assert_eq!(host.call(Method::GET, "/votes/A-1", &ours, None).await.json(), 1);
    assert_eq!(host.call(Method::GET, "/votes/A-1", &theirs, None).await.json(), 0);
}
