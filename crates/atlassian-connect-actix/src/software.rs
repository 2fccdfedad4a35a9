//! How app and framework name themselves: in `--version`, in `User-Agent`, in the log at the start.

/// The name of the framework.
const FRAMEWORK: &str = "atlassian-connect-actix";
const FRAMEWORK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Name and version of the app, as its `Cargo.toml` has them.
#[derive(Debug, Clone)]
pub struct AppVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// `addon-starter 0.1.0 (atlassian-connect-actix 0.1.0)`; an app that does not say its version is named by `key`.
#[must_use]
pub fn version_line(app: Option<&AppVersion>, key: &str) -> String {
    match app {
        Some(app) => format!("{} {} ({FRAMEWORK} {FRAMEWORK_VERSION})", app.name, app.version),
        None => format!("{key} ({FRAMEWORK} {FRAMEWORK_VERSION})"),
    }
}

/// `addon-starter/0.1.0 (my-key) atlassian-connect-actix/0.1.0`, for the header of that name: the add-on's key is what a
/// site's administrators know it by.
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
    fn app_and_framework_are_both_named() {
        let app = AppVersion { name: "my-app".into(), version: "2.3.4".into() };
        let own = FRAMEWORK_VERSION;
        assert_eq!(version_line(Some(&app), "key"), format!("my-app 2.3.4 (atlassian-connect-actix {own})"));
        assert_eq!(version_line(None, "key"), format!("key (atlassian-connect-actix {own})"));
        assert_eq!(user_agent(Some(&app), "key"), format!("my-app/2.3.4 (key) atlassian-connect-actix/{own}"));
        assert_eq!(user_agent(None, "key"), format!("key atlassian-connect-actix/{own}"));
    }
}
