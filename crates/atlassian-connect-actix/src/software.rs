//! The names and versions of the app and the framework: for `--version`, `User-Agent`, and the log at the start.

/// The name of the framework.
const FRAMEWORK: &str = "atlassian-connect-actix";
const FRAMEWORK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name and version of the app, from its `Cargo.toml`.
#[derive(Debug, Clone)]
pub struct AppVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// `addon-starter 0.1.0 (atlassian-connect-actix 0.1.0)`; without an app version, `key` is used as the name.
#[must_use]
pub fn version_line(app: Option<&AppVersion>, key: &str) -> String {
    match app {
        Some(app) => format!("{} {} ({FRAMEWORK} {FRAMEWORK_VERSION})", app.name, app.version),
        None => format!("{key} ({FRAMEWORK} {FRAMEWORK_VERSION})"),
    }
}

/// `addon-starter/0.1.0 (my-key) atlassian-connect-actix/0.1.0`, for the `User-Agent` header. A site's administrators
/// know the add-on by its key.
#[must_use]
pub(crate) fn user_agent(app: Option<&AppVersion>, key: &str) -> String {
    match app {
        Some(app) => format!("{}/{} ({key}) {FRAMEWORK}/{FRAMEWORK_VERSION}", app.name, app.version),
        None => format!("{key} {FRAMEWORK}/{FRAMEWORK_VERSION}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_the_app_and_the_framework_are_named() {
        let app = AppVersion { name: "my-app".into(), version: "2.3.4".into() };
        let own = FRAMEWORK_VERSION;
        assert_eq!(version_line(Some(&app), "key"), format!("my-app 2.3.4 (atlassian-connect-actix {own})"));
        assert_eq!(version_line(None, "key"), format!("key (atlassian-connect-actix {own})"));
        assert_eq!(user_agent(Some(&app), "key"), format!("my-app/2.3.4 (key) atlassian-connect-actix/{own}"));
        assert_eq!(user_agent(None, "key"), format!("key atlassian-connect-actix/{own}"));
    }
}
