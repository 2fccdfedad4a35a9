//! From the layers to a [`Config`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::jwks;
use super::layers::{self, FILE};
use super::problems::Fault;
use super::read::Reader;
use super::shell_origins::{self, ShellOrigin};
use super::{
    AppSection, BaseUrl, CacheConfig, Config, ConfigError, DevOptions, Environment, Limits, MetricsConfig, Product,
    Vars, Whitelist, base_url, keys, urls, whitelist,
};
use crate::jwt::{ForgeClaims, ForgeEnvironment};

const NO_AUTH: &str = "AC_OPTS=no-auth";
const TRACES: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const MIB: u64 = 1024 * 1024;

pub(super) fn config(text: Option<&str>, vars: &Vars) -> Result<Config, ConfigError> {
    let environment = Environment::from_vars(vars);
    let development = environment.is_development();
    let (mut reader, mut warnings) = read(text, vars, &environment)?;
    let reader = &mut reader;

    let port = port(reader, "port").unwrap_or(3000);
    let local_base_url = local_base_url(reader, &environment, port);
    let product = product(reader);
    let options = options(vars, &environment, &mut warnings);
    if cfg!(not(feature = "otel")) && vars.get(TRACES).is_some() {
        warnings.push(format!("{TRACES} has no effect: this program was built without the Cargo feature `otel`"));
    }
    let max_token_age = seconds(reader, "maxTokenAge", 1, 86_400, 900);
    // a session lasts at least as long as one of its tokens
    let least = max_token_age.as_secs();
    let config = Config {
        port,
        bind: address(reader, "bind").unwrap_or(IpAddr::V4(if development {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        })),
        product,
        store: super::store::resolve(reader, &environment),
        whitelist: hosts_that_install(reader, &environment, product),
        frame_ancestors: reader.list("frameAncestors", urls::ancestor).unwrap_or_default(),
        allowed_base_urls: allowed_base_urls(reader, local_base_url.as_ref()),
        app_key: reader.parsed("appKey", app_key),
        app_ids: app_ids(reader),
        host_script_url: reader.parsed("hostScriptUrl", |text| urls::script(text, development)),
        max_token_age,
        max_session_age: seconds(reader, "maxSessionAge", least, 7 * 86_400, least.max(12 * 3600)),
        jwt_validity: Duration::from_secs(
            60 * reader.whole("jwt.validityInMinutes", 1..=15, " of minutes").unwrap_or(3),
        ),
        leeway: seconds(reader, "leeway", 0, 120, 30),
        limits: limits(reader),
        cache: CacheConfig {
            capacity: reader.whole("cache.capacity", 0..=10_000_000, " of tenants").unwrap_or(10_000),
            ttl: seconds(reader, "cache.ttl", 1, 3600, 10),
            stale: seconds(reader, "cache.stale", 0, 3600, 300),
        },
        metrics: metrics(reader),
        #[cfg(feature = "otel")]
        traces: super::traces::resolve(vars, &mut warnings),
        shutdown_delay: seconds(reader, "shutdown.delay", 0, 20, 0),
        compress_pages: reader.flag("compressPages").unwrap_or(false),
        error_template: reader.flag("errorTemplate").unwrap_or(true),
        error_template_name: reader.text("errorTemplateName"),
        error_template_object: reader.object("errorTemplateObject").unwrap_or_default(),
        express_error_handling: reader.flag("expressErrorHandling").unwrap_or(false),
        validate_descriptor: reader.flag("validateDescriptor").unwrap_or(false),
        watch: reader.flag("watch").unwrap_or(true),
        setup_install_route: reader.flag("setupInstallRoute").unwrap_or(true),
        user_agent: reader.parsed("userAgent", user_agent),
        hosts: secrets(reader.list("hosts", urls::host)),
        install_keys_url: reader.parsed("installKeysUrl", urls::service),
        authorization_server_url: reader.parsed("authorizationServerUrl", urls::service),
        forge_jwks_url: reader.parsed("forgeJwksUrl", urls::service),
        forge_origins: reader.list("forgeOrigins", urls::ancestor).unwrap_or_default(),
        forge_environments: forge_environments(reader, development),
        forge_isolated_jwks_url: reader.parsed("forgeIsolatedJwksUrl", jwks::template),
        sandbox_port: self::port(reader, "sandbox.port"),
        page_keys: secrets(reader.list("pageKeys", page_key)),
        forge_pages: forge_pages(reader),
        forge_shell_origins: shell_origins(reader, development),
        database_url: reader.text("database.url").map(SecretString::from),
        options,
        app: app(reader),
        local_base_url: match local_base_url {
            Some(url) if reader.problems.is_empty() => url,
            // without a base URL, local_base_url has already recorded a problem
            _ => return Err(ConfigError::new(std::mem::take(&mut reader.problems)).with_warnings(warnings)),
        },
        environment,
        warnings,
    };
    Ok(with_warnings(config))
}

/// Parses the file, picks the section and merges the layers. Also returns the warnings about unknown keys.
fn read(text: Option<&str>, vars: &Vars, environment: &Environment) -> Result<(Reader, Vec<String>), ConfigError> {
    let name = environment.name();
    let file = layers::split(layers::parse(text.unwrap_or_default())?, name);
    if file.section.is_none() && !matches!(name, "development" | "test" | "production") {
        let there = match (text, file.names.as_slice()) {
            (None, _) => format!("There is no {FILE}"),
            (_, []) => format!("{FILE} has no sections"),
            (_, names) => format!("{FILE} has {}", names.join(", ")),
        };
        let fault = Fault::new(
            "the environment has no section",
            format!("{there}: add a section `{name}`, or set APP_ENV or NODE_ENV to an existing one"),
        );
        return Err(fault.at(name, None).into());
    }

    let place = format!("{FILE}, section {name}");
    let mut warnings = keys::unknown(&file.top, FILE, "");
    warnings.extend(file.names.iter().filter(|other| *other != name).filter_map(|other| keys::misnamed_section(other)));
    let mut stack = vec![layers::settle(file.top, FILE, vars)];
    if let Some(section) = file.section {
        warnings.extend(keys::unknown(&section, &place, ""));
        stack.push(layers::settle(section, &place, vars));
    }
    stack.extend(layers::variables(vars, &stack));
    let values = layers::merge(stack).map_err(|error| {
        Fault::new(format!("cannot be merged: {error}"), "Compare it with the documentation").at(FILE, None)
    })?;
    Ok((Reader::new(values), warnings))
}

/// Adds the warnings that concern several keys, and logs all of them.
fn with_warnings(mut config: Config) -> Config {
    let url = config.local_base_url.as_url();
    if config.environment.is_production() && url.scheme() == "http" && !base_url::is_loopback(url) {
        config.warnings.push("localBaseUrl is http, but Atlassian's hosts call add-ons over https only".to_owned());
    }
    if config.environment.is_production() && config.store.url.expose_secret() == "memory:" {
        config.warnings.push("the store is in memory: a restart forgets every installation".to_owned());
    }
    let open: Vec<&str> = config.whitelist.open_globs().collect();
    if config.environment.is_production() && !open.is_empty() {
        config.warnings.push(format!(
            "whitelist has {}: anybody can own a matching host and install the add-on; name the domains, as in \
             *.atlassian.net",
            open.join(", ")
        ));
    }
    for warning in &config.warnings {
        // this opens the add-on to everybody, so it is an error, not a warning
        if warning.starts_with(NO_AUTH) {
            tracing::error!("{warning}");
        } else {
            tracing::warn!("{warning}");
        }
    }
    config
}

fn port(reader: &mut Reader, key: &str) -> Option<u16> {
    reader.whole(key, 0..=u64::from(u16::MAX), "").and_then(|port| port.try_into().ok())
}

fn address(reader: &mut Reader, key: &str) -> Option<IpAddr> {
    reader.parsed(key, |text| {
        let fault = || Fault::new("is not an IP address", "Write an address, as in 127.0.0.1, 0.0.0.0 or ::");
        if text == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { text.parse().map_err(|_| fault()) }
    })
}

/// `None` only if a problem was recorded.
fn local_base_url(reader: &mut Reader, environment: &Environment, port: u16) -> Option<BaseUrl> {
    let key = "localBaseUrl";
    let Some(value) = reader.value(key).cloned() else {
        if environment.is_development() {
            return urls::base(&format!("http://localhost:{port}")).ok();
        }
        reader.missing(
            key,
            format!("is required in {environment}"),
            "Set AC_LOCAL_BASE_URL, or localBaseUrl in config.json, to the URL at which Atlassian reaches the \
             add-on, as in https://addon.example.com",
        );
        return None;
    };
    let text = reader.text_where(key, |name| (name == "port").then(|| port.to_string()))?;
    urls::base(&text).map_or_else(|fault| reader.refuse(key, fault, &value), Some)
}

fn allowed_base_urls(reader: &mut Reader, local: Option<&BaseUrl>) -> Vec<BaseUrl> {
    let mut urls = reader.list("allowedBaseUrls", urls::base).unwrap_or_default();
    urls.retain(|url| Some(url) != local);
    urls
}

fn product(reader: &mut Reader) -> Product {
    let parse = |text: &str| {
        text.parse().map_err(|error: super::UnknownProduct| {
            Fault::new(error.to_string(), "Write jira, confluence or bitbucket")
        })
    };
    reader.parsed("product", parse).unwrap_or_default()
}

fn hosts_that_install(reader: &mut Reader, environment: &Environment, product: Product) -> Whitelist {
    let key = "whitelist";
    let defaults = || product.default_whitelist().iter().map(|&glob| glob.to_owned()).collect();
    let value = reader.value(key).cloned();
    let problems = reader.problems.len();
    match (reader.list(key, whitelist::glob), value) {
        (Some(globs), _) if !globs.is_empty() => Whitelist::of(globs),
        // in development an empty list means any host, as `""` does in ACE
        _ if environment.is_development() => Whitelist::any(),
        (Some(_), Some(value)) if reader.problems.len() == problems => {
            let remedy = "Name the hosts that may install the add-on, or remove the key to allow Atlassian's hosts";
            reader.refuse::<()>(key, Fault::new("names no host", remedy), &value);
            Whitelist::of(Vec::new())
        }
        _ => Whitelist::of(defaults()),
    }
}

fn limits(reader: &mut Reader) -> Limits {
    let mut bytes = |key, most: u64, default: u64| {
        let bytes = reader.whole(key, 1024..=most, " of bytes").unwrap_or(default);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    };
    Limits {
        body: bytes("limits.body", 100 * MIB, 2 * MIB),
        lifecycle_body: bytes("limits.lifecycleBody", MIB, 64 * 1024),
        forge_body: bytes("limits.forgeBody", 100 * MIB, 5 * MIB),
        token: bytes("limits.token", 64 * 1024, 16 * 1024),
        unproven: bytes("limits.unproven", 1024 * MIB, 32 * MIB),
        listener: seconds(reader, "limits.listener", 1, 60, 10),
        connections: count(reader, "limits.connections", 16..=1_000_000, " of connections", 6000),
        head: seconds(reader, "limits.head", 1, 60, 10),
        body_rate: reader.whole("limits.bodyRate", 1..=MIB, " of bytes a second").unwrap_or(1024),
        stalled: seconds(reader, "limits.stalled", 1, 600, 30),
    }
}

fn count(reader: &mut Reader, key: &str, range: std::ops::RangeInclusive<u64>, unit: &str, default: usize) -> usize {
    reader.whole(key, range, unit).and_then(|number| number.try_into().ok()).unwrap_or(default)
}

fn seconds(reader: &mut Reader, key: &str, least: u64, most: u64, default: u64) -> Duration {
    Duration::from_secs(reader.whole(key, least..=most, " of seconds").unwrap_or(default))
}

/// The pattern of an add-on's key in Atlassian's schema.
fn app_key(text: &str) -> Result<String, Fault> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
        return Ok(text.to_owned());
    }
    Err(Fault::new("is not a valid add-on key", "Use only letters, digits, dots, dashes and underscores"))
}

fn app_id(text: &str) -> Result<String, Fault> {
    let id = text.strip_prefix(ForgeClaims::APP_ARI).unwrap_or(text);
    if !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(id.to_owned());
    }
    Err(Fault::new("is not a valid Forge app id", "Copy app.id from the Forge manifest"))
}

/// Without repetitions: the position of an id has a meaning.
fn app_ids(reader: &mut Reader) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in reader.list("appId", app_id).unwrap_or_default() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The types of environments that Forge has. An environment with a name of the developer's own is a DEVELOPMENT one.
///
/// Source: Atlassian, "Environments and versions".
const FORGE_ENVIRONMENTS: [&str; 3] = [ForgeEnvironment::PRODUCTION, "STAGING", "DEVELOPMENT"];

fn forge_environments(reader: &mut Reader, development: bool) -> Option<Vec<String>> {
    let key = "forgeEnvironments";
    let value = reader.value(key).cloned();
    let problems = reader.problems.len();
    let named = reader.list(key, |text| {
        let kind = text.to_ascii_uppercase();
        if FORGE_ENVIRONMENTS.contains(&kind.as_str()) {
            return Ok(kind);
        }
        Err(Fault::new(
            "is not the type of an environment",
            "Write PRODUCTION, STAGING or DEVELOPMENT; an environment with a name of your own is a DEVELOPMENT one",
        ))
    });
    match (named, value) {
        (Some(named), _) if !named.is_empty() => Some(named),
        (Some(_), Some(value)) if reader.problems.len() == problems => {
            let remedy = "Name the environments to serve, or remove the key";
            reader.refuse(key, Fault::new("names no environment", remedy), &value)
        }
        _ if development => None,
        _ => Some(vec![ForgeEnvironment::PRODUCTION.to_owned()]),
    }
}

fn metrics(reader: &mut Reader) -> MetricsConfig {
    let host = address(reader, "metrics.host").unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let token = reader.parsed("metrics.token", |text| {
        if text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(SecretString::from(text));
        }
        Err(Fault::new(
            "is not a token of at least 16 visible ASCII characters",
            "Make one with `openssl rand -hex 32`",
        ))
    });
    MetricsConfig { port: port(reader, "metrics.port"), host, token }
}

fn page_key(text: &str) -> Result<String, Fault> {
    if text.len() >= 32 {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        "is shorter than 32 characters",
        "Make one with `openssl rand -base64 32`; several are separated by commas",
    ))
}

fn forge_pages(reader: &mut Reader) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let names: Vec<String> =
        reader.object("forge.pages").unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    for name in names {
        let key = format!("forge.pages.{name}");
        let path = reader.parsed(&key, |path| {
            if path.starts_with('/') && !path.starts_with("//") && !path.contains('\\') {
                return Ok(path.to_owned());
            }
            Err(Fault::new("is not a path of the app", "Write the page's path, as in /hello-world"))
        });
        if let Some(path) = path {
            pages.insert(name, path);
        }
    }
    pages
}

fn shell_origins(reader: &mut Reader, development: bool) -> Vec<ShellOrigin> {
    if let Some(configured) = reader.list("forge.shellOrigins", shell_origins::parse) {
        return configured;
    }
    let mut origins = vec![shell_origins::FORGE];
    if development {
        origins.extend(shell_origins::LOCAL);
    }
    origins.into_iter().filter_map(|origin| shell_origins::parse(origin).ok()).collect()
}

fn user_agent(text: &str) -> Result<String, Fault> {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Ok(text.to_owned());
    }
    Err(Fault::new("has characters that a header cannot hold", "Use only printable ASCII characters"))
}

fn secrets(list: Option<Vec<String>>) -> Vec<SecretString> {
    list.unwrap_or_default().into_iter().map(SecretString::from).collect()
}

fn app(reader: &mut Reader) -> AppSection {
    let empty = || config::Value::new(None, layers::Table::new());
    match reader.value("app").cloned() {
        Some(value) if matches!(value.kind, config::ValueKind::Table(_)) => AppSection(value),
        Some(value) => {
            // the value belongs to the app, so only its origin is shown
            let fault = Fault::new("is not an object", "Write your keys in braces, as in { \"greeting\": \"Hello\" }");
            reader.problems.push(fault.at("app", value.origin().map(|origin| format!("… ({origin})"))));
            AppSection(empty())
        }
        None => AppSection(empty()),
    }
}

fn options(vars: &Vars, environment: &Environment, warnings: &mut Vec<String>) -> DevOptions {
    let (mut options, unknown) = DevOptions::parse(vars.get("AC_OPTS").unwrap_or_default());
    warnings.extend(unknown);
    if options.no_auth && environment.is_production() {
        options.no_auth = false;
        warnings.push(format!("{NO_AUTH} has no effect in {environment}: requests are authenticated"));
    }
    options
}
