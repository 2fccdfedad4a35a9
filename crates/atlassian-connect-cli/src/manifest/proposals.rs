//! What a Connect descriptor does not contain: commented proposals, ready to use, and what pages on Forge need.

use serde_json::json;

use super::scopes;
use super::yaml::{Item, Node, member};
use atlassian_connect_actix::config::Product;

/// The reason, and the proposal.
type Proposal = (&'static str, &'static str);

/// An endpoint of the app's own.
const ENDPOINT: Proposal = (
    "\
Endpoints that Forge calls. Each path needs a route in this add-on that verifies Forge's invocation token. Forge
modules name an endpoint as their resolver.",
    "\
- key: forge-resource
  remote: connect
  route:
    path: /forge/resource
  auth:
    appSystemToken:
      enabled: true
    appUserToken:
      enabled: true",
);

/// The endpoints of events, schedules and the call before an uninstall.
const ENDPOINTS_OF_EVENTS: Proposal = (
    "Events, schedules and the call before an uninstall have no user: their endpoints must not ask for a user token.",
    "\
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
);

/// Members of `modules` that call the endpoints of events.
const EVENTS: [Proposal; 3] = [
    (
        "Installs and major upgrades of the Forge app: store the installation and its system token then.",
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
        "Forge sends no event after an uninstall. It makes this call before, and does not wait for the answer.",
        "\
preUninstall:
  - key: forge-pre-uninstall
    endpoint: forge-uninstall",
    ),
    (
        "\
Once an hour Forge calls for each installation. That shows which Connect tenant the installation is, even if nobody opens
a page, and brings a fresh system token: they expire after four hours at most.",
        "\
scheduledTrigger:
  - key: forge-tokens
    endpoint: forge-events
    interval: hour",
    ),
];

const MIGRATION: Proposal = (
    "\
Whether you will move to Forge completely before Connect's end of support, and where your customers can read how.",
    "\
connectToForgeMigration:
  - key: connect-to-forge
    migrationGuideUrl: https://www.example.com/moving-to-forge
    willMigrateToForgeBeforeEOS: UNDECIDED",
);

const NATIVE: &str = "Forge modules. Adopt them one at a time, and remove each migrated module from connectModules.";

const SCOPES: &str = "\
Connect's scopes still apply to Connect tokens. Forge tokens need the first two scopes that follow, and at least one
of the scopes below them: use only those that the add-on needs. With allowImpersonation the add-on may act as a user
who is not present; remove it if it does not have to.";

const SCOPES_OF_PAGES: &str = "\
Connect's scopes still apply to Connect tokens. Those that follow apply to Forge tokens and to AP.request in pages:
the same rights, as far as Forge has them. Newer APIs need more specific scopes; Atlassian's reference lists them.
With allowImpersonation the add-on may act as a user who is not present.";

/// Source: Atlassian, "Confluence Cloud REST API v2", "Content properties".
const CONTENT_PROPERTIES: Proposal = (
    "\
AP.confluence.getContentProperty and setContentProperty ask Confluence's REST API v2, which needs granular scopes: these
for pages and blog posts, others for other content.",
    "\
read:page:confluence: {}
write:page:confluence: {}",
);

/// Source: Atlassian, "Offline user impersonation": it is a member of a scope, so the scopes are a map.
const IMPERSONATION: &str = "\n  allowImpersonation: true";

/// The section `modules`: those that the descriptor already has, the endpoint of its pages, what else Forge calls, and
/// proposals. Without pages on Forge, all but the descriptor's modules are proposals.
///
/// `place` is the remote of the endpoints and the prefix of their paths.
pub(super) fn modules(mut native: Vec<Item>, endpoint: Vec<Item>, place: (&str, &str)) -> Vec<Item> {
    let has_pages = !endpoint.is_empty();
    let used = |text: String| if has_pages { Item::Text(text) } else { Item::Proposal(text) };
    let mut further = Vec::new();
    let ((why_own, own), (why_events, events)) = (ENDPOINT, ENDPOINTS_OF_EVENTS);
    let (own, events) = (placed(own, place), placed(events, place));
    if has_pages {
        let events = [Item::Prose(why_events), Item::Text(events), Item::Prose(why_own), Item::Proposal(own)];
        native.push(member("endpoint", Node::Items(endpoint.into_iter().chain(events).collect())));
    } else {
        let all = format!("endpoint:\n{}\n{}", indented(&own), indented(&events));
        further.extend([Item::Prose(why_own), Item::Prose(why_events), Item::Proposal(all)]);
    }
    further.extend(EVENTS.iter().flat_map(|(why, what)| [Item::Prose(why), used((*what).to_owned())]));
    further.extend([Item::Prose(MIGRATION.0), Item::Proposal(MIGRATION.1.to_owned())]);
    if native.is_empty() {
        // there is no section yet, so its name is proposed too
        let below = further.into_iter().map(|item| match item {
            Item::Proposal(what) => Item::Proposal(indented(&what)),
            other => other,
        });
        let section = [Item::Prose(NATIVE), Item::Proposal("modules:".to_owned())];
        return section.into_iter().chain(below).collect();
    }
    native.extend(further);
    vec![Item::Prose(NATIVE), member("modules", native)]
}

/// The endpoints at the app's remote, below its path.
fn placed(endpoints: &str, (remote, base_path): (&str, &str)) -> String {
    endpoints
        .replace("remote: connect", &format!("remote: {remote}"))
        .replace("path: /", &format!("path: {base_path}/"))
}

/// The section `permissions`: the descriptor's scopes, what its pages need, and proposals.
pub(super) fn permissions(product: Product, stated: &[String], external: Vec<Item>) -> Vec<Item> {
    let classic = scopes::of_forge(product);
    let tokens = ["read:app-system-token", "read:app-user-token"];
    let nothing = || Node::Scalar("{}".to_owned());
    let mut items: Vec<Item> = stated.iter().map(|scope| member(scope, nothing())).collect();
    let mut proposed = Vec::new();
    if external.is_empty() {
        items.push(Item::Prose(SCOPES));
        proposed.extend(tokens.map(|scope| format!("{scope}: {{}}")));
        proposed.extend(classic.iter().map(|(scope, _)| format!("{scope}:{IMPERSONATION}")));
    } else {
        let acts_as_users = stated.iter().any(|scope| scope.starts_with("act-as-user:"));
        items.push(Item::Prose(SCOPES_OF_PAGES));
        items.extend(tokens.map(|scope| member(scope, nothing())));
        for scope in classic {
            if scopes::is_wanted(scope, stated) {
                let rights = if acts_as_users { Node::from(&json!({ "allowImpersonation": true })) } else { nothing() };
                items.push(member(scope.0, rights));
            } else {
                proposed.push(format!("{}:{IMPERSONATION}", scope.0));
            }
        }
    }
    let proposed = proposed.join("\n");
    if stated.is_empty() && external.is_empty() {
        let section = format!("permissions:\n  scopes:\n{}", indented(&indented(&proposed)));
        return vec![Item::Prose(SCOPES), Item::Proposal(section)];
    }
    if !proposed.is_empty() {
        items.push(Item::Proposal(proposed));
    }
    if product == Product::Confluence && !external.is_empty() {
        let (why, what) = CONTENT_PROPERTIES;
        items.extend([Item::Prose(why), Item::Proposal(what.to_owned())]);
    }
    let mut permissions = vec![member("scopes", Node::Items(items))];
    permissions.extend(external);
    vec![member("permissions", permissions)]
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
