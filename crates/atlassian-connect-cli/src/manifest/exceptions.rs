//! What a Forge manifest cannot hold, or only in another form: one table, with the reasons.
//!
//! Sources: npm `@forge/manifest` 13.7.0, its schema, for what a manifest can hold; Atlassian, "Limitations and
//! differences" (Adopting Forge from Connect), for the callbacks; Atlassian's own converter, `connect-to-forge`.

use atlassian_connect_actix::internal::descriptor::Severity;

/// A part of a descriptor that a manifest does not hold unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exception {
    /// The part, as a path or in words.
    pub part: &'static str,
    /// Error: it is lost. Warning: it is kept, but changes. Hint: it belongs elsewhere.
    pub severity: Severity,
    /// What happens to it and why, as text after the path; `…` stands for a name.
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
    "is left out: Forge has no such Connect module. Its own module for Jira is jira:personalSettingsPage",
);
pub(super) const OTHER_KIND: Exception = lost(
    "other modules that the product does not have",
    "is left out: Forge does not know such Connect modules of …, the configured product",
);
pub(super) const ODD_TYPE: Exception = lost("a value of another type than in Connect", "is left out: it must be …");
pub(super) const NO_KEY: Exception = lost(
    "a module without a key, unless it is a webhook",
    "is left out: it has no key, and Forge identifies modules by their keys",
);
pub(super) const ODD_KEY: Exception =
    lost("a key with other characters", "is left out: its key may contain only letters, digits, '-' and '_'");
pub(super) const KEY_TWICE: Exception = lost(
    "a key that another module has",
    "is left out: another module has the same key, and keys must be unique on Forge",
);
pub(super) const LACKS: Exception = changed(
    "a module without a member that Forge's schema requires",
    "is kept, but lacks …, which Forge's schema requires",
);
pub(super) const NOTHING: Exception =
    lost("neither modules nor callbacks", "has neither modules nor a lifecycle: Forge refuses a manifest without both");

// callbacks

pub(super) const NEVER_CALLED: Exception =
    changed("`$.lifecycle.enabled`, `$.lifecycle.disabled`", "is kept, but is never called once the app is on Forge");
pub(super) const MOVES_REALMS: Exception = changed(
    "`$.lifecycle.dare-migration`",
    "becomes the module migration:dataResidency: Forge calls paths below it, with an invocation token of its own",
);
pub(super) const OTHER_CALLBACK: Exception =
    elsewhere("other members of `$.lifecycle`", "is left out: Connect has no such callback either");

// scopes

pub(super) const NO_SCOPE: Exception =
    lost("a scope that is not the product's", "is left out: Forge does not know such a scope of …");

// the root

pub(super) const NOT_JWT: Exception =
    lost("`$.authentication.type`, if it is not `jwt`", "is not jwt, the only authentication that Forge supports");
pub(super) const PUBLIC_KEY: Exception =
    lost("`$.authentication.publicKey`", "is left out: a manifest has no place for it");
pub(super) const NOT_HTTPS: Exception = changed(
    "`$.baseUrl`, if it is not https",
    "is not https: before you deploy the manifest, set localBaseUrl to the URL at which Atlassian reaches the add-on",
);
pub(super) const OTHER_REGION: Exception = lost(
    "a region that Forge does not know",
    "is left out: Forge's regions are AU, CA, CH, DE, EU, GB, IN, JP, KR, SG, US",
);
pub(super) const ODD_HOURS: Exception =
    lost("`$.dataResidency.maxMigrationDurationHours`", "is left out unless it is a multiple of 0.5 from 0.5 to 24");
pub(super) const HOURS_OF_NOTHING: Exception =
    elsewhere("`$.dataResidency` alone", "is left out: it has no effect without lifecycle.dare-migration");
pub(super) const LONG_DESCRIPTION: Exception =
    changed("`$.description` of more than 1000 characters", "is left out: Forge allows at most 1000 characters");
pub(super) const NAME: Exception = elsewhere("`$.name`", "is left out: `forge register` asks for the app's name");
pub(super) const LISTING: Exception =
    elsewhere("`$.vendor`, `$.links`", "is left out: it belongs to the Marketplace listing, not to the manifest");
pub(super) const API_VERSION: Exception =
    elsewhere("`$.apiVersion`", "is left out: Forge numbers an app's versions itself");
pub(super) const OTHER_MEMBER: Exception =
    elsewhere("`$.apiMigrations` and other members of the root", "is left out: a manifest has no place for it");

// modules that show a page, with --pages

pub(super) const BECOMES: Exception =
    changed("`--pages`: a module that shows a page of the app and has a counterpart on Forge", "becomes …");
pub(super) const CONDITIONS: Exception = lost(
    "`--pages`: its `conditions`",
    "is left out: Forge has displayConditions of its own. The page must check permissions in any case",
);
pub(super) const TRANSLATED: Exception = lost(
    "`--pages`: `i18n` of a text",
    "is left out: the text has one language until you add translation files (translations in the manifest)",
);
pub(super) const TITLE: Exception =
    changed("`--pages`: no name where Forge requires a title", "gets the app's name as its title: …");
pub(super) const ICON: Exception =
    changed("`--pages`: no icon where Forge requires one", "gets the placeholder icon.svg of the shell as its icon");
pub(super) const NO_PAGE: Exception = changed(
    "`--pages`: a module that shows no page of the app",
    "stays a Connect module: it shows no page of the app, unless forge.pages of config.json names one",
);
pub(super) const ONE_AT_MOST: Exception = changed(
    "`--pages`: a second module of a type that Forge allows once",
    "stays a Connect module: Forge allows one … per app",
);
pub(super) const NO_COUNTERPART: Exception = changed(
    "`--pages`: a kind or a location that Forge has no module for",
    "stays a Connect module: Forge has no module for …",
);
pub(super) const DIALOG: Exception = elsewhere(
    "`--pages`: `$.modules.dialogs`",
    "stays a Connect module: on Forge, AP.dialog opens its page without a module",
);
pub(super) const OTHER_CALLBACK_OF_RULE: Exception = changed(
    "`--pages`: `$.modules.jiraWorkflowPostFunctions`",
    "stays a Connect module: after a transition, Forge sends another body and another token than Connect",
);
pub(super) const NO_ENDPOINT: Exception = changed(
    "`--pages`: `$.modules.customContent`",
    "stays a Connect module: on Forge only functions can resolve it, not endpoints",
);
pub(super) const BASE_PATH: Exception = changed(
    "`--pages`: `$.baseUrl` with a path",
    "is in the manifest twice: with its path for Connect, without it as the remote of pages",
);

/// All exceptions.
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
    BECOMES,
    CONDITIONS,
    TRANSLATED,
    TITLE,
    ICON,
    NO_PAGE,
    ONE_AT_MOST,
    NO_COUNTERPART,
    DIALOG,
    OTHER_CALLBACK_OF_RULE,
    NO_ENDPOINT,
    BASE_PATH,
];
