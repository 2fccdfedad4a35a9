//! A site moves to another region, and the app's data of it moves too: the hooks of the manifest's module
//! `migration:dataResidency`.
//!
//! Source: Atlassian, "Support data residency realm migrations for Forge Remote".

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse, guard};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, json};

use super::body;
use super::endpoint::expect_forge_itself;
use crate::auth::{ForgeInvocation, ProofFuture};
use crate::error::Error;
use crate::pattern;
use crate::state::State;

/// The hooks of an app for a site that moves to another region. Forge calls `schedule` when an administrator plans the
/// move and `start` when the site goes offline. It asks for the `status` every five minutes, and ends with `commit` or
/// `rollback`.
///
/// A failed call is repeated twice, five seconds apart, unless the answer is a [`MigrationCode`]. So a hook may be
/// called again. How long Forge waits for an answer is not documented: let `start` begin the work without waiting for
/// it.
///
/// ```no_run
/// use actix_web::web::ServiceConfig;
/// use atlassian_connect_actix::auth::ForgeInvocation;
/// use atlassian_connect_actix::forge::{
///     self, Migration, MigrationCode, MigrationFailure, MigrationPlan, MigrationStatus, RealmMigration,
/// };
///
/// struct Move;
///
/// impl RealmMigration for Move {
///     async fn schedule(&self, _: &ForgeInvocation, plan: MigrationPlan) -> Result<(), MigrationFailure> {
///         if plan.location == "EU" { Ok(()) } else { Err(MigrationCode::RegionNotSupported.into()) }
///     }
///
///     async fn start(&self, invocation: &ForgeInvocation, plan: MigrationPlan) -> Result<(), MigrationFailure> {
///         println!("what {} has is copied to {}", invocation.installation_id(), plan.location);
///         Ok(())
///     }
///
///     async fn status(&self, _: &ForgeInvocation, _: Option<String>) -> Result<MigrationStatus, MigrationFailure> {
///         Ok(MigrationStatus::ReadyToCommit)
///     }
///
///     async fn commit(&self, _: &ForgeInvocation, _: Migration) -> Result<(), MigrationFailure> {
///         Ok(())
///     }
///
///     async fn rollback(&self, _: &ForgeInvocation, _: Migration) -> Result<(), MigrationFailure> {
///         Ok(())
///     }
/// }
///
/// fn routes(cfg: &mut ServiceConfig) {
///     cfg.configure(forge::realm_migration("/forge/migration", Move));
/// }
/// ```
pub trait RealmMigration: 'static {
    /// A migration is planned. If the app cannot do it, decline it here with a [`MigrationCode`].
    fn schedule(
        &self,
        invocation: &ForgeInvocation,
        plan: MigrationPlan,
    ) -> impl Future<Output = Result<(), MigrationFailure>>;

    /// The site is offline: copy the app's data of it to the new region.
    fn start(
        &self,
        invocation: &ForgeInvocation,
        plan: MigrationPlan,
    ) -> impl Future<Output = Result<(), MigrationFailure>>;

    /// The progress of the migration with this id; Forge may omit the id.
    fn status(
        &self,
        invocation: &ForgeInvocation,
        migration_id: Option<String>,
    ) -> impl Future<Output = Result<MigrationStatus, MigrationFailure>>;

    /// From now on, use the copy in the new region.
    fn commit(
        &self,
        invocation: &ForgeInvocation,
        migration: Migration,
    ) -> impl Future<Output = Result<(), MigrationFailure>>;

    /// Keep the data where it was: an administrator cancelled the migration, or it was not ready in time.
    fn rollback(
        &self,
        invocation: &ForgeInvocation,
        migration: Migration,
    ) -> impl Future<Output = Result<(), MigrationFailure>>;
}

/// A migration that is planned or starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MigrationPlan {
    /// Its id: a number in Forge's bodies and a string in its queries, always a string here.
    #[serde(rename = "migrationId", deserialize_with = "id")]
    pub id: String,
    /// The region that the site moves to: `EU`.
    pub location: String,
    /// When the site goes offline: `2021-12-26T00:00:00.000Z`.
    pub start_time: String,
    /// When it should be back, in the same format.
    pub end_time: String,
    /// Any other fields that Forge sent.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A migration that ends.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Migration {
    /// As [`MigrationPlan::id`].
    #[serde(rename = "migrationId", deserialize_with = "id")]
    pub id: String,
    /// Any other fields that Forge sent.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The progress of a migration. At the end Forge commits what is ready and rolls back the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum MigrationStatus {
    /// The copy is not done yet.
    InProgress,
    /// The copy is done and waits for `commit`.
    ReadyToCommit,
    /// It has failed.
    Failed {
        /// The reason.
        #[serde(rename = "errorResponseCode")]
        code: MigrationCode,
    },
}

/// Why an app declines a migration, as Forge tells the administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MigrationCode {
    /// `E0001`: the migration was not scheduled.
    #[serde(rename = "E0001")]
    NotScheduled,
    /// `E0002`: the app does not support the region.
    #[serde(rename = "E0002")]
    RegionNotSupported,
    /// `E0003`: the app does not support migrations.
    #[serde(rename = "E0003")]
    NotSupported,
    /// `E0004`: the app has too many migrations at once.
    #[serde(rename = "E0004")]
    TooMany,
    /// `E9999`: anything else.
    #[serde(rename = "E9999")]
    Other,
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFailure {
    /// Permanently: answered 409 with the code; Forge does not try again.
    #[error("the app declines: {0:?}")]
    Declined(MigrationCode),
    /// Temporarily: answered like any error; Forge tries again.
    #[error(transparent)]
    Failed(Error),
}

impl From<MigrationCode> for MigrationFailure {
    fn from(code: MigrationCode) -> Self {
        Self::Declined(code)
    }
}

impl<E: Into<Error>> From<E> for MigrationFailure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Mounts the hooks below `path`, the `path` of the manifest's module: see [`RealmMigration`]. Only calls by Forge
/// itself are accepted, as by [`super::events`].
///
/// Every thread of the server has its own `app`: keep its data in a store.
pub fn realm_migration<M: RealmMigration>(path: &str, app: M) -> impl FnOnce(&mut ServiceConfig) + use<M> {
    let path = pattern::of_url(path);
    move |cfg| {
        let (path, app) = (path.trim_end_matches('/'), web::Data::new(app));
        let hook = |name: &str| web::resource(format!("{path}/{name}")).app_data(app.clone());
        cfg.service(hook("schedule").guard(guard::Post()).to(schedule::<M>))
            .service(hook("start").guard(guard::Post()).to(start::<M>))
            .service(hook("status").guard(guard::Get()).to(status::<M>))
            .service(hook("commit").guard(guard::Post()).to(commit::<M>))
            .service(hook("rollback").guard(guard::Post()).to(rollback::<M>));
    }
}

async fn schedule<M: RealmMigration>(hook: Hook, app: web::Data<M>) -> Result<HttpResponse, Error> {
    let done = app.schedule(&hook.invocation, body::parse(&hook.body)?).await;
    hook.answer(done.map(|()| None))
}

async fn start<M: RealmMigration>(hook: Hook, app: web::Data<M>) -> Result<HttpResponse, Error> {
    let done = app.start(&hook.invocation, body::parse(&hook.body)?).await;
    hook.answer(done.map(|()| None))
}

async fn status<M: RealmMigration>(hook: Hook, app: web::Data<M>) -> Result<HttpResponse, Error> {
    let status = app.status(&hook.invocation, hook.migration_id.clone()).await;
    hook.answer(status.map(Some))
}

async fn commit<M: RealmMigration>(hook: Hook, app: web::Data<M>) -> Result<HttpResponse, Error> {
    let done = app.commit(&hook.invocation, body::parse(&hook.body)?).await;
    hook.answer(done.map(|()| None))
}

async fn rollback<M: RealmMigration>(hook: Hook, app: web::Data<M>) -> Result<HttpResponse, Error> {
    let done = app.rollback(&hook.invocation, body::parse(&hook.body)?).await;
    hook.answer(done.map(|()| None))
}

/// An authenticated call of a hook.
struct Hook {
    invocation: ForgeInvocation,
    path: String,
    migration_id: Option<String>,
    body: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusQuery {
    migration_id: Option<String>,
}

impl Hook {
    fn answer(&self, done: Result<Option<MigrationStatus>, MigrationFailure>) -> Result<HttpResponse, Error> {
        match done {
            Ok(None) => Ok(HttpResponse::NoContent().finish()),
            Ok(Some(status)) => Ok(HttpResponse::Ok().json(status)),
            Err(MigrationFailure::Failed(error)) => Err(error),
            Err(MigrationFailure::Declined(code)) => {
                let installation_id = self.invocation.installation_id();
                tracing::warn!(installation_id, path = self.path, ?code, "a migration to another region was declined");
                Ok(HttpResponse::build(StatusCode::CONFLICT).json(json!({ "errorResponseCode": code })))
            }
        }
    }
}

impl FromRequest for Hook {
    type Error = Error;
    type Future = ProofFuture<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), web::Payload::from_request(request, payload));
        Box::pin(async move {
            let invocation = ForgeInvocation::extract(&request).await?;
            expect_forge_itself(&invocation)?;
            let asked = web::Query::<StatusQuery>::from_query(request.query_string());
            let asked = asked.map_err(|error| Error::bad_request(format!("The query is not valid: {error}")))?;
            let migration_id = asked.into_inner().migration_id;
            let body = body::read(payload.await.map_err(Error::internal)?, &*State::of(&request)?).await?;
            Ok(Self { invocation, path: request.path().to_owned(), migration_id, body })
        })
    }
}

fn id<'de, D: Deserializer<'de>>(id: D) -> Result<String, D::Error> {
    match Value::deserialize(id)? {
        Value::Number(id) => Ok(id.to_string()),
        Value::String(id) if !id.is_empty() => Ok(id),
        _ => Err(de::Error::custom("migrationId must be a number or a string")),
    }
}
