//! `migrate`: runs, lists, reverts or writes migrations of the store and of the app.

use std::path::Path;

use super::failure::{Exit, Failure};
use super::output::{columns, complain, print};
use super::store_access::for_the_store;
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::Vars;
use atlassian_connect_actix::store::StoreConfig;
use atlassian_connect_actix::store::internal::admin::{self, Reversion, Survey, TablesFound, write_migrations};

/// The app's migrations, relative to the working directory.
const FOLDER: &str = "migrations";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// List applied and pending migrations, and change nothing
    #[arg(long, conflicts_with = "revert")]
    status: bool,
    /// Undo the last migration, or the last few
    #[arg(
        long,
        value_name = "steps",
        num_args = 0..=1,
        default_missing_value = "1",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    revert: Option<u16>,
    /// Also revert migrations of the app and those whose tables are not empty: their data is deleted
    #[arg(short, long, requires = "revert")]
    yes: bool,
    /// Write the framework's migrations that are missing in the folder migrations/; existing files are never changed
    #[arg(long, conflicts_with_all = ["revert", "status"])]
    write: bool,
}

pub(super) async fn run(arguments: Arguments, builder: &AddonBuilder, vars: Vars) -> Result<Exit, Failure> {
    if arguments.write {
        return write();
    }
    let config = builder.load_config_with(&for_the_store(vars))?;
    // the app's own tables may be in another database
    let app = config.app_database();
    if let Some(steps) = arguments.revert {
        return revert(app.as_ref().unwrap_or(&config.store), steps.into(), arguments.yes).await;
    }
    for place in std::iter::once(&config.store).chain(&app) {
        if arguments.status {
            status(place).await?;
        } else {
            print(&admin::migrate(place).await?.to_string());
        }
    }
    Ok(Exit::Done)
}

/// Needs neither a configuration nor a store.
fn write() -> Result<Exit, Failure> {
    let outcome = write_migrations(Path::new(FOLDER))
        .map_err(|error| Failure::Message(format!("cannot write to the folder {FOLDER}: {error}")))?;
    for file in &outcome.different {
        complain(&format!("{} differs from the framework's migration and was left unchanged", file.display()));
    }
    match outcome.written.as_slice() {
        [] => print(&format!("{FOLDER} already has every migration of the framework")),
        written => {
            for path in written {
                print(&format!("wrote {}", path.display()));
            }
            print("Rebuild the app, then run the command `migrate`.");
        }
    }
    Ok(Exit::Done)
}

async fn status(config: &StoreConfig) -> Result<(), Failure> {
    let survey = admin::survey(config).await?;
    print(&status_text(&config.redacted_url(), &survey));
    match survey.tables {
        TablesFound::Wrong(reason) => Err(Failure::Message(reason)),
        _ => Ok(()),
    }
}

fn status_text(shown: &str, survey: &Survey) -> String {
    let Survey { tables, applied, pending, skipped, unknown, .. } = survey;
    let place = match tables {
        TablesFound::InMemory => return format!("{shown} is in memory: it has no migrations"),
        TablesFound::NotNeeded => return format!("{shown} has no tables and no migrations"),
        TablesFound::NoFile => return format!("{shown} does not exist yet: the first start creates it"),
        TablesFound::None => format!("{shown} has no tables yet: the first start creates them"),
        TablesFound::All(table) => format!("{shown}, table {table}"),
        TablesFound::Wrong(_) => format!("{shown} cannot be used"),
    };
    let states = [("applied", applied), ("pending", pending), ("not needed", skipped), ("unknown", unknown)];
    let rows: Vec<_> =
        states.iter().flat_map(|(state, names)| names.iter().map(|name| [(*state).to_owned(), name.clone()])).collect();
    let sum = match (tables, pending.len(), unknown.len()) {
        (TablesFound::Wrong(_), ..) => String::new(),
        (_, 0, 0) => "\nthe database is up to date".to_owned(),
        (_, 0, _) => "\na newer release has migrated the database; this binary can still use it".to_owned(),
        (_, pending, _) => format!("\n{pending} pending: run the command migrate"),
    };
    format!("{place}\n{}{sum}", columns(&rows))
}

async fn revert(config: &StoreConfig, steps: usize, drop_rows: bool) -> Result<Exit, Failure> {
    let shown = config.redacted_url();
    match admin::revert(config, steps, drop_rows).await? {
        Reversion::Done(steps) if steps.is_empty() => {
            print(&format!("{shown}: no migration has run, nothing was reverted"));
        }
        Reversion::OfTheApp(steps) => {
            return Err(Failure::Usage(format!(
                "nothing was reverted: {} {} the app's own, and what their down.sql deletes is unknown; make a \
                 backup, then add --yes",
                steps.join(", "),
                if steps.len() == 1 { "is" } else { "are" }
            )));
        }
        Reversion::Done(steps) => print(&format!("{shown}: reverted {}", steps.join(", "))),
        Reversion::HoldsRows(tables) => {
            let held: Vec<_> = tables.iter().map(|(table, rows)| format!("{table} ({rows} rows)")).collect();
            return Err(Failure::Usage(format!(
                "nothing was reverted: it would delete {}, and each tenant would have to install the add-on again; make \
                 a backup, then add --yes",
                held.join(", ")
            )));
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(tables: TablesFound, [applied, pending, skipped, unknown]: [&[&str]; 4]) -> Survey {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let (applied, pending) = (owned(applied), owned(pending));
        Survey { file: None, tables, applied, pending, skipped: owned(skipped), unknown: owned(unknown) }
    }

    #[test]
    fn each_step_has_its_state() {
        let all = |table: &str| TablesFound::All(table.to_owned());
        let status_text = |tables, steps| status_text("sqlite:x", &survey(tables, steps));
        insta::assert_snapshot!(status_text(all("AddonSettings"), [&["one", "two"], &[], &[], &[]]), @r"
        sqlite:x, table AddonSettings
        applied  one
        applied  two
        the database is up to date
        ");
        insta::assert_snapshot!(status_text(all("Mine"), [&[], &["two"], &["one"], &[]]), @r"
        sqlite:x, table Mine
        pending     two
        not needed  one
        1 pending: run the command migrate
        ");
        insta::assert_snapshot!(status_text(all("AddonSettings"), [&["one"], &[], &[], &["2099"]]), @r"
        sqlite:x, table AddonSettings
        applied  one
        unknown  2099
        a newer release has migrated the database; this binary can still use it
        ");
        insta::assert_snapshot!(status_text(TablesFound::Wrong("so".to_owned()), [&["one"], &[], &[], &["2099"]]), @r"
        sqlite:x cannot be used
        applied  one
        unknown  2099
        ");
        insta::assert_snapshot!(
            status_text(TablesFound::NoFile, [&[], &[], &[], &[]]),
            @"sqlite:x does not exist yet: the first start creates it"
        );
    }
}
