//! The rows of the store's SELECTs: one type per shape, read by the names of its columns.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};

/// A row of the settings or of the Forge values.
#[derive(Debug, QueryableByName)]
pub(super) struct ValueRow {
    #[diesel(sql_type = BigInt)]
    pub row_id: i64,
    /// The clientKey, or the installationId.
    #[diesel(sql_type = Text)]
    pub owner: String,
    #[diesel(sql_type = Text)]
    pub key: String,
    /// The JSON. `None`: another program wrote a row without a value, or the statement does not read it.
    #[diesel(sql_type = Nullable<Text>)]
    pub val: Option<String>,
}

/// Which tenant a Forge installation belongs to.
#[derive(Debug, QueryableByName)]
pub(super) struct AssociationRow {
    #[diesel(sql_type = Text)]
    pub installation_id: String,
    #[diesel(sql_type = Text)]
    pub client_key: String,
}

/// A row of the queue of events.
#[derive(Debug, QueryableByName)]
pub(super) struct EventRow {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Text)]
    pub installation: String,
    /// `waiting` or `done`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// The end of the lease, or when it was done.
    #[diesel(sql_type = BigInt)]
    pub at: i64,
    #[diesel(sql_type = BigInt)]
    pub attempts: i64,
    /// The JSON. `None`: it is done, or the statement does not read it.
    #[diesel(sql_type = Nullable<Text>)]
    pub body: Option<String>,
}

/// A number: a count, an error's number, 1 for a lock that was taken or a table that exists.
#[derive(Debug, QueryableByName)]
pub(super) struct NumberRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    pub number: Option<i64>,
}

/// The version of a migration.
#[derive(Debug, QueryableByName)]
pub(super) struct VersionRow {
    #[diesel(sql_type = Nullable<Text>)]
    pub version: Option<String>,
}

/// Two texts, for tests that look into a database.
#[cfg(test)]
#[derive(Debug, QueryableByName)]
pub(super) struct PairRow {
    #[diesel(sql_type = Nullable<Text>)]
    pub one: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub two: Option<String>,
}

/// Where a SELECT puts its rows. An enum, because a trait object has no generic methods.
pub(super) enum Rows<'a> {
    Values(&'a mut Vec<ValueRow>),
    Associations(&'a mut Vec<AssociationRow>),
    Events(&'a mut Vec<EventRow>),
    Numbers(&'a mut Vec<NumberRow>),
    Versions(&'a mut Vec<VersionRow>),
    #[cfg(test)]
    Pairs(&'a mut Vec<PairRow>),
}

/// Evaluates `$load` for the type of `$rows`, and puts the result there.
macro_rules! load_into {
    ($rows:expr, $load:expr) => {
        match $rows {
            $crate::row::Rows::Values(rows) => *rows = $load,
            $crate::row::Rows::Associations(rows) => *rows = $load,
            $crate::row::Rows::Events(rows) => *rows = $load,
            $crate::row::Rows::Numbers(rows) => *rows = $load,
            $crate::row::Rows::Versions(rows) => *rows = $load,
            #[cfg(test)]
            $crate::row::Rows::Pairs(rows) => *rows = $load,
        }
    };
}
pub(super) use load_into;

/// A row that a SELECT may have.
pub(super) trait Row: Sized {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_>;
}

impl Row for ValueRow {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_> {
        Rows::Values(rows)
    }
}

impl Row for AssociationRow {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_> {
        Rows::Associations(rows)
    }
}

impl Row for EventRow {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_> {
        Rows::Events(rows)
    }
}

impl Row for NumberRow {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_> {
        Rows::Numbers(rows)
    }
}

impl Row for VersionRow {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_> {
        Rows::Versions(rows)
    }
}

#[cfg(test)]
impl Row for PairRow {
    fn into_rows(rows: &mut Vec<Self>) -> Rows<'_> {
        Rows::Pairs(rows)
    }
}
