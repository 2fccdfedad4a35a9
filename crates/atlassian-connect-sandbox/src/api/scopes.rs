//! Checks what the descriptor's scopes allow the add-on at the host.
//!
//! Source: Atlassian, "Scopes for Connect apps": each of these implies those before it.

use serde_json::Value;

/// In ascending order: each scope implies those before it.
const LADDER: [&str; 5] = ["READ", "WRITE", "DELETE", "PROJECT_ADMIN", "ADMIN"];

/// The scopes in a descriptor, and those that they imply, in upper case.
pub(crate) fn of(descriptor: &Value) -> Vec<&'static str> {
    let named = descriptor.get("scopes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    implied(&named.iter().filter_map(Value::as_str).collect::<Vec<_>>())
}

/// The rights of a token that was requested with `scope`: upper-case names, separated by spaces.
pub(super) fn of_token(scope: &str) -> Vec<&'static str> {
    implied(&scope.split(' ').collect::<Vec<_>>())
}

fn implied(named: &[&str]) -> Vec<&'static str> {
    let has = |scope: &str| named.iter().any(|name| name.eq_ignore_ascii_case(scope));
    let highest = LADDER.iter().rposition(|scope| has(scope) || (*scope == "PROJECT_ADMIN" && has("SPACE_ADMIN")));
    let mut scopes: Vec<&'static str> = highest.map_or(Vec::new(), |highest| LADDER[..=highest].to_vec());
    if has("ACT_AS_USER") {
        scopes.push("ACT_AS_USER");
    }
    scopes
}

/// The scope that a request needs. Queries sent by POST only read.
pub(crate) fn needed(method: &str, path: &str) -> &'static str {
    let asks = ["/permissions/check", "/permission/check", "/search", "/search/jql", "/expression/eval", "/users-bulk"];
    match method {
        "GET" | "HEAD" => "READ",
        "POST" if asks.iter().any(|question| path.ends_with(question)) => "READ",
        "DELETE" => "DELETE",
        _ => "WRITE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_scope_implies_those_below_it() {
        for (named, expected) in [
            (json!(["READ"]), vec!["READ"]),
            (json!(["write", "act_as_user"]), vec!["READ", "WRITE", "ACT_AS_USER"]),
            (json!(["ADMIN"]), LADDER.to_vec()),
            (json!([]), vec![]),
            (json!("READ"), vec![]),
        ] {
            assert_eq!(of(&json!({ "scopes": named })), expected, "{named}");
        }
        assert_eq!(of_token("ACT_AS_USER WRITE"), ["READ", "WRITE", "ACT_AS_USER"]);
    }

    #[test]
    fn the_method_says_what_is_needed() {
        assert_eq!(needed("GET", "/rest/api/3/myself"), "READ");
        assert_eq!(needed("POST", "/rest/api/3/permissions/check"), "READ");
        assert_eq!(needed("POST", "/rest/api/3/issue"), "WRITE");
        assert_eq!(needed("PUT", "/rest/api/3/issue/1/properties/x"), "WRITE");
        assert_eq!(needed("DELETE", "/rest/api/3/issue/1"), "DELETE");
    }
}
