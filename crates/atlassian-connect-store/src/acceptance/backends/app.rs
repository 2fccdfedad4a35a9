//! The tables of an app on every SQL database: one query text, typed by diesel.

use diesel::prelude::*;
use diesel::result::Error;
use futures_util::future::join_all;

use super::{Sandbox, app as cases, run_cases};
use crate::DbConnection;
use crate::app_database::{AppDatabase, AppDatabaseError, open_with_database};

diesel::table! {
    tallies (id) {
        id -> BigInt,
        tenant -> Text,
        amount -> Integer,
        is_open -> Bool,
        weight -> Nullable<Double>,
        mark -> Nullable<Binary>,
    }
}

#[derive(Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = tallies)]
struct Tally {
    id: i64,
    tenant: String,
    amount: i32,
    is_open: bool,
    weight: Option<f64>,
    mark: Option<Vec<u8>>,
}

impl Tally {
    fn new(id: i64, tenant: &str) -> Self {
        Self { id, tenant: tenant.to_owned(), amount: 0, is_open: true, weight: None, mark: None }
    }
}

async fn database(sandbox: &Sandbox) -> AppDatabase {
    let (_, database) = open_with_database(&sandbox.config).await.unwrap();
    let bytes = match sandbox.backend() {
        "postgres" => "BYTEA",
        _ => "BLOB",
    };
    let table = format!(
        "CREATE TABLE tallies (id BIGINT PRIMARY KEY, tenant VARCHAR(255) NOT NULL, amount INTEGER NOT NULL, \
         is_open BOOLEAN NOT NULL, weight DOUBLE PRECISION, mark {bytes})"
    );
    sandbox.sql(&table).unwrap();
    database.unwrap()
}

fn all(connection: &mut DbConnection) -> QueryResult<Vec<Tally>> {
    tallies::table.order(tallies::id).select(Tally::as_select()).load(connection)
}

pub(super) async fn typed_queries_are_the_same_everywhere(sandbox: Sandbox) {
    let database = database(&sandbox).await;
    let marked = Tally { weight: Some(1.5), mark: Some(vec![0, 255]), is_open: false, ..Tally::new(2, "Zoë ☃") };
    let written = database
        .write(move |connection| {
            diesel::insert_into(tallies::table).values(&Tally::new(1, "a")).execute(connection)?;
            diesel::insert_into(tallies::table).values(&marked).execute(connection)?;
            diesel::update(tallies::table.filter(tallies::tenant.eq("a")))
                .set(tallies::amount.eq(7))
                .execute(connection)
        })
        .await
        .unwrap();
    assert_eq!(written, 1);
    let expected = [
        Tally { amount: 7, ..Tally::new(1, "a") },
        Tally { weight: Some(1.5), mark: Some(vec![0, 255]), is_open: false, ..Tally::new(2, "Zoë ☃") },
    ];
    assert_eq!(database.read(all).await.unwrap(), expected);
    let found = database.read(|connection| tallies::table.filter(tallies::id.eq(9)).first::<Tally>(connection)).await;
    assert!(matches!(found, Err(AppDatabaseError::Query(Error::NotFound))), "{found:?}");
}

pub(super) async fn a_write_is_whole_or_not_at_all(sandbox: Sandbox) {
    let database = database(&sandbox).await;
    let insert = |id| {
        move |connection: &mut DbConnection| {
            diesel::insert_into(tallies::table).values(&Tally::new(id, "a")).execute(connection)
        }
    };
    let twice = database
        .write(move |connection| {
            insert(1)(connection)?;
            // a nested transaction: only the inner one is rolled back
            let inner = connection.transaction(|connection| {
                insert(2)(connection)?;
                Err::<(), _>(Error::RollbackTransaction)
            });
            assert!(matches!(inner, Err(Error::RollbackTransaction)));
            insert(3)(connection)
        })
        .await;
    assert_eq!(twice.unwrap(), 1);
    let ids = |tallies: Vec<Tally>| tallies.into_iter().map(|tally| tally.id).collect::<Vec<_>>();
    assert_eq!(ids(database.read(all).await.unwrap()), [1, 3]);

    let failed = database
        .write(move |connection| {
            insert(4)(connection)?;
            insert(1)(connection)
        })
        .await;
    let is_taken = |error: &AppDatabaseError| {
        matches!(error, AppDatabaseError::Query(Error::DatabaseError(kind, _))
            if matches!(kind, diesel::result::DatabaseErrorKind::UniqueViolation))
    };
    assert!(failed.as_ref().is_err_and(is_taken), "{failed:?}");
    assert_eq!(ids(database.read(all).await.unwrap()), [1, 3]);
}

pub(super) async fn an_ignored_failure_is_not_reported_as_saved(sandbox: Sandbox) {
    let database = database(&sandbox).await;
    let written = database
        .write(move |connection| {
            let insert = |connection: &mut DbConnection| {
                diesel::insert_into(tallies::table).values(&Tally::new(1, "a")).execute(connection)
            };
            insert(connection)?;
            let _ = insert(connection);
            Ok(())
        })
        .await;
    // databases differ here, but the result must match what is stored
    let there = database.read(all).await.unwrap().len();
    assert_eq!(there, usize::from(written.is_ok()), "{written:?}");
    assert_eq!(written.is_ok(), sandbox.backend() != "postgres", "{written:?}");
    // the connection is still usable
    assert!(database.write(|connection| diesel::delete(tallies::table).execute(connection)).await.is_ok());
}

pub(super) async fn a_panic_leaves_nothing_behind(sandbox: Sandbox) {
    let database = database(&sandbox).await;
    for _ in 0..10 {
        let same = database.clone();
        let task = tokio::spawn(async move {
            same.write(|connection| -> QueryResult<()> {
                diesel::insert_into(tallies::table).values(&Tally::new(1, "a")).execute(connection)?;
                panic!("a panic of the app")
            })
            .await
        });
        assert!(task.await.is_err_and(|error| error.is_panic()));
        assert!(database.read(all).await.unwrap().is_empty());
    }
}

pub(super) async fn many_read_then_write_and_none_fails(sandbox: Sandbox) {
    let database = database(&sandbox).await;
    let insert = |connection: &mut DbConnection| {
        diesel::insert_into(tallies::table).values(&Tally::new(1, "a")).execute(connection)
    };
    database.write(insert).await.unwrap();
    let add = |connection: &mut DbConnection| {
        // takes a row lock if the database has them; SQLite's transaction already excludes others
        diesel::update(tallies::table.find(1)).set(tallies::weight.eq(1.0)).execute(connection)?;
        let amount: i32 = tallies::table.find(1).select(tallies::amount).first(connection)?;
        diesel::update(tallies::table.find(1)).set(tallies::amount.eq(amount + 1)).execute(connection)
    };
    let writes = join_all((0..50).map(|_| database.write(add))).await;
    assert!(writes.iter().all(Result::is_ok), "{writes:?}");
    assert_eq!(database.read(all).await.unwrap()[0].amount, 50);
}

/// Runs every case of this file.
macro_rules! app_suite {
    ($backend:ident, $new:expr, $attributes:tt) => {
        run_cases!($backend, $new, $attributes, cases [
            typed_queries_are_the_same_everywhere, a_write_is_whole_or_not_at_all, a_panic_leaves_nothing_behind,
            an_ignored_failure_is_not_reported_as_saved,
            many_read_then_write_and_none_fails,
        ]);
    };
}

app_suite!(on_sqlite, Sandbox::sqlite_file(), ());
app_suite!(on_postgres, Sandbox::postgres(), (#[ignore = "needs TEST_POSTGRES_URL, see .ci/servers"]));
#[cfg(feature = "mysql")]
app_suite!(on_mysql, Sandbox::mysql(), (#[ignore = "needs TEST_MYSQL_URL, see .ci/servers"]));
