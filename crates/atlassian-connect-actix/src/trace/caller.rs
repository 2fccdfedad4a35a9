//! What a caller says of its own trace, in the headers of W3C and of B3, and the same headers for requests of the
//! add-on.
//!
//! Anybody can send these headers. They name a trace and a span, nothing else is taken from them; a header that does not
//! have the exact form, or that is there twice, is ignored.
//!
//! Source: W3C, "Trace Context"; the repository openzipkin/b3-propagation; Atlassian, "Forge Remote essentials" (B3 in
//! several headers).

use std::str::FromStr as _;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const B3: &str = "b3";
const B3_TRACE: &str = "x-b3-traceid";
const B3_SPAN: &str = "x-b3-spanid";
const B3_SAMPLED: &str = "x-b3-sampled";
/// A longer header is ignored, in bytes: later versions of `traceparent` may have more parts.
const LONGEST: usize = 128;
/// A longer `tracestate` is left out, in bytes. W3C wants at least this.
const LONGEST_STATE: usize = 512;

/// The span of a caller.
#[derive(Debug, PartialEq)]
pub(super) struct Caller {
    /// It is marked as sampled unless the caller says that it is not.
    pub(super) span: SpanContext,
    /// The form of B3 that the caller speaks.
    pub(super) b3: Option<B3Form>,
}

/// How B3 is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum B3Form {
    /// `b3: trace-span-sampled`.
    Single,
    /// `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled`.
    Several,
}

impl Caller {
    /// The caller's span, of `traceparent` first, then of `b3`, then of `x-b3-…`.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let (single, several) = (single_b3(headers), several_b3(headers));
        let b3 = match (&single, &several) {
            (Some(_), _) => Some(B3Form::Single),
            (None, Some(_)) => Some(B3Form::Several),
            (None, None) => None,
        };
        let span = w3c(headers).or(single).or(several)?;
        Some(Self { span, b3 })
    }
}

/// Adds the headers that name `span`. A header that the app has set itself stays.
pub(super) fn announce(span: &SpanContext, b3: Option<B3Form>, headers: &mut HeaderMap) {
    if !span.is_valid() || [TRACEPARENT, TRACESTATE, B3, B3_TRACE].iter().any(|name| headers.contains_key(*name)) {
        return;
    }
    let (trace, id, sampled) = (span.trace_id(), span.span_id(), u8::from(span.is_sampled()));
    let mut add = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    add(TRACEPARENT, format!("00-{trace}-{id}-{sampled:02x}"));
    let state = span.trace_state().header();
    if !state.is_empty() {
        add(TRACESTATE, state);
    }
    match b3 {
        None => {}
        Some(B3Form::Single) => add(B3, format!("{trace}-{id}-{sampled}")),
        Some(B3Form::Several) => {
            add(B3_TRACE, trace.to_string());
            add(B3_SPAN, id.to_string());
            add(B3_SAMPLED, sampled.to_string());
        }
    }
}

/// A header that is there once.
fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok().filter(|value| value.len() <= LONGEST)
}

fn w3c(headers: &HeaderMap) -> Option<SpanContext> {
    let parent = once(headers, TRACEPARENT)?;
    let is_lower = parent.bytes().all(|byte| !byte.is_ascii_uppercase());
    let mut parts = parent.split('-');
    let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_version = hex(version, &[2]) && version != "ff" && (version != "00" || parts.next().is_none());
    if !is_lower || !is_version || !hex(trace, &[32]) || !hex(flags, &[2]) {
        return None;
    }
    let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    span_of(trace, span, is_sampled, state(headers))
}

/// The state that goes with the trace, for the next server. It is left out if it is not valid, or too long.
fn state(headers: &HeaderMap) -> TraceState {
    let mut whole = String::new();
    for value in headers.get_all(TRACESTATE) {
        let Ok(value) = value.to_str() else { return TraceState::default() };
        if whole.len() + value.len() >= LONGEST_STATE {
            return TraceState::default();
        }
        if !whole.is_empty() {
            whole.push(',');
        }
        whole.push_str(value);
    }
    // a member without a key, which the parser lets pass
    if whole.split(',').any(|member| member.trim_start().starts_with('=')) {
        return TraceState::default();
    }
    TraceState::from_str(&whole).unwrap_or_default()
}

fn single_b3(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parts = once(headers, B3)?.split('-');
    let (trace, span, sampled, parent) = (parts.next()?, parts.next()?, parts.next(), parts.next());
    if parts.next().is_some() || !sampled.is_none_or(|sampled| matches!(sampled, "0" | "1" | "d")) {
        return None;
    }
    let is_parent = parent.is_none_or(|parent| hex(parent, &[16]));
    span_of(trace, span, sampled != Some("0"), TraceState::default()).filter(|_| is_parent)
}

fn several_b3(headers: &HeaderMap) -> Option<SpanContext> {
    let (trace, span) = (once(headers, B3_TRACE)?, once(headers, B3_SPAN)?);
    let is_sampled = !matches!(once(headers, B3_SAMPLED), Some("0" | "false"));
    span_of(trace, span, is_sampled, TraceState::default())
}

/// B3's trace ids may have 16 digits, which are the last ones of the whole id.
fn span_of(trace: &str, span: &str, is_sampled: bool, state: TraceState) -> Option<SpanContext> {
    if !hex(trace, &[16, 32]) || !hex(span, &[16]) {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    Some(SpanContext::new(trace, span, flags, true, state)).filter(SpanContext::is_valid)
}

fn hex(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_str(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// `trace-span-sampled form` of what is read, or nothing.
    fn read(pairs: &[(&str, &str)]) -> String {
        Caller::read(&headers(pairs)).map_or_else(String::new, |Caller { span, b3 }| {
            assert!(span.is_remote());
            format!("{}-{}-{} {b3:?}", span.trace_id(), span.span_id(), u8::from(span.is_sampled()))
        })
    }

    #[test]
    fn a_trace_of_w3c_is_read() {
        let whole = |sampled: u8| format!("{TRACE}-{SPAN}-{sampled} None");
        for (value, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), 1),
            (format!("00-{TRACE}-{SPAN}-00"), 0),
            (format!("00-{TRACE}-{SPAN}-03"), 1),
            (format!("cc-{TRACE}-{SPAN}-01"), 1),
            (format!("cc-{TRACE}-{SPAN}-01-what-comes-later"), 1),
        ] {
            assert_eq!(read(&[("traceparent", &value)]), whole(sampled), "{value}");
        }
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "00".to_owned(),
            TRACE.to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{}-{SPAN}-01", &TRACE[16..]),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-+{}-{SPAN}-01", &TRACE[1..]),
            format!(" 00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-{}", "x".repeat(LONGEST)),
        ] {
            assert_eq!(read(&[("traceparent", &bad)]), "", "{bad}");
        }
        let good = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(read(&[("traceparent", &good), ("traceparent", &good)]), "", "there twice");
    }

    #[test]
    fn a_trace_of_b3_is_read() {
        for (value, expected) in [
            (format!("{TRACE}-{SPAN}"), format!("{TRACE}-{SPAN}-1 Some(Single)")),
            (format!("{TRACE}-{SPAN}-1"), format!("{TRACE}-{SPAN}-1 Some(Single)")),
            (format!("{TRACE}-{SPAN}-d"), format!("{TRACE}-{SPAN}-1 Some(Single)")),
            (format!("{TRACE}-{SPAN}-0-05e3ac9a4f6e3b90"), format!("{TRACE}-{SPAN}-0 Some(Single)")),
            (format!("{}-{SPAN}", &TRACE[16..]), format!("{:0>32}-{SPAN}-1 Some(Single)", &TRACE[16..])),
            ("0".to_owned(), String::new()),
            ("d".to_owned(), String::new()),
            (format!("{TRACE}-{SPAN}-2"), String::new()),
            (format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b9"), String::new()),
            (format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90-1"), String::new()),
            (format!("{TRACE}-{TRACE}-1"), String::new()),
            (format!("{}-{SPAN}-1", "0".repeat(16)), String::new()),
        ] {
            assert_eq!(read(&[("b3", &value)]), expected, "{value}");
        }
        let ids: [(&str, &str); 2] = [("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN)];
        let with = |name, value| read(&[ids[0], ids[1], (name, value)]);
        let whole = |sampled: u8| format!("{TRACE}-{SPAN}-{sampled} Some(Several)");
        assert_eq!(read(&ids), whole(1), "as Atlassian sends it");
        for (sampled, expected) in [("1", 1), ("true", 1), ("0", 0), ("false", 0), ("maybe", 1)] {
            assert_eq!(with("X-B3-Sampled", sampled), whole(expected), "{sampled}");
        }
        assert_eq!(with("x-b3-traceid", TRACE), "", "there twice");
        for bad in [&ids[..1], &ids[1..], &[("x-b3-traceid", "x"), ids[1]], &[ids[0], ("x-b3-spanid", TRACE)]] {
            assert_eq!(read(bad), "", "{bad:?}");
        }
    }

    #[test]
    fn w3c_goes_before_b3_which_is_answered_in_its_form() {
        let other = "a".repeat(32);
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let b3 = [("x-b3-traceid", &*other), ("x-b3-spanid", SPAN)];
        assert_eq!(read(&[("traceparent", &parent), b3[0], b3[1]]), format!("{TRACE}-{SPAN}-1 Some(Several)"));
        assert_eq!(read(&[("traceparent", "bad"), b3[0], b3[1]]), format!("{other}-{SPAN}-1 Some(Several)"));
        let single = format!("{TRACE}-{SPAN}-0");
        assert_eq!(read(&[("b3", &single), b3[0], b3[1]]), format!("{TRACE}-{SPAN}-0 Some(Single)"));
        assert_eq!(read(&[]), "");
    }

    #[test]
    fn the_state_of_a_trace_is_bounded() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let state = |values: &[&str]| {
            let mut pairs = vec![("traceparent", &*parent)];
            pairs.extend(values.iter().map(|value| ("tracestate", *value)));
            Caller::read(&headers(&pairs)).unwrap().span.trace_state().header()
        };
        assert_eq!(state(&["a=1,b=2"]), "a=1,b=2");
        assert_eq!(state(&["a=1", "b=2"]), "a=1,b=2");
        for bad in ["", "a", "A=1", "a=1,=", &format!("a={}", "x".repeat(300)), &"a=1,".repeat(200)] {
            assert_eq!(state(&[bad]), "", "{bad}");
        }
        assert_eq!(read(&[("tracestate", "a=1")]), "", "without a trace");
    }

    #[test]
    fn a_span_is_announced_as_it_is_read() {
        for sampled in ["0", "1"] {
            let parent = format!("00-{TRACE}-{SPAN}-0{sampled}");
            let single = format!("{TRACE}-{SPAN}-{sampled}");
            for sent in [
                vec![("traceparent", &*parent)],
                vec![("traceparent", &*parent), ("tracestate", "a=1")],
                vec![("traceparent", &*parent), ("b3", &*single)],
                vec![
                    ("traceparent", &*parent),
                    ("x-b3-traceid", TRACE),
                    ("x-b3-spanid", SPAN),
                    ("x-b3-sampled", sampled),
                ],
            ] {
                let sent = headers(&sent);
                let Caller { span, b3 } = Caller::read(&sent).unwrap();
                let mut again = HeaderMap::new();
                announce(&span, b3, &mut again);
                let shown = |headers: &HeaderMap| {
                    let mut shown: Vec<_> = headers.iter().map(|pair| format!("{pair:?}")).collect();
                    shown.sort();
                    shown
                };
                assert_eq!(shown(&again), shown(&sent));
            }
        }
        let span = Caller::read(&headers(&[("b3", &format!("{TRACE}-{SPAN}-1"))])).unwrap().span;
        for own in ["traceparent", "b3", "x-b3-traceid", "tracestate"] {
            let mut headers = headers(&[(own, "the app's own")]);
            announce(&span, Some(B3Form::Several), &mut headers);
            assert_eq!((headers.len(), headers.get(own).unwrap().to_str().unwrap()), (1, "the app's own"));
        }
        let mut none = HeaderMap::new();
        announce(&SpanContext::empty_context(), None, &mut none);
        assert!(none.is_empty());
    }
}
