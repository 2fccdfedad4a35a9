//! The tables of messages list what the framework can say: compared with the texts in its source.

use atlassian_connect_cli::internal::{Message, START, VALIDATOR};

/// The sources of the validator's findings, each from where its texts begin.
const VALIDATOR_SOURCES: [(&str, &str); 7] = [
    (include_str!("../../../atlassian-connect-actix/src/descriptor/check/mod.rs"), ""),
    (include_str!("../../../atlassian-connect-actix/src/descriptor/check/root.rs"), ""),
    (include_str!("../../../atlassian-connect-actix/src/descriptor/check/modules.rs"), ""),
    (include_str!("../../../atlassian-connect-actix/src/descriptor/check/events.rs"), ""),
    (include_str!("../../../atlassian-connect-actix/src/descriptor/mod.rs"), "fn faults("),
    (include_str!("../../../atlassian-connect-actix/src/addon/validation.rs"), ""),
    (include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/findings.rs")), "fn missing_scopes("),
];

/// Parts of findings that follow another text.
const PARTS: [&str; 12] = [
    "did you mean …?",
    "there are …",
    "the scopes are …",
    "the pages are …",
    "… has …",
    "the descriptor has no page",
    "it may be …",
    "it is an event of …",
    "installs that are not signed are refused",
    "unsigned installs are refused",
    "context tokens without \"qsh\": \"context-qsh\" are refused",
    "validateDescriptor: …",
];

/// The string literals with several words in the code of `source`, without comments, attributes and tests. Placeholders
/// become `…`.
fn texts(source: &str, from: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap();
    let (_, source) = source.split_once(from).unwrap();
    let lines = source.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with("#["));
    let code = lines.collect::<Vec<_>>().join("\n");
    literals(&code).into_iter().filter(|text| text.trim().contains(' ')).collect()
}

fn literals(code: &str) -> Vec<String> {
    let (mut found, mut characters) = (Vec::new(), code.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            // a character literal may be a quote
            '\'' if characters.peek() == Some(&'"') => drop(characters.next()),
            '"' => {
                let mut text = String::new();
                while let Some(character) = characters.next().filter(|character| *character != '"') {
                    match (character, characters.peek()) {
                        ('\\', Some('\n')) => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                        ('\\', Some(_)) => text.extend(characters.next()),
                        _ => text.push(character),
                    }
                }
                found.push(without_placeholders(&text));
            }
            _ => {}
        }
    }
    found
}

/// `{{` and `}}` are braces, `{…}` is a placeholder.
fn without_placeholders(text: &str) -> String {
    let text = text.replace("{{{{", "\u{1}").replace("}}}}", "\u{2}");
    let (mut plain, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        let is_placeholder = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '?' | '.'));
        plain.push_str(before);
        plain.push_str(&if is_placeholder { "…".to_owned() } else { format!("{{{name}}}") });
        rest = after;
    }
    plain.push_str(rest);
    plain.replace('\u{1}', "{{").replace('\u{2}', "}}")
}

/// Whether `text` has the parts of `pattern` between its `…` in order, the first at its beginning. Spaces beside `…` do
/// not count, because it may stand for nothing.
fn matches(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…').map(str::trim);
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap()) else { return false };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    pattern.ends_with('…') || rest.is_empty()
}

#[track_caller]
fn assert_complete(texts: &[String], table: &[Message]) {
    for text in texts {
        let is_listed = table.iter().any(|message| matches(text, message.text));
        assert!(is_listed || PARTS.iter().any(|part| matches(text, part)), "no table lists the message {text:?}");
    }
    for message in table {
        assert!(texts.iter().any(|text| matches(text, message.text)), "nothing says {:?}", message.text);
    }
}

#[test]
fn the_validator_says_what_its_table_lists() {
    let mut found: Vec<String> = VALIDATOR_SOURCES.iter().flat_map(|(source, from)| texts(source, from)).collect();
    let schema = include_str!("../../../atlassian-connect-actix/src/descriptor/schema.rs");
    found.extend(texts(schema, "").into_iter().filter(|text| text.contains("by the schema")));
    assert_complete(&found, VALIDATOR);
}

#[test]
fn a_start_fails_with_what_its_table_lists() {
    let mut found = Vec::new();
    for source in [
        include_str!("../../../atlassian-connect-actix/src/addon/mod.rs"),
        include_str!("../../../atlassian-connect-actix/src/descriptor/error.rs"),
    ] {
        let errors = source.lines().map(str::trim).filter(|line| line.starts_with("#[error(\""));
        found.extend(errors.flat_map(literals));
    }
    // errors that only pass on another text
    found.retain(|text| text.chars().any(char::is_alphabetic));
    let builder = include_str!("../../../atlassian-connect-actix/src/addon/builder.rs");
    found.extend(texts(builder, "fn error_rendering("));
    let store = include_str!("../../../atlassian-connect-store/src/error.rs");
    found.extend(texts(store, "impl fmt::Display for StoreError").into_iter().take(2));
    let problems = include_str!("../../../atlassian-connect-actix/src/config/problems.rs");
    found.extend(texts(problems, "impl fmt::Display for ConfigError").into_iter().take(2));
    assert_complete(&found, START);
}

#[test]
fn literals_are_read_as_the_compiler_reads_them() {
    let code = "error(path, \"has \\\"x\\\"\", '\"', format!(\"{{{{a}}}} is {b:?} \\\n   and {{c}}\"))";
    assert_eq!(literals(code), ["has \"x\"", "{{a}} is … and {{c}}"]);
    assert!(matches("has port 1: x", "has port …"));
    assert!(!matches("has port 1: x", "port …") && !matches("a b c", "a … d"));
}
