//! What a Connect descriptor does not say and a person has to decide: commented, ready to count.

use super::yaml::{Item, Node, member};
use atlassian_connect_actix::config::Product;

/// Why, and what.
type Proposal = (&'static str, &'static str);

/// Members of `modules`. The remote is that of the Connect modules.
const MODULES: [Proposal; 5] = [
    (
        "\
What Forge calls at this add-on. A path is that of a route that answers there and checks Forge's invocation
token. A module of Forge's own names an endpoint as its resolver. An event, a schedule and the call before an
uninstall have no user, so that their endpoint may not ask for a user's token.",
        "\
endpoint:
  - key: forge-resource
    remote: connect
    route:
      path: /forge/resource
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
        enabled: true",
    ),
    (
        "Installs and major upgrades of the Forge app: the moments to store the installation, and its system token.",
        "\
trigger:
  - key: forge-installed
    endpoint: forge-events
    events:
      - avi:forge:installed:app
  - key: forge-upgraded
    endpoint: forge-events
    events:
      - avi:forge:upgraded:app",
    ),
    (
        "Forge sends no event after an uninstall. This call comes before it, and holds nothing up.",
        "\
preUninstall:
  - key: forge-pre-uninstall
    endpoint: forge-uninstall",
    ),
    (
        "\
System tokens live for four hours at most, and only a call from Forge brings another: an hourly call keeps one at
hand for work that no user began.",
        "\
scheduledTrigger:
  - key: forge-tokens
    endpoint: forge-events
    interval: hour",
    ),
    (
        "\
Whether you have decided to move to Forge wholly before Connect's end of support, and where your customers read how.",
        "\
connectToForgeMigration:
  - key: connect-to-forge
    migrationGuideUrl: https://www.example.com/moving-to-forge
    willMigrateToForgeBeforeEOS: UNDECIDED",
    ),
];

const NATIVE: &str =
    "Forge's own modules. They come to the Connect modules one by one; a module that has moved leaves those.";

const SCOPES: &str = "\
Connect's scopes go on for the tokens of Connect. For the tokens of Forge there are the two that follow, and neither
token is given out without a real scope: of those below them take what the add-on needs, and no more. With
allowImpersonation the add-on may act as a user who is away; leave it out where it need not.";
/// Source: Atlassian, "Offline user impersonation": it is a member of a scope, so that the scopes are a map.
const IMPERSONATION: &str = "\n  allowImpersonation: true";

/// `modules`: those that the descriptor already has, and proposals.
pub(super) fn modules(mut native: Vec<Item>) -> Vec<Item> {
    if native.is_empty() {
        // there is no section yet: its name is proposed as well
        let proposals = MODULES.iter().flat_map(|(why, what)| [Item::Prose(why), Item::Proposal(indented(what))]);
        let section = [Item::Prose(NATIVE), Item::Proposal("modules:".to_owned())];
        return section.into_iter().chain(proposals).collect();
    }
    native.extend(MODULES.iter().flat_map(|(why, what)| [Item::Prose(why), Item::Proposal((*what).to_owned())]));
    vec![Item::Prose(NATIVE), member("modules", native)]
}

/// `permissions`: the scopes of the descriptor, and proposals.
pub(super) fn permissions(product: Product, scopes: &[String]) -> Vec<Item> {
    let classic: &[&str] = match product {
        Product::Confluence => &[
            "read:confluence-content.all",
            "read:confluence-space.summary",
            "read:confluence-user",
            "write:confluence-content",
            "write:confluence-space",
            "manage:confluence-configuration",
        ],
        _ => {
            &["read:jira-work", "read:jira-user", "write:jira-work", "manage:jira-project", "manage:jira-configuration"]
        }
    };
    let tokens = ["read:app-system-token", "read:app-user-token"].iter().map(|scope| format!("{scope}: {{}}"));
    let classic = classic.iter().map(|scope| format!("{scope}:{IMPERSONATION}"));
    let proposed = tokens.chain(classic).collect::<Vec<_>>().join("\n");
    if scopes.is_empty() {
        let section = format!("permissions:\n  scopes:\n{}", indented(&indented(&proposed)));
        return vec![Item::Prose(SCOPES), Item::Proposal(section)];
    }
    let nothing = || Node::Scalar("{}".to_owned());
    let mut items: Vec<Item> = scopes.iter().map(|scope| member(scope, nothing())).collect();
    items.extend([Item::Prose(SCOPES), Item::Proposal(proposed)]);
    vec![member("permissions", vec![member("scopes", Node::Items(items))])]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
