//! The retry policy: a request is tried again if the host asks for it, after the time that it names.
//!
//! Source: Atlassian, "Rate limiting" (`Retry-After`, `X-RateLimit-Remaining`, `X-RateLimit-Reset`).

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The most tries, including the first one.
pub(super) const ATTEMPTS: u32 = 4;
/// The longest total wait: a handler's caller does not wait longer.
pub(super) const BUDGET: Duration = Duration::from_secs(10);
/// The first wait if the host names none; it doubles with each try.
const FIRST: Duration = Duration::from_millis(250);

/// How long to wait before the next try; `None`: do not try again. The wait may exceed the budget. `jitter` is from 0
/// to 1.
pub(super) fn wait(
    status: StatusCode,
    headers: &HeaderMap,
    attempt: u32,
    now: SystemTime,
    jitter: f64,
) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let named = text(header::RETRY_AFTER.as_str())
        .and_then(|value| retry_after(value, now))
        .or_else(|| text("x-ratelimit-reset").and_then(|value| until(value, now)));
    let own = FIRST.saturating_mul(1 << attempt.min(8)).mul_f64(0.5 + jitter);
    match named {
        // a little later than asked, so that many waiters do not come back at the same moment; and never sooner than
        // without an answer of the host: four tries at once would help nobody
        Some(named) => Some(named.saturating_add(FIRST.mul_f64(jitter)).max(own)),
        None => Some(own),
    }
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Some(wait) = seconds(value) {
        return Some(wait);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A time in Jira's format, `2026-11-22T16:00:30Z` (seconds may be missing), or seconds since 1970.
fn until(value: &str, now: SystemTime) -> Option<Duration> {
    let since_1970 = seconds(value).or_else(|| timestamp(value).map(Duration::from_secs))?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(since_1970.saturating_sub(now))
}

/// A number of seconds, perhaps with a fraction. A value beyond the range of a duration becomes the longest one.
fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole = whole.parse().map_or(Duration::MAX, Duration::from_secs);
    let fraction = format!("0.{fraction}").parse().ok().and_then(|part| Duration::try_from_secs_f64(part).ok());
    Some(whole.saturating_add(fraction.unwrap_or_default()))
}

/// A time after 1970 in seconds since then. RFC 3339, but for the seconds, which Jira leaves out.
fn timestamp(value: &str) -> Option<u64> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let time = parse(value).or_else(|| parse(&format!("{}:00Z", value.strip_suffix('Z')?)))?;
    u64::try_from(time.unix_timestamp()).ok()
}

/// From 0 to 1, from the system's random source.
pub(crate) fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // without randomness the waits are merely all alike
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for(status: u16, headers: &[(&'static str, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name.parse().unwrap(), value.parse().unwrap());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_363_200); // 2026-11-22T16:00:00Z
        wait(StatusCode::from_u16(status).unwrap(), &map, 0, now, 0.0).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_host_names_the_wait() {
        assert_eq!(wait_for(429, &[("retry-after", "7")]), Some(7));
        assert_eq!(wait_for(503, &[("retry-after", "Sun, 22 Nov 2026 16:00:09 GMT")]), Some(9));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "2026-11-22T16:00:30Z")]), Some(30));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "2026-11-22T16:01Z")]), Some(60));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "2026-11-22T16:00:30.5Z")]), Some(30));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "2026-11-22T18:00:30+02:00")]), Some(30));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "1795363205")]), Some(5));
        assert_eq!(wait_for(429, &[("retry-after", "soon")]), Some(0), "our own wait, below a second");
        assert_eq!(wait_for(429, &[]), Some(0));
        for status in [200, 400, 401, 404, 500, 502] {
            assert_eq!(wait_for(status, &[("retry-after", "7")]), None, "{status}");
        }
    }

    #[test]
    fn a_hostile_time_causes_neither_a_panic_nor_a_burst() {
        let waits = |name: &'static str, value: &str, attempt: u32| {
            let mut headers = HeaderMap::new();
            headers.insert(name.parse().unwrap(), value.parse().unwrap());
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_363_200); // 2026-11-22T16:00:00Z
            let waits = [0.0, 1.0].map(|jitter| wait(StatusCode::TOO_MANY_REQUESTS, &headers, attempt, now, jitter));
            waits.map(|wait| wait.unwrap().as_millis())
        };
        let name = "retry-after";
        // a fraction counts
        for (value, least) in [("1.5", 1500), ("7", 7000), ("7.0", 7000), ("0.75", 750), ("007.25", 7250)] {
            assert_eq!(waits(name, value, 0), [least, least + 250], "{value}");
        }
        // a past, empty or invalid value is ignored
        for value in [
            "0",
            "0.0",
            "0.000000000000000000001",
            "00",
            "-1",
            "-0",
            "+7",
            "1e3",
            "1.5.5",
            "1,5",
            ".5",
            "5.",
            ".",
            "",
            "NaN",
            "inf",
            "infinity",
            "0x10",
            "7s",
            "soon",
            "7 7",
            "1_000",
            "\u{a0}7",
            "Sun, 22 Nov 2020 16:00:09 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Sun, 22 Nov 99999 16:00:09 GMT",
        ] {
            let Ok(_) = value.parse::<header::HeaderValue>() else { continue };
            assert_eq!(waits(name, value, 0), [125, 375], "{value:?}");
            assert_eq!(waits(name, value, 2), [500, 1500], "{value:?}, the third time");
        }
        // a very long wait exceeds the budget, whatever its form
        for value in [
            "11",
            "99999999999",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551615.999999999999",
            "18446744073709551616",
            "9".repeat(300).as_str(),
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            assert!(waits(name, value, 0)[0] > BUDGET.as_millis(), "{value}");
        }
        let name = "x-ratelimit-reset";
        for value in ["0", "-1", "1795363200", "1795363199.9", "2020-01-01T00:00Z", "0000-01-01T00:00Z", "tomorrow"] {
            assert_eq!(waits(name, value, 0), [125, 375], "{value}");
        }
        assert_eq!(waits(name, "1795363201.5", 0), [1500, 1750]);
        for value in ["9223372036854775807", "18446744073709551615", "18446744073709551616", "9999-12-31T23:59:60Z"] {
            assert!(waits(name, value, 0)[0] > BUDGET.as_millis(), "{value}");
        }
    }

    #[test]
    fn without_a_wait_of_the_host_ours_double() {
        let waits = |jitter| {
            (0..4)
                .map(|attempt| {
                    wait(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), attempt, SystemTime::now(), jitter)
                        .unwrap()
                        .as_millis()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(0.5), [250, 500, 1000, 2000]);
        assert_eq!(waits(0.0), [125, 250, 500, 1000]);
    }

    #[test]
    fn invalid_times() {
        for text in
            ["", "Z", "2026-13-01T00:00Z", "2026-01-01", "a-b-cTd:eZ", "0-1-1T0:0Z", "9999999999999999999-1-1T0:0Z"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(timestamp("2024-02-29T12:00:00.5Z"), Some(1_709_208_000));
    }
}
