//! Manifests with pages. What Forge says of them: tests/forge.

use serde_json::{Value, json};

use super::super::{Manifest, PageModules};
use atlassian_connect_actix::config::{Config, Vars};
use atlassian_connect_actix::internal::descriptor::Descriptor;

fn manifest(product: &str, members: &Value) -> Manifest {
    let mut descriptor =
        json!({ "key": "a", "name": "An app", "baseUrl": "https://x.example", "lifecycle": { "installed": "/i" } });
    for (name, value) in members.as_object().unwrap() {
        descriptor[name] = value.clone();
    }
    let vars = Vars::from([("AC_PRODUCT", product)]);
    let text = r#"{ "forge": { "pages": { "configured": "/configured" } } }"#;
    let config = Config::from_parts(Some(text), &vars).unwrap();
    let descriptor = Descriptor::parse("d.json", &descriptor.to_string(), &config, None).unwrap();
    Manifest::of(&descriptor, &config, PageModules::Forge).unwrap()
}

/// What `--pages` makes of modules, and what `--check` says of them.
fn pages(product: &str, members: &Value) -> (String, String) {
    let manifest = manifest(product, members);
    let counts = |line: &&str| !line.trim_start().starts_with('#') && !line.is_empty();
    let yaml = manifest.yaml().lines().filter(counts).skip_while(|line| !line.starts_with("remotes:"));
    let findings = manifest.findings().iter().filter(|finding| finding.path != "$.name");
    let findings = findings.map(|finding| format!("{}: {} {}", finding.severity, finding.path, finding.text));
    (yaml.collect::<Vec<_>>().join("\n"), findings.collect::<Vec<_>>().join("\n"))
}

#[test]
#[expect(clippy::too_many_lines, reason = "one manifest as a whole")]
fn a_page_of_jira_becomes_forges_own() {
    let (yaml, findings) = pages(
        "jira",
        &json!({
            "scopes": ["READ", "ACT_AS_USER"],
            "modules": {
                "webPanels": [{
                    "key": "panel", "location": "atl.jira.view.issue.left.context", "url": "/panel?issue={issue.key}",
                    "name": { "value": "Panel", "i18n": "panel.name" }, "weight": 10, "layout": { "width": "100%" },
                    "conditions": [{ "condition": "user_is_logged_in" }]
                }],
                "jiraIssueGlances": [{
                    "key": "glance", "name": { "value": "Glance" }, "icon": { "width": 1, "height": 1, "url": "g.svg" },
                    "content": { "type": "label", "label": { "value": "Open" } },
                    "target": { "type": "web_panel", "url": "/glance" }
                }],
                "jiraIssueContents": { "key": "content", "name": { "value": "Content" }, "target": { "url": "/content" } }
            }
        }),
    );
    insta::assert_snapshot!(yaml, @r#"
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
    modules:
      jira:issuePanel:
        - key: panel
          title: Panel
          icon: "resource:shell;icon.svg"
          resource: shell
          resolver:
            endpoint: open
        - key: content
          title: Content
          icon: "resource:shell;icon.svg"
          resource: shell
          resolver:
            endpoint: open
      jira:issueContext:
        - key: glance
          title: Glance
          label: Open
          icon: https://x.example/g.svg
          resource: shell
          resolver:
            endpoint: open
      endpoint:
        - key: open
          remote: connect
          auth:
            appSystemToken:
              enabled: true
            appUserToken:
              enabled: true
        - key: forge-events
          remote: connect
          route:
            path: /forge/events
          auth:
            appSystemToken:
              enabled: true
        - key: forge-uninstall
          remote: connect
          route:
            path: /forge/uninstall
          auth:
            appSystemToken:
              enabled: true
      trigger:
        - key: forge-installed
          endpoint: forge-events
          events:
            - avi:forge:installed:app
        - key: forge-upgraded
          endpoint: forge-events
          events:
            - avi:forge:upgraded:app
      preUninstall:
        - key: forge-pre-uninstall
          endpoint: forge-uninstall
      scheduledTrigger:
        - key: forge-tokens
          endpoint: forge-events
          interval: hour
    resources:
      - key: shell
        path: static/shell
    permissions:
      scopes:
        read:connect-jira: {}
        act-as-user:connect-jira: {}
        read:app-system-token: {}
        read:app-user-token: {}
        read:jira-work:
          allowImpersonation: true
        read:jira-user:
          allowImpersonation: true
      external:
        frames:
          - address: https://x.example
    "#);
    insta::assert_snapshot!(findings, @"
    warning: $.modules.webPanels[0] gets the placeholder icon.svg of the shell as its icon
    warning: $.modules.webPanels[0] becomes jira:issuePanel, without layout
    error: $.modules.webPanels[0].name.i18n is left out: the text has one language until you add translation files (translations in the manifest)
    error: $.modules.webPanels[0].conditions is left out: Forge has displayConditions of its own. The page must check permissions in any case
    warning: $.modules.jiraIssueGlances[0] becomes jira:issueContext
    warning: $.modules.jiraIssueContents gets the placeholder icon.svg of the shell as its icon
    warning: $.modules.jiraIssueContents becomes jira:issuePanel
    ");
}

#[test]
fn a_macro_has_a_second_shell_for_its_editor() {
    let (yaml, findings) = pages(
        "confluence",
        &json!({ "modules": { "dynamicContentMacros": [{
            "key": "macro", "name": { "value": "Macro" }, "url": "/macro", "bodyType": "rich-text", "hidden": true,
            "outputType": "inline", "categories": ["media", "hidden-macros"], "description": { "value": "Of it" },
            "editor": { "url": "/editor", "editTitle": { "value": "Edit" } }, "width": "100%"
        }] } }),
    );
    let from = yaml.find("  macro:").unwrap();
    insta::assert_snapshot!(&yaml[from..], @"
      macro:
        - key: macro
          title: Macro
          description: Of it
          hidden: true
          layout: bodied
          categories:
            - media
          config:
            resource: shell-editor
            title: Edit
          resource: shell
          resolver:
            endpoint: open
      endpoint:
        - key: open
          remote: connect
          auth:
            appSystemToken:
              enabled: true
            appUserToken:
              enabled: true
        - key: forge-events
          remote: connect
          route:
            path: /forge/events
          auth:
            appSystemToken:
              enabled: true
        - key: forge-uninstall
          remote: connect
          route:
            path: /forge/uninstall
          auth:
            appSystemToken:
              enabled: true
      trigger:
        - key: forge-installed
          endpoint: forge-events
          events:
            - avi:forge:installed:app
        - key: forge-upgraded
          endpoint: forge-events
          events:
            - avi:forge:upgraded:app
      preUninstall:
        - key: forge-pre-uninstall
          endpoint: forge-uninstall
      scheduledTrigger:
        - key: forge-tokens
          endpoint: forge-events
          interval: hour
    resources:
      - key: shell
        path: static/shell
      - key: shell-editor
        path: static/shell-editor
    permissions:
      scopes:
        read:app-system-token: {}
        read:app-user-token: {}
        read:confluence-content.all: {}
      external:
        frames:
          - address: https://x.example
    ");
    insta::assert_snapshot!(findings, @"warning: $.modules.dynamicContentMacros[0] becomes macro, without outputType, categories, width");
}

#[test]
fn a_rule_of_a_workflow_has_a_shell_for_each_of_its_pages() {
    let (yaml, findings) = pages(
        "jira",
        &json!({ "modules": { "jiraWorkflowValidators": [{
            "key": "rule", "name": { "value": "Rule" }, "expression": "issue.key != null", "evaluationContext": "app",
            "errorMessage": { "value": "No" }, "create": { "url": "/create" }, "edit": { "url": "https://y.example/" },
            "view": { "url": "/view" }
        }] } }),
    );
    let (from, to) = (yaml.find("  jira:workflow").unwrap(), yaml.find("  endpoint:").unwrap());
    insta::assert_snapshot!(&yaml[from..to], @r#"
    jira:workflowValidator:
      - key: rule
        name: Rule
        description: Rule
        expression: "issue.key != null"
        errorMessage: "No"
        create:
          resource: shell-create
        view:
          resource: shell-view
        resolver:
    "#);
    insta::assert_snapshot!(findings, @"warning: $.modules.jiraWorkflowValidators[0] becomes jira:workflowValidator, without evaluationContext, edit");
}

#[test]
fn what_has_no_place_on_forge_stays_and_is_reported() {
    let page = |key: &str| json!({ "key": key, "name": { "value": "P" }, "url": format!("/{key}") });
    let item = |key: &str, members: Value| {
        let mut item = json!({ "key": key, "name": { "value": "I" }, "location": "operations-work" });
        item.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        item
    };
    let dialog = json!({ "type": "dialog", "options": { "size": "X-LARGE" } });
    let (yaml, findings) = pages(
        "jira",
        &json!({ "modules": {
            "generalPages": [page("one"), page("two")],
            "adminPages": [page("settings")],
            "configurePage": page("configure"),
            "postInstallPage": page("hello"),
            "jiraReports": [page("report")],
            "dialogs": [page("dialog")],
            "jiraWorkflowPostFunctions": [page("function")],
            "serviceDeskPortalFooters": [{ "key": "footer", "url": "/footer" }],
            "serviceDeskOrganizationPanels": [{ "key": "panel", "url": "/panel" }],
            "webItems": [
                item("item", json!({ "url": "/item", "target": dialog })),
                item("configured", json!({})),
                item("product", json!({ "url": "/browse", "context": "product" })),
                item("elsewhere", json!({ "url": "/x", "location": "system.dashboard" }))
            ]
        } }),
    );
    assert!(yaml.contains("viewportSize: xlarge"), "{yaml}");
    let modules = yaml.lines().filter(|line| line.starts_with("  ") && !line.starts_with("     "));
    insta::assert_snapshot!(modules.collect::<Vec<_>>().join("\n"), @"
    - key: connect
      baseUrl: https://x.example
      operations:
      storage:
    jira:lifecycle:
      - key: lifecycle-events
    jira:generalPages:
      - key: two
    jira:jiraReports:
      - key: report
    jira:dialogs:
      - key: dialog
    jira:jiraWorkflowPostFunctions:
      - key: function
    jira:webItems:
      - key: product
      - key: elsewhere
    jira:globalPage:
      - key: one
    jira:adminPage:
      - key: settings
      - key: configure
      - key: hello
    jiraServiceManagement:portalFooter:
      - key: footer
    jiraServiceManagement:organizationPanel:
      - key: panel
    jira:issueAction:
      - key: item
      - key: configured
    endpoint:
      - key: open
      - key: forge-events
      - key: forge-uninstall
    trigger:
      - key: forge-installed
      - key: forge-upgraded
    preUninstall:
      - key: forge-pre-uninstall
    scheduledTrigger:
      - key: forge-tokens
    - key: shell
      path: static/shell
    scopes:
      read:app-system-token: {}
      read:app-user-token: {}
      read:jira-work: {}
    external:
      frames:
    ");
    insta::assert_snapshot!(findings, @"
    warning: $.modules.generalPages[0] becomes jira:globalPage
    warning: $.modules.generalPages[1] stays a Connect module: Forge allows one jira:globalPage per app
    warning: $.modules.adminPages[0] becomes jira:adminPage
    warning: $.modules.configurePage becomes jira:adminPage
    warning: $.modules.postInstallPage becomes jira:adminPage
    warning: $.modules.jiraReports[0] stays a Connect module: Forge has no module for jiraReports
    warning: $.modules.jiraReports[0] is kept, but lacks description, which Forge's schema requires
    hint: $.modules.dialogs[0] stays a Connect module: on Forge, AP.dialog opens its page without a module
    warning: $.modules.jiraWorkflowPostFunctions[0] stays a Connect module: after a transition, Forge sends another body and another token than Connect
    warning: $.modules.jiraWorkflowPostFunctions[0] is kept, but lacks triggered, which Forge's schema requires
    warning: $.modules.serviceDeskPortalFooters[0] becomes jiraServiceManagement:portalFooter
    warning: $.modules.serviceDeskOrganizationPanels[0] gets the app's name as its title: An app
    warning: $.modules.serviceDeskOrganizationPanels[0] becomes jiraServiceManagement:organizationPanel
    warning: $.modules.webItems[0] becomes jira:issueAction
    warning: $.modules.webItems[1] becomes jira:issueAction
    warning: $.modules.webItems[2] stays a Connect module: it shows no page of the app, unless forge.pages of config.json names one
    warning: $.modules.webItems[3] stays a Connect module: Forge has no module for webItems at system.dashboard
    ");
}

#[test]
fn a_base_path_stands_for_connect_alone() {
    let general = json!([{ "key": "open", "name": { "value": "P" }, "url": "https://x.example/base/p" }]);
    let (yaml, findings) =
        pages("confluence", &json!({ "baseUrl": "https://x.example/base", "modules": { "generalPages": general } }));
    insta::assert_snapshot!(yaml, @"
    remotes:
      - key: connect
        baseUrl: https://x.example/base
        operations:
          - storage
          - compute
        storage:
          inScopeEUD: true
      - key: pages
        baseUrl: https://x.example
        operations:
          - storage
          - compute
        storage:
          inScopeEUD: true
    connectModules:
      confluence:lifecycle:
        - key: lifecycle-events
          installed: /i
    modules:
      confluence:globalPage:
        - key: open
          title: P
          route: open
          resource: shell
          resolver:
            endpoint: open-2
      endpoint:
        - key: open-2
          remote: pages
          auth:
            appSystemToken:
              enabled: true
            appUserToken:
              enabled: true
        - key: forge-events
          remote: pages
          route:
            path: /base/forge/events
          auth:
            appSystemToken:
              enabled: true
        - key: forge-uninstall
          remote: pages
          route:
            path: /base/forge/uninstall
          auth:
            appSystemToken:
              enabled: true
      trigger:
        - key: forge-installed
          endpoint: forge-events
          events:
            - avi:forge:installed:app
        - key: forge-upgraded
          endpoint: forge-events
          events:
            - avi:forge:upgraded:app
      preUninstall:
        - key: forge-pre-uninstall
          endpoint: forge-uninstall
      scheduledTrigger:
        - key: forge-tokens
          endpoint: forge-events
          interval: hour
    resources:
      - key: shell
        path: static/shell
    permissions:
      scopes:
        read:app-system-token: {}
        read:app-user-token: {}
        read:confluence-content.all: {}
      external:
        frames:
          - address: https://x.example
    ");
    insta::assert_snapshot!(findings, @"
    warning: $.baseUrl is in the manifest twice: with its path for Connect, without it as the remote of pages
    warning: $.modules.generalPages[0] becomes confluence:globalPage
    ");
}

#[test]
fn the_scopes_of_content_properties_are_proposed_where_pages_may_need_them() {
    let general = json!([{ "key": "p", "name": { "value": "P" }, "url": "/p" }]);
    for (product, modules, is_proposed) in [
        ("confluence", json!({ "generalPages": general }), true),
        ("confluence", json!({ "dialogs": [{ "key": "d", "url": "/d" }] }), false),
        ("jira", json!({ "generalPages": general }), false),
    ] {
        let manifest = manifest(product, &json!({ "modules": modules }));
        let lines: Vec<&str> = manifest.yaml().lines().map(str::trim).collect();
        for scope in ["#read:page:confluence: {}", "#write:page:confluence: {}"] {
            assert_eq!(lines.contains(&scope), is_proposed, "{product} {modules}: {}", manifest.yaml());
        }
    }
}

#[test]
fn nothing_is_added_where_nothing_moves() {
    let (yaml, findings) = pages("jira", &json!({ "modules": { "dialogs": [{ "key": "d", "url": "/d" }] } }));
    assert!(!yaml.contains("shell") && !yaml.contains("endpoint") && !yaml.contains("permissions"), "{yaml}");
    insta::assert_snapshot!(findings, @"hint: $.modules.dialogs[0] stays a Connect module: on Forge, AP.dialog opens its page without a module");
}

#[test]
fn routes_are_different() {
    let page = |key: &str| json!({ "key": key, "name": { "value": "P" }, "url": "/p" });
    let all = json!([page("My_Page"), page("my-page"), page("MY-PAGE")]);
    let (yaml, _) =
        pages("confluence", &json!({ "modules": { "generalPages": all, "spaceToolsTabs": [page("my_page")] } }));
    let routes = yaml.lines().filter_map(|line| line.trim().strip_prefix("route: "));
    assert_eq!(routes.collect::<Vec<_>>(), ["my-page", "my-page-2", "my-page-3", "my-page"]);
}
