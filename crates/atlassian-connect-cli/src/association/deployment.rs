//! Which keys of sites belong to this deployment. The data of the app's other environments, and of further apps, is kept
//! apart from it.

use atlassian_connect_actix::config::Config;
use atlassian_connect_actix::internal::association::InstallationRecord;
use atlassian_connect_actix::internal::installation::own_environment;

/// The environment of customers.
const PRODUCTION: &str = "PRODUCTION";

/// What a deployment is for: the first app of the configuration, in one environment, or in any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deployment<'a> {
    /// The bare id of the app.
    app: Option<&'a str>,
    /// In production the first environment that is served, as for invocations. `None`: any.
    environment: Option<&'a str>,
}

impl<'a> Deployment<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        Self { app: config.app_id(), environment: own_environment(config) }
    }

    /// Whether its tenants have the keys of sites without a suffix.
    pub(super) fn has_plain_keys(self) -> bool {
        self.environment.is_none_or(|environment| environment.eq_ignore_ascii_case(PRODUCTION))
    }

    /// Whether an installation is one of this deployment.
    pub(super) fn owns(self, record: &InstallationRecord) -> bool {
        // the ARI of an app ends with its id
        let app = record.app.as_deref().and_then(|app| app.rsplit('/').next());
        let kind = record.environment.as_deref().unwrap_or(PRODUCTION);
        app.is_some() && app == self.app && self.environment.is_none_or(|served| served.eq_ignore_ascii_case(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_owns_the_installations_of_its_app_and_environment() {
        let record = |app: Option<&str>, environment: Option<&str>| InstallationRecord {
            app: app.map(str::to_owned),
            environment: environment.map(str::to_owned),
            ..InstallationRecord::default()
        };
        let of = |environment| Deployment { app: Some("a"), environment };
        for (served, app, environment, expected) in [
            (Some("PRODUCTION"), Some("ari:cloud:ecosystem::app/a"), Some("PRODUCTION"), true),
            (Some("PRODUCTION"), Some("a"), None, true),
            (Some("PRODUCTION"), Some("a"), Some("STAGING"), false),
            (Some("PRODUCTION"), Some("b"), Some("PRODUCTION"), false),
            (Some("PRODUCTION"), None, Some("PRODUCTION"), false),
            (Some("STAGING"), Some("a"), Some("staging"), true),
            (Some("STAGING"), Some("a"), Some("PRODUCTION"), false),
            (Some("STAGING"), Some("a"), None, false),
            (None, Some("a"), Some("DEVELOPMENT"), true),
            (None, Some("b"), Some("DEVELOPMENT"), false),
        ] {
            let record = record(app, environment);
            assert_eq!(of(served).owns(&record), expected, "{served:?} {record:?}");
        }
        assert!(!Deployment { app: None, environment: None }.owns(&record(None, None)));
        for (environment, expected) in [(None, true), (Some("PRODUCTION"), true), (Some("STAGING"), false)] {
            assert_eq!(of(environment).has_plain_keys(), expected, "{environment:?}");
        }
    }
}
