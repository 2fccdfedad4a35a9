//! The environment and the configuration.

use super::finding::Finding;
use atlassian_connect_actix::config::{Config, ConfigError, Environment, Vars};
use atlassian_connect_actix::internal::is_loopback;

const CHECK: &str = "configuration";

/// Which environment this is, and what says so.
pub(super) fn environment(vars: &Vars) -> Finding {
    let environment = Environment::from_vars(vars);
    let by = ["APP_ENV", "NODE_ENV", "DYNO"].into_iter().find(|name| vars.get(name).is_some());
    let by = by.map_or_else(|| "by default".to_owned(), |name| format!("by {name}"));
    let rules = if environment.is_production() { "production's rules" } else { "development's rules" };
    Finding::ok("environment", format!("{environment}, {by}, with {rules}"))
}

/// Each problem of a configuration that cannot be used, with what is odd besides.
pub(super) fn refused(error: &ConfigError) -> Vec<Finding> {
    let mut findings: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| {
            let value = problem.value.as_deref().map_or_else(String::new, |value| format!(" = {value}"));
            Finding::problem(CHECK, format!("{}{value}: {}", problem.key, problem.wrong), &*problem.remedy)
        })
        .collect();
    findings.extend(error.warnings().iter().map(|warning| warned(warning)));
    findings
}

/// What is odd about a configuration that can be used.
pub(super) fn loaded(config: &Config, vars: &Vars) -> Vec<Finding> {
    // of these two more is said below
    let said_below = ["localBaseUrl is http", "AC_OPTS=no-auth"];
    let warnings =
        config.warnings().iter().filter(|warning| !said_below.iter().any(|start| warning.starts_with(start)));
    let mut findings: Vec<_> = warnings.map(|warning| warned(warning)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, "it can be used, and every key is known"));
    }
    findings.extend(options(config, vars));
    findings.push(base_url(config));
    findings
}

fn warned(warning: &str) -> Finding {
    Finding::warning(CHECK, warning, "correct config.json or the variable; the README lists all of them")
}

fn options(config: &Config, vars: &Vars) -> Option<Finding> {
    let words = vars.get("AC_OPTS")?;
    let check = "AC_OPTS";
    if config.environment.is_production() {
        let message = format!("{words:?} is for development, and has no effect in {}", config.environment);
        return Some(Finding::warning(check, message, "unset AC_OPTS"));
    }
    if config.options.no_auth {
        let message = "no-auth opens pages and token routes to every process on this machine";
        return Some(Finding::warning(check, message, "take no-auth out of AC_OPTS when you do not need it"));
    }
    Some(Finding::ok(check, format!("{words:?}")))
}

/// What its form tells; whether anything answers is [`super::reach`]'s.
fn base_url(config: &Config) -> Finding {
    let (base, check) = (&config.local_base_url, "base URL");
    let (https, local) = (base.as_url().scheme() == "https", is_loopback(base.as_url()));
    let remedy = "set AC_LOCAL_BASE_URL to the https URL of the add-on, as in https://addon.example.com";
    match (config.environment.is_production(), https, local) {
        (true, false, false) => {
            Finding::problem(check, format!("{base} is http, and sites call an add-on by https alone"), remedy)
        }
        (true, _, true) => Finding::warning(check, format!("{base} is this machine, which no site reaches"), remedy),
        (false, false, false) => Finding::warning(
            check,
            format!("{base} is http, and sites call an add-on by https alone"),
            "set AC_LOCAL_BASE_URL to the https URL of your tunnel",
        ),
        (false, _, true) => Finding::ok(check, format!("{base}, for this machine alone; a real site needs a tunnel")),
        (_, true, false) => Finding::ok(check, base.as_str()),
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
        assert_eq!(levels(&production), once, "what is said twice is read once");
    }

    #[test]
    fn each_problem_is_a_finding() {
        assert_eq!(levels(&[("PORT", "x"), ("AC_BIND", "y")]), [(CHECK, Problem), (CHECK, Problem)]);
        assert_eq!(levels(&[("AC_STORE_ENCRYPTION_KEYS", "k")]), [(CHECK, Problem)]);
    }
}
