//! The keys of `config.json`, and the variables that set them.

use config::{Map, Value, ValueKind};

use super::nearest;

/// Variables and the keys that they set. If two variables set the same key, the later one wins.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("PORT", "port"),
    ("AC_BIND", "bind"),
    ("AC_LOCAL_BASE_URL", "localBaseUrl"),
    ("DATABASE_URL", "store.url"),
    ("DB_URL", "store.url"),
    ("AC_AUTO_MIGRATE", "store.autoMigrate"),
    ("AC_HOST_WHITELIST", "whitelist"),
    ("AC_ALLOWED_BASE_URLS", "allowedBaseUrls"),
    ("AC_PRODUCT", "product"),
    ("AC_APP_KEY", "appKey"),
    ("AC_APP_ID", "appId"),
    ("AC_HOST_SCRIPT_URL", "hostScriptUrl"),
    ("AC_MAX_TOKEN_AGE", "maxTokenAge"),
    ("AC_MAX_SESSION_AGE", "maxSessionAge"),
    ("CONNECT_KEYS_CDN_URL", "installKeysUrl"),
    ("AC_AUTHORIZATION_SERVER_URL", "authorizationServerUrl"),
    ("AC_FORGE_JWKS_URL", "forgeJwksUrl"),
    ("AC_FORGE_ORIGINS", "forgeOrigins"),
    ("AC_FORGE_ENVIRONMENTS", "forgeEnvironments"),
    ("AC_FORGE_ISOLATED_JWKS_URL", "forgeIsolatedJwksUrl"),
    ("AC_DATABASE_URL", "database.url"),
    ("AC_SANDBOX_PORT", "sandbox.port"),
    ("AC_SHUTDOWN_DELAY", "shutdown.delay"),
    ("AC_METRICS_HOST", "metrics.host"),
    ("AC_METRICS_PORT", "metrics.port"),
    ("AC_METRICS_TOKEN", "metrics.token"),
    ("AC_STORE_ENCRYPTION_KEYS", "storeEncryptionKeys"),
    ("AC_PAGE_KEYS", "pageKeys"),
    ("AC_FORGE_SHELL_ORIGINS", "forge.shellOrigins"),
];

/// The same for a single adapter of ACE: its name, the variable, the key. As in ACE, MongoDB's variable overrides
/// everything else. Heroku's variable for Redis is used only if nothing else names a URL.
pub(super) const OF_ADAPTERS: &[(&str, &str, &str)] =
    &[("mongodb", "MONGODB_URI", "store.url"), ("redis", "REDIS_URL", "store.url")];

const TOP: &[&str] = &[
    "port",
    "bind",
    "localBaseUrl",
    "store",
    "database",
    "whitelist",
    "frameAncestors",
    "allowedBaseUrls",
    "product",
    "appKey",
    "appId",
    "hostScriptUrl",
    "maxTokenAge",
    "maxSessionAge",
    "jwt",
    "leeway",
    "limits",
    "cache",
    "metrics",
    "shutdown",
    "compressPages",
    "errorTemplate",
    "errorTemplateName",
    "errorTemplateObject",
    "expressErrorHandling",
    "validateDescriptor",
    "watch",
    "setupInstallRoute",
    "userAgent",
    "hosts",
    "installKeysUrl",
    "authorizationServerUrl",
    "forgeJwksUrl",
    "forgeOrigins",
    "forgeEnvironments",
    "forgeIsolatedJwksUrl",
    "sandbox",
    "storeEncryptionKeys",
    "pageKeys",
    "forge",
    "app",
];

/// Keys that ACE reads and we ignore: the environment's name comes from the variables, a transformer is code.
const TOP_OF_ACE: &[&str] = &["environment", "descriptorTransformer"];

const STORE: &[&str] = &[
    "adapter",
    "dialect",
    "url",
    "storage",
    "table",
    "collection",
    "database",
    "pool",
    "dialectOptions",
    "autoMigrate",
];

/// `type` is ACE's older name for `dialect`, and `rs` for MongoDB's `url`. The rest is for Sequelize and for other
/// adapters of ACE.
const STORE_OF_ACE: &[&str] = &["type", "rs", "logging", "region", "endpoint", "retry"];

const POOL: &[&str] = &["max"];

/// Sequelize's settings, which r2d2's pool does not need.
const POOL_OF_ACE: &[&str] = &["min", "idle", "acquire", "evict", "maxUses"];

/// The known keys of an object: ours, and those of ACE that are ignored. `None`: any key is allowed.
fn known(path: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    match path {
        "" => Some((TOP, TOP_OF_ACE)),
        "store" => Some((STORE, STORE_OF_ACE)),
        "store.pool" => Some((POOL, POOL_OF_ACE)),
        "database" => Some((&["url"], &[])),
        "jwt" => Some((&["validityInMinutes"], &[])),
        "limits" => Some((
            &[
                "body",
                "bodyRate",
                "connections",
                "forgeBody",
                "head",
                "lifecycleBody",
                "listener",
                "stalled",
                "token",
                "unproven",
            ],
            &[],
        )),
        "cache" => Some((&["capacity", "stale", "ttl"], &[])),
        "metrics" => Some((&["host", "port", "token"], &[])),
        "shutdown" => Some((&["delay"], &[])),
        "sandbox" => Some((&["port"], &[])),
        "forge" => Some((&["pages", "shellOrigins"], &[])),
        _ => None,
    }
}

/// Whether a top-level entry is the section of an environment: an object under an unknown key.
pub(super) fn is_section(key: &str, value: &Value) -> bool {
    matches!(value.kind, ValueKind::Table(_)) && !TOP.contains(&key) && !TOP_OF_ACE.contains(&key)
}

/// A warning for each unknown key of `table`, sorted. `place` says where the table is; `path` is its dotted key, empty
/// for the top level.
pub(super) fn unknown(table: &Map<String, Value>, place: &str, path: &str) -> Vec<String> {
    let Some((ours, of_ace)) = known(path) else {
        return Vec::new();
    };
    let full = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let mut warnings = Vec::new();
    for (key, value) in table {
        if ours.contains(&key.as_str()) {
            if let ValueKind::Table(inner) = &value.kind {
                warnings.extend(unknown(inner, place, &full(key)));
            }
        } else if !of_ace.contains(&key.as_str()) {
            let meant = match nearest(key, ours) {
                Some(near) => format!("did you mean `{}`?", full(near)),
                None if path.is_empty() => "put your own keys under `app`".to_owned(),
                None => format!("`{path}` has {}", ours.join(", ")),
            };
            warnings.push(format!("{place}: `{}` is not known and has no effect; {meant}", full(key)));
        }
    }
    warnings.sort();
    warnings
}

/// A warning if a section is named almost like a known key, or like one of the usual environments: no other environment
/// reads it.
pub(super) fn misnamed_section(name: &str) -> Option<String> {
    const ENVIRONMENTS: &[&str] = &["development", "test", "production"];
    if ENVIRONMENTS.contains(&name) {
        return None;
    }
    let near = nearest(name, ENVIRONMENTS).or_else(|| nearest(name, TOP))?;
    Some(format!("config.json: `{name}` is read as the section of an environment; did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_others_are_not() {
        for (word, near) in [
            ("prot", Some("port")),
            ("localbaseurl", Some("localBaseUrl")),
            ("localBaseURI", Some("localBaseUrl")),
            ("whiteList", Some("whitelist")),
            ("stroe", Some("store")),
            ("errorTemplat", Some("errorTemplate")),
            ("allowedBaseUrl", Some("allowedBaseUrls")),
            ("greeting", None),
            ("x", None),
            ("staging", None),
            ("development", None),
            ("test", None),
        ] {
            assert_eq!(nearest(word, TOP), near, "{word}");
        }
    }

    #[test]
    fn every_variable_sets_a_known_key() {
        for (variable, path) in VARIABLES {
            let (object, key) = path.rsplit_once('.').unwrap_or(("", path));
            let (ours, _) = known(object).unwrap();
            assert!(ours.contains(&key), "{variable}");
        }
    }
}
