//! What is refused and what is only warned about: the texts that an operator reads at start.

use super::*;

#[test]
fn production_needs_a_base_url_and_a_store() {
    insta::assert_snapshot!(errors("{}", &[("DYNO", "web.1")]), @"
    the configuration has 2 problems:
      localBaseUrl: is required in production. Set AC_LOCAL_BASE_URL, or localBaseUrl in config.json, to the URL at which Atlassian reaches the add-on, as in https://addon.example.com.
      store.url: no store is configured, and production has no default. Set DATABASE_URL, or store.url in config.json, as in postgres://user:password@host/database, sqlite:data/addon.db, or memory: to forget every installation on a restart.
    ");
    insta::assert_snapshot!(errors("{ staging: {} }", &[("APP_ENV", "staging")]), @"
    the configuration has 2 problems:
      localBaseUrl: is required in staging. Set AC_LOCAL_BASE_URL, or localBaseUrl in config.json, to the URL at which Atlassian reaches the add-on, as in https://addon.example.com.
      store.url: no store is configured, and staging has no default. Set DATABASE_URL, or store.url in config.json, as in postgres://user:password@host/database, sqlite:data/addon.db, or memory: to forget every installation on a restart.
    ");
}

#[test]
fn the_template_of_ace_without_its_variables_says_which() {
    insta::assert_snapshot!(errors(ACE, &[("NODE_ENV", "production")]), @r#"
    the configuration has 2 problems:
      port = "$PORT" (config.json, section production): the variable PORT is not set. Set PORT, or write the value itself into config.json.
      store.url = "$DATABASE_URL" (config.json, section production): the variable DATABASE_URL is not set. Set DATABASE_URL, or write the value itself into config.json.
    "#);
}

#[test]
fn an_environment_without_its_section_is_refused() {
    let vars = [("APP_ENV", "stagng")];
    insta::assert_snapshot!(errors("{ staging: {}, production: {}, jwt: {} }", &vars), @"
    the configuration has a problem:
      stagng: the environment has no section. config.json has production, staging: add a section `stagng`, or set APP_ENV or NODE_ENV to an existing one.
    ");
    insta::assert_snapshot!(errors("{ port: 1 }", &vars), @"
    the configuration has a problem:
      stagng: the environment has no section. config.json has no sections: add a section `stagng`, or set APP_ENV or NODE_ENV to an existing one.
    ");
    insta::assert_snapshot!(Config::from_parts(None, &Vars::from(vars)).unwrap_err(), @"
    the configuration has a problem:
      stagng: the environment has no section. There is no config.json: add a section `stagng`, or set APP_ENV or NODE_ENV to an existing one.
    ");
    assert!(Config::from_parts(Some("{ store: { url: 'memory:' } }"), &Vars::from([("APP_ENV", "store")])).is_err());
    for relaxed in ["development", "test"] {
        assert!(Config::from_parts(Some("{ staging: {} }"), &Vars::from([("APP_ENV", relaxed)])).is_ok());
    }
}

#[test]
fn wrong_stores_are_refused() {
    insta::assert_snapshot!(errors("{ store: 'memory:' }", &[]), @r#"
    the configuration has a problem:
      store = "memory:" (config.json): is not an object. Write { "url": "…" }.
    "#);
    insta::assert_snapshot!(errors("{ store: { adapter: 'redis' } }", &[("MONGODB_URI", "mongodb://h")]), @"
    the configuration has a problem:
      store.url: the store's adapter is redis, but it has no url. Set store.url or DATABASE_URL, as in redis://user:password@host.
    ");
    insta::assert_snapshot!(errors("{ store: { dialect: 'postgres' } }", &[]), @"
    the configuration has a problem:
      store.url: the store has a dialect, but neither a url nor a storage. Set DATABASE_URL, or store.url in config.json, as in postgres://user:password@host/database, sqlite:data/addon.db, or memory: to forget every installation on a restart.
    ");
    insta::assert_snapshot!(errors("{ store: { dialect: 'postgres', url: '$DATABASE_URL' } }", &[]), @r#"
    the configuration has a problem:
      store.url = "$DATABASE_URL" (config.json): the variable DATABASE_URL is not set. Set DATABASE_URL, or write the value itself into config.json.
    "#);
    insta::assert_snapshot!(errors("{}", &[("DATABASE_URL", "user:hunter2@db/x")]), @"
    the configuration has a problem:
      store.url = *** (DATABASE_URL): is not a store URL. Set DATABASE_URL, or store.url in config.json, as in postgres://user:password@host/database, sqlite:data/addon.db, or memory: to forget every installation on a restart.
    ");
    insta::assert_snapshot!(errors("{ store: { table: 'a\"b', pool: { max: 0 }, autoMigrate: 'maybe' } }", &[]), @r#"
    the configuration has 3 problems:
      store.table = "a\"b" (config.json): has quotes or control characters. Write the model's name, as in AddonSetting.
      store.pool.max = 0 (config.json): is out of range. Write a whole number of connections from 1 to 1000.
      store.autoMigrate = "maybe" (config.json): is neither true nor false. Write true or false.
    "#);
}

#[test]
fn every_refusal_names_the_key_the_value_and_the_remedy() {
    insta::assert_snapshot!(errors(r#"{
        "port": 65536,
        "bind": "eth0",
        "localBaseUrl": "https://user:hunter2@addon.example",
        "product": "trello",
        "store": { "pool": { "max": "many" } },
        "whitelist": ["https://a.example", "a.example:80", "a/b", "", 7, {}],
        "frameAncestors": ["https://a.example/x", "a.example"],
        "allowedBaseUrls": ["ftp://a.example", "https://a.example?x=1"],
        "appKey": "my key",
        "appId": "a/b",
        "hostScriptUrl": "//cdn.example/all.js",
        "maxTokenAge": 0,
        "maxSessionAge": 604801,
        "jwt": { "validityInMinutes": 60 },
        "leeway": 180,
        "limits": { "body": -1, "forgeBody": 1.5, "token": "1e9", "listener": [] },
        "cache": { "capacity": true, "ttl": 0, "stale": 3601 },
        "metrics": { "port": "all", "host": "here", "token": "hunter2" },
        "shutdown": { "delay": 21 },
        "errorTemplate": "perhaps",
        "errorTemplateName": {},
        "errorTemplateObject": [1],
        "userAgent": "a\nb",
        "hosts": ["acme.atlassian.net:hunter2"],
        "installKeysUrl": "http://keys.example",
        "authorizationServerUrl": "https://u:hunter2@auth.example",
        "forgeJwksUrl": "jwks.json",
        "sandbox": { "port": 70000 },
        "storeEncryptionKeys": [["hunter2"], "hunter2"],
        "app": "hunter2"
    }"#, &[]), @r#"
    the configuration has 43 problems:
      port = 65536 (config.json): is out of range. Write a whole number from 0 to 65535.
      localBaseUrl = "https://***@addon.example" (config.json): has credentials in it. Write a scheme, a host and at most a path, as in https://addon.example.com/path.
      product = "trello" (config.json): is not a known product. Write jira, confluence or bitbucket.
      maxTokenAge = 0 (config.json): is out of range. Write a whole number of seconds from 1 to 86400.
      bind = "eth0" (config.json): is not an IP address. Write an address, as in 127.0.0.1, 0.0.0.0 or ::.
      store.pool.max = "many" (config.json): is not a whole number. Write a whole number of connections from 1 to 1000.
      storeEncryptionKeys = […] (config.json): has an entry that is not a string. Write a list of strings.
      storeEncryptionKeys = *** (config.json): is not a key of 32 bytes in base64 or hex. Make one with `openssl rand -base64 32`; several are separated by commas.
      whitelist = "https://a.example" (config.json): is a URL, not a host name. Write only a host name; * matches one label, as in *.atlassian.net.
      whitelist = "a.example:80" (config.json): has a port. Write only a host name; * matches one label, as in *.atlassian.net.
      whitelist = "a/b" (config.json): has a path. Write only a host name; * matches one label, as in *.atlassian.net.
      whitelist = {…} (config.json): has an entry that is not a string. Write a list of strings.
      frameAncestors = "https://a.example/x" (config.json): has more than a scheme, a host and a port. Write an origin, as in https://portal.example.com or https://*.example.com.
      frameAncestors = "a.example" (config.json): is not an origin. Write an origin, as in https://portal.example.com or https://*.example.com.
      allowedBaseUrls = "ftp://a.example" (config.json): is neither http nor https. Write a scheme, a host and at most a path, as in https://addon.example.com/path.
      allowedBaseUrls = "https://a.example?x=1" (config.json): has a query or a fragment. Write a scheme, a host and at most a path, as in https://addon.example.com/path.
      appKey = "my key" (config.json): is not a valid add-on key. Use only letters, digits, dots, dashes and underscores.
      appId = "a/b" (config.json): is not a valid Forge app id. Copy app.id from the Forge manifest.
      hostScriptUrl = "//cdn.example/all.js" (config.json): is not a valid URL. Write the https URL of the script, as in https://connect-cdn.atl-paas.net/all.js.
      maxSessionAge = 604801 (config.json): is out of range. Write a whole number of seconds from 900 to 604800.
      jwt.validityInMinutes = 60 (config.json): is out of range. Write a whole number of minutes from 1 to 15.
      leeway = 180 (config.json): is out of range. Write a whole number of seconds from 0 to 120.
      limits.body = -1 (config.json): is out of range. Write a whole number of bytes from 1024 to 104857600.
      limits.forgeBody = 1.5 (config.json): is not a whole number. Write a whole number of bytes from 1024 to 104857600.
      limits.token = "1e9" (config.json): is not a whole number. Write a whole number of bytes from 1024 to 65536.
      limits.listener = […] (config.json): is more than one value. Write one value.
      cache.capacity = true (config.json): is not a whole number. Write a whole number of tenants from 0 to 10000000.
      cache.ttl = 0 (config.json): is out of range. Write a whole number of seconds from 1 to 3600.
      cache.stale = 3601 (config.json): is out of range. Write a whole number of seconds from 0 to 3600.
      metrics.host = "here" (config.json): is not an IP address. Write an address, as in 127.0.0.1, 0.0.0.0 or ::.
      metrics.token = *** (config.json): is not a token of at least 16 visible ASCII characters. Make one with `openssl rand -hex 32`.
      metrics.port = "all" (config.json): is not a whole number. Write a whole number from 0 to 65535.
      shutdown.delay = 21 (config.json): is out of range. Write a whole number of seconds from 0 to 20.
      errorTemplate = "perhaps" (config.json): is neither true nor false. Write true or false.
      errorTemplateName = {…}: is more than one value. Write one value.
      errorTemplateObject = […] (config.json): is not an object. Write an object in braces.
      userAgent = "a\nb" (config.json): has characters that a header cannot hold. Use only printable ASCII characters.
      hosts = *** (config.json): is not an http or https URL. Write the site's URL with the credentials in it, as in https://user:token@acme.atlassian.net.
      installKeysUrl = "http://keys.example" (config.json): is http but not on this machine. Write an https URL; http is allowed for localhost only.
      authorizationServerUrl = "https://***@auth.example" (config.json): has credentials or a fragment. Write an https URL; http is allowed for localhost only.
      forgeJwksUrl = "jwks.json" (config.json): is not a valid URL. Write an https URL; http is allowed for localhost only.
      sandbox.port = 70000 (config.json): is out of range. Write a whole number from 0 to 65535.
      app = … (config.json): is not an object. Write your keys in braces, as in { "greeting": "Hello" }.
    "#);
}

#[test]
fn values_of_variables_are_refused_with_the_variable() {
    let vars = [("PORT", "80a"), ("AC_AUTO_MIGRATE", "2"), ("AC_HOST_WHITELIST", "*.a.example,b.example:1")];
    insta::assert_snapshot!(errors("{}", &vars), @r#"
    the configuration has 3 problems:
      port = "80a" (PORT): is not a whole number. Write a whole number from 0 to 65535.
      store.autoMigrate = "2" (AC_AUTO_MIGRATE): is neither true nor false. Write true or false.
      whitelist = "b.example:1" (AC_HOST_WHITELIST): has a port. Write only a host name; * matches one label, as in *.atlassian.net.
    "#);
    let vars = production(&[("AC_LOCAL_BASE_URL", "addon.example"), ("AC_HOST_SCRIPT_URL", "http://a.example/all.js")]);
    insta::assert_snapshot!(errors("{}", &vars), @r#"
    the configuration has 2 problems:
      localBaseUrl = "addon.example" (AC_LOCAL_BASE_URL): is not a valid URL. Write a scheme, a host and at most a path, as in https://addon.example.com/path.
      hostScriptUrl = "http://a.example/all.js" (AC_HOST_SCRIPT_URL): is not an https URL. Write the https URL of the script, as in https://connect-cdn.atl-paas.net/all.js.
    "#);
}

const KEY: &str = "0101010101010101010101010101010101010101010101010101010101010101";

#[test]
fn an_unset_variable_is_refused_where_the_value_is_needed() {
    let file = "{ appKey: '$ADDON', whitelist: ['$HOST', 'a.example'], localBaseUrl: 'https://$HEROKU_APP.example',
        storeEncryptionKeys: '$KEYS', app: { price: '$PRICE' }, errorTemplateObject: { title: '$TITLE' } }";
    insta::assert_snapshot!(errors(file, &[]), @r#"
    the configuration has 4 problems:
      localBaseUrl = "https://$HEROKU_APP.example" (config.json): the variable HEROKU_APP is not set. Set HEROKU_APP, or write the value itself into config.json.
      storeEncryptionKeys = "$KEYS" (config.json): the variable KEYS is not set. Set KEYS, or write the value itself into config.json.
      whitelist = "$HOST" (config.json): the variable HOST is not set. Set HOST, or write the value itself into config.json.
      appKey = "$ADDON" (config.json): the variable ADDON is not set. Set ADDON, or write the value itself into config.json.
    "#);
    let set = [("ADDON", "a"), ("HOST", "h.example"), ("HEROKU_APP", "x"), ("KEYS", KEY)];
    let config = config(file, &set);
    assert_eq!(config.error_template_object["title"], "$TITLE");
    assert!(config.whitelist.names_literally("h.example"));
}

#[test]
fn unknown_keys_warn_with_the_nearest_known_one() {
    let config = config(
        r#"{ "prot": 1, "greeting": "Hello", "environment": "dev", "stroe": { "url": "memory:" }, "staging": {},
            "development": { "whiteList": "*", "jwt": { "validityInMinuts": 1 }, "errorTemplateObject": { "x": 1 },
                "store": { "type": "memory", "urll": "x", "pool": { "maximum": 1, "idle": 1 }, "logging": false,
                    "dialectOptions": { "anything": 1 } }, "limit": { "body": 1 } } }"#,
        &[("AC_OPTS", "no-regs")],
    );
    insta::assert_snapshot!(config.warnings().join("\n"), @"
    config.json: `greeting` is not known and has no effect; put your own keys under `app`
    config.json: `prot` is not known and has no effect; did you mean `port`?
    config.json: `stroe` is read as the section of an environment; did you mean `store`?
    config.json, section development: `jwt.validityInMinuts` is not known and has no effect; did you mean `jwt.validityInMinutes`?
    config.json, section development: `limit` is not known and has no effect; did you mean `limits`?
    config.json, section development: `store.pool.maximum` is not known and has no effect; `store.pool` has max
    config.json, section development: `store.urll` is not known and has no effect; did you mean `store.url`?
    config.json, section development: `whiteList` is not known and has no effect; did you mean `whitelist`?
    AC_OPTS: `no-regs` is not an option; did you mean `no-reg`?
    ");
}

#[test]
fn what_production_warns_about() {
    let vars = production(&[("AC_LOCAL_BASE_URL", "http://addon.example"), ("DATABASE_URL", "memory:")]);
    insta::assert_snapshot!(config("{}", &vars).warnings().join("\n"), @"
    localBaseUrl is http, but Atlassian's hosts call add-ons over https only
    the store is in memory: a restart forgets every installation
    ");
    let vars = production(&[("AC_LOCAL_BASE_URL", "http://127.0.0.1:3000/addon/")]);
    assert_eq!(config("{}", &vars).warnings(), &[] as &[String]);
}

#[test]
fn a_whitelist_that_anybody_can_match_warns_in_production() {
    let whitelist = ("AC_HOST_WHITELIST", "*.atlassian.net, *.*, **");
    assert_eq!(
        config("{}", &production(&[whitelist])).warnings(),
        ["whitelist has *.*, **: anybody can own a matching host and install the add-on; name the domains, as in \
          *.atlassian.net"]
    );
    assert_eq!(config("{}", &[whitelist]).warnings(), &[] as &[String], "in development");
}

#[test]
fn a_session_lasts_at_least_as_long_as_its_token_and_not_for_ever() {
    let age = |token: &'static str, session: &'static str| {
        let vars = [("AC_MAX_TOKEN_AGE", token), ("AC_MAX_SESSION_AGE", session)].into_iter().collect();
        Config::from_parts(None, &vars)
            .map(|config| config.max_session_age.as_secs())
            .map_err(|error| error.to_string())
    };
    for (token, session, expected) in
        [("", "", 43_200), ("60", "", 43_200), ("86400", "", 86_400), ("60", "60", 60), ("900", "604800", 604_800)]
    {
        assert_eq!(age(token, session), Ok(expected), "{token} {session}");
    }
    for (token, session) in [("60", "59"), ("900", "0"), ("86400", "43200"), ("", "604801"), ("", "-1"), ("", "1e5")] {
        let error = age(token, session).unwrap_err();
        assert!(error.contains("maxSessionAge = ") && error.contains("604800"), "{token} {session}: {error}");
    }
}

#[test]
fn no_auth_has_no_effect_in_production() {
    let words = ("AC_OPTS", "no-auth force-reg,no-reg");
    let options = config("{}", &[words]).options;
    assert!(options.no_auth && options.force_reg && options.no_reg && !options.force_dereg);
    let config = config("{}", &production(&[words]));
    assert!(!config.options.no_auth && config.options.force_reg && config.options.no_reg);
    assert_eq!(config.warnings(), ["AC_OPTS=no-auth has no effect in production: requests are authenticated"]);
}
