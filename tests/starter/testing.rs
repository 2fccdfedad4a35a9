//! `crate::testing` in the documents. There, the app's migrations create the table of the recipes.

use actix_web::web::ServiceConfig;
use atlassian_connect_testing::TestHost;
use diesel::connection::SimpleConnection as _;

use crate::recipes::tables;

fn routes(cfg: &mut ServiceConfig) {
    cfg.service(tables::show).service(tables::vote);
}

pub(crate) async fn installed() -> TestHost {
    let builder = TestHost::builder().var("AC_DATABASE_URL", "sqlite::memory:").prepare(tables::events::listen);
    let host = builder.start(routes).await;
    let up = include_str!("recipes/votes.sql");
    host.addon().database().unwrap().write(|connection| connection.batch_execute(up)).await.unwrap();
    host.install(&host.tenant()).await;
    host
}
