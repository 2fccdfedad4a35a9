//! `forge shell`: compares or writes the shell's source in the app's folder.

use std::path::PathBuf;

use super::super::failure::{Exit, Failure};
use super::super::output::{complain, print};
use atlassian_connect_actix::internal::forge::{Comparison, ShellFile, compare_shell};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// Write the files that are missing or differ
    ///
    /// Files in shell/ are replaced. package.json, build.mjs, tsconfig.json and .gitignore belong to the app: they are
    /// only written if they are missing.
    #[arg(long)]
    write: bool,
    /// The folder of the app's Forge project
    #[arg(long, value_name = "FOLDER", default_value = "forge")]
    dir: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let folder = &arguments.dir;
    let failed = |what: &str, error: &std::io::Error| {
        Failure::Message(format!("cannot {what} the folder {}: {error}", folder.display()))
    };
    let files = compare_shell(folder).map_err(|error| failed("read", &error))?;
    for file in files.iter().filter(|file| file.comparison == Comparison::Different && !file.is_replaced) {
        let path = folder.join(&file.path);
        complain(&format!(
            "{} differs from the framework's; it belongs to the app and was left unchanged",
            path.display()
        ));
    }
    let due: Vec<&ShellFile> = files.iter().filter(|file| file.is_due()).collect();
    for file in &due {
        let path = folder.join(&file.path);
        if arguments.write {
            file.write(folder).map_err(|error| failed("write to", &error))?;
        }
        print(&format!("{} {}", word(file, arguments.write), path.display()));
    }
    let count = |wanted: Comparison| due.iter().filter(|file| file.comparison == wanted).count();
    let (missing, different) = (count(Comparison::Missing), count(Comparison::Different));
    let unchanged = files.len() - due.len();
    if due.is_empty() {
        print(&format!("{} has this release's shell", folder.display()));
    } else if arguments.write {
        print(&format!("{missing} added, {different} changed, {unchanged} unchanged"));
        print(&format!("Build the shell: cd {} && npm install && npm run build", folder.display()));
    } else {
        print(&format!("{missing} missing, {different} different, {unchanged} unchanged: --write updates them"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

fn word(file: &ShellFile, is_written: bool) -> &'static str {
    match (file.comparison, is_written) {
        (Comparison::Missing, true) => "added",
        (Comparison::Missing, false) => "missing",
        (_, true) => "changed",
        (_, false) => "different",
    }
}
