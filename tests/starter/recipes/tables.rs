//! Of `docs/recipes/tables.md`.

use actix_web::web::{Json, Path};
use actix_web::{get, post};
use atlassian_connect_actix::auth::SessionToken;
use atlassian_connect_actix::database::{Database, DbConnection};
use atlassian_connect_actix::events::ListenerError;
use atlassian_connect_actix::{Addon, Error};
use diesel::prelude::*;

use crate::schema::votes;

fn votes_for(connection: &mut DbConnection, tenant: &str, issue: &str) -> QueryResult<i64> {
    votes::table.filter(votes::tenant.eq(tenant)).filter(votes::issue.eq(issue)).count().get_result(connection)
}

#[get("/votes/{issue}")]
pub async fn show(session: SessionToken, issue: Path<String>, db: Database) -> Result<Json<i64>, Error> {
    let tenant = session.tenant_key().to_owned();
    Ok(Json(db.read(move |connection| votes_for(connection, &tenant, &issue)).await?))
}

#[post("/votes/{issue}")]
pub async fn vote(session: SessionToken, issue: Path<String>, db: Database) -> Result<Json<i64>, Error> {
    let (tenant, account) = (session.tenant_key().to_owned(), session.require_account_id()?.to_owned());
    let votes = db.write(move |connection| {
        let vote = (votes::tenant.eq(&tenant), votes::issue.eq(&*issue), votes::account.eq(&account));
        diesel::insert_into(votes::table).values(vote).execute(connection)?;
        votes_for(connection, &tenant, &issue)
    });
    Ok(Json(votes.await?))
}

/// A site has been removed for good, and so are its votes.
pub async fn tenant_removed(addon: &Addon, client_key: String) -> Result<(), ListenerError> {
    let of_tenant = move |connection: &mut DbConnection| {
        diesel::delete(votes::table.filter(votes::tenant.eq(&client_key))).execute(connection)
    };
    addon.database()?.write(of_tenant).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use atlassian_connect_testing::assert_schema;

    use crate::schema::votes;
    use crate::testing::installed;

    #[actix_web::test]
    async fn the_table_is_the_one_that_the_migrations_make() {
        assert_schema::<votes::table>(installed().await.addon(), "votes").await;
    }

    #[actix_web::test]
    async fn votes_are_counted_once_for_each_user_and_site() {
        let host = installed().await;
        let other = host.new_tenant();
        host.install(&other).await;
        let (ours, theirs) = (host.session_token(&host.tenant()).await, host.session_token(&other).await);
        assert_eq!(host.call(Method::POST, "/votes/A-1", &ours, None).await.json(), 1);
        assert_eq!(host.call(Method::POST, "/votes/A-1", &ours, None).await.status, 409);
        assert_eq!(host.call(Method::GET, "/votes/A-1", &theirs, None).await.json(), 0);

        super::tenant_removed(host.addon(), host.tenant().client_key).await.unwrap();
        assert_eq!(host.call(Method::GET, "/votes/A-1", &ours, None).await.json(), 0);
    }
}

/// The content of `src/events.rs`.
pub(crate) mod events {
    use atlassian_connect_actix::Addon;
    use atlassian_connect_actix::events::TenantRemoved;

    use crate::recipes::tables as votes;

    pub(crate) fn listen(addon: &Addon) {
        addon.listen(|removed: TenantRemoved| async move {
            votes::tenant_removed(&removed.addon(), removed.client_key.clone()).await
        });
    }
}
