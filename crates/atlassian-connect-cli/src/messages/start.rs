//! The errors that end a start. The framework makes them; a test compares this list with its source.

use super::Message;

/// All errors of a start.
pub const START: &[Message] = &[
    Message::new(
        "configuration",
        "the configuration has … problem…:",
        "correct what each line names: key, value and what to write",
    ),
    Message::new(
        "descriptor",
        "… cannot be read: …",
        "start the add-on in the folder of the file, or correct its permissions",
    ),
    Message::new(
        "descriptor",
        "… cannot take the place of atlassian-connect.json: …",
        "add atlassian-connect.json; for an app on Forge alone, correct the manifest",
    ),
    Message::new("descriptor", "…, line …, column …: …", "correct the JSON at that position"),
    Message::new("store", "the store is not available: …", "start the database, or correct its URL"),
    Message::new("store", "the store failed: …", "correct what the database reports, often a missing table or right"),
    Message::new(
        "errors",
        "expressErrorHandling is true, … no error handler: …",
        "call AddonBuilder::error_handler, or set expressErrorHandling to false",
    ),
    Message::new(
        "errors",
        "errorTemplateName is …, … AddonBuilder::error_renderer",
        "choose one of the names, or register the renderer",
    ),
    Message::new("server", "cannot listen on …: …", "stop the program that uses the port, or set PORT and AC_BIND"),
    Message::new("server", "metrics cannot be recorded: …", "remove the app's own recorder, or the setting metrics"),
    Message::new("server", "the server failed: …", "check the operating system's limits and the log"),
];
