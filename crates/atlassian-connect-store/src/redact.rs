//! Redacts a store's URL for logs.

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

#[cfg(test)]
mod tests {
    use super::*;

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
