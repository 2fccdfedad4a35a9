//! Whole manifests, and the findings about descriptors. tests/forge checks them with Forge's own tools.

use serde_json::{Value, json};

use super::{EXCEPTIONS, Manifest, NoManifest, PageModules};
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::internal::descriptor::Descriptor;

fn convert(vars: &[(&str, &str)], text: &str) -> Result<Manifest, NoManifest> {
    converted(vars, text, PageModules::Connect)
}

fn converted(vars: &[(&str, &str)], text: &str, pages: PageModules) -> Result<Manifest, NoManifest> {
    let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vars>();
    let config = Config::from_parts(None, &vars).unwrap();
    Manifest::of(&Descriptor::parse("d.json", text, &config, None).unwrap(), &config, pages)
}

/// The manifest of a Jira descriptor with these members, without its proposals.
fn manifest(members: &Value) -> Manifest {
    let mut descriptor = json!({ "key": "a", "baseUrl": "https://x.example", "lifecycle": { "installed": "/i" } });
    for (name, value) in members.as_object().unwrap() {
        descriptor[name] = value.clone();
    }
    convert(&[], &descriptor.to_string()).unwrap()
}

/// The YAML without comments, from the line that begins with `from`.
fn yaml(manifest: &Manifest, from: &str) -> String {
    let lines = manifest.yaml().lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    lines.skip_while(|line| !line.starts_with(from)).collect::<Vec<_>>().join("\n")
}

fn findings(manifest: &Manifest) -> String {
    let described = manifest.findings().iter();
    described
        .map(|finding| format!("{}: {} {}", finding.severity, finding.path, finding.text))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
// the manifest has as many
#[allow(clippy::too_many_lines)]
fn a_whole_descriptor() {
    let text = include_str!("connect.json");
    let vars = [("AC_LOCAL_BASE_URL", "https://addon.example.com/base"), ("AC_APP_ID", "6f0e-1")];
    let manifest = convert(&vars, text).unwrap();
    insta::assert_snapshot!(manifest.yaml(), @r#"
    ## Generated from the add-on's Connect descriptor by `forge manifest`. Edit it as you like.
    ## Lines that begin with ## are explanations. Lines with a single # are proposals: remove the # to use them.

    app:
      id: ari:cloud:ecosystem::app/6f0e-1
      description: "An add-on on atlassian-connect-actix (development)."
      connect:
        ## Never change it: it identifies the app's installations and their stored data.
        key: com.example.hello-from-rust
        remote: connect
      ## Must be the same as for Connect: a paid app stays paid, a free one stays free.
      licensing:
        enabled: false
      ## Forge requires a runtime, even if no function uses it.
      runtime:
        name: nodejs22.x

    remotes:
      - key: connect
        baseUrl: https://addon.example.com/base
        ## How the remote uses data that leaves Atlassian. Without this Forge assumes that it stores end-user data, as stated
        ## here; if it stores none, set inScopeEUD to false. invokeRemote needs compute.
        operations:
          - storage
          - compute
        storage:
          inScopeEUD: true
        ## Tokens for Forge functions that call this remote. Endpoints configure their own.
        #auth:
        #  appSystemToken:
        #    enabled: true
        #  appUserToken:
        #    enabled: true

    ## The modules of the descriptor, with the same names and members. Their pages and callbacks keep their URLs and use
    ## Connect tokens. A site that gets this version without an administrator's approval does not call `installed`.
    connectModules:
      jira:lifecycle:
        - key: lifecycle-events
          installed: /installed
          uninstalled: /uninstalled
          enabled: /enabled
          disabled: /disabled
      jira:generalPages:
        - key: hello-world-page
          location: system.top.navigation.bar
          name:
            value: Hello World
          url: /hello-world
      jira:adminPages:
        - key: admin-page
          location: admin_plugins_menu
          name:
            value: Hello World settings
          url: /admin
      jira:webhooks:
        - key: webhook-1
          event: jira:issue_created
          url: /webhook/issue-created

    ## Forge modules. Adopt them one at a time, and remove each migrated module from connectModules.
    #modules:
    ## Endpoints that Forge calls. Each path needs a route in this add-on that verifies Forge's invocation token. Forge
    ## modules name an endpoint as their resolver.
    ## Events, schedules and the call before an uninstall have no user: their endpoints must not ask for a user token.
    #  endpoint:
    #    - key: forge-resource
    #      remote: connect
    #      route:
    #        path: /forge/resource
    #      auth:
    #        appSystemToken:
    #          enabled: true
    #        appUserToken:
    #          enabled: true
    #    - key: forge-events
    #      remote: connect
    #      route:
    #        path: /forge/events
    #      auth:
    #        appSystemToken:
    #          enabled: true
    #    - key: forge-uninstall
    #      remote: connect
    #      route:
    #        path: /forge/uninstall
    #      auth:
    #        appSystemToken:
    #          enabled: true
    ## Installs and major upgrades of the Forge app: store the installation and its system token then.
    #  trigger:
    #    - key: forge-installed
    #      endpoint: forge-events
    #      events:
    #        - avi:forge:installed:app
    #    - key: forge-upgraded
    #      endpoint: forge-events
    #      events:
    #        - avi:forge:upgraded:app
    ## Forge sends no event after an uninstall. It makes this call before, and does not wait for the answer.
    #  preUninstall:
    #    - key: forge-pre-uninstall
    #      endpoint: forge-uninstall
    ## Once an hour Forge calls for each installation. That shows which Connect tenant the installation is, even if nobody opens
    ## a page, and brings a fresh system token: they expire after four hours at most.
    #  scheduledTrigger:
    #    - key: forge-tokens
    #      endpoint: forge-events
    #      interval: hour
    ## Whether you will move to Forge completely before Connect's end of support, and where your customers can read how.
    #  connectToForgeMigration:
    #    - key: connect-to-forge
    #      migrationGuideUrl: https://www.example.com/moving-to-forge
    #      willMigrateToForgeBeforeEOS: UNDECIDED

    permissions:
      scopes:
        read:connect-jira: {}
        write:connect-jira: {}
        act-as-user:connect-jira: {}
        ## Connect's scopes still apply to Connect tokens. Forge tokens need the first two scopes that follow, and at least one
        ## of the scopes below them: use only those that the add-on needs. With allowImpersonation the add-on may act as a user
        ## who is not present; remove it if it does not have to.
        #read:app-system-token: {}
        #read:app-user-token: {}
        #read:jira-work:
        #  allowImpersonation: true
        #read:jira-user:
        #  allowImpersonation: true
        #write:jira-work:
        #  allowImpersonation: true
        #manage:jira-project:
        #  allowImpersonation: true
        #manage:jira-configuration:
        #  allowImpersonation: true
    "#);
    insta::assert_snapshot!(findings(&manifest), @"
    hint: $.name is left out: `forge register` asks for the app's name
    hint: $.vendor is left out: it belongs to the Marketplace listing, not to the manifest
    hint: $.links is left out: it belongs to the Marketplace listing, not to the manifest
    hint: $.apiVersion is left out: Forge numbers an app's versions itself
    hint: $.apiMigrations is left out: a manifest has no place for it
    warning: $.lifecycle.enabled is kept, but is never called once the app is on Forge
    warning: $.lifecycle.disabled is kept, but is never called once the app is on Forge
    ");
}

#[test]
fn without_an_id_and_a_scope_both_are_left_to_do() {
    let manifest = manifest(&json!({}));
    let comments = manifest.yaml().lines().skip_while(|line| !line.contains("#permissions")).take(3);
    assert_eq!(comments.collect::<Vec<_>>(), ["#permissions:", "#  scopes:", "#    read:app-system-token: {}"]);
    insta::assert_snapshot!(yaml(&manifest, "app"), @"
    app:
      id: ari:cloud:ecosystem::app/invalid-run-forge-register
      connect:
        key: a
        remote: connect
      runtime:
        name: nodejs22.x
    remotes:
      - key: connect
        baseUrl: https://x.example
        operations:
          - storage
          - compute
        storage:
          inScopeEUD: true
    connectModules:
      jira:lifecycle:
        - key: lifecycle-events
          installed: /i
    ");
}

#[test]
fn regions_migrations_and_licences() {
    let manifest = manifest(&json!({
        "enableLicensing": false, "editionsEnabled": true,
        "lifecycle": { "disabled": "/d", "dare-migration": "/dare", "upgraded": "/u" },
        "regionBaseUrls": { "EU": "https://eu.x.example", "MARS": "https://mars.x.example", "US": 1 },
        "dataResidency": { "maxMigrationDurationHours": 0.75 },
        "translations": { "paths": { "de-DE": "/de.json" } },
        "cloudAppMigration": { "migrationWebhookPath": "/migrated" }
    }));
    insta::assert_snapshot!(yaml(&manifest, "  licensing"), @"
      licensing:
        enabled: false
        editionsEnabled: true
      runtime:
        name: nodejs22.x
    remotes:
      - key: connect
        baseUrl:
          default: https://x.example
          EU: https://eu.x.example
        operations:
          - storage
          - compute
        storage:
          inScopeEUD: true
    connectModules:
      jira:lifecycle:
        - key: lifecycle-events
          disabled: /d
      jira:translations:
        - key: connect-translations
          paths:
            de-DE: /de.json
      jira:cloudAppMigration:
        - key: app-migration
          migrationWebhookPath: /migrated
    modules:
      migration:dataResidency:
        - key: dare
          remote: connect
          path: /dare
    ");
    insta::assert_snapshot!(findings(&manifest), @"
    warning: $.lifecycle.disabled is kept, but is never called once the app is on Forge
    warning: $.lifecycle.dare-migration becomes the module migration:dataResidency: Forge calls paths below it, with an invocation token of its own
    hint: $.lifecycle.upgraded is left out: Connect has no such callback either
    error: $.regionBaseUrls.MARS is left out: Forge's regions are AU, CA, CH, DE, EU, GB, IN, JP, KR, SG, US
    error: $.regionBaseUrls.US is left out: it must be a text
    error: $.dataResidency.maxMigrationDurationHours is left out unless it is a multiple of 0.5 from 0.5 to 24
    ");
}

#[test]
fn permissions_of_jira_become_forges_own_where_that_loses_nothing() {
    let text = |value: &str| json!({ "value": value });
    let manifest = manifest(&json!({ "modules": {
        "jiraGlobalPermissions": [
            { "key": "a", "name": text("A"), "description": text("Of A"), "defaultGrants": ["ALL"] },
            { "key": "b", "name": { "value": "B", "i18n": "b.name" }, "description": text("Of B") },
            { "key": "c", "name": text("C") }
        ],
        "jiraProjectPermissions": [
            { "key": "d", "name": text("D"), "description": text("Of D"), "category": "COMMENTS" },
            { "key": "e", "name": text("E"), "description": text("Of E"), "conditions": [] }
        ]
    } }));
    insta::assert_snapshot!(yaml(&manifest, "connectModules"), @"
    connectModules:
      jira:lifecycle:
        - key: lifecycle-events
          installed: /i
      jira:jiraGlobalPermissions:
        - key: b
          name:
            value: B
            i18n: b.name
          description:
            value: Of B
        - key: c
          name:
            value: C
      jira:jiraProjectPermissions:
        - key: e
          name:
            value: E
          description:
            value: Of E
          conditions: []
    modules:
      jira:globalPermission:
        - key: a
          name: A
          description: Of A
          defaultGrants:
            - all
          anonymousAllowed: true
          migratedFromConnect: true
      jira:projectPermission:
        - key: d
          name: D
          description: Of D
          category: comments
          migratedFromConnect: true
    ");
    insta::assert_snapshot!(findings(&manifest), @"
    warning: $.modules.jiraGlobalPermissions[2] is kept, but lacks description, which Forge's schema requires
    ");
}

#[test]
fn generated_keys_are_unique() {
    let webhook = |event: &str| json!({ "event": event, "url": "/w" });
    let page = |key: &str| json!({ "key": key, "name": { "value": "P" }, "url": "/p" });
    let manifest = manifest(&json!({ "modules": {
        "webhooks": [webhook("e"), webhook("f")],
        "generalPages": [page("webhook-1"), page("webhook-1-2"), page("lifecycle-events")]
    } }));
    let keys = manifest.yaml().lines().filter_map(|line| line.strip_prefix("    - key: ")).collect::<Vec<_>>();
    assert_eq!(
        keys,
        ["lifecycle-events-2", "webhook-1-3", "webhook-2", "webhook-1", "webhook-1-2", "lifecycle-events"]
    );
    assert_eq!(findings(&manifest), "");
}

#[test]
fn what_a_manifest_cannot_hold_is_reported() {
    let manifest = manifest(&json!({
        "name": "N", "vendor": {}, "apiVersion": 1, "apiMigrations": {}, "description": "d".repeat(1001),
        "authentication": { "type": "none", "publicKey": "k" }, "enableLicensing": "yes",
        "scopes": ["none", "SPACE_ADMIN", "read", "READ", 1], "translations": {}, "cloudAppMigration": {},
        "dataResidency": {}, "modules": {
            "profilePages": [{ "key": "p" }], "staticContentMacros": [{ "key": "m" }], "blueprints": [],
            "webPanels": { "key": "w", "url": "/w" },
            "dialogs": [1, {}, { "key": "a b", "url": "/d" }, { "key": "w", "url": "/d" }]
        }
    }));
    insta::assert_snapshot!(findings(&manifest), @"
    hint: $.name is left out: `forge register` asks for the app's name
    hint: $.vendor is left out: it belongs to the Marketplace listing, not to the manifest
    hint: $.apiVersion is left out: Forge numbers an app's versions itself
    hint: $.apiMigrations is left out: a manifest has no place for it
    warning: $.description is left out: Forge allows at most 1000 characters
    error: $.authentication.type is not jwt, the only authentication that Forge supports
    error: $.authentication.publicKey is left out: a manifest has no place for it
    error: $.enableLicensing is left out: it must be true or false
    error: $.scopes[1] is left out: Forge does not know such a scope of jira
    error: $.scopes[4] is left out: Forge does not know such a scope of jira
    hint: $.dataResidency is left out: it has no effect without lifecycle.dare-migration
    error: $.modules.profilePages is left out: Forge has no such Connect module. Its own module for Jira is jira:personalSettingsPage
    error: $.modules.staticContentMacros is left out: Forge does not know such Connect modules of jira, the configured product
    warning: $.modules.webPanels is kept, but lacks name, which Forge's schema requires
    warning: $.modules.webPanels is kept, but lacks location, which Forge's schema requires
    error: $.modules.dialogs[0] is left out: it must be an object
    error: $.modules.dialogs[1] is left out: it has no key, and Forge identifies modules by their keys
    error: $.modules.dialogs[2] is left out: its key may contain only letters, digits, '-' and '_'
    error: $.modules.dialogs[3] is left out: another module has the same key, and keys must be unique on Forge
    error: $.translations.paths is left out: it must be an object
    error: $.cloudAppMigration.migrationWebhookPath is left out: it must be a text
    ");
    assert!(manifest.yaml().contains("## The manifest does not contain the whole descriptor"));
    insta::assert_snapshot!(findings(&convert(&[], r#"{ "key": "a", "baseUrl": "http://x" }"#).unwrap()), @"
    error: $ has neither modules nor a lifecycle: Forge refuses a manifest without both
    warning: $.baseUrl is not https: before you deploy the manifest, set localBaseUrl to the URL at which Atlassian reaches the add-on
    ");
}

#[test]
fn the_reasons_are_the_tables() {
    let made_of = |text: &str| {
        EXCEPTIONS.iter().any(|exception| {
            let (before, after) = exception.reason.split_once('…').unwrap_or((exception.reason, ""));
            text.starts_with(before) && text.ends_with(after)
        })
    };
    let manifest =
        manifest(&json!({ "name": "N", "scopes": ["x"], "modules": { "webPanels": { "key": "w" }, "x": 1 } }));
    assert_eq!(manifest.findings().len(), 6);
    assert!(manifest.findings().iter().all(|finding| made_of(&finding.text)));
}

#[test]
fn bitbucket_has_no_manifest() {
    let text = r#"{ "key": "a", "baseUrl": "https://x.example" }"#;
    assert_eq!(convert(&[("AC_PRODUCT", "bitbucket")], text).unwrap_err(), NoManifest);
}
