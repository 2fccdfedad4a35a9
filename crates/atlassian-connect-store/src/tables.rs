//! Finds out which of the add-on's tables a database has, and under which names.

use diesel::result::QueryResult;

use super::StoreError;
use super::connection::SqlConnection;
use super::row::NumberRow;
use super::statement::{Bind, Dialect, Statement};

/// Sequelize's model name in ACE, unless the configuration sets another.
const DEFAULT_MODEL: &str = "AddonSetting";

/// The other tables. ACE has no setting for their names.
pub(super) const FORGE_TABLES: [&str; 2] = ["InstallationClientKeys", "ForgeSettings"];

/// The table of Forge's events, which ACE does not have.
pub(super) const EVENTS_TABLE: &str = "forge_events";

/// The possible names of the settings table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SettingsTable {
    /// The model's name, and its plural if that differs: Sequelize uses the plural as the table's name, or the model's
    /// name itself with `freezeTableName`.
    forms: Vec<String>,
}

impl SettingsTable {
    /// The table of Sequelize's model `model`.
    pub(crate) fn of_model(model: &str) -> Result<Self, StoreError> {
        // A quoted name may contain anything, but these are inserted into statements unescaped.
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | ' ');
        // PostgreSQL's length limit. It truncates longer names silently.
        if model.is_empty() || model.len() > 60 || !model.chars().all(plain) {
            return Err(StoreError::configuration(format!(
                "store.table is {model:?}: it must have 1 to 60 letters, digits, spaces or any of _ - . $"
            )));
        }
        let mut forms = vec![model.to_owned(), plural(model)];
        forms.dedup();
        Ok(Self { forms })
    }

    /// Whether the framework's migrations create this table.
    pub(crate) fn is_default(&self) -> bool {
        self.forms.last().is_some_and(|form| *form == plural(DEFAULT_MODEL))
    }

    /// The names, for a message.
    pub(crate) fn names(&self) -> String {
        self.forms.iter().map(|form| format!("{form:?}")).collect::<Vec<_>>().join(" or ")
    }
}

/// The plural that Sequelize makes of the usual names.
fn plural(name: &str) -> String {
    let lower = name.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    match name.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "iy", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["ss", "x", "ch", "sh"]) => format!("{name}es"),
        _ if ends(&["s", "data"]) => name.to_owned(),
        _ => format!("{name}s"),
    }
}

/// Which of the add-on's tables a database has.
#[derive(Debug)]
pub(super) struct ExistingTables {
    /// The settings tables that exist: exactly one in a correct database.
    pub settings: Vec<String>,
    /// The Forge tables that are missing.
    pub missing: Vec<&'static str>,
    /// Whether there is a table for events. Only the serving app needs it.
    pub has_events: bool,
}

impl ExistingTables {
    /// Reads them. The reads are only consistent if nobody creates tables meanwhile.
    pub(crate) fn look(
        connection: &mut dyn SqlConnection,
        dialect: &Dialect,
        table: &SettingsTable,
    ) -> QueryResult<Self> {
        let statement = Statement::new(dialect, dialect.table_exists);
        let mut exists =
            |name: &str| connection.rows::<NumberRow>(&statement, &[Bind::Text(name)]).map(|rows| !rows.is_empty());
        let mut found = Self { settings: Vec::new(), missing: Vec::new(), has_events: exists(EVENTS_TABLE)? };
        for form in &table.forms {
            if exists(form)? {
                found.settings.push(form.clone());
            }
        }
        for name in FORGE_TABLES {
            if !exists(name)? {
                found.missing.push(name);
            }
        }
        Ok(found)
    }

    /// The settings table, if it is unambiguous and no other table of ACE is missing: enough for a command that looks.
    pub(crate) fn complete(&self) -> Option<&str> {
        match self.settings.as_slice() {
            [settings] if self.missing.is_empty() => Some(settings),
            _ => None,
        }
    }

    /// The settings table, if no table at all is missing.
    pub(crate) fn ready(&self) -> Option<&str> {
        self.complete().filter(|_| self.has_events)
    }

    /// Whether the database has none of the add-on's tables.
    pub(crate) fn is_nothing(&self) -> bool {
        self.settings.is_empty() && self.missing.len() == FORGE_TABLES.len() && !self.has_events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_sequelizes() {
        for (name, expected) in [
            ("AddonSetting", "AddonSettings"),
            ("AddonSettings", "AddonSettings"),
            ("Tenant_Entry", "Tenant_Entries"),
            ("Key", "Keys"),
            ("Box", "Boxes"),
            ("Branch", "Branches"),
            ("Address", "Addresses"),
            ("AppData", "AppData"),
        ] {
            assert_eq!(plural(name), expected);
        }
    }

    #[test]
    fn the_default_is_known_by_either_name() {
        assert!(SettingsTable::of_model("AddonSetting").unwrap().is_default());
        assert!(SettingsTable::of_model("AddonSettings").unwrap().is_default());
        assert!(!SettingsTable::of_model("MySetting").unwrap().is_default());
        assert_eq!(SettingsTable::of_model("MySetting").unwrap().names(), r#""MySetting" or "MySettings""#);
    }

    #[test]
    fn names_that_could_leave_their_quotes_are_refused() {
        for name in ["", "a\"b", "a`b", "a?b", "a@b", "a;b", "a\0b", &"x".repeat(61)] {
            let error = SettingsTable::of_model(name).unwrap_err().to_string();
            assert!(error.contains("store.table"), "{error}");
        }
    }
}
