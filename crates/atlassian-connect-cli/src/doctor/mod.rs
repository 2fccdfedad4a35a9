//! `doctor`: what is wrong with an add-on where it is to run, and what helps.
//!
//! It changes nothing: no file, no table, no row. Whatever has to be waited for is waited for at the same time, and not
//! for long, so that it ends soon where nothing can be reached.

mod configuration;
mod files;
mod finding;
mod network;
mod reach;
mod store;

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{columns, print, print_json};
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::{Config, Vars};
use finding::{Finding, Level};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, builder: AddonBuilder, vars: Vars) -> Result<Exit, Failure> {
    // Heroku gives PORT to web processes alone, and this may be asked in another
    let vars = if vars.get("DYNO").is_some() { vars.with_default("PORT", "0") } else { vars };
    let findings = detached(move || examine(builder, vars)).await?;
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    if arguments.json {
        print_json(&json!({ "findings": findings, "problems": problems, "warnings": warnings }));
    } else {
        print(&format!("{}\n\n{}", report(&findings), summary(problems, warnings)));
    }
    Ok(if problems > 0 { Exit::Failed } else { Exit::Done })
}

/// Runs the checks on a thread and a runtime of their own, which nobody waits for once they are done. The look-up of a
/// name cannot be cancelled, and a runtime that is dropped waits for it.
async fn detached<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (sender, result) = tokio::sync::oneshot::channel();
    let checks = move || {
        let checked = actix_web::rt::System::new().block_on(work());
        // whoever waited may be gone
        let _ = sender.send(checked);
    };
    let failed = |reason: String| Failure::Told(format!("the checks could not be made: {reason}"));
    std::thread::Builder::new().name("doctor".into()).spawn(checks).map_err(|error| failed(error.to_string()))?;
    result.await.map_err(|_| failed("they ended early".to_owned()))
}

async fn examine(builder: AddonBuilder, vars: Vars) -> Vec<Finding> {
    let mut findings = vec![configuration::environment(&vars)];
    match builder.load_config_with(&vars) {
        Ok(config) => {
            findings.extend(configuration::loaded(&config, &vars));
            findings.extend(of_the_add_on(&builder, &config).await);
        }
        Err(error) => findings.extend(configuration::refused(&error)),
    }
    findings.extend(files::credentials());
    findings
}

async fn of_the_add_on(builder: &AddonBuilder, config: &Config) -> Vec<Finding> {
    let (descriptor, mut findings) = files::descriptor(builder, config);
    let key = descriptor.as_ref().map(atlassian_connect_actix::internal::descriptor::Descriptor::key);
    let (base, port, (stored, tenants), (servers, mut times), forge) = tokio::join!(
        reach::base_url(config, key),
        reach::port(config, key),
        store::check(builder, config),
        network::key_servers(config),
        network::forge_keys(config),
    );
    if times.is_empty() {
        // any other server whose clock can be trusted
        times = network::clocks_of(&tenants).await;
    }
    findings.extend([base, port]);
    findings.extend(stored);
    findings.extend(servers);
    findings.extend(forge);
    findings.push(network::clock(&times, config.leeway));
    findings
}

fn report(findings: &[Finding]) -> String {
    let mut rows = Vec::new();
    for Finding { level, check, message, remedy } in findings {
        let level = match level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        rows.push([level.to_owned(), (*check).to_owned(), message.clone()]);
        rows.extend(remedy.iter().map(|remedy| [String::new(), String::new(), format!("-> {remedy}")]));
    }
    columns(&rows)
}

fn summary(problems: usize, warnings: usize) -> String {
    let several = |count: usize, word: &str| match count {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    format!("{}, {}", several(problems, "problem"), several(warnings, "warning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_line_for_each_finding_and_each_remedy() {
        let findings = [
            Finding::ok("store", "sqlite:data/addon.db"),
            Finding::warning("base URL", "nothing listens there", "start the add-on"),
            Finding::problem("descriptor", "is no JSON", "mend it"),
        ];
        insta::assert_snapshot!(report(&findings), @r"
        ok       store       sqlite:data/addon.db
        warning  base URL    nothing listens there
                             -> start the add-on
        problem  descriptor  is no JSON
                             -> mend it
        ");
        assert_eq!(summary(0, 1), "no problems, 1 warning");
        assert_eq!(summary(2, 0), "2 problems, no warnings");
    }
}
