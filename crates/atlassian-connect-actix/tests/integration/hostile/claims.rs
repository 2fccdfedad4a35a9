//! The classes of mutations that change one claim or the key id, and sign again.

use atlassian_connect_actix::internal::jwt::{CONTEXT_QSH, now};
use serde_json::{Value, json};

use super::draft::{Actor, Draft};
use super::guards::Guard;
use crate::support::rng::Rng;

/// Whether the tenant is found although the issuer is another: its key is then the audience.
fn name_tenant_in_audience(draft: &mut Draft, actor: &Actor, i: usize) -> &'static str {
    if draft.guard.is_install() || !i.is_multiple_of(2) {
        return "";
    }
    draft.claims["aud"] = json!([actor.tenant.client_key]);
    ", aud is the tenant"
}

pub(super) fn iss(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
    let own = draft.claims["iss"].as_str().unwrap().to_owned();
    let found = name_tenant_in_audience(draft, actor, i);
    // each of them with and without the audience
    let issuer = match if draft.guard.is_install() { i } else { i / 2 } {
        0 => Value::Null,
        1 => json!([own]),
        2 => json!({ "$ne": null }),
        3 => json!(7),
        4 => json!(""),
        5 => json!(actor.other.client_key),
        6 if !draft.is_session => json!(actor.addon_key),
        7 => json!(format!("urn:atlassian:connect:clientid:{own}")),
        8 => json!("*"),
        9 => json!(format!("{own},{}", actor.other.client_key)),
        10 => json!(own.repeat(40)),
        _ => json!(rng.mutated(&own)),
    };
    draft.claims["iss"] = issuer;
    format!("iss {}{found}", draft.claims["iss"])
}

pub(super) fn aud(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
    let own = if draft.guard.is_install() { &actor.base_urls[&draft.guard] } else { &actor.tenant.client_key };
    let mut list = vec![
        json!({}),
        json!(7),
        json!([7]),
        json!([[own]]),
        json!([""]),
        json!(["", own]),
        json!([null, own]),
        json!(true),
        json!(actor.other.client_key),
        json!([actor.other.client_key, own]),
        json!(actor.addon_key),
        json!([actor.addon_key, own]),
        json!("https://oauth-2-authorization-server.services.atlassian.com"),
        json!(["*"]),
        json!("\0"),
        json!(own.repeat(20)),
    ];
    if draft.guard.is_install() {
        list.extend([
            Value::Null,
            json!(""),
            json!([]),
            json!(own.replace("http:", "https:")),
            json!(format!("{own}//")),
            json!(format!("{own}/r")),
            json!(format!("{own}?")),
            json!(format!("{own}#")),
            json!(own.replace("127.0.0.1", "localhost")),
            json!(own.replace("127.0.0.1", "127.1")),
            json!(own.replace("//", "//user@")),
            json!("http://127.0.0.1"),
            json!(["https://other.example", own]),
            json!(actor.tenant.base_url),
            json!(actor.tenant.client_key),
        ]);
    } else {
        list.extend([json!(actor.tenant.base_url), json!([actor.base_urls[&draft.guard]])]);
    }
    let audience = list.get(i).cloned().unwrap_or_else(|| {
        loop {
            let text = rng.mutated(own);
            // a trailing slash has no meaning
            if text.trim_end_matches('/') != own {
                break if rng.chance(50) { json!(text) } else { json!([text, own]) };
            }
        }
    });
    draft.claims["aud"] = audience;
    format!("aud {}", draft.claims["aud"])
}

pub(super) fn set_text(draft: &mut Draft, claim: &str, json: &str) {
    draft.claims.as_object_mut().unwrap().shift_remove(claim);
    let rest = draft.claims.to_string();
    let member = if json.is_empty() { String::new() } else { format!(r#","{claim}":{json}"#) };
    draft.claims_text = Some(format!("{}{member}}}", rest.strip_suffix('}').unwrap()));
}

/// JSON values that are not a time.
const NO_TIMES: [&str; 12] = [
    "\"9999999999\"",
    "true",
    "false",
    "[]",
    "[9999999999]",
    "{}",
    "\"\"",
    "\"never\"",
    "\"Infinity\"",
    "1e999",
    "-",
    "NaN",
];

pub(super) fn exp(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
    // how long ago; a session token has no leeway, which its own numbers show
    let leeway = if draft.is_session { 0 } else { 31 };
    let ago = |seconds: i64| (now() - leeway - seconds).to_string();
    let (json, what) = match i {
        0 => (String::new(), "no exp".to_owned()),
        1..=9 => {
            let text = ["null", "0", "-1", "0.999", "-1e300", "1e-300", "-9223372036854775808", "1", "-0"][i - 1];
            (text.to_owned(), text.to_owned())
        }
        10..=21 => (NO_TIMES[i - 10].to_owned(), NO_TIMES[i - 10].to_owned()),
        22..=60 => (ago(i64::try_from(i).unwrap() - 22), format!("{} s ago", i - 22)),
        _ => {
            let seconds = i64::try_from(rng.below(2_000_000_000)).unwrap();
            (if rng.chance(30) { ago(seconds) + ".25" } else { ago(seconds + 1) }, format!("{seconds} s ago"))
        }
    };
    set_text(draft, "exp", &json);
    format!("exp {what}")
}

pub(super) fn nbf(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
    let ahead = |seconds: i64| (now() + 40 + seconds).to_string();
    let (json, what) = match i {
        0..=11 => (NO_TIMES[i].to_owned(), NO_TIMES[i].to_owned()),
        12..=14 => {
            let text = ["1e300", "9223372036854775807", "1e17"][i - 12];
            (text.to_owned(), text.to_owned())
        }
        _ => {
            // not near the limit: the test may be slow
            let seconds = i64::try_from(200 + rng.below(2_000_000_000)).unwrap();
            (if rng.chance(30) { ahead(seconds) + ".5" } else { ahead(seconds) }, format!("in {seconds} s"))
        }
    };
    set_text(draft, "nbf", &json);
    format!("nbf {what}")
}

pub(super) fn qsh_claim(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
    let right = draft.base.qsh.as_str();
    let bound = draft.claims["qsh"].as_str().unwrap_or(right).to_owned();
    let hash = match i {
        0 if !draft.is_session => None,
        1 => Some(json!("")),
        2 => Some(json!([right])),
        3 => Some(json!({})),
        4 => Some(json!(7)),
        5 => Some(json!(true)),
        6 => Some(json!(right.to_uppercase())),
        7 => Some(json!(CONTEXT_QSH.to_uppercase())),
        8 => Some(json!(format!("{CONTEXT_QSH} "))),
        9 => Some(json!(format!("{CONTEXT_QSH}\0"))),
        10 => Some(json!(format!("{right}{right}"))),
        11 => Some(json!("0".repeat(64))),
        12 => Some(json!("*")),
        // right for another type of token, but not for this one
        13 if draft.guard != Guard::Context && (draft.is_session || draft.guard != Guard::Token) => {
            Some(json!(CONTEXT_QSH))
        }
        14 if draft.is_session || draft.guard == Guard::Context => Some(json!(right)),
        15..=77 => Some(json!(right[..i - 14])),
        _ => Some(json!(rng.mutated(if i.is_multiple_of(2) { &bound } else { right }))),
    };
    let what = format!("qsh {hash:?}");
    match hash {
        Some(hash) => draft.claims["qsh"] = hash,
        None => {
            draft.claims.as_object_mut().unwrap().shift_remove("qsh");
        }
    }
    what
}

pub(super) fn kid(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
    let fixed = [
        "null",
        "7",
        "[]",
        "{}",
        "true",
        r#"["install-key-1"]"#,
        r#""""#,
        r#"".""#,
        r#""..""#,
        r#""install-key-1/""#,
        r#""../keys/install-key-1""#,
        r#""./install-key-1""#,
        r#""install-key-1?x""#,
        r#""install-key-1#""#,
        r#""install%2Dkey-1""#,
        r#""install-key-1\u0000""#,
        r#""install-key-1\r\nX: y""#,
        r#""@127.0.0.1/keys/install-key-1""#,
        r#""http://127.0.0.1/install-key-1""#,
        r#""..\\install-key-1""#,
    ];
    let kid = match fixed.get(i) {
        Some(kid) => (*kid).to_owned(),
        None if i == fixed.len() => json!("k".repeat(129)).to_string(),
        // one of three is an id that is requested from the key server
        None if i.is_multiple_of(3) => json!(format!("install-key-{}", rng.next())).to_string(),
        None => json!(rng.mutated("install-key-1")).to_string(),
    };
    draft.header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":{kid}}}"#);
    format!("kid {kid}")
}
