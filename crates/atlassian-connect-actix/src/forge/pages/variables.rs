//! The context variables in a module's URL: `/panel?issue={issue.key}`.

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::context::Identities;
use crate::host::RESERVED;

/// Connect's names that are not the path to the same thing in Forge's words.
///
/// Source: Atlassian, "Context parameters"; Forge's module pages for the other side.
const RENAMED: [(&str, &str); 8] = [
    ("issuetype.id", "issue.typeId"),
    ("page.id", "content.id"),
    ("page.type", "content.type"),
    ("dashboardItem.id", "gadget.id"),
    ("servicedesk.portalId", "portal.id"),
    ("servicedesk.requestId", "request.key"),
    ("servicedesk.requestTypeId", "request.typeId"),
    ("project.typeKey", "project.type"),
];

/// `url` with each `{name}` and `${name}` filled: from the ids that the token names, from the account id for
/// `{user.accountId}`, else with nothing, as Connect does where it has no value.
pub(super) fn fill(url: &str, identities: &Identities<'_>, account_id: Option<&str>) -> String {
    let mut filled = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        filled.push_str(before.strip_suffix('$').unwrap_or(before));
        let value = match name {
            "user.accountId" | "user.id" => account_id.map(str::to_owned),
            name => value(identities, name),
        };
        // a segment that climbs, which no escaping hides from a browser
        let value = value.filter(|value| !matches!(value.as_str(), "." | ".."));
        filled.extend(utf8_percent_encode(&value.unwrap_or_default(), RESERVED));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn value(identities: &Identities<'_>, name: &str) -> Option<String> {
    let name = RENAMED.iter().find(|(connect, _)| *connect == name).map_or(name, |(_, forge)| forge);
    let (thing, member) = name.split_once('.')?;
    match identities.get(thing, member)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_filled_from_what_the_token_names() {
        let extension = json!({
            "issue": { "id": "1", "key": "A-1&x=<b>", "typeId": "7" }, "project": { "id": 2 }, "gadget": { "id": "9" }, "board": { "id": ".." },
        });
        let identities = Identities::of(&extension).unwrap();
        for (url, expected) in [
            ("/plain", "/plain"),
            ("/panel?issue={issue.key}&id=${issue.id}", "/panel?issue=A-1%26x%3D%3Cb%3E&id=1"),
            ("/{project.id}/{issuetype.id}?g={dashboardItem.id}", "/2/7?g=9"),
            ("/x?u={user.accountId}&none={space.key}&odd={odd}", "/x?u=557058%3Amia&none=&odd="),
            ("/p/{board.id}/config", "/p//config"),
            ("/open{brace", "/open{brace"),
            ("/{issue.id", "/{issue.id"),
        ] {
            assert_eq!(fill(url, &identities, Some("557058:mia")), expected, "{url}");
        }
    }
}
