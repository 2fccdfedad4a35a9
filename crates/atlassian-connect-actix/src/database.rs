//! The app's own tables, in Diesel.
//!
//! ```no_run
//! use actix_web::{get, web::Json};
//! use atlassian_connect_actix::{Error, auth::SessionToken, database::{Database, DbConnection}};
//! use diesel::prelude::*;
//!
//! diesel::table! {
//!     notes (id) {
//!         id -> BigInt,
//!         tenant -> Text,
//!         text -> Text,
//!     }
//! }
//!
//! fn of_tenant(connection: &mut DbConnection, tenant: &str) -> QueryResult<Vec<String>> {
//!     notes::table.filter(notes::tenant.eq(tenant)).order(notes::id).select(notes::text).load(connection)
//! }
//!
//! #[get("/notes")]
//! async fn list(session: SessionToken, db: Database) -> Result<Json<Vec<String>>, Error> {
//!     let tenant = session.client_key().to_owned();
//!     Ok(Json(db.read(move |connection| of_tenant(connection, &tenant)).await?))
//! }
//! ```

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use diesel::result::QueryResult;

pub use crate::store::DbConnection;

use crate::error::Error;
use crate::state::State;
use crate::store::internal::{AppDatabase, AppDatabaseError};

/// The database of the app's own tables: that of the store where the store is an SQL database, else the one that
/// `database.url` names. An argument of a handler, and [`crate::Addon::database`].
///
/// Queries run on threads for work that blocks. The framework keeps two connections for itself, so that installs do not
/// wait for the app.
#[derive(Debug, Clone)]
pub struct Database(AppDatabase);

impl Database {
    pub(crate) fn of(state: &State) -> Result<Self, Error> {
        state.database().cloned().map(Self).ok_or_else(|| Error::internal(NONE))
    }

    /// Runs `query`, outside of a transaction. Where a connection turns out to be dead, the query is run again on another
    /// one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for diesel's `NotFound`, [`Error::Unavailable`] when the database is away or has no free
    /// connection within 5 seconds, else [`Error::Internal`].
    pub async fn read<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.0.read(query).await.map_err(failure)
    }

    /// Runs `query` in a transaction, which is rolled back where it answers an error. On SQLite the transaction begins
    /// IMMEDIATE: nobody else writes between what it reads and what it writes. Where a connection turns out to be dead
    /// before the commit, the query is run again on another one.
    ///
    /// # Errors
    /// As [`Database::read`], and [`Error::Conflict`] where a unique value is there already.
    pub async fn write<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.0.write(query).await.map_err(failure)
    }
}

/// What an app is told that has tables and no database.
pub(crate) const NONE: &str = "the store is no SQL database, and the app's own tables need one: set database.url in \
                               config.json, or AC_DATABASE_URL, as in postgres://user:password@host/database or \
                               sqlite:data/app.db";

fn failure(error: AppDatabaseError) -> Error {
    match error {
        AppDatabaseError::Query(error) => error.into(),
        error => Error::Unavailable { detail: error.to_string() },
    }
}

impl FromRequest for Database {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(State::of(request).and_then(|state| Self::of(&state)))
    }
}
