//! The configuration as a whole: what a file and variables produce.

mod refused;

use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;

/// A `config.json` as in the template of atlassian-connect-express.
const ACE: &str = r#"
{
  /* Sections are environments; the section is chosen by NODE_ENV. */
  "product": "jira",
  "development": {
    // Whether the app has its own error handler.
    "expressErrorHandling": false,
    "port": 3000,
    "errorTemplate": true,
    // "errorTemplateName": "auth-response-handler.jsx",
    "validateDescriptor": true,
    "hosts": ["http://admin:hunter2@localhost:2990/jira"],
    "store": {
      "adapter": "sequelize",
      "dialect": "sqlite3",
      "storage": "store.db",
      "logging": false
    },
  },
  "production": {
    // The platform sets the port.
    "port": "$PORT",
    "errorTemplate": true,
    "localBaseUrl": "https://your-subdomain.example.com",
    "hostScriptUrl": "https://connect-cdn.atl-paas.net/all.js",
    "store": {
      "dialect": "postgres",
      "url": "$DATABASE_URL",
      "table": "MySetting",
      "pool": { "max": 5, "min": 0, "idle": 10000 },
      "dialectOptions": { "ssl": { "require": true, "rejectUnauthorized": false } }
    },
    "allowedBaseUrls": ["https://other-domain.example.com"],
    "whitelist": ["*.jira-dev.com", "*.atlassian.net", "*.jira.com"]
  }
}"#;

fn config(text: &str, vars: &[(&str, &str)]) -> Config {
    Config::from_parts(Some(text), &vars.iter().copied().collect()).unwrap()
}

fn errors(text: &str, vars: &[(&str, &str)]) -> String {
    Config::from_parts(Some(text), &vars.iter().copied().collect()).unwrap_err().to_string()
}

/// The variables that production needs, and further ones.
fn production<'a>(further: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let needed = [
        ("NODE_ENV", "production"),
        ("AC_LOCAL_BASE_URL", "https://addon.example"),
        ("DATABASE_URL", "postgres://db/addon"),
    ];
    needed.iter().chain(further).copied().collect()
}

#[test]
fn without_a_file_development_has_its_defaults() {
    let config = Config::from_parts(None, &Vars::default()).unwrap();
    assert_eq!(config.environment.name(), "development");
    assert_eq!((config.port, config.bind.to_string().as_str()), (3000, "127.0.0.1"));
    assert_eq!(config.local_base_url.as_str(), "http://localhost:3000");
    assert_eq!(config.store.url.expose_secret(), "sqlite:data/addon.db");
    assert_eq!(config.store.source, "the default of development");
    assert!(config.store.is_default() && config.store.auto_migrate && !config.store.production);
    assert_eq!((config.store.table.as_str(), config.store.pool_size), ("AddonSetting", 8));
    assert_eq!(config.product, Product::Jira);
    assert!(config.whitelist.matches("anything.example"));
    assert_eq!(config.max_token_age, Duration::from_secs(900));
    assert_eq!(config.max_session_age, Duration::from_secs(43_200));
    assert_eq!(config.jwt_validity, Duration::from_secs(180));
    assert_eq!(config.leeway, Duration::from_secs(30));
    assert_eq!((config.limits.body, config.limits.forge_body), (2 << 20, 5 << 20));
    assert_eq!((config.limits.token, config.limits.listener), (16 << 10, Duration::from_secs(10)));
    assert_eq!((config.limits.lifecycle_body, config.limits.unproven), (64 << 10, 32 << 20));
    assert_eq!((config.limits.connections, config.limits.body_rate), (6000, 1024));
    assert_eq!((config.limits.head, config.limits.stalled), (Duration::from_secs(10), Duration::from_secs(30)));
    assert_eq!((config.cache.capacity, config.cache.ttl), (10_000, Duration::from_secs(10)));
    assert_eq!(config.cache.stale, Duration::from_secs(300));
    assert_eq!(config.shutdown_delay, Duration::ZERO);
    let flags = [config.error_template, config.watch, config.setup_install_route];
    assert_eq!(flags, [true; 3]);
    assert_eq!([config.express_error_handling, config.validate_descriptor], [false; 2]);
    assert_eq!(config.options, DevOptions::default());
    assert!(config.frame_ancestors.is_empty() && config.allowed_base_urls.is_empty() && config.hosts.is_empty());
    assert!(config.error_template_object.is_empty() && config.store.encryption_keys.is_empty());
    assert_eq!([&config.app_key, &config.host_script_url, &config.user_agent], [&None; 3]);
    assert_eq!((config.app_id(), &config.forge_environments), (None, &None));
    assert_eq!([&config.install_keys_url, &config.authorization_server_url, &config.forge_jwks_url], [&None; 3]);
    assert_eq!((config.sandbox_port, &config.error_template_name), (None, &None));
    assert_eq!(config.warnings(), &[] as &[String]);
}

#[test]
fn production_without_a_file_uses_the_variables() {
    let config = Config::from_parts(None, &production(&[]).into_iter().collect()).unwrap();
    assert!(config.environment.is_production() && config.store.production && !config.store.auto_migrate);
    assert_eq!(config.bind.to_string(), "0.0.0.0");
    assert!(config.whitelist.matches("acme.atlassian.net") && !config.whitelist.matches("acme.example"));
    assert_eq!(config.warnings(), &[] as &[String]);
}

#[test]
fn the_template_of_ace_in_development() {
    let config = config(ACE, &[]);
    assert_eq!(config.store.url.expose_secret(), "sqlite:store.db");
    assert_eq!(config.store.source, "store.storage");
    assert!(config.validate_descriptor && !config.store.is_default());
    assert_eq!(config.hosts[0].expose_secret(), "http://admin:hunter2@localhost:2990/jira");
    assert_eq!(config.warnings(), &[] as &[String]);
}

#[test]
fn the_template_of_ace_in_production() {
    let vars = [("NODE_ENV", "production"), ("PORT", "8080"), ("DATABASE_URL", "postgres://u:hunter2@db/x")];
    let config = config(ACE, &vars);
    assert_eq!(config.port, 8080);
    assert_eq!(config.local_base_url.as_str(), "https://your-subdomain.example.com");
    assert_eq!(config.store.url.expose_secret(), "postgres://u:hunter2@db/x");
    assert_eq!(config.store.source, "DATABASE_URL");
    assert_eq!((config.store.table.as_str(), config.store.pool_size), ("MySetting", 5));
    assert_eq!(config.store.ssl.unwrap()["rejectUnauthorized"], false);
    assert_eq!(config.allowed_base_urls[0].as_str(), "https://other-domain.example.com");
    assert!(config.whitelist.matches("acme.jira.com") && !config.whitelist.matches("acme.example"));
    assert_eq!(config.host_script_url.unwrap(), "https://connect-cdn.atl-paas.net/all.js");
    assert_eq!(config.warnings, Vec::<String>::new());
}

type Look = fn(&Config) -> String;

/// One key in base64, one in hex.
const TWO_KEYS: &str = "T25lT25lT25lT25lT25lT25lT25lT25lT25lT25lT24=, \
                        0101010101010101010101010101010101010101010101010101010101010101";

#[test]
fn each_variable_beats_the_file() {
    let file = r#"{ "development": { "port": 1, "bind": "10.0.0.1", "localBaseUrl": "http://file.example",
        "store": { "url": "sqlite:file.db", "autoMigrate": true }, "whitelist": "file.example",
        "allowedBaseUrls": "http://file.example", "product": "bitbucket", "appKey": "file", "appId": "file",
        "hostScriptUrl": "https://file.example/all.js", "maxTokenAge": 1, "maxSessionAge": 100, "installKeysUrl": "https://file.example",
        "authorizationServerUrl": "https://file.example", "forgeJwksUrl": "https://file.example",
        "sandbox": { "port": 1 }, "storeEncryptionKeys": ["ZmlsZWZpbGVmaWxlZmlsZWZpbGVmaWxlZmlsZWZpbGU="] } }"#;
    let table: [(&str, &str, &str, Look); 29] = [
        ("PORT", "8080", "8080", |c| c.port.to_string()),
        ("AC_BIND", "::1", "::1", |c| c.bind.to_string()),
        ("AC_LOCAL_BASE_URL", "https://v.example/a/", "https://v.example/a", |c| c.local_base_url.to_string()),
        ("DATABASE_URL", "memory:", "memory:", |c| c.store.url.expose_secret().to_owned()),
        ("DB_URL", "redis://v", "redis://v", |c| c.store.url.expose_secret().to_owned()),
        ("AC_AUTO_MIGRATE", "false", "false", |c| c.store.auto_migrate.to_string()),
        ("AC_HOST_WHITELIST", "a.example, *.v.example", "true", |c| c.whitelist.matches("x.v.example").to_string()),
        ("AC_ALLOWED_BASE_URLS", "https://v.example/, https://w.example", "https://v.example https://w.example", |c| {
            c.allowed_base_urls.iter().map(BaseUrl::as_str).collect::<Vec<_>>().join(" ")
        }),
        ("AC_PRODUCT", "confluence", "confluence", |c| c.product.as_str().to_owned()),
        ("AC_APP_KEY", "my.add-on_1", "my.add-on_1", |c| c.app_key.clone().unwrap()),
        ("AC_APP_ID", "ari:cloud:ecosystem::app/6f0e-1, b, 6f0e-1", "6f0e-1 b", |c| c.app_ids.join(" ")),
        ("AC_HOST_SCRIPT_URL", "http://v.example/a.js", "http://v.example/a.js", |c| {
            c.host_script_url.clone().unwrap()
        }),
        ("AC_MAX_TOKEN_AGE", "60", "60", |c| c.max_token_age.as_secs().to_string()),
        ("AC_MAX_SESSION_AGE", "86400", "86400", |c| c.max_session_age.as_secs().to_string()),
        ("CONNECT_KEYS_CDN_URL", "http://localhost:1/k", "http://localhost:1/k", |c| {
            c.install_keys_url.clone().unwrap().to_string()
        }),
        ("AC_AUTHORIZATION_SERVER_URL", "https://v.example/a", "https://v.example/a", |c| {
            c.authorization_server_url.clone().unwrap().to_string()
        }),
        ("AC_FORGE_JWKS_URL", "https://v.example/j", "https://v.example/j", |c| {
            c.forge_jwks_url.clone().unwrap().to_string()
        }),
        ("AC_FORGE_ORIGINS", "https://v.example", "https://v.example", |c| c.forge_origins.join(",")),
        ("AC_FORGE_ENVIRONMENTS", "Staging,production", "STAGING PRODUCTION", |c| {
            c.forge_environments.clone().unwrap_or_default().join(" ")
        }),
        ("AC_FORGE_ISOLATED_JWKS_URL", "https://v.example/{icLabel}", "https://v.example/x", |c| {
            c.forge_isolated_jwks_url.as_ref().map(|template| template.url("x").unwrap()).unwrap_or_default()
        }),
        ("AC_DATABASE_URL", "sqlite:a.db", "sqlite:a.db", |c| {
            c.database_url.as_ref().map(|url| url.expose_secret().to_owned()).unwrap_or_default()
        }),
        ("AC_SANDBOX_PORT", "3005", "3005", |c| c.sandbox_port.unwrap().to_string()),
        ("AC_SHUTDOWN_DELAY", "20", "20", |c| c.shutdown_delay.as_secs().to_string()),
        ("AC_METRICS_HOST", "::1", "::1", |c| c.metrics.host.to_string()),
        ("AC_METRICS_PORT", "9464", "Some(127.0.0.1:9464)", |c| format!("{:?}", c.metrics.address())),
        ("AC_METRICS_TOKEN", "sixteen-letters!", "sixteen-letters!", |c| {
            c.metrics.token.as_ref().map(|token| token.expose_secret().to_owned()).unwrap_or_default()
        }),
        ("AC_STORE_ENCRYPTION_KEYS", TWO_KEYS, "d0bc48d3 e4c70ed8", |c| {
            c.store.encryption_keys.iter().map(atlassian_connect_store::internal::key_id).collect::<Vec<_>>().join(" ")
        }),
        ("AC_PAGE_KEYS", TWO_KEYS, "2", |c| c.page_keys.len().to_string()),
        ("AC_FORGE_SHELL_ORIGINS", "https://v.example.com", "https://v.example.com", |c| {
            let one = |origin: &str| c.forge_shell_origins.iter().any(|allowed| allowed.matches(origin));
            ["https://v.example.com", "http://localhost"]
                .into_iter()
                .filter(|origin| one(origin))
                .collect::<Vec<_>>()
                .join(" ")
        }),
    ];
    assert_eq!(table.map(|(name, ..)| name).as_slice(), in_order_of_keys().as_slice(), "a variable has no test");
    let plain = config(file, &[]);
    for (name, value, expected, look) in table {
        assert_eq!(look(&config(file, &[(name, value)])), expected, "{name}");
        assert_ne!(look(&plain), expected, "{name} proves nothing");
        assert_eq!(look(&config(file, &[(name, "")])), look(&plain), "{name} empty counts as unset");
    }
}

fn in_order_of_keys() -> Vec<&'static str> {
    keys::VARIABLES.iter().map(|(name, _)| *name).collect()
}

#[test]
fn metrics_are_off_until_they_have_a_port_or_a_token() {
    assert!(!config("{ metrics: { host: '::1' } }", &[]).metrics.is_on());
    let config = config("{ metrics: { host: '::1', port: 9464, token: '0123456789abcdef' } }", &[]);
    assert_eq!(config.metrics.address().unwrap().to_string(), "[::1]:9464");
    assert!(config.metrics.is_on() && !format!("{config:?}").contains("0123456789abcdef"));
    let short = errors("{ metrics: { token: 123456789 } }", &[]);
    assert!(short.contains("metrics.token = ***") && !short.contains("123456789"), "{short}");
}

#[test]
fn the_section_lies_over_the_top_level() {
    let file = r#"{ "port": 1000, "leeway": 10, "frameAncestors": ["https://a.example", "https://b.example"],
        "jwt": { "validityInMinutes": 5 }, "limits": { "body": 4096, "token": 2048 },
        "staging": { "port": "2000", "frameAncestors": ["https://c.example"], "limits": { "token": 4096 },
            "localBaseUrl": "https://staging.example:$port/", "store": { "url": "sqlite:s.db" } } }"#;
    let staging = config(file, &[("APP_ENV", "staging")]);
    assert!(staging.environment.is_production());
    assert_eq!((staging.port, staging.leeway.as_secs(), staging.jwt_validity.as_secs()), (2000, 10, 300));
    assert_eq!((staging.limits.body, staging.limits.token), (4096, 4096));
    assert_eq!(staging.frame_ancestors, ["https://c.example"]);
    assert_eq!(staging.local_base_url.as_str(), "https://staging.example:2000");
    let development = config(file, &[]);
    assert_eq!((development.port, development.frame_ancestors.len()), (1000, 2));
    assert_eq!(development.local_base_url.as_str(), "http://localhost:1000");
}

#[test]
fn the_store_in_every_form_of_ace() {
    for (store, url, source) in [
        ("{ adapter: 'sequelize', dialect: 'sqlite', storage: 'a.db' }", "sqlite:a.db", "store.storage"),
        ("{ dialect: 'sqlite3', storage: '/x/a.db' }", "sqlite:/x/a.db", "store.storage"),
        ("{ storage: 'a.db' }", "sqlite:a.db", "store.storage"),
        ("{ dialect: 'sqlite', storage: 'a.db', url: 'sqlite:b.db' }", "sqlite:a.db", "store.storage"),
        ("{ dialect: 'sqlite3', url: 'sqlite://./store.db' }", "sqlite://./store.db", "store.url"),
        ("{ dialect: 'postgres', url: 'postgres://h/d', storage: 'x' }", "postgres://h/d", "store.url"),
        ("{ dialect: 'postgres', url: '$DSN' }", "postgres://h/dsn", "store.url"),
        ("{ dialect: 'mysql', url: 'mysql://u:p@h/d' }", "mysql://u:p@h/d", "store.url"),
        ("{ adapter: 'sequelize', dialect: 'mariadb', url: 'mariadb://h/d' }", "mariadb://h/d", "store.url"),
        ("{ type: 'memory' }", "memory:", "store.type"),
        ("{ dialect: 'memory' }", "memory:", "store.dialect"),
        ("{ adapter: 'sequelize', type: 'memory' }", "memory:", "store.type"),
        ("{ dialect: 'sqlite3', type: 'memory' }", "memory:", "store.type"),
        ("{ adapter: 'sequelize', dialect: 'sqlite3', logging: false, type: 'memory' }", "memory:", "store.type"),
        ("{ dialect: 'sqlite', type: 'memory', storage: 'a.db' }", "memory:", "store.type"),
        ("{ dialect: 'postgres', type: 'memory', url: 'postgres://h/d' }", "memory:", "store.type"),
        (
            "{ type: 'sqlite3', dialect: 'postgres', storage: 'a.db', url: 'postgres://h/d' }",
            "sqlite:a.db",
            "store.storage",
        ),
        (
            "{ type: 'postgres', dialect: 'sqlite3', url: 'postgres://h/d', storage: 'x' }",
            "postgres://h/d",
            "store.url",
        ),
        ("{ type: 'postgres', url: 'postgres://h/d', logging: true }", "postgres://h/d", "store.url"),
        ("{ dialect: 'sqlite3', storage: ':memory:', logging: false }", "memory:", "store.storage"),
        ("{ adapter: 'memory' }", "memory:", "store.adapter"),
        ("{ dialect: 'sqlite', storage: ':memory:' }", "memory:", "store.storage"),
        ("{ url: 'memory:' }", "memory:", "store.url"),
        ("{ url: 'sqlite::memory:' }", "memory:", "store.url"),
        ("{ adapter: 'redis', url: 'redis://h:6379' }", "redis://h:6379", "store.url"),
        ("{ adapter: 'mongodb', url: 'mongodb://h/d', collection: 'C' }", "mongodb://h/d", "store.url"),
        ("{ adapter: 'mongodb', url: 'mongodb://h/d', rs: 'mongodb://rs/d' }", "mongodb://rs/d", "store.rs"),
        ("{ adapter: 'dynamodb', region: 'us-east-1' }", "dynamodb:", "store.adapter"),
        ("{ table: 'T', pool: { max: 2 } }", "sqlite:data/addon.db", "the default of development"),
        ("{ url: 'postgres://u:pa$word@h/d' }", "postgres://u:pa$word@h/d", "store.url"),
    ] {
        let config = config(&format!("{{ development: {{ store: {store} }} }}"), &[("DSN", "postgres://h/dsn")]);
        assert_eq!((config.store.url.expose_secret(), config.store.source.as_str()), (url, source), "{store}");
        assert_eq!(config.warnings(), &[] as &[String], "{store}");
    }
}

#[test]
fn adapters_have_their_own_variables() {
    let all = [
        ("MONGODB_URI", "mongodb://uri"),
        ("REDIS_URL", "redis://heroku"),
        ("DB_URL", "redis://db"),
        ("DATABASE_URL", "redis://database"),
    ];
    for (store, vars, url, source) in [
        ("{ adapter: 'mongodb', rs: 'mongodb://rs', url: 'mongodb://url' }", &all[..], "mongodb://uri", "MONGODB_URI"),
        ("{ adapter: 'mongodb', rs: 'mongodb://rs' }", &all[1..], "redis://db", "DB_URL"),
        ("{ adapter: 'mongodb', rs: 'mongodb://rs' }", &all[1..2], "mongodb://rs", "store.rs"),
        ("{ adapter: 'redis' }", &all[..], "redis://db", "DB_URL"),
        ("{ adapter: 'redis', url: 'redis://url' }", &all[..2], "redis://url", "store.url"),
        ("{ adapter: 'redis', url: '' }", &all[..2], "redis://heroku", "REDIS_URL"),
        ("{ adapter: 'redis' }", &all[1..2], "redis://heroku", "REDIS_URL"),
        ("{ dialect: 'postgres', url: 'postgres://h' }", &all[..2], "postgres://h", "store.url"),
        ("{}", &all[..2], "sqlite:data/addon.db", "the default of development"),
    ] {
        let config = config(&format!("{{ store: {store} }}"), vars);
        assert_eq!((config.store.url.expose_secret(), config.store.source.as_str()), (url, source), "{store}");
    }
    let file = "{ store: { adapter: 'mongodb', url: 'mongodb://h', collection: 'C', database: 'd' },
        production: { store: { url: 'postgres://h' } } }";
    let development = config(file, &all[..1]);
    assert_eq!(development.store.source, "MONGODB_URI");
    assert_eq!((development.store.collection.as_str(), development.store.database.as_deref()), ("C", Some("d")));
    assert_eq!(config(file, &production(&all[..1])).store.source, "DATABASE_URL", "the adapter is another layer's");
    assert_eq!(config("{}", &[]).store.collection, "AddonSettings");
}

#[test]
fn the_location_of_the_store_comes_from_one_layer() {
    let file = "{ store: { dialect: 'sqlite', storage: 'a.db', table: 'T' },
        production: { store: { url: 'postgres://h/d' } }, development: { store: { type: 'memory' } } }";
    assert_eq!(config(file, &production(&[("DATABASE_URL", "")])).store.url.expose_secret(), "postgres://h/d");
    assert_eq!(config(file, &[]).store.url.expose_secret(), "memory:");
    assert_eq!(config(file, &[("APP_ENV", "test")]).store.url.expose_secret(), "sqlite:a.db");
    let both = config(file, &[("DATABASE_URL", "redis://a"), ("DB_URL", "redis://b")]);
    assert_eq!((both.store.url.expose_secret(), both.store.source.as_str()), ("redis://b", "DB_URL"));
    assert_eq!(both.store.table, "T");
    // a development machine with a database in its environment uses that
    let memory = config("{ store: { dialect: 'sqlite3', type: 'memory' } }", &[("DB_URL", "postgres://h/d")]);
    assert_eq!(memory.store.url.expose_secret(), "postgres://h/d");
}

#[test]
fn the_whitelist_by_environment_and_product() {
    for (product, host, other) in [
        ("jira", "acme.atlassian.net", "bitbucket.org"),
        ("confluence", "acme.atlassian.net", "acme.jira.com"),
        ("bitbucket", "bitbucket.org", "acme.atlassian.net"),
        ("bitbucket", "api.bitbucket.org", "acme.atlassian.net"),
    ] {
        for whitelist in ["null", "''"] {
            let config = config(&format!("{{ whitelist: {whitelist} }}"), &production(&[("AC_PRODUCT", product)]));
            assert!(config.whitelist.matches(host) && !config.whitelist.matches(other), "{product}");
        }
    }
    for whitelist in ["''", "['']", "[]"] {
        let file = format!("{{ whitelist: {whitelist} }}");
        assert!(config(&file, &[]).whitelist.matches("anything.example"), "{whitelist}");
    }
    insta::assert_snapshot!(errors("{ whitelist: [''] }", &production(&[])), @"
    the configuration has a problem:
      whitelist = […] (config.json): names no host. Name the hosts that may install the add-on, or remove the key to allow Atlassian's hosts.
    ");
    assert!(!config("{ whitelist: 'a.example' }", &[]).whitelist.matches("anything.example"));
}

#[test]
fn numbers_may_be_strings() {
    let config =
        config("{ port: '3100', leeway: 0, maxTokenAge: ' 60 ', cache: { ttl: 5.0 }, errorTemplate: 'false' }", &[]);
    assert_eq!((config.port, config.leeway.as_secs(), config.max_token_age.as_secs()), (3100, 0, 60));
    assert_eq!((config.cache.ttl.as_secs(), config.error_template), (5, false));
}

#[test]
fn allowed_base_urls_omit_the_local_one() {
    let file = "{ localBaseUrl: 'https://a.example/x', allowedBaseUrls: 'https://b.example/ , https://a.example/x/' }";
    let config = config(file, &[]);
    let all: Vec<_> = config.base_urls().map(BaseUrl::as_str).collect();
    assert_eq!(all, ["https://a.example/x", "https://b.example"]);
    assert_eq!(config.allowed_base_urls.len(), 1);
}

#[derive(Debug, serde::Deserialize)]
struct Mine {
    greeting: String,
    #[serde(default)]
    retries: u8,
    #[serde(default)]
    nested: std::collections::HashMap<String, bool>,
}

#[test]
fn the_keys_of_the_add_on() {
    let file =
        "{ app: { greeting: 'Hello $NAME', nested: { CamelCase: true } }, development: { app: { retries: 3 } } }";
    let mine: Mine = config(file, &[("NAME", "Ada")]).app().unwrap();
    assert_eq!((mine.greeting.as_str(), mine.retries, mine.nested["CamelCase"]), ("Hello Ada", 3, true));
    assert!(config("{}", &[]).app::<Option<Mine>>().is_err());
    let problem = |file| config(file, &[]).app::<Mine>().unwrap_err().to_string();
    insta::assert_snapshot!(problem("{}"), @"
    the configuration has a problem:
      app.greeting: is missing. Add it to config.json.
    ");
    insta::assert_snapshot!(problem("{ app: { greeting: 'x', retries: 'many' } }"), @r#"
    the configuration has a problem:
      app.retries: is string "many" (config.json), but an integer is expected. Fix the value, or the type that the add-on reads it into.
    "#);
    insta::assert_snapshot!(problem("{ app: { greeting: 'x', retries: 300 } }"), @"
    the configuration has a problem:
      app.retries: is 64-bit unsigned integer `300`, but an unsigned 8 bit integer is expected. Fix the value, or the type that the add-on reads it into.
    ");
    insta::assert_snapshot!(problem("{ app: { greeting: 'x', nested: { password: 'hunter2' } } }"), @"
    the configuration has a problem:
      app.nested.password: is another type (config.json), but a boolean is expected. Fix the value, or the type that the add-on reads it into.
    ");
}

#[test]
fn the_environments_of_forge_by_environment() {
    let of = |file: &str, vars: &[(&str, &str)]| config(file, vars).forge_environments;
    let production = production(&[]);
    let named = Some(vec!["STAGING".to_owned(), "DEVELOPMENT".to_owned()]);
    for file in ["{}", "{ forgeEnvironments: '' }", "{ forgeEnvironments: null }"] {
        assert_eq!(of(file, &production), Some(vec!["PRODUCTION".to_owned()]), "{file}");
        assert_eq!((of(file, &[]), of(file, &[("NODE_ENV", "test")])), (None, None), "{file}");
    }
    for file in ["{ forgeEnvironments: ['staging', 'Development'] }", "{ forgeEnvironments: 'STAGING,DEVELOPMENT' }"] {
        assert_eq!((of(file, &production), of(file, &[])), (named.clone(), named.clone()), "{file}");
    }
    insta::assert_snapshot!(errors("{ forgeEnvironments: ['prod', 'STAGING'] }", &production), @r#"
    the configuration has a problem:
      forgeEnvironments = "prod" (config.json): is not the type of an environment. Write PRODUCTION, STAGING or DEVELOPMENT; an environment with a name of your own is a DEVELOPMENT one.
    "#);
    insta::assert_snapshot!(errors("{ forgeEnvironments: [] }", &production), @"
    the configuration has a problem:
      forgeEnvironments = […] (config.json): names no environment. Name the environments to serve, or remove the key.
    ");
    insta::assert_snapshot!(errors("{ appId: ['a/b', 'c', {}] }", &production), @r#"
    the configuration has 2 problems:
      appId = "a/b" (config.json): is not a valid Forge app id. Copy app.id from the Forge manifest.
      appId = {…} (config.json): has an entry that is not a string. Write a list of strings.
    "#);
}

/// A password that must not be shown; as long as a key.
const HUNTER2: &str = "hunter2hunter2hunter2hunter2hunter2hunter2g";

#[test]
fn no_secret_is_printed() {
    let file = r#"{ "hosts": ["https://u:hunter2@a.example"], "app": { "password": "hunter2" },
        "store": { "dialectOptions": { "ssl": { "key": "hunter2" } } } }"#;
    let vars = [("DB_URL", "postgres://u:hunter2@db/x?sslmode=require"), ("AC_STORE_ENCRYPTION_KEYS", HUNTER2)];
    let config = config(file, &vars);
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2") && !debug.contains("104, 117, 110"), "{debug}");
    assert!(debug.contains("postgres://u:***@db/x?sslmode=require"), "{debug}");
    assert_eq!(config.store.redacted_url(), "postgres://u:***@db/x?sslmode=require");
    assert_eq!(config.store.ssl.unwrap()["key"], "hunter2");

    let wrong = errors(
        "{ port: 'x', hosts: ['u:hunter2@a.example', 'ftp://u:hunter2@b.example'], storeEncryptionKeys: { a: 'hunter2' } }",
        &[("DB_URL", "u:hunter2@db"), ("AC_LOCAL_BASE_URL", "https://u:hunter2@a.example")],
    );
    assert!(wrong.contains("hosts") && wrong.contains("store.url"), "{wrong}");
    assert!(!wrong.contains("hunter2"), "{wrong}");
}

/// A file with settings for development and for a platform.
#[test]
fn a_file_serves_development_and_a_platform() {
    let file = include_str!("tests/complete.json");
    let development = config(file, &[]);
    assert_eq!(development.warnings(), &[] as &[String]);
    assert_eq!(development.local_base_url.as_str(), "http://localhost:3000");
    assert!(development.store.is_default());
    let vars = production(&[("PORT", "5000")]);
    let production = config(file, &vars);
    assert_eq!((production.port, production.local_base_url.as_str()), (5000, "https://addon.example"));
    assert_eq!(production.warnings(), &[] as &[String]);
    insta::assert_snapshot!(errors(file, &[("DYNO", "web.1")]), @r#"
    the configuration has 3 problems:
      port = "$PORT" (config.json, section production): the variable PORT is not set. Set PORT, or write the value itself into config.json.
      localBaseUrl = "$AC_LOCAL_BASE_URL" (config.json, section production): the variable AC_LOCAL_BASE_URL is not set. Set AC_LOCAL_BASE_URL, or write the value itself into config.json.
      store.url = "$DATABASE_URL" (config.json, section production): the variable DATABASE_URL is not set. Set DATABASE_URL, or write the value itself into config.json.
    "#);
}

#[cfg(not(feature = "otel"))]
#[test]
fn an_endpoint_for_traces_needs_the_feature() {
    let config = config("{}", &production(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@collector")]));
    let [warning] = config.warnings() else { panic!("{:?}", config.warnings()) };
    assert!(warning.contains("feature `otel`") && !warning.contains("hunter2"), "{warning}");
}
