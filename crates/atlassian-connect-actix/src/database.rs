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
//!     let tenant = session.tenant_key().to_owned();
//!     Ok(Json(db.read(move |connection| of_tenant(connection, &tenant)).await?))
//! }
//! ```

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use diesel::result::QueryResult;

#[doc(no_inline)]
pub use crate::store::DbConnection;

use crate::error::Error;
use crate::state::State;
use crate::store::internal::{AppDatabase, AppDatabaseError};

/// The database of the app's own tables: the one that `database.url` names, else that of the store if it is SQL. It is
/// an argument of a handler, or comes from [`crate::Addon::database`].
///
/// Queries run on threads for blocking work. The framework keeps two connections for itself, so that installs do not
/// wait for the app.
#[derive(Debug, Clone)]
pub struct Database(AppDatabase);

impl Database {
    pub(crate) fn of(state: &State) -> Result<Self, Error> {
        let reason = if state.config.store.migrations.has_own_steps() { NONE } else { NO_TABLES };
        state.database().cloned().map(Self).ok_or_else(|| Error::internal(reason))
    }

    /// Runs `query` outside a transaction. If a connection turns out to be dead, the query is run again on another one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for diesel's `NotFound`, [`Error::Unavailable`] when the database is unavailable or has no
    /// free connection within 5 seconds, [`Error::BadRequest`] for a text that the database cannot store (a NUL
    /// character, on PostgreSQL), else [`Error::Internal`].
    pub async fn read<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.0.read(query).await.map_err(failure)
    }

    /// Runs `query` in a transaction, which is rolled back if it returns an error. On SQLite the transaction begins
    /// IMMEDIATE: nothing else is written between its reads and its writes. If a connection turns out to be dead before
    /// the commit, the query is run again on another one.
    ///
    /// # Errors
    /// As [`Database::read`], and [`Error::Conflict`] if a unique value already exists.
    pub async fn write<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&mut DbConnection) -> QueryResult<T> + Send + 'static,
    {
        self.0.write(query).await.map_err(failure)
    }
}

/// The error of an app that has tables but no database.
pub(crate) const NONE: &str = "the store is not an SQL database, but the app's own tables need one: set database.url in \
                               config.json, or AC_DATABASE_URL, as in postgres://user:password@host/database or \
                               sqlite:data/app.db";

/// The error of an app that uses its database but has no migrations.
const NO_TABLES: &str = "this app has no database: the store is not an SQL database, and the builder of the app has no \
                         migrations. Pass them to AddonBuilder::migrations (in a test by \
                         TestHost::builder().addon(|_| …) with the builder of main.rs), or \
                         set database.url in config.json, or AC_DATABASE_URL";

/// A new id for a row, as a primary key of type `BigInt`: 63 bits from a cryptographic random source, so that it is
/// unique on all nodes and cannot be guessed. Databases differ in how they make ids themselves.
///
/// Write it as a string in JSON for a browser: JavaScript's numbers are exact to 53 bits.
///
/// ```
/// use atlassian_connect_actix::database::new_id;
///
/// let (first, second) = (new_id(), new_id());
/// assert!(first >= 0 && first != second);
/// ```
#[must_use]
pub fn new_id() -> i64 {
    let mut bytes = [0; 8];
    // without randomness, which every system has, it would always be the same: the table would refuse the second row
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    (u64::from_ne_bytes(bytes) >> 1).cast_signed()
}

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
