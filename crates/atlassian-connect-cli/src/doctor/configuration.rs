//! The environment and the configuration.

use super::diagnosis::Diagnosis;
use crate::messages::doctor as message;
use atlassian_connect_actix::config::{Config, ConfigError, Environment, Vars};
use atlassian_connect_actix::internal::is_loopback;

const CHECK: &str = "configuration";

/// The environment, and what sets it.
pub(super) fn environment(vars: &Vars) -> Diagnosis {
    let environment = Environment::from_vars(vars);
    let by = ["APP_ENV", "NODE_ENV", "DYNO"].into_iter().find(|name| vars.get(name).is_some());
    let by = by.map_or_else(|| "by default".to_owned(), |name| format!("by {name}"));
    let rules = if environment.is_production() { "production's rules" } else { "development's rules" };
    Diagnosis::ok("environment", format!("{environment}, {by}, with {rules}"))
}

/// The problems of an invalid configuration, and its warnings.
pub(super) fn refused(error: &ConfigError) -> Vec<Diagnosis> {
    let mut findings: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| {
            let value = problem.value.as_deref().map_or_else(String::new, |value| format!(" = {value}"));
            let setting = format!("{}{value}", problem.key);
            Diagnosis::problem(
                &message::CONFIGURATION_INVALID,
                &[("setting", &setting), ("reason", &problem.wrong), ("remedy", &problem.remedy)],
            )
        })
        .collect();
    findings.extend(error.warnings().iter().map(|warning| warned(warning)));
    findings
}

/// The warnings of a valid configuration.
pub(super) fn loaded(config: &Config, vars: &Vars) -> Vec<Diagnosis> {
    // these two have their own messages below
    let has_message = ["localBaseUrl is http", "AC_OPTS=no-auth"];
    let warnings =
        config.warnings().iter().filter(|warning| !has_message.iter().any(|start| warning.starts_with(start)));
    let mut findings: Vec<_> = warnings.map(|warning| warned(warning)).collect();
    if findings.is_empty() {
        findings.push(Diagnosis::ok(CHECK, "it is valid, and every key is known"));
    }
    findings.extend(options(config, vars));
    findings.push(base_url(config));
    findings
}

fn warned(warning: &str) -> Diagnosis {
    Diagnosis::warning(&message::CONFIGURATION_ODD, &[("warning", warning)])
}

fn options(config: &Config, vars: &Vars) -> Option<Diagnosis> {
    let words = vars.get("AC_OPTS")?;
    if config.environment.is_production() {
        let (options, environment) = (format!("{words:?}"), config.environment.to_string());
        let values = [("options", options.as_str()), ("environment", &environment)];
        return Some(Diagnosis::warning(&message::OPTIONS_IGNORED, &values));
    }
    if config.options.no_auth {
        return Some(Diagnosis::warning(&message::NO_AUTH, &[]));
    }
    Some(Diagnosis::ok("AC_OPTS", format!("{words:?}")))
}

/// Checks the URL itself; [`super::reach`] checks whether it answers.
fn base_url(config: &Config) -> Diagnosis {
    let (base, check) = (&config.local_base_url, "base URL");
    let (https, local) = (base.as_url().scheme() == "https", is_loopback(base.as_url()));
    let url = [("url", base.as_str())];
    match (config.environment.is_production(), https, local) {
        (true, false, false) => Diagnosis::problem(&message::HTTP, &url),
        (true, _, true) => Diagnosis::warning(&message::LOCAL, &url),
        (false, false, false) => Diagnosis::warning(&message::HTTP, &url),
        (false, _, true) => Diagnosis::ok(check, format!("{base}, only for this machine; a real site needs a tunnel")),
        (_, true, false) => Diagnosis::ok(check, base.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level::{self, Ok, Problem, Warning};

    fn levels(vars: &[(&str, &str)]) -> Vec<(&'static str, Level)> {
        let vars: Vars = vars.iter().copied().collect();
        let vars = vars.with_default("DATABASE_URL", "sqlite:x");
        let findings = match Config::from_parts(None, &vars) {
            Result::Ok(config) => loaded(&config, &vars),
            Err(error) => refused(&error),
        };
        findings.into_iter().map(|finding| (finding.check, finding.level)).collect()
    }

    #[test]
    fn base_urls_by_environment() {
        for (environment, url, level) in [
            ("development", "http://localhost:3000", Ok),
            ("development", "http://addon.example.com", Warning),
            ("development", "https://tunnel.example.com", Ok),
            ("production", "http://localhost:3000", Warning),
            ("production", "http://addon.example.com", Problem),
            ("production", "https://addon.example.com", Ok),
        ] {
            let found = levels(&[("APP_ENV", environment), ("AC_LOCAL_BASE_URL", url)]);
            assert_eq!(found, [(CHECK, Ok), ("base URL", level)], "{environment} {url}");
        }
    }

    #[test]
    fn options_by_environment() {
        let of = |environment: &str, options: &str| {
            let url = ("AC_LOCAL_BASE_URL", "https://addon.example.com");
            let found = levels(&[("APP_ENV", environment), url, ("AC_OPTS", options)]);
            found.into_iter().find(|(check, _)| *check == "AC_OPTS").map(|(_, level)| level)
        };
        assert_eq!(of("development", ""), None);
        assert_eq!(of("development", "no-reg"), Some(Ok));
        assert_eq!(of("development", "no-reg,no-auth"), Some(Warning));
        assert_eq!(of("production", "no-reg"), Some(Warning));
        let production =
            [("APP_ENV", "production"), ("AC_LOCAL_BASE_URL", "https://a.example"), ("AC_OPTS", "no-auth")];
        let once = [(CHECK, Ok), ("AC_OPTS", Warning), ("base URL", Ok)];
        assert_eq!(levels(&production), once, "each warning appears once");
    }

    #[test]
    fn each_problem_is_a_finding() {
        assert_eq!(levels(&[("PORT", "x"), ("AC_BIND", "y")]), [(CHECK, Problem), (CHECK, Problem)]);
        assert_eq!(levels(&[("AC_STORE_ENCRYPTION_KEYS", "k")]), [(CHECK, Problem)]);
    }
}
