//! When to come back, as an upstream says it: seconds, milliseconds, HTTP dates, the reset times
//! of rate limits, Google's `RetryInfo`, the headers within OpenRouter's bodies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

/// The longest wait that is passed on: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait that a refusal asks for; none where it says nothing that can be read.
///
/// Headers come first, in the order of how precise they are: milliseconds (OpenAI, Azure), then
/// `Retry-After` (RFC 9110, section 10.2.3: seconds or a date), then the body's `retryDelay`
/// (Google's `RetryInfo`). The reset times of limits count on 429 only, and only of a limit that
/// is used up; the longest of those holds.
pub(super) fn wait(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = |name: &str| number(text(name)?).map(|n| n / 1e3);
    let lines = || headers.get_all(RETRY_AFTER).iter();
    let told = millis("retry-after-ms")
        .or_else(|| millis("x-ms-retry-after-ms"))
        .or_else(|| {
            // Where a proxy on the way has added its own, the longest holds.
            let waits = lines().filter_map(|line| retry_after(line.to_str().ok()?, now));
            waits.reduce(f64::max)
        })
        .or_else(|| retry_delay(body));
    let seconds = match told {
        Some(seconds) => seconds,
        None if status == StatusCode::TOO_MANY_REQUESTS => {
            reset(headers, now).or_else(|| passed_on(body, now))?
        }
        None => return None,
    };
    Some(Duration::from_secs_f64(
        seconds.clamp(0.0, LONGEST.as_secs_f64()),
    ))
}

fn number(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// A `Retry-After`: seconds or a date, and what else is sent under this name: a time, a duration
/// with a unit, several of them in one line.
fn retry_after(text: &str, now: SystemTime) -> Option<f64> {
    let text = text.trim();
    if let Ok(at) = httpdate::parse_http_date(text) {
        return Some(until(at, now));
    }
    let waits = text.split(',').map(str::trim);
    // A part that can't be read makes the whole unreadable: it may be the one that counts.
    let waits: Option<Vec<f64>> = waits.map(|wait| reset_time(wait, now)).collect();
    waits?.into_iter().reduce(f64::max)
}

fn until(at: SystemTime, now: SystemTime) -> f64 {
    // What is past may be tried at once.
    at.duration_since(now).unwrap_or_default().as_secs_f64()
}

/// `"retryDelay": "34.07s"` of `google.rpc.RetryInfo`.
fn retry_delay(body: &[u8]) -> Option<f64> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    // Streaming methods wrap their errors in an array.
    let error = value.get(0).unwrap_or(&value).get("error")?;
    error.get("details")?.as_array()?.iter().find_map(|detail| {
        let delay = detail.get("retryDelay")?.as_str()?;
        number(delay.strip_suffix('s')?)
    })
}

/// What OpenRouter puts into the body of a refusal: the headers of its own limit, or of the provider
/// behind it.
fn passed_on(body: &[u8], now: SystemTime) -> Option<f64> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let headers = value.get("error")?.get("metadata")?.get("headers")?;
    let text = |wanted: &str| {
        let mut headers = headers.as_object()?.iter();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        let text = value.as_str().map(str::to_owned);
        text.or_else(|| value.as_number().map(ToString::to_string))
    };
    let waits = text("retry-after").and_then(|wait| retry_after(&wait, now));
    waits.or_else(|| reset_time(&text("x-ratelimit-reset")?, now))
}

/// The reset of every limit that has nothing left: OpenAI's `1m2.5s`, Anthropic's RFC 3339, and
/// the seconds or epoch of others.
///
/// Vendors name their limits as they like (`x-ratelimit-reset-tokens-minute`,
/// `anthropic-ratelimit-input-tokens-reset`); what is left of a limit has the same name with
/// `remaining`, or its `status` says whether it is used up.
fn reset(headers: &HeaderMap, now: SystemTime) -> Option<f64> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let named = headers.keys().filter_map(|name| {
        let name = name.as_str();
        if !(name.contains("ratelimit") || name.contains("rate-limit")) {
            return None;
        }
        let (before, after) = name.split_once("reset")?;
        let of = |what: &str| text(&format!("{before}{what}{after}"));
        let used_up = match (of("remaining"), of("status")) {
            (Some(left), _) => number(left).is_none_or(|left| left < 1.0),
            (None, Some(status)) => status == "rejected",
            // A limit that says nothing of what is left may be the one that is used up.
            (None, None) => true,
        };
        used_up.then(|| reset_time(text(name)?, now)).flatten()
    });
    named.chain(draft(headers, now)).reduce(f64::max)
}

/// The waits of the IETF's draft header, such as Hugging Face's: `RateLimit: "api";r=0;t=51`, and as
/// its earlier versions had it: `limit=10, remaining=0, reset=51`.
fn draft(headers: &HeaderMap, now: SystemTime) -> impl Iterator<Item = f64> {
    let lines = headers.get_all("ratelimit").iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let limits = lines.flat_map(|line| {
        let apart = line.contains(';').then_some(',');
        // Of an earlier version, a line is one limit.
        line.split(move |c| Some(c) == apart)
    });
    limits.filter_map(move |limit| {
        let parameter = |names: [&str; 2]| {
            let mut pairs = limit.split([';', ',']).filter_map(|p| p.split_once('='));
            pairs.find_map(|(name, value)| {
                let wanted = names.contains(&name.trim());
                wanted.then(|| value.trim())
            })
        };
        let left = parameter(["r", "remaining"]).and_then(number);
        let used_up = left.is_none_or(|left| left < 1.0);
        let wait = parameter(["t", "reset"]).filter(|_| used_up)?;
        reset_time(wait, now)
    })
}

/// A wait in seconds, or a time as seconds since 1970 or finer, or in RFC 3339, or a duration.
fn reset_time(text: &str, now: SystemTime) -> Option<f64> {
    /// Larger numbers are times, not waits: 2001 in seconds since 1970.
    const EPOCH: f64 = 1e9;
    if let Some(number) = number(text) {
        // Seconds, milliseconds, microseconds, nanoseconds. As plain numbers: what an upstream sends
        // may be beyond all that a clock can hold.
        let units = [1e9, 1e6, 1e3, 1.0];
        let unit = units.into_iter().find(|unit| number >= EPOCH * unit);
        let Some(unit) = unit else {
            return Some(number);
        };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        return Some((number / unit - now.as_secs_f64()).max(0.0));
    }
    if let Ok(at) = humantime::parse_rfc3339_weak(text.trim_end_matches('Z')) {
        return Some(until(at, now));
    }
    duration(text)
}

/// Go's form of a duration: `6m0s`, `1.5s`, `20ms`.
fn duration(text: &str) -> Option<f64> {
    let (mut rest, mut sum) = (text, 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let value = number(&rest[..digits])?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        sum += value
            * match &rest[..unit] {
                "d" => 86_400.0,
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn told(headers: &[(&'static str, &str)], body: &str) -> Option<f64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        // Sun, 06 Nov 1994 08:49:37 GMT.
        let now = at(784_111_777);
        wait(StatusCode::TOO_MANY_REQUESTS, &map, body.as_bytes(), now)
            .map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn a_wait_within_the_body_or_of_a_single_limit_is_read() {
        let now = at(1_700_000_000);
        let told = |headers: &HeaderMap, body: &str| {
            let wait = wait(StatusCode::TOO_MANY_REQUESTS, headers, body.as_bytes(), now);
            wait.map(|wait| wait.as_secs_f64())
        };
        let body = |headers: &str| {
            format!(
                r#"{{"error":{{"code":429,"message":"m","metadata":{{"headers":{headers}}}}}}}"#
            )
        };
        for (headers, seconds) in [
            (r#"{"X-RateLimit-Reset":"1700000042000"}"#, 42.0),
            (r#"{"x-ratelimit-reset":1700000010000}"#, 10.0),
            (
                r#"{"Retry-After":"7","X-RateLimit-Reset":"1700000042000"}"#,
                7.0,
            ),
        ] {
            let told = told(&HeaderMap::new(), &body(headers));
            assert_eq!(told, Some(seconds), "{headers}");
        }
        assert_eq!(told(&HeaderMap::new(), &body("{}")), None);
        let unified = |status: &str| {
            let mut headers = HeaderMap::new();
            let name = "anthropic-ratelimit-unified-status";
            headers.insert(name, status.parse().unwrap());
            let reset = "anthropic-ratelimit-unified-reset";
            headers.insert(reset, "1700000060".parse().unwrap());
            told(&headers, "")
        };
        assert_eq!(unified("rejected"), Some(60.0));
        assert_eq!(unified("allowed"), None);
    }

    #[test]
    fn every_form_of_a_wait_is_read() {
        for (name, value, seconds) in [
            ("retry-after", "30", 30.0),
            ("retry-after", "0", 0.0),
            ("retry-after", "1.5", 1.5),
            ("retry-after-ms", "250", 0.25),
            ("x-ms-retry-after-ms", "250", 0.25),
            ("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT", 20.0),
            ("retry-after", "Sunday, 06-Nov-94 08:49:57 GMT", 20.0),
            ("retry-after", "Sun Nov  6 08:49:57 1994", 20.0),
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
            ("retry-after", "99999999999", 86_400.0),
            ("retry-after", "30, 45", 45.0),
            ("retry-after", "784111807", 86_400.0),
            ("retry-after", "1994-11-06T08:50:07Z", 30.0),
            ("retry-after", "1m30s", 90.0),
            ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
            ("retry-after", "1e300", 86_400.0),
            ("retry-after-ms", "1e308", 86_400.0),
            ("x-ratelimit-reset", "1e30", 86_400.0),
            ("x-ratelimit-reset", "99999999999999999999999999", 86_400.0),
            ("x-ratelimit-reset-tokens", "1e300", 86_400.0),
            (
                "x-ratelimit-reset-tokens",
                "99999999999999999999999999999d",
                86_400.0,
            ),
            ("x-ratelimit-reset-requests", "1m2.5s", 62.5),
            ("x-ratelimit-reset-tokens", "20ms", 0.02),
            ("x-ratelimit-reset", "12", 12.0),
            (
                "anthropic-ratelimit-tokens-reset",
                "1994-11-06T08:50:07Z",
                30.0,
            ),
        ] {
            let read = told(&[(name, value)], "").unwrap_or(-1.0);
            assert!(
                (read - seconds).abs() < 1e-6,
                "{name}: {value} was read as {read}"
            );
        }
    }

    #[test]
    fn a_reset_may_be_a_time() {
        let now = at(1_700_000_000);
        assert_eq!(reset_time("1700000010", now), Some(10.0));
        assert_eq!(reset_time("1700000010000", now), Some(10.0));
        assert_eq!(reset_time("1700000010000000", now), Some(10.0));
        assert_eq!(reset_time("1700000010000000000", now), Some(10.0));
        assert_eq!(reset_time("1699999999", now), Some(0.0));
    }

    #[test]
    fn what_is_no_wait_is_none() {
        for value in [
            "-1",
            "30, soon",
            ",",
            "soon",
            "NaN",
            "inf",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "",
        ] {
            assert_eq!(told(&[("retry-after", value)], ""), None, "{value}");
        }
    }

    #[test]
    fn of_several_lines_the_longest_holds() {
        let now = at(1_700_000_000);
        let mut headers = HeaderMap::new();
        for value in ["3", "never", "Tue, 14 Nov 2023 22:13:40 GMT"] {
            headers.append(RETRY_AFTER, value.parse().unwrap());
        }
        let told = wait(StatusCode::SERVICE_UNAVAILABLE, &headers, b"", now);
        assert_eq!(told, Some(Duration::from_secs(20)));
    }

    #[test]
    fn google_says_it_in_the_body() {
        let body = r#"{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        assert_eq!(told(&[], body), Some(34.5));
        assert_eq!(told(&[], &format!("[{body}]")), Some(34.5));
    }

    #[test]
    fn every_vendors_names_of_limits_are_known() {
        for (headers, seconds) in [
            // Cerebras
            (
                &[
                    ("x-ratelimit-remaining-requests-day", "14000"),
                    ("x-ratelimit-reset-requests-day", "33011.38"),
                    ("x-ratelimit-remaining-tokens-minute", "0"),
                    ("x-ratelimit-reset-tokens-minute", "11.5"),
                ][..],
                Some(11.5),
            ),
            // Mistral
            (
                &[
                    ("x-ratelimitbysize-remaining-minute", "0"),
                    ("x-ratelimitbysize-reset-minute", "17"),
                ],
                Some(17.0),
            ),
            // Anthropic: of two windows one is used up
            (
                &[
                    ("anthropic-ratelimit-unified-5h-status", "rejected"),
                    (
                        "anthropic-ratelimit-unified-5h-reset",
                        "1994-11-06T08:50:07Z",
                    ),
                    ("anthropic-ratelimit-unified-7d-status", "allowed"),
                    (
                        "anthropic-ratelimit-unified-7d-reset",
                        "1994-11-09T08:50:07Z",
                    ),
                ],
                Some(30.0),
            ),
            (&[("x-rate-limit-reset", "9")], Some(9.0)),
            // Hugging Face, and the draft's earlier versions
            (&[("ratelimit", "\"api\";r=0;t=51")], Some(51.0)),
            (&[("ratelimit", "\"a\";r=0;t=5, \"b\";r=8;t=99")], Some(5.0)),
            (&[("ratelimit", "\"a\";r=3;t=5")], None),
            (
                &[("ratelimit", "limit=10, remaining=0, reset=40")],
                Some(40.0),
            ),
            (&[("ratelimit", "limit=10, remaining=7, reset=40")], None),
            (&[("ratelimit", ";;=,=;r=")], None),
            (&[("x-request-reset", "9")], None),
        ] {
            assert_eq!(told(headers, ""), seconds, "{headers:?}");
        }
    }

    #[test]
    fn only_the_limit_that_is_used_up_counts() {
        let headers = [
            ("x-ratelimit-remaining-requests", "40"),
            ("x-ratelimit-reset-requests", "1h"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "7s"),
        ];
        assert_eq!(told(&headers, ""), Some(7.0));
    }
}
