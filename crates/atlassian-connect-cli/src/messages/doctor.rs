//! The warnings and problems of `doctor`.

use super::Message;

/// Declares the messages and the list of all of them.
macro_rules! messages {
    ($($name:ident: $check:literal, $text:literal, $remedy:literal;)+) => {
        $(pub(crate) const $name: Message = Message::new($check, $text, $remedy);)+
        /// All messages of `doctor`.
        pub const DOCTOR: &[Message] = &[$($name),+];
    };
}

messages! {
    CONFIGURATION_INVALID: "configuration", "{setting}: {reason}", "{remedy}";
    CONFIGURATION_ODD: "configuration", "{warning}", "correct config.json or the variable; docs/configuration.md lists them all";
    OPTIONS_IGNORED: "AC_OPTS",
        "{options} is for development and has no effect in {environment}",
        "unset AC_OPTS";
    NO_AUTH: "AC_OPTS",
        "no-auth opens pages and token routes to every process on this machine",
        "remove no-auth from AC_OPTS when you do not need it";
    HTTP: "base URL",
        "{url} is an http URL, but sites only call https URLs",
        "set AC_LOCAL_BASE_URL to the https URL of the add-on or of your tunnel, such as https://addon.example.com";
    LOCAL: "base URL",
        "{url} is this machine, which sites cannot reach",
        "set AC_LOCAL_BASE_URL to the https URL of the add-on, such as https://addon.example.com";
    DESCRIPTOR_UNUSABLE: "descriptor", "{error}", "correct the descriptor; the add-on does not start without it";
    DESCRIPTOR_ODD: "descriptor", "{finding}", "correct the descriptor; `descriptor --validate` lists all findings";
    CREDENTIALS: "credentials", "{error}", "correct the file; credentials.json.sample shows the format";
    FILE_OF_CREDENTIALS: "credentials",
        "{file} contains secrets, but other users can access it (mode {mode})",
        "chmod 600 {file}";
    FILE_OF_STORE: "store",
        "{file} contains secrets, but other users can access it (mode {mode})",
        "chmod 600 {file}";
    INSTALL_KEYS: "install keys",
        "{url}: {reason}",
        "sites can only install the add-on if one of these servers answers: check network, proxy, firewall and \
         CONNECT_KEYS_CDN_URL";
    FORGE_KEYS: "forge keys",
        "{url}: {reason}",
        "Forge invocations cannot be verified without these keys: check network, proxy, firewall and AC_FORGE_JWKS_URL";
    CLOCK_OFF: "clock", "this clock is {difference} {host}", "set this machine's clock with NTP";
    CLOCK_WRONG: "clock",
        "this clock is {difference} {host}, more than the leeway of {leeway} s: valid tokens are refused",
        "set this machine's clock with NTP";
    OTHER_ADDON: "reachable",
        "another add-on answers at {url}: {key}",
        "stop it, or give this add-on another base URL (AC_LOCAL_BASE_URL)";
    UNHEALTHY: "reachable",
        "the add-on answers at {url}, but its /healthz answers {status}",
        "read its log; an older version or another framework has no /healthz";
    GATEWAY: "reachable",
        "{url} answers {status}: a tunnel or proxy is running, but nothing behind it answers",
        "start the add-on, and check that the tunnel or proxy points to its port";
    NOT_THE_ADDON: "reachable",
        "{url} answers {status} without a descriptor: this is not the add-on",
        "a closed tunnel or another program answers there: check that the URL is still yours, and set AC_LOCAL_BASE_URL";
    UNKNOWN_HOST: "reachable",
        "the host name of {url} cannot be resolved",
        "check AC_LOCAL_BASE_URL, the DNS and this machine's network; a tunnel that was restarted has a new URL";
    NOT_RUNNING: "reachable",
        "the add-on is not running: nothing listens at {url}",
        "start it with the command serve";
    UNREACHABLE: "reachable",
        "{url} cannot be reached: {reason}",
        "check that the add-on, its tunnel or proxy, its certificate and its firewall let requests through";
    CANNOT_LISTEN: "port", "cannot listen on {address}: {error}", "choose another address with PORT and AC_BIND";
    PORT_TAKEN: "port", "{program} listens on {address}", "stop it, or choose another port with PORT";
    STORE_SILENT: "store",
        "{store} does not answer within {seconds} s",
        "start the database, or name another one; {source} chose this one";
    STORE_FAILED: "store", "{error}", "{remedy}";
    STORE_UNUSABLE: "store", "{store}: {error}", "correct this, or name another store; {source} chose this one";
    STORE_MISSING: "store",
        "{store} ({source}) does not exist yet",
        "start the add-on or run the command migrate; both create the tables";
    STORE_EMPTY: "store",
        "{store} ({source}) has no tables yet",
        "start the add-on or run the command migrate; both create the tables";
    NOT_DECRYPTED: "encryption",
        "{count} of {values} cannot be decrypted: {reason}",
        "append the missing key to AC_STORE_ENCRYPTION_KEYS; restore altered values from a backup, or let the site \
         install the add-on again";
    NOT_ALL_ENCRYPTED: "encryption",
        "the keys decrypt {values}, but only {sealed} use key {key}: {older} use an older key, {clear} are in clear",
        "when every node has these keys, run `tenants encrypt`";
    ENCRYPTION_UNCHECKED: "encryption", "{error}", "{remedy}";
    NO_WAY_BACK: "ACE",
        "atlassian-connect-express created these tables and cannot read values that are encrypted with \
         AC_STORE_ENCRYPTION_KEYS",
        "unset AC_STORE_ENCRYPTION_KEYS until you are sure that you will not go back, then run `tenants encrypt`";
    SCHEMA_NEWER: "schema",
        "the database is newer than this binary, which does not know the migrations {names}",
        "deploy the newer release again; migrations only add, so this one still works";
    SCHEMA_OLDER: "schema",
        "pending migrations: {names}",
        "run the command migrate; on ACE's database it adds what is missing and changes no row";
    TENANTS_UNREADABLE: "tenants", "{error}", "{remedy}";
    SEVERAL_ROWS: "tenants",
        "several rows of one installation, so every secret is tried: {names}",
        "nothing: the site's next signed install resolves it";
    NO_SECRET: "tenants",
        "installations without a usable sharedSecret, so every request is refused: {names}",
        "install the add-on there again, or remove them with `tenants remove`";
    NOT_WHITELISTED: "tenants",
        "sites that are not on the whitelist can use the add-on but cannot install it again: {names}",
        "add their hosts to AC_HOST_WHITELIST, or remove them with `tenants remove`";
    NOT_ASSOCIATED: "association",
        "{count} of {all} tenants are not associated with a Forge installation or its site; {left}",
        "run `tenants associate`, then `tenants migration`, which lists them and says what else helps";
}
