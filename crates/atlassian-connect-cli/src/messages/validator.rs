//! The findings of `descriptor --validate`, which the start logs too. The framework makes them; a test compares this
//! list with its source.

use super::Message;

/// All findings about a descriptor. `check` is the part of the descriptor that a finding is about; its path comes before
/// the text.
pub const VALIDATOR: &[Message] = &[
    Message::new("any member", "must be an object…", "write a JSON object"),
    Message::new("any member", "must be a …", "write a value of that type"),
    Message::new("any member", "has no …", "add the member"),
    Message::new("any member", "…is not known; …", "correct the spelling, or remove it"),
    Message::new("any member", "… twice in its object: the last one counts", "remove one of the two"),
    Message::new(
        "the whole file",
        "is … strict JSON (…): read as JSON5, …",
        "remove comments and trailing commas, and quote the names",
    ),
    Message::new(
        "`key`",
        "… neither appKey in config.json nor AC_APP_KEY …",
        "set one of them, or write the key into the descriptor",
    ),
    Message::new("`key`", "may … letters, digits, '-', '.' and '_'…", "remove the other characters from the key"),
    Message::new("`authentication`", "is …, … must be \"jwt\": …", "write \"authentication\": { \"type\": \"jwt\" }"),
    Message::new("`authentication`", "has no authentication: …", "write \"authentication\": { \"type\": \"jwt\" }"),
    Message::new("`apiMigrations`", "is not true, …", "write true"),
    Message::new("`apiMigrations`", "has no …: write true, …", "write true"),
    Message::new("`key`, `name`, `description`, `baseUrl`", "… than the … characters that a host …", "shorten it"),
    Message::new("`links`", "… to a host; did you mean …?", "correct the spelling, or remove it"),
    Message::new(
        "`lifecycle`",
        "names no lifecycle.installed: no site can install the add-on",
        "add \"lifecycle\": { \"installed\": \"/installed\" }",
    ),
    Message::new("`lifecycle`", "is … the path of …: only one of them is served", "give each callback its own path"),
    Message::new(
        "a webhook's `url`",
        "is … the path of lifecycle.…: it is not served",
        "give the webhook its own path",
    ),
    Message::new(
        "`baseUrl`",
        "is …, … the configured localBaseUrl is …: write {{localBaseUrl}} …",
        "write {{localBaseUrl}}",
    ),
    Message::new("`baseUrl`", "is …http(s) URL", "write {{localBaseUrl}}"),
    Message::new("`baseUrl`", "is http… https …", "use an https URL"),
    Message::new("`baseUrl`", "has port …, 443 and 8080 …", "serve on one of these ports, for example through a proxy"),
    Message::new(
        "a type of modules of another product",
        "is … module … of …, … the configured product",
        "remove the module, or set product in config.json",
    ),
    Message::new(
        "an unknown type of modules",
        "is … module …; …",
        "correct the spelling; ignore the hint if the type is new",
    ),
    Message::new("a web item", "has no url: it leads nowhere", "add a url to the web item"),
    Message::new("a module's `key`", "is …: … letters, digits and '-' …", "remove the other characters from the key"),
    Message::new(
        "a module's `key`",
        "is …: Atlassian's schema … letters, digits and '-'…",
        "replace '_' by '-' before the first install",
    ),
    Message::new("a module's `key`", "is …: a key … in the whole descriptor", "rename one of the two modules"),
    Message::new(
        "a web item's `url`",
        "is …, … the context \"page\" …; …",
        "write the key of one of the descriptor's pages, or a URL",
    ),
    Message::new(
        "a webhook's `url`",
        "is … URL of the add-on…: the webhook is not served",
        "write a path of this add-on",
    ),
    Message::new("a module's `url`", "is …: a URL of the add-on…", "begin the URL with /"),
    Message::new(
        "a webhook's `event`",
        "is …, which is … event …; …",
        "correct the spelling; ignore the warning if the event is new",
    ),
    Message::new("any URL", "is …, … no route answers it", "add the route, or correct the URL"),
    Message::new(
        "any member",
        "is refused by the schema: …",
        "correct the member; the schema may be older than Atlassian's products",
    ),
    Message::new("`scopes`", "lacks the scope ACT_AS_USER, …", "add ACT_AS_USER to scopes, or remove the call"),
];
