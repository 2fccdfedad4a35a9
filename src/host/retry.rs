//! When a request is tried again: the host says so, and for how long it wants to be left alone.
//!
//! Source: Atlassian, "Rate limiting" (`Retry-After`, `X-RateLimit-Remaining`, `X-RateLimit-Reset`).

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};

/// Tries at most, the first one included.
pub(super) const ATTEMPTS: u32 = 4;
/// Waiting at most, all in all: a handler's caller does not wait longer.
pub(super) const BUDGET: Duration = Duration::from_secs(10);
/// The first wait where the host names none; it doubles.
const FIRST: Duration = Duration::from_millis(250);

/// How long to wait before the next try; `None`: what came is the answer. `jitter` is from 0 to 1.
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
    match named {
        // a little later than asked, so that many waiters do not come back at one moment
        Some(named) => Some(named + FIRST.mul_f64(jitter)),
        None => Some(FIRST.saturating_mul(1 << attempt.min(8)).mul_f64(0.5 + jitter)),
    }
}

fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A time as Jira writes it, `2026-11-22T16:00:30Z` (seconds may be missing), or seconds since 1970.
fn until(value: &str, now: SystemTime) -> Option<Duration> {
    let seconds = value.parse::<u64>().ok().or_else(|| timestamp(value))?;
    let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn timestamp(value: &str) -> Option<u64> {
    let (date, time) = value.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator| {
        text.split(separator).map(|part| part.split('.').next()?.parse().ok()).collect::<Option<Vec<u64>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year @ 0..=9999, month @ 1..=12, day @ 1..=31], [hour @ 0..=23, minute @ 0..=59, rest @ ..]) =
        (date.as_slice(), time.as_slice())
    else {
        return None;
    };
    // days since 1970 by the proleptic Gregorian calendar, the year beginning in March
    let (year, month) = if *month > 2 { (*year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days =
        (365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1).checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + rest.first().copied().unwrap_or(0).min(60))
}

/// From 0 to 1, by the system's random source.
pub(super) fn jitter() -> f64 {
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
    fn the_host_says_when() {
        assert_eq!(wait_for(429, &[("retry-after", "7")]), Some(7));
        assert_eq!(wait_for(503, &[("retry-after", "Sun, 22 Nov 2026 16:00:09 GMT")]), Some(9));
        assert_eq!(wait_for(429, &[("retry-after", "Sun, 22 Nov 2020 16:00:09 GMT")]), Some(0));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "2026-11-22T16:00:30Z")]), Some(30));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "2026-11-22T16:01Z")]), Some(60));
        assert_eq!(wait_for(429, &[("x-ratelimit-reset", "1795363205")]), Some(5));
        assert_eq!(wait_for(429, &[("retry-after", "soon")]), Some(0), "a wait of our own, below a second");
        assert_eq!(wait_for(429, &[]), Some(0));
        for status in [200, 400, 401, 404, 500, 502] {
            assert_eq!(wait_for(status, &[("retry-after", "7")]), None, "{status}");
        }
    }

    #[test]
    fn without_a_word_of_the_host_waits_double() {
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
    fn times_that_are_none() {
        for text in
            ["", "Z", "2026-13-01T00:00Z", "2026-01-01", "a-b-cTd:eZ", "0-1-1T0:0Z", "9999999999999999999-1-1T0:0Z"]
        {
            assert_eq!(timestamp(text), None, "{text}");
        }
        assert_eq!(timestamp("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(timestamp("2024-02-29T12:00:00.5Z"), Some(1_709_208_000));
    }
}
