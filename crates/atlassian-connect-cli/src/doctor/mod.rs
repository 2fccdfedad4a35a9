//! `doctor`: checks an add-on in its environment and says what to do.
//!
//! It changes nothing: no file, no table, no row. The slow checks run at the same time and have short timeouts, so that
//! it ends soon even if nothing can be reached.

mod association;
mod configuration;
mod diagnosis;
mod files;
mod network;
mod reach;
mod store;

use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::{columns, print, print_json};
use atlassian_connect_actix::AddonBuilder;
use atlassian_connect_actix::config::{Config, Vars};
use diagnosis::{Diagnosis, Level};
use reach::Expected;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: &Arguments, builder: AddonBuilder, vars: Vars) -> Result<Exit, Failure> {
    // Heroku only sets PORT for web processes, and this may be another process
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

/// Runs the checks on a separate thread and runtime that is not joined when they are done. Name resolution cannot be
/// cancelled, and a dropped runtime would wait for it.
async fn detached<T, F>(work: impl FnOnce() -> F + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (sender, result) = tokio::sync::oneshot::channel();
    let checks = move || {
        let checked = actix_web::rt::System::new().block_on(work());
        // the receiver may be gone
        let _ = sender.send(checked);
    };
    let failed = |reason: String| Failure::Message(format!("the checks failed: {reason}"));
    std::thread::Builder::new().name("doctor".into()).spawn(checks).map_err(|error| failed(error.to_string()))?;
    result.await.map_err(|_| failed("they ended before the result".to_owned()))
}

async fn examine(builder: AddonBuilder, vars: Vars) -> Vec<Diagnosis> {
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

async fn of_the_add_on(builder: &AddonBuilder, config: &Config) -> Vec<Diagnosis> {
    let (descriptor, mut findings) = files::descriptor(builder, config);
    let served = match &descriptor {
        Some(descriptor) if descriptor.is_of_forge() => Expected::ForgeAlone,
        Some(descriptor) => Expected::Descriptor(Some(descriptor.key())),
        None => Expected::Descriptor(None),
    };
    let (base, port, (stored, tenants), association, (servers, mut times), forge) = tokio::join!(
        reach::base_url(config, served),
        reach::port(config, served),
        store::check(builder, config),
        association::check(builder, config, descriptor.as_ref()),
        network::key_servers(config),
        network::forge_keys(config),
    );
    if times.is_empty() {
        // any other server with a reliable clock
        times = network::clocks_of(&tenants).await;
    }
    findings.extend([base, port]);
    findings.extend(stored);
    findings.extend(association);
    findings.extend(servers);
    findings.extend(forge);
    findings.push(network::clock(&times, config.leeway));
    findings
}

fn report(findings: &[Diagnosis]) -> String {
    let mut rows = Vec::new();
    for Diagnosis { level, check, message, remedy } in findings {
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
    use crate::messages::doctor::{DESCRIPTOR_UNUSABLE, HTTP};

    #[test]
    fn a_report_has_a_line_for_each_finding_and_each_remedy() {
        let findings = [
            Diagnosis::ok("store", "sqlite:data/addon.db"),
            Diagnosis::warning(&HTTP, &[("url", "http://a")]),
            Diagnosis::problem(&DESCRIPTOR_UNUSABLE, &[("error", "is not JSON")]),
        ];
        insta::assert_snapshot!(report(&findings), @r"
        ok       store       sqlite:data/addon.db
        warning  base URL    http://a is an http URL, but sites only call https URLs
                             -> set AC_LOCAL_BASE_URL to the https URL of the add-on or of your tunnel, such as https://addon.example.com
        problem  descriptor  is not JSON
                             -> correct the descriptor; the add-on does not start without it
        ");
        assert_eq!(summary(0, 1), "no problems, 1 warning");
        assert_eq!(summary(2, 0), "2 problems, no warnings");
    }
}
