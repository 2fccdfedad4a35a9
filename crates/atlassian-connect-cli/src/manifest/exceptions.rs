//! What of a descriptor has no form in a Forge manifest, or another one: the one table of it, with the reasons.
//!
//! Sources: npm `@forge/manifest` 13.7.0, its schema, for what a manifest can hold; Atlassian, "Limitations and
//! differences" (Adopting Forge from Connect), for the callbacks; Atlassian's own converter, `connect-to-forge`.

use atlassian_connect_actix::internal::descriptor::Severity;

/// A part of a descriptor that a manifest does not hold as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The part, by its path or in words.
    pub part: &'static str,
    /// An error: it is lost. A warning: it is kept, and something changes. A hint: it belongs elsewhere.
    pub severity: Severity,
    /// What becomes of it and why, as it goes on after the path; `…` stands for a name.
    pub reason: &'static str,
}

const fn lost(part: &'static str, reason: &'static str) -> Exception {
    Exception { part, severity: Severity::Error, reason }
}

const fn changed(part: &'static str, reason: &'static str) -> Exception {
    Exception { part, severity: Severity::Warning, reason }
}

const fn elsewhere(part: &'static str, reason: &'static str) -> Exception {
    Exception { part, severity: Severity::Hint, reason }
}

// modules

pub(super) const PROFILE_PAGES: Exception = lost(
    "`$.modules.profilePages`",
    "is left out: Forge has no such Connect module; its own for Jira is jira:personalSettingsPage",
);
pub(super) const OTHER_KIND: Exception = lost(
    "other modules that are not the product's",
    "is left out: Forge knows no such Connect modules of …, the configured product",
);
pub(super) const ODD_TYPE: Exception =
    lost("what is not of the type that it has in Connect", "is left out: it must be …");
pub(super) const NO_KEY: Exception =
    lost("a module without a key, unless it is a webhook", "is left out: it has no key, which Forge knows modules by");
pub(super) const ODD_KEY: Exception =
    lost("a key of other characters", "is left out: letters, digits, '-' and '_' alone may stand in its key");
pub(super) const KEY_TWICE: Exception =
    lost("a key that another module has", "is left out: another module has its key, and Forge wants each but once");
pub(super) const LACKS: Exception =
    changed("a module without a member that Forge's schema wants", "is kept, and lacks …, which Forge's schema wants");
pub(super) const NOTHING: Exception = lost(
    "neither modules nor callbacks",
    "has neither modules nor a lifecycle: Forge takes no manifest without either",
);

// callbacks

pub(super) const NEVER_CALLED: Exception =
    changed("`$.lifecycle.enabled`, `$.lifecycle.disabled`", "is kept, and never called once the app is on Forge");
pub(super) const MOVES_REALMS: Exception = changed(
    "`$.lifecycle.dare-migration`",
    "becomes the module migration:dataResidency: Forge calls paths below it, with an invocation token of its own",
);
pub(super) const OTHER_CALLBACK: Exception =
    elsewhere("other members of `$.lifecycle`", "is left out: Connect has no such callback either");

// scopes

pub(super) const NO_SCOPE: Exception =
    lost("a scope that is not the product's", "is left out: Forge knows no such scope of …");

// the root

pub(super) const NOT_JWT: Exception =
    lost("`$.authentication.type`, if it is not `jwt`", "is not jwt, and Forge knows no other authentication");
pub(super) const PUBLIC_KEY: Exception =
    lost("`$.authentication.publicKey`", "is left out: a manifest has no place for it");
pub(super) const NOT_HTTPS: Exception = changed(
    "`$.baseUrl`, if it is not https",
    "is not https: set localBaseUrl to the URL that Atlassian will reach the add-on by before you deploy the manifest",
);
pub(super) const OTHER_REGION: Exception = lost(
    "a region that Forge does not know",
    "is left out: Forge knows the regions AU, CA, CH, DE, EU, GB, IN, JP, KR, SG, US",
);
pub(super) const ODD_HOURS: Exception =
    lost("`$.dataResidency.maxMigrationDurationHours`", "is left out unless it is a multiple of 0.5 from 0.5 to 24");
pub(super) const HOURS_OF_NOTHING: Exception =
    elsewhere("`$.dataResidency` alone", "is left out: without lifecycle.dare-migration it says nothing");
pub(super) const LONG_DESCRIPTION: Exception =
    changed("`$.description` of more than 1000 characters", "is left out: Forge takes no more than 1000 characters");
pub(super) const NAME: Exception = elsewhere("`$.name`", "is left out: `forge register` asks for the app's name");
pub(super) const LISTING: Exception =
    elsewhere("`$.vendor`, `$.links`", "is left out: a manifest has no place for it, the Marketplace listing has");
pub(super) const API_VERSION: Exception =
    elsewhere("`$.apiVersion`", "is left out: Forge counts an app's versions itself");
pub(super) const OTHER_MEMBER: Exception =
    elsewhere("`$.apiMigrations` and other members of the root", "is left out: a manifest has no place for it");

/// All of them.
pub const EXCEPTIONS: &[Exception] = &[
    PROFILE_PAGES,
    OTHER_KIND,
    ODD_TYPE,
    NO_KEY,
    ODD_KEY,
    KEY_TWICE,
    LACKS,
    NOTHING,
    NEVER_CALLED,
    MOVES_REALMS,
    OTHER_CALLBACK,
    NO_SCOPE,
    NOT_JWT,
    PUBLIC_KEY,
    NOT_HTTPS,
    OTHER_REGION,
    ODD_HOURS,
    HOURS_OF_NOTHING,
    LONG_DESCRIPTION,
    NAME,
    LISTING,
    API_VERSION,
    OTHER_MEMBER,
];
