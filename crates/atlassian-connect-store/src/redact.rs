//! Redacts a store's URL and a database's messages for logs.

use std::borrow::Cow;

/// `url` without its secrets: the password, and parameters whose name suggests a password or key.
///
/// ```
/// use atlassian_connect_store::internal::redact;
///
/// assert_eq!(redact("postgres://addon:hush@db.example.com/addon"), "postgres://addon:***@db.example.com/addon");
/// ```
#[must_use]
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.contains('@') { "***".to_owned() } else { url.to_owned() };
    };
    // The last `@`: a password that was not percent-encoded may contain `@`, `/` and `?`.
    let (user, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => match credentials.split_once(':') {
            Some((user, _)) => (format!("{user}:***@"), rest),
            None => (format!("{credentials}@"), rest),
        },
        None => (String::new(), rest),
    };
    let Some((place, query)) = rest.split_once('?') else { return format!("{scheme}://{user}{rest}") };
    let parameters: Vec<_> = query.split('&').map(redact_parameter).collect();
    format!("{scheme}://{user}{place}?{}", parameters.join("&"))
}

fn redact_parameter(parameter: &str) -> String {
    let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
    let lower = name.to_ascii_lowercase();
    let secret =
        ["pass", "pwd", "secret", "token", "sslkey", "authmechanismproperties"].iter().any(|word| lower.contains(word));
    if secret { format!("{name}=***") } else { parameter.to_owned() }
}

/// `message`, which a database wrote, up to the first text in quotes that `is_name` does not know: it may be a value.
/// What `is_name` sees has no schema before it.
pub(crate) fn without_values(message: &str, is_name: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let mut rest = message;
    let mut before = ' ';
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        // not the apostrophe in "doesn't"
        let is_apostrophe = matches!(character, '\'' | '’') && before.is_alphanumeric();
        before = character;
        let Some(&(_, closing)) = QUOTES.iter().find(|(opening, _)| *opening == character && !is_apostrophe) else {
            continue;
        };
        let quoted = rest.split_once(closing);
        let name = quoted.map(|(quoted, _)| quoted.trim().rsplit('.').next().unwrap_or(quoted));
        match (quoted, name) {
            (Some((_, after)), Some(name)) if !name.is_empty() && is_name(name) => (rest, before) = (after, ' '),
            _ => return format!("{}…", &message[..message.len() - rest.len()]).into(),
        }
    }
    message.into()
}

/// What opens a quotation in the languages of the databases, and what closes it.
const QUOTES: [(char, &[char]); 8] = [
    ('"', &['"']),
    ('\'', &['\'']),
    ('`', &['`', '\'']),
    ('«', &['»']),
    ('»', &['«']),
    ('„', &['“', '”']),
    ('“', &['”']),
    ('‘', &['’']),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_before_a_value() {
        let shown = |message| without_values(message, |name| ["AddonSettings", "val", ""].contains(&name)).into_owned();
        for whole in [
            "database is locked",
            r#"relation "AddonSettings" does not exist"#,
            "Table 'addon.AddonSettings' doesn't exist",
            "Relation »AddonSettings« existiert nicht",
            "la relation « AddonSettings » n'existe pas",
            "column `AddonSettings`.`val` doesn't exist",
        ] {
            assert_eq!(shown(whole), whole);
        }
        for (message, expected) in [
            ("Duplicate entry 'hush' for key 'val'", "Duplicate entry '…"),
            ("Duplicate entry 'it's hush' for key 'val'", "Duplicate entry '…"),
            ("Incorrect string value: '\\xF0hush' for column 'val'", "Incorrect string value: '…"),
            (r#"column "val" is of type json, not "hush""#, r#"column "val" is of type json, not "…"#),
            ("ungültige Eingabesyntax für Typ integer: »hush«", "ungültige Eingabesyntax für Typ integer: »…"),
            ("near „hush“, or 'hush", "near „…"),
            ("an open 'hush", "an open '…"),
            (r#"a text in quotes: ""hush"""#, "a text in quotes: \"…"),
        ] {
            assert_eq!(shown(message), expected);
        }
    }

    #[test]
    fn passwords_do_not_show() {
        for (url, expected) in [
            ("postgres://u:hush@h:5432/db?sslmode=require", "postgres://u:***@h:5432/db?sslmode=require"),
            ("postgres://u:hu@sh@h/db", "postgres://u:***@h/db"),
            ("postgres://u:hu/s?h@h/db", "postgres://u:***@h/db"),
            ("postgres://u:hu#sh:x@h/db", "postgres://u:***@h/db"),
            ("redis://:hush@h:6379/0", "redis://:***@h:6379/0"),
            (
                "mongodb://h/d?authMechanismProperties=AWS_SESSION_TOKEN:hush&tls=true",
                "mongodb://h/d?authMechanismProperties=***&tls=true",
            ),
            ("mongodb://u:hush@h1,h2:2/d?replicaSet=r", "mongodb://u:***@h1,h2:2/d?replicaSet=r"),
            ("postgres:///db?host=/run&password=hush", "postgres:///db?host=/run&password=***"),
            (
                "postgres:///db?user=u&PASSWORD=hush&sslpassword=hush",
                "postgres:///db?user=u&PASSWORD=***&sslpassword=***",
            ),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("sqlite:data/addon.db", "sqlite:data/addon.db"),
            ("memory:", "memory:"),
            ("u:hush@h", "***"),
        ] {
            assert_eq!(redact(url), expected);
        }
    }
}
