//! Headers in and out: request ids, residency, `Cache-Status` (RFC 9211), `Server-Timing`, rate limits.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, header, request};

use forebay_dialect::Wire;

use crate::enter::ingress::wire_of;
use crate::enter::limits::{Level, Levels};
use crate::error::{ErrorKind, GatewayError};
use crate::observe::{CacheResult, Summary};
use crate::platform::Platform;
use crate::route::dialect_headers;
use crate::store::{CacheKey, Entry};

/// The identifier of a request and of its answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The upstream that answered.
pub const UPSTREAM: HeaderName = HeaderName::from_static("x-forebay-upstream");
/// Where a prompt may go, narrower than the tenant's own residency: regions or jurisdictions, comma-separated.
pub const RESIDENCY: HeaderName = HeaderName::from_static("x-forebay-residency");
/// `true` asks for an opaque id on each event, so that the stream can be resumed with `Last-Event-ID`.
pub const EVENT_IDS: HeaderName = HeaderName::from_static("x-forebay-event-ids");
/// `true` asks for `x-forebay-route`: who was ranked how, and who was excluded by which rule.
pub const EXPLAIN: HeaderName = HeaderName::from_static("x-forebay-explain");
/// The answer to [`EXPLAIN`]: who was ranked how, who was left out and who failed. On a failure
/// [`EXPLAIN`] itself comes back as well, with the stage that ended the request.
pub const ROUTE: HeaderName = HeaderName::from_static("x-forebay-route");
/// Advice: why no prefix cache can serve the beginning of this prompt.
pub const PREFIX: HeaderName = HeaderName::from_static("x-forebay-prefix");
/// Fields of the request that the upstream could not be told and was not.
pub const LOST: HeaderName = HeaderName::from_static("x-forebay-lost");
/// The id that the upstream gave the request.
pub const UPSTREAM_REQUEST_ID: HeaderName =
    HeaderName::from_static("x-forebay-upstream-request-id");
/// The client's name for this very request, so that a repeat is not done twice.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The tokens told are an estimate: no upstream counted them.
pub const ESTIMATE: HeaderName = HeaderName::from_static("x-forebay-estimate");
/// The milliseconds within which the client wants the whole answer: upstreams that are not
/// expected to make it are excluded, and at the deadline the upstream is given up.
pub const DEADLINE: HeaderName = HeaderName::from_static("x-forebay-deadline-ms");
/// The version of Anthropic's API, which its clients always name.
pub const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// The standard header of a resumed event stream.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What a tracing system adds to the W3C trace context.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The W3C trace context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The client's own request id where it is short and plain, else a new one.
pub(crate) fn request_id<P: Platform>(platform: &P, headers: Option<&HeaderMap>) -> String {
    let sent = headers
        .and_then(|h| h.get(REQUEST_ID))
        .and_then(|v| v.to_str().ok());
    // 128: longer ids are no ids, and they end up in every log line.
    match sent {
        Some(id) if !id.is_empty() && id.len() <= 128 && id.bytes().all(is_plain) => id.to_owned(),
        _ => {
            let mut out = [0; 36];
            out[..4].copy_from_slice(b"req-");
            // 16 bytes are 32 digits: they fit.
            let _ = hex::encode_to_slice(platform.random(), &mut out[4..]);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':')
}

/// Every key that a request carries: `Authorization: Bearer`, or under the names that vendors'
/// clients give it, Azure's, Anthropic's, Google's (which may put it into the query). Clients send
/// several, some stale or empty; whichever is valid counts.
pub fn api_keys(head: &request::Parts) -> impl Iterator<Item = &str> {
    let headers = &head.headers;
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let named = ["api-key", "x-api-key", "x-goog-api-key"]
        .into_iter()
        .flat_map(|name| headers.get_all(name))
        .filter_map(|value| value.to_str().ok().map(str::trim));
    let query = head.uri.query();
    let in_query = query
        .filter(|_| wire_of(head) == Wire::Gemini)
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.strip_prefix("key="));
    bearer
        .chain(named)
        .chain(in_query)
        .chain(socket_keys(head))
        .filter(|key| !key.is_empty())
        .take(MAX_KEYS)
}

/// Keys where pages have to put them that open a WebSocket, since browsers let them set no header:
/// OpenAI's client names the key as a subprotocol, Azure's in the query.
fn socket_keys(head: &request::Parts) -> impl Iterator<Item = &str> {
    let headers = head.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let protocols = headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().strip_prefix("openai-insecure-api-key."));
    let opens = head.headers.contains_key(header::SEC_WEBSOCKET_KEY);
    let query = head.uri.query().filter(|_| opens);
    let in_query = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.strip_prefix("api-key="));
    protocols.chain(in_query)
}

/// The most keys of one request that are looked at: each costs a hash.
const MAX_KEYS: usize = 8;

/// The trace that a request belongs to: the client's, or where requests are traced a new one; and
/// then the request's own span, which upstreams are told as their parent. What is not a `traceparent`
/// is not passed on (W3C Trace Context, section 3.2.2.3).
pub(crate) fn trace<P: Platform>(platform: &P, headers: &HeaderMap, summary: &mut Summary) {
    let sent = headers.get(TRACEPARENT).and_then(|v| v.to_str().ok());
    let sent = sent.filter(|sent| trace_of(sent).is_some());
    summary.traceparent = sent.map(str::to_owned);
    if !platform.traces() {
        return;
    }
    let span = hex::encode(&platform.random()[..8]);
    summary.span = Some(match sent.and_then(trace_of) {
        Some((trace, flags)) => format!("00-{trace}-{span}-{flags}"),
        None => format!("00-{}-{span}-01", hex::encode(platform.random())),
    });
}

/// Trace and flags of a `traceparent` that is one (W3C Trace Context, section 3.2).
fn trace_of(traceparent: &str) -> Option<(&str, &str)> {
    let mut parts = traceparent.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |text: &str| text.bytes().all(|b| b == b'0');
    let fits = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    let last = version != "00" || parts.next().is_none();
    (fits && last && version != "ff" && !zero(trace) && !zero(span)).then_some((trace, flags))
}

/// Whether a line of `tracestate` is a list as its standard has it (W3C Trace Context, section 3.3.1).
pub(crate) fn is_tracestate(line: &[u8]) -> bool {
    let key = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(b);
    let value = |b: &u8| matches!(b, 0x20..=0x7e) && !b"=,".contains(b);
    let mut members = 0;
    // 512: what everybody has to carry.
    line.len() <= 512
        && line.split(|b| *b == b',').all(|member| {
            let member = member.trim_ascii();
            members += 1;
            let at = member.iter().position(|b| *b == b'=');
            let both = at.map(|at| (&member[..at], &member[at + 1..]));
            let fits = both.is_some_and(|(name, said)| {
                (1..=256).contains(&name.len())
                    && name.iter().all(key)
                    && said.len() <= 256
                    && said.iter().all(value)
            });
            members <= 32 && (member.is_empty() || fits)
        })
}

/// The headers of the client's dialect that go upstream and may change the answer, as one text.
pub(crate) fn of_dialect(wire: Wire, headers: &HeaderMap) -> String {
    let mut out = String::new();
    for name in dialect_headers(wire) {
        for value in headers.get_all(name) {
            let _ = writeln!(out, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    out
}

/// Where the prompt may go: the tenant's list, narrowed by the request's. Both empty: anywhere.
/// A request can't widen what its tenant allows; nothing in common means nowhere.
pub(crate) fn residency(tenant: &[String], headers: &HeaderMap) -> Vec<String> {
    let Some(asked) = headers.get(RESIDENCY).and_then(|v| v.to_str().ok()) else {
        return tenant.to_vec();
    };
    let asked: Vec<&str> = asked
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .collect();
    if tenant.is_empty() {
        return asked.into_iter().map(str::to_owned).collect();
    }
    let both: Vec<String> = tenant
        .iter()
        .filter(|t| asked.contains(&t.as_str()))
        .cloned()
        .collect();
    if both.is_empty() {
        vec!["nowhere".to_owned()]
    } else {
        both
    }
}

/// The client's own deadline, where it sent one that is a number.
pub(crate) fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let millis = headers.get(DEADLINE)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// Whether a flag header is set.
pub(crate) fn flag(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers
        .get(name)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true") || v.as_bytes() == b"1")
}

/// Refuses a body in a coding: what a platform can undo, it has undone before.
pub(crate) fn require_plain(headers: &HeaderMap) -> Result<(), GatewayError> {
    let is_plain = |value: &HeaderValue| {
        let name = value.as_bytes().trim_ascii();
        name.is_empty() || name.eq_ignore_ascii_case(b"identity")
    };
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(is_plain)
    {
        return Ok(());
    }
    Err(GatewayError::new(
        ErrorKind::UnsupportedMedia,
        "this content-encoding is not supported here: send the body without one",
    ))
}

/// Refuses a body that claims to be anything but JSON. No claim counts as one.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), GatewayError> {
    let mut claims = headers.get_all(header::CONTENT_TYPE).iter();
    if claims.all(|value| value.to_str().is_ok_and(is_json)) {
        return Ok(());
    }
    Err(GatewayError::new(
        ErrorKind::UnsupportedMedia,
        "the body must be JSON: send it with content-type application/json",
    ))
}

/// `application/json`, or a type made of it (RFC 6839).
fn is_json(value: &str) -> bool {
    let media = value.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = media.split_once('/') else {
        return false;
    };
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    kind.eq_ignore_ascii_case("application")
        && subtype.bytes().all(token)
        && (subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json"))
}

pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A text of any kind as a header: what a header can't carry becomes a question mark.
pub(crate) fn put_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    // 4096: whole heads of 8 KiB are refused by common proxies.
    let plain = text.chars().take(4096);
    let plain: String = plain
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect();
    put(headers, name, &plain);
}

/// Why a request failed, for the client that asks: the stage that ended it, and its error.
pub(crate) fn explain(
    headers: &mut HeaderMap,
    summary: &Summary,
    error: &GatewayError,
    route: &str,
) {
    let code = error.code.as_deref().unwrap_or(error.kind.code());
    let stage = error.kind.stage();
    put_text(
        headers,
        EXPLAIN,
        &format!("stage={stage}; code={code}; request={}", summary.request_id),
    );
    if !route.is_empty() {
        put_text(headers, ROUTE, route);
    }
}

/// The headers that every answer has, and those of its cache result.
pub(crate) fn describe(
    headers: &mut HeaderMap,
    summary: &Summary,
    cache_name: &str,
    key: Option<CacheKey>,
) {
    put(headers, REQUEST_ID, &summary.request_id);
    if let Some(upstream) = &summary.upstream {
        put(headers, UPSTREAM, upstream);
    }
    let mut status = String::with_capacity(128);
    status.push_str(if cache_name.is_empty() {
        "forebay"
    } else {
        cache_name
    });
    status.push_str(match summary.cache {
        CacheResult::Hit => "; hit",
        CacheResult::Joined => "; fwd=uri-miss; collapsed",
        CacheResult::Stale => "; fwd=stale; detail=stale-if-error",
        CacheResult::Miss => "; fwd=uri-miss",
        CacheResult::Bypass => "; fwd=bypass",
    });
    if let Some(why) = &summary.cache_why {
        let _ = write!(status, "; detail=\"{}\"", why.code);
    }
    if let Some(key) = key {
        let _ = write!(status, "; key=\"{}\"", key.to_hex());
    }
    put(headers, CACHE_STATUS, &status);
}

/// `Age`, `ETag` and the time left, of a stored answer.
pub(crate) fn describe_entry(headers: &mut HeaderMap, entry: &Entry, age: Duration) {
    headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    put(headers, header::ETAG, &etag(entry));
}

/// A strong validator: the key names the question, the time of storing the answer.
pub(crate) fn etag(entry: &Entry) -> String {
    let stored = entry
        .stored
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("\"{}-{:x}\"", &entry.key.to_hex()[..16], stored.as_millis())
}

/// `Server-Timing` of the stages so far, in milliseconds.
pub(crate) fn timing(headers: &mut HeaderMap, stages: &[(&str, Duration)]) {
    let mut out = String::with_capacity(24 * stages.len());
    for (name, spent) in stages {
        if !out.is_empty() {
            out.push_str(", ");
        }
        let micros = spent.as_micros();
        let _ = write!(out, "{name};dur={}.{:03}", micros / 1000, micros % 1000);
    }
    put(headers, SERVER_TIMING, &out);
}

/// OpenAI's `x-ratelimit-*`.
pub(crate) fn rate_limits(headers: &mut HeaderMap, levels: &Levels) {
    for (unit, level) in [("requests", levels.requests), ("tokens", levels.tokens)] {
        let Some(Level {
            limit,
            remaining,
            reset,
        }) = level
        else {
            continue;
        };
        for (what, value) in [
            ("limit", limit.to_string()),
            ("remaining", remaining.to_string()),
            ("reset", format!("{:.3}s", reset.as_secs_f64())),
        ] {
            if let Ok(name) = HeaderName::try_from(format!("x-ratelimit-{what}-{unit}")) {
                put(headers, name, &value);
            }
        }
    }
}

/// The upstream's own limits, apart from the gateway's: `x-forebay-upstream-` before their names.
pub(crate) fn upstream_rate_limits(headers: &mut HeaderMap, limits: &[(HeaderName, HeaderValue)]) {
    for (name, value) in limits {
        let plain = name.as_str().trim_start_matches("x-");
        if let Ok(name) = HeaderName::try_from(format!("x-forebay-upstream-{plain}")) {
            headers.insert(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_cannot_widen_its_tenants_residency() {
        let mut headers = HeaderMap::new();
        let eu = vec!["EU".to_owned()];
        assert_eq!(residency(&eu, &headers), eu);
        headers.insert(RESIDENCY, "US".parse().unwrap());
        assert_eq!(residency(&eu, &headers), ["nowhere"]);
        assert_eq!(residency(&[], &headers), ["US"]);
        headers.insert(RESIDENCY, "US, EU".parse().unwrap());
        assert_eq!(residency(&eu, &headers), ["EU"]);
    }

    #[test]
    fn only_json_counts_as_json() {
        for (media, fits) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/vnd.api+json", true),
            ("text/json", false),
            ("text/plain+json", false),
            ("text/plain, application/x+json", false),
            ("application/json, text/plain", false),
            ("multipart/form-data; boundary=+json", false),
            ("", false),
        ] {
            assert_eq!(is_json(media), fits, "{media}");
        }
    }

    #[test]
    fn an_upstreams_limits_are_told_apart_from_ours() {
        let mut headers = HeaderMap::new();
        let named = |name: &'static str| HeaderName::from_static(name);
        let limits = [
            (
                named("x-ratelimit-remaining-tokens"),
                HeaderValue::from_static("7"),
            ),
            (
                named("anthropic-ratelimit-tokens-limit"),
                HeaderValue::from_static("9"),
            ),
        ];
        upstream_rate_limits(&mut headers, &limits);
        assert_eq!(
            headers["x-forebay-upstream-ratelimit-remaining-tokens"],
            "7"
        );
        assert_eq!(
            headers["x-forebay-upstream-anthropic-ratelimit-tokens-limit"],
            "9"
        );
    }

    #[test]
    fn a_key_is_found_whatever_the_scheme_is_spelt_like() {
        let head = |uri: &str, name: &str, value: &str| {
            let request = http::Request::get(uri).header(name, value);
            request.body(()).unwrap().into_parts().0
        };
        let key = |head: &request::Parts| api_keys(head).next().map(str::to_owned);
        let found = Some("fb-a-b".to_owned());
        assert_eq!(key(&head("/", "authorization", "bearer fb-a-b")), found);
        assert_eq!(key(&head("/", "authorization", "Basic eDp5")), None);
        for name in ["api-key", "x-api-key", "x-goog-api-key"] {
            assert_eq!(key(&head("/", name, "fb-a-b")), found);
        }
        let path = "/v1beta/models/m:generateContent?alt=sse&key=fb-a-b";
        assert_eq!(key(&head(path, "accept", "*/*")), found);
        assert_eq!(key(&head("/v1/models?key=fb-a-b", "accept", "*/*")), None);
    }
}
