//! The classes of mutations. Each function changes a draft whose twin is accepted, and says what it did. The same
//! number makes the same change in every run.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::{aud, exp, iss, kid, nbf, qsh_claim, set_text};
use super::draft::{Actor, Draft, Place, Signer};
use super::guards::Guard;
use crate::support::rng::Rng;
use crate::support::vectors::VECTORS;

pub(super) struct Class {
    pub name: &'static str,
    /// The part of the base requests that their mutations change.
    pub part: &'static str,
    /// Whether the request is changed under an unchanged token, or the token is bound to another request.
    pub of_request: bool,
    /// Whether the guard checks what the class changes.
    pub fits: fn(Guard) -> bool,
    /// The accepted statuses; 503 in addition if the token names a missing key.
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
/// A context JWT is not bound to a request.
const REQUEST: Class = Class { of_request: true, fits: |guard| guard != Guard::Context, mutate: part, ..TOKEN };

pub(super) const CLASSES: &[Class] = &[
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
        // the algorithm of the other type of guard, signed accordingly, instead of two names that are equal here
        (r#""hs256""#, "RS256") => r#""HS256""#,
        (r#""rs256""#, "HS256") => r#""RS256""#,
        (name, _) => name,
    };
    draft.header = format!(r#"{{"typ":"JWT","alg":{name},"kid":"install-key-1"}}"#);
    format!("{name} signed by {:?}", draft.signer)
}

/// Another token of the same type, whose signature is for other claims.
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
                replaced(token, bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
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

/// Another request is sent with the token of its twin.
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
    // a second token with a wrong signature: whichever is checked, the request carries a forged one
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
        // the same member twice, and signed that way
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
            // deeper than any parser follows
            let depth = 200 + rng.below(3000);
            set_text(draft, "context", &format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
            format!("claims {depth} deep {number}")
        }
    }
}
