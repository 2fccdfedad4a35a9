//! The table of types in `docs/recipes/tables.md`.

use atlassian_connect_actix::database::DbConnection;
use diesel::prelude::*;
use time::{Date, Month, PrimitiveDateTime, Time};

diesel::table! {
    samples (id) {
        id -> BigInt,
        small -> SmallInt,
        whole -> Integer,
        single -> Float,
        precise -> Double,
        text -> Text,
        bytes -> Binary,
        flag -> Bool,
        day -> Date,
        hour -> Time,
        moment -> Timestamp,
        maybe -> Nullable<Timestamp>,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
struct Sample {
    id: i64,
    small: i16,
    whole: i32,
    single: f32,
    precise: f64,
    text: String,
    bytes: Vec<u8>,
    flag: bool,
    day: Date,
    hour: Time,
    moment: PrimitiveDateTime,
    maybe: Option<PrimitiveDateTime>,
}

/// The end of a table definition on MySQL and MariaDB.
const MYSQL: &str = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// On SQLite, or on the server that `TEST_DATABASE_URL` names: PostgreSQL, or MySQL in a build with it.
#[actix_web::test]
async fn each_type_of_the_table_can_be_written_and_read() {
    use atlassian_connect_testing::{TestHost, assert_schema};
    use diesel::connection::SimpleConnection as _;

    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("samples.db").display());
    let url = std::env::var("TEST_DATABASE_URL").unwrap_or(file);
    let (single, bytes, moment, tail) = match url.split(':').next() {
        Some("postgres") => ("REAL", "BYTEA", "TIMESTAMP", ""),
        Some("mysql") => ("FLOAT", "LONGBLOB", "DATETIME(6)", MYSQL),
        _ => ("REAL", "BLOB", "TIMESTAMP", ""),
    };
    let host = TestHost::builder().var("DATABASE_URL", url).start(|_| {}).await;
    let up = format!(
        "DROP TABLE IF EXISTS samples; CREATE TABLE samples (id BIGINT NOT NULL PRIMARY KEY, small SMALLINT NOT NULL, \
         whole INTEGER NOT NULL, single {single} NOT NULL, precise DOUBLE PRECISION NOT NULL, text TEXT NOT NULL, \
         bytes {bytes} NOT NULL, flag BOOLEAN NOT NULL, day DATE NOT NULL, hour TIME NOT NULL, \
         moment {moment} NOT NULL, maybe {moment}) {tail}"
    );
    let db = host.addon().database().unwrap();
    db.write(move |connection| connection.batch_execute(&up)).await.unwrap();
    assert_schema::<samples::table>(host.addon(), "samples").await;
    let day = Date::from_calendar_date(2026, Month::February, 28).unwrap();
    let hour = Time::from_hms(23, 59, 58).unwrap();
    let sample = Sample {
        id: i64::MAX, small: i16::MIN, whole: i32::MIN, single: 1.5, precise: 0.1, text: "Zoë ☃".into(), bytes: vec![0, 255],
        flag: true, day, hour, moment: PrimitiveDateTime::new(day, hour), maybe: None,
    };
    let written = sample.clone();
    let read = db.write(move |connection: &mut DbConnection| {
        diesel::insert_into(samples::table).values(&written).execute(connection)?;
        samples::table.filter(samples::moment.ge(written.moment)).select(Sample::as_select()).first(connection)
    });
    assert_eq!(read.await.unwrap(), sample);
    db.write(|connection| connection.batch_execute("DROP TABLE samples")).await.unwrap();
    assert!(include_str!("../../../docs/recipes/tables.md").contains(MYSQL));
}
