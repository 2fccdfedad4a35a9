//! The classes of mutations. Each function changes a draft whose twin is accepted and says what it did; the same number
//! makes the same change on every run.

use std::sync::Arc;

use atlassian_connect_actix::jwt::{AddonClaims, CONTEXT_QSH, now};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::draft::{Actor, Draft, Place, Signer};
use super::guards::Guard;
use crate::support::rng::Rng;
use crate::support::vectors::VECTORS;

pub struct Class {
    pub name: &'static str,
    /// Which of the base requests are used: those whose mutations change this part.
    pub part: &'static str,
    /// The request is changed under a token that stays, or the token is bound to another request.
    pub of_request: bool,
    /// Whether the guard looks at what the class changes.
    pub fits: fn(Guard) -> bool,
    /// The answers that it may get.
    pub refusals: &'static [u16],
    pub mutate: fn(&mut Draft, usize, &Actor, &mut Rng) -> String,
}

const TOKEN: Class = Class {
    name: "",
    part: "path",
    of_request: false,
    fits: |_| true,
    refusals: &[401],
    mutate: |_, _, _, _| String::new(),
};
/// A context JWT is bound to no request.
const REQUEST: Class = Class { of_request: true, fits: |guard| guard != Guard::Context, mutate: part, ..TOKEN };

pub const CLASSES: &[Class] = &[
    Class { name: "algorithm", mutate: algorithm, ..TOKEN },
    Class { name: "iss", mutate: iss, ..TOKEN },
    Class { name: "aud", mutate: aud, ..TOKEN },
    Class { name: "exp", mutate: exp, ..TOKEN },
    Class { name: "nbf", mutate: nbf, ..TOKEN },
    Class { name: "qsh claim", mutate: qsh_claim, ..TOKEN },
    Class { name: "kid", fits: Guard::is_install, mutate: kid, ..TOKEN },
    Class { name: "signature", mutate: signature, ..TOKEN },
    Class { name: "qsh", of_request: true, mutate: qsh, ..TOKEN },
    Class { name: "path", part: "path", ..REQUEST },
    Class { name: "query", part: "query", ..REQUEST },
    Class { name: "form", part: "form", fits: |guard| guard == Guard::Form, ..REQUEST },
    Class { name: "duplicates", refusals: &[400, 401], mutate: duplicates, ..TOKEN },
    Class { name: "sizes", refusals: &[400, 401, 414, 431], mutate: sizes, ..TOKEN },
];

/// `Guard::is_install` by value, for the table above.
impl Guard {
    fn expected_algorithm(self) -> &'static str {
        if self.is_install() { "RS256" } else { "HS256" }
    }
}

fn algorithm(draft: &mut Draft, i: usize, _: &Actor, _: &mut Rng) -> String {
    const NAMES: [&str; 30] = [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""""#,
        "null",
        "0",
        "true",
        "[]",
        "{}",
        r#""HS384""#,
        r#""HS512""#,
        r#""RS384""#,
        r#""RS512""#,
        r#""PS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
        r#""hs256""#,
        r#""rs256""#,
        r#""HS256 ""#,
        r#"" RS256""#,
        r#""HS256\u0000""#,
        r#""RS256\n""#,
        r#""Hs256""#,
        r#"["HS256"]"#,
        r#"["RS256"]"#,
        r#""HS1""#,
        r#""dir""#,
        r#""A256KW""#,
        r#""\uff28S256""#,
    ];
    const SIGNERS: [Signer; 7] = [
        Signer::Hs256,
        Signer::Rsa,
        Signer::Nobody,
        Signer::PublicKeyAsSecret,
        Signer::Hs512,
        Signer::Hs384,
        Signer::NoSecret,
    ];
    draft.signer = SIGNERS[i / NAMES.len() % SIGNERS.len()];
    let name = match (NAMES[i % NAMES.len()], draft.guard.expected_algorithm()) {
        // the algorithm of the other kind of guard, signed as it says, in place of two that are alike here
        (r#""hs256""#, "RS256") => r#""HS256""#,
        (r#""rs256""#, "HS256") => r#""RS256""#,
        (name, _) => name,
    };
    draft.header = format!(r#"{{"typ":"JWT","alg":{name},"kid":"install-key-1"}}"#);
    format!("{name} signed by {:?}", draft.signer)
}

/// Whether the tenant is found though the issuer is another: its key is the audience then.
fn name_tenant_in_audience(draft: &mut Draft, actor: &Actor, i: usize) -> &'static str {
    if draft.guard.is_install() || !i.is_multiple_of(2) {
        return "";
    }
    draft.claims["aud"] = json!([actor.tenant.client_key]);
    ", aud is the tenant"
}

fn iss(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
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

fn aud(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
    let own = if draft.guard.is_install() { &actor.base_urls[&draft.guard] } else { &actor.tenant.client_key };
    let mut list = vec![
        json!({}),
        json!(7),
        json!([7]),
        json!([[own]]),
        json!(""),
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
            // a trailing slash says nothing
            if text.trim_end_matches('/') != own {
                break if rng.chance(50) { json!(text) } else { json!([text, own]) };
            }
        }
    });
    draft.claims["aud"] = audience;
    format!("aud {}", draft.claims["aud"])
}

fn set_text(draft: &mut Draft, claim: &str, json: &str) {
    draft.claims.as_object_mut().unwrap().shift_remove(claim);
    let rest = draft.claims.to_string();
    let member = if json.is_empty() { String::new() } else { format!(r#","{claim}":{json}"#) };
    draft.claims_text = Some(format!("{}{member}}}", rest.strip_suffix('}').unwrap()));
}

/// What is no time, as JSON.
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

fn exp(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
    // how long ago; a session token has no leeway, which the numbers of its own show
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

fn nbf(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
    let ahead = |seconds: i64| (now() + 40 + seconds).to_string();
    let (json, what) = match i {
        0..=11 => (NO_TIMES[i].to_owned(), NO_TIMES[i].to_owned()),
        12..=14 => {
            let text = ["1e300", "9223372036854775807", "1e17"][i - 12];
            (text.to_owned(), text.to_owned())
        }
        _ => {
            // not near the bound: the test may be slow
            let seconds = i64::try_from(200 + rng.below(2_000_000_000)).unwrap();
            (if rng.chance(30) { ahead(seconds) + ".5" } else { ahead(seconds) }, format!("in {seconds} s"))
        }
    };
    set_text(draft, "nbf", &json);
    format!("nbf {what}")
}

fn qsh_claim(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
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
        // right for one of the other kinds of token, and not for this one
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

fn kid(draft: &mut Draft, i: usize, _: &Actor, rng: &mut Rng) -> String {
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
        // one of three is an id that the key server is asked for
        None if i.is_multiple_of(3) => json!(format!("install-key-{}", rng.next())).to_string(),
        None => json!(rng.mutated("install-key-1")).to_string(),
    };
    draft.header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":{kid}}}"#);
    format!("kid {kid}")
}

/// Another token of the same kind: its signature fits other claims.
fn different(draft: &Draft, actor: &Actor) -> String {
    let mut other = draft.clone();
    other.claims["sub"] = "somebody-else".into();
    other.token(actor)
}

fn signature(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
    let different = different(draft, actor);
    let signature_of = |token: &str| token.rsplit_once('.').unwrap().1.to_owned();
    let replaced = move |token: &str, signature: String| format!("{}.{signature}", token.rsplit_once('.').unwrap().0);
    let signers = [Signer::OtherSecret, Signer::OtherRsa, Signer::NoSecret, Signer::PublicKeyAsSecret, Signer::Nobody];
    let drawn = rng.next();
    let (what, tamper): (String, super::draft::Tamper) = match i {
        0..=4 => {
            draft.signer = signers[i];
            return format!("signed by {:?}", draft.signer);
        }
        5 => ("another token's".into(), Arc::new(move |token| replaced(token, signature_of(&different)))),
        6 => ("another token's claims".into(), Arc::new(move |token| replaced(&different, signature_of(token)))),
        7 => ("zeros".into(), Arc::new(move |token| replaced(token, "A".repeat(signature_of(token).len())))),
        8 => ("padded".into(), Arc::new(|token| format!("{token}="))),
        9 => ("with a space".into(), Arc::new(|token| format!("{token}%20"))),
        10 => (
            "in hexadecimal digits".into(),
            Arc::new(move |token| {
                let bytes = URL_SAFE_NO_PAD.decode(signature_of(token)).unwrap();
                replaced(token, bytes.iter().map(|byte| format!("{byte:02x}")).collect())
            }),
        ),
        11 => (
            "with unused bits set".into(),
            Arc::new(|token| {
                const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let last = ALPHABET.iter().position(|byte| *byte == *token.as_bytes().last().unwrap()).unwrap();
                format!("{}{}", &token[..token.len() - 1], char::from(ALPHABET[last + 1]))
            }),
        ),
        12..=40 => (
            format!("without {} at its end", i - 11),
            Arc::new(move |token| token[..token.len() - (i - 11)].to_owned()),
        ),
        41..=60 => (format!("with {} more", i - 40), Arc::new(move |token| format!("{token}{}", "A".repeat(i - 40)))),
        // one bit of the signature, of the claims, of the header
        _ => {
            let segment = [2, 2, 1, 0][i % 4];
            (format!("a bit of segment {segment}, {drawn}"), Arc::new(move |token| flipped(token, segment, drawn)))
        }
    };
    draft.tamper = Some(tamper);
    format!("signature {what}")
}

/// The token with one bit of one segment's bytes changed.
fn flipped(token: &str, segment: usize, drawn: u64) -> String {
    let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut bytes = URL_SAFE_NO_PAD.decode(&segments[segment]).unwrap();
    let bit = usize::try_from(drawn % u64::try_from(bytes.len() * 8).unwrap()).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    segments[segment] = URL_SAFE_NO_PAD.encode(bytes);
    segments.join(".")
}

/// The token is bound to another request.
fn qsh(draft: &mut Draft, i: usize, _: &Actor, _: &mut Rng) -> String {
    let others: Vec<_> = VECTORS.iter().filter(|vector| vector.qsh != draft.base.qsh).collect();
    let other = others[i % others.len()];
    draft.claims["qsh"] = other.qsh.as_str().into();
    format!("bound to {} {}?{}", other.method, other.path, other.query)
}

/// The request is another one under the token of its twin.
fn part(draft: &mut Draft, i: usize, _: &Actor, _: &mut Rng) -> String {
    let (text, _) = &draft.base.mutated[i % super::GROUP];
    match draft.base.part.as_str() {
        "path" => draft.path.clone_from(text),
        "query" => draft.query.clone_from(text),
        _ => draft.body.clone_from(text),
    }
    format!("{} {} for {:?}", draft.base.part, text, (&draft.base.path, &draft.base.query, &draft.base.form))
}

fn duplicates(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
    // a second token whose signature is wrong: whichever is looked at, the request carries one that nobody signed
    let forged = flipped(&draft.token(actor), 2, rng.next());
    let named = rng.pick(&["jwt", "%6Awt", "j%77t", "jw%74", "%6a%77%74"]);
    let (place, carried) = match draft.place {
        Place::Query | Place::Form => (draft.place, format!("{named}={forged}")),
        Place::Authorization => {
            (Place::Authorization, format!("{}: JWT {forged}\r\n", rng.pick(&["Authorization", "authorization"])))
        }
        Place::Acpt => (Place::Acpt, format!("{}: {forged}\r\n", rng.pick(&["X-acpt", "x-ACPT"]))),
    };
    match i % 6 {
        0 | 1 => {
            draft.further = vec![(place, carried)];
            format!("two tokens in one place, {named} {forged}")
        }
        2 if draft.guard == Guard::Form && matches!(draft.place, Place::Query | Place::Form) => {
            let other = if draft.place == Place::Query { Place::Form } else { Place::Query };
            draft.further = vec![(other, format!("{named}={forged}"))];
            format!("one in the query, one in the form: {named} {forged}")
        }
        // the same member twice, and signed so
        2..=4 => {
            let members = ["exp", "iss", "aud", "qsh", "sub", "nbf", "iat", "use"];
            let member = rng.pick(&members);
            let value = rng.pick(&["null", "\"x\"", "9999999999", "[]", "{}", "\"context-qsh\""]);
            let text = draft.claims.to_string();
            let first = draft.claims.get(member).map_or_else(|| format!(r#""{member}":{value},"#), |_| String::new());
            let (front, number) = (rng.chance(50), rng.next());
            let twice = if front {
                format!(r#"{{"{member}":{value},{first}"n":{number},{}"#, &text[1..])
            } else {
                format!(r#"{},{first}"n":{number},"{member}":{value}}}"#, text.strip_suffix('}').unwrap())
            };
            draft.claims_text = Some(twice);
            format!("claim {member} twice, {value} {number}")
        }
        _ => {
            let member = rng.pick(&["alg", "kid"]);
            let value = rng.pick(&["\"none\"", "\"HS256\"", "\"RS256\"", "null", "\"install-key-1\""]);
            let number = rng.next();
            draft.header = format!(
                r#"{{"alg":"{}","kid":"install-key-1","n":{number},"{member}":{value}}}"#,
                draft.guard.expected_algorithm()
            );
            format!("header {member} twice, {value} {number}")
        }
    }
}

fn sizes(draft: &mut Draft, i: usize, actor: &Actor, rng: &mut Rng) -> String {
    let number = rng.below(1_000_000);
    match i % 6 {
        0 | 1 => {
            let length = 16 * 1024 + rng.below(if draft.place == Place::Query { 20_000 } else { 40_000 });
            draft.claims["padding"] = "x".repeat(length).into();
            format!("a token of more than {length} bytes")
        }
        2 => {
            let length = 256 + rng.below(4000);
            draft.claims["iss"] = "k".repeat(length).into();
            format!("iss of {length} characters")
        }
        3 => {
            let mut segments: Vec<String> = draft.token(actor).split('.').map(str::to_owned).collect();
            let count = [0, 1, 2, 4, 5, 9, 40, 400][i / 6 % 8];
            segments.resize_with(count, || format!("{number}"));
            let text = segments.join(".");
            draft.tamper = Some(Arc::new(move |_| text.clone()));
            format!("{count} segments {number}")
        }
        4 => {
            let (segment, length) = (rng.below(3), rng.below(50));
            draft.tamper = Some(Arc::new(move |token| {
                let mut segments: Vec<&str> = token.split('.').collect();
                segments[segment] = &segments[segment][..length.min(segments[segment].len() - 1)];
                segments.join(".")
            }));
            format!("segment {segment} of {length} characters {number}")
        }
        _ => {
            // deeper than any reader follows
            let depth = 200 + rng.below(3000);
            set_text(draft, "context", &format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
            format!("claims {depth} deep {}", AddonClaims::SESSION)
        }
    }
}
