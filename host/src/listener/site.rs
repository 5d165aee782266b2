//! What stands between web pages and a gateway: `Host` against DNS rebinding, `Origin` and the
//! signs of a browser against cross-site requests, and CORS for the pages that are allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use forebay_gateway::error::{ErrorKind, GatewayError};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, request};

use crate::config::ServerConfig;

/// Checks a request's head. `open`: no keys are configured, so the network position of a client is
/// all that lets it in, and a page in a user's browser shares it.
pub(super) fn check(
    head: &request::Parts,
    open: bool,
    server: &ServerConfig,
) -> Result<(), GatewayError> {
    let host = host_of(head)?;
    if !open {
        return Ok(());
    }
    if let Some(host) = host
        && !is_loopback(host)
        && !is_single_label(host)
        && !server.hosts.iter().any(|known| names(known, host))
    {
        return Err(GatewayError::new(
            ErrorKind::HostNotAllowed,
            format!(
                "without API keys the gateway answers only to loopback names and names without a dot, and \"{host}\" is none; add it to server.hosts, or configure keys"
            ),
        ));
    }
    if head.headers.contains_key(header::ORIGIN) {
        return match allowed_origin(&head.headers, server) {
            Some(_) => Ok(()),
            None => Err(foreign(
                "requests from web pages are refused without API keys; add the page's origin to server.origins",
            )),
        };
    }
    // A page that opens a WebSocket says where it comes from, whatever it does (RFC 6455, section
    // 10.2), and can't send this header otherwise.
    if head.headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        return Ok(());
    }
    if needs_no_preflight(head) && comes_from_a_page(&head.headers) {
        return Err(foreign(
            "a web page could have sent this request without asking; send content-type application/json (server.origins lists the pages that may ask)",
        ));
    }
    Ok(())
}

/// The `Origin` of a page that may use the gateway.
pub(super) fn allowed_origin<'a>(
    headers: &'a HeaderMap,
    server: &ServerConfig,
) -> Option<&'a HeaderValue> {
    let origin = only(headers, &header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    let listed = |known: &String| known.trim_end_matches('/').eq_ignore_ascii_case(text);
    server.origins.iter().any(listed).then_some(origin)
}

/// Whether it is the question that a browser asks before a cross-site request.
pub(super) fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS
        && head
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to an allowed page's preflight.
pub(super) fn preflight(origin: &HeaderValue, asked: Option<&HeaderValue>) -> HeaderMap {
    let mut out = HeaderMap::new();
    cors(&mut out, origin);
    out.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"),
    );
    // The page is allowed, so it may send what it likes: there are no cookies to protect here.
    let asked = asked
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_static("authorization, content-type"));
    out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    // Two hours: the longest that browsers keep it.
    out.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("7200"),
    );
    out
}

/// Lets a page read the answer.
pub(super) fn cors(out: &mut HeaderMap, origin: &HeaderValue) {
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    out.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("*"),
    );
    out.append(header::VARY, HeaderValue::from_static("origin"));
}

/// The host of a request: exactly one, well formed, and the same wherever it is said
/// (RFC 9112, section 3.2; RFC 9113, section 8.3.1). None in HTTP/1.0, which knows no `Host` and no browser speaks.
fn host_of(head: &request::Parts) -> Result<Option<&str>, GatewayError> {
    let bad = |why: &str| GatewayError::new(ErrorKind::InvalidRequest, why);
    let field = match head.headers.get_all(header::HOST).iter().count() {
        0 => None,
        1 => Some(
            only(&head.headers, &header::HOST)
                .and_then(|value| value.to_str().ok())
                .ok_or_else(|| bad("the Host header is malformed"))?,
        ),
        _ => return Err(bad("the request has more than one Host header")),
    };
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let host = match (field, authority) {
        (Some(field), Some(authority)) if !field.eq_ignore_ascii_case(authority) => {
            return Err(bad("the Host header and the request's target differ"));
        }
        (Some(field), _) => field,
        (None, Some(authority)) if head.version == http::Version::HTTP_2 => authority,
        (None, None) if head.version == http::Version::HTTP_10 => return Ok(None),
        (None, _) => return Err(bad("the request has no Host header")),
    };
    if is_authority(host) {
        Ok(Some(host))
    } else {
        Err(bad("the Host header is malformed"))
    }
}

/// A name or an address, and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (name, port) = split(text);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let named = match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        // 253: the longest name of DNS.
        None => !name.is_empty() && name.len() <= 253 && name.bytes().all(plain),
    };
    let numbered = port
        .is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    named && numbered
}

fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

/// A name without a dot, such as a container's: no zone of the public DNS can point it anywhere, so
/// it is no way to rebind. A trailing dot makes it a top-level domain, which is refused.
fn is_single_label(host: &str) -> bool {
    let (name, _) = split(host);
    !name.contains(['.', '[']) && name.bytes().any(|b| b.is_ascii_alphabetic())
}

fn is_loopback(host: &str) -> bool {
    let (name, _) = split(host);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return true;
    }
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return address.is_loopback();
    }
    let inner = name.trim_start_matches('[').trim_end_matches(']');
    inner
        .parse::<Ipv6Addr>()
        .is_ok_and(|address| IpAddr::V6(address).to_canonical().is_loopback())
}

/// Whether an entry of `server.hosts` means this host: with its port where it names one.
fn names(known: &str, host: &str) -> bool {
    known.eq_ignore_ascii_case(host) || known.eq_ignore_ascii_case(split(host).0)
}

/// Whether a page could send it without a preflight (Fetch, section 2.2.2: CORS-safelisted).
fn needs_no_preflight(head: &request::Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD | Method::POST)
        && head
            .headers
            .iter()
            .all(|(name, value)| is_simple(name, value))
}

fn is_simple(name: &HeaderName, value: &HeaderValue) -> bool {
    // What a page may set, then what a browser or a proxy on the way sets by itself.
    const SIMPLE: [&str; 33] = [
        "accept",
        "accept-language",
        "content-language",
        "range",
        "accept-charset",
        "accept-encoding",
        "cache-control",
        "connection",
        "content-length",
        "cookie",
        "date",
        "dnt",
        "expect",
        "forwarded",
        "host",
        "if-modified-since",
        "if-none-match",
        "keep-alive",
        "last-event-id",
        "origin",
        "pragma",
        "priority",
        "purpose",
        "referer",
        "save-data",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "x-real-ip",
    ];
    let text = name.as_str();
    if text == "content-type" {
        let media = value.to_str().unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        return media.is_empty()
            || [
                "text/plain",
                "multipart/form-data",
                "application/x-www-form-urlencoded",
            ]
            .iter()
            .any(|simple| media.eq_ignore_ascii_case(simple));
    }
    SIMPLE.contains(&text)
        || ["sec-", "proxy-", "x-forwarded-", "access-control-"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
}

/// Whether a browser sent it, and not because its user typed the address.
fn comes_from_a_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site") == Some("none") {
        return false;
    }
    // Runtimes such as Node's send `sec-fetch-mode: cors` alone; a browser sends the site as well.
    let mode = text("sec-fetch-mode").is_some_and(|mode| mode != "cors");
    let browser = text("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"));
    mode || browser
        || ["referer", "cookie", "sec-fetch-site", "sec-fetch-dest"]
            .iter()
            .any(|name| headers.contains_key(*name))
        || headers
            .keys()
            .any(|name| name.as_str().starts_with("sec-ch-") || name == "sec-websocket-key")
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn foreign(why: &str) -> GatewayError {
    GatewayError::new(ErrorKind::OriginNotAllowed, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(request: http::request::Builder, server: &ServerConfig) -> Result<(), ErrorKind> {
        let head = request.body(()).unwrap().into_parts().0;
        check(&head, true, server).map_err(|error| error.kind)
    }

    fn get(host: &str) -> http::request::Builder {
        http::Request::get("/v1/models").header("host", host)
    }

    #[test]
    fn only_loopback_names_are_answered_without_keys() {
        let server = ServerConfig::default();
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "a.localhost:1",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(judge(get(host), &server), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "0.0.0.0:8080",
            "[::]",
            "10.0.0.1",
            "127.1",
            "2130706433",
        ] {
            assert_eq!(
                judge(get(host), &server),
                Err(ErrorKind::HostNotAllowed),
                "{host}"
            );
        }
        let server = ServerConfig {
            hosts: vec!["forebay.internal".into(), "other.internal:81".into()],
            ..ServerConfig::default()
        };
        for (host, fits) in [
            ("Forebay.internal:9", true),
            ("other.internal:81", true),
            ("other.internal:82", false),
            ("forebay", true),
            ("forebay:8080", true),
        ] {
            assert_eq!(judge(get(host), &server).is_ok(), fits, "{host}");
        }
    }

    #[test]
    fn a_host_is_said_once_and_well_formed() {
        let server = ServerConfig::default();
        let bad = Err(ErrorKind::InvalidRequest);
        for host in [
            "",
            "a b",
            "a@localhost",
            "localhost:x",
            "localhost:99999",
            "[::1",
            "::1",
            "localhost/x",
            "localhost,evil",
        ] {
            assert_eq!(judge(get(host), &server), bad, "{host:?}");
        }
        assert_eq!(judge(http::Request::get("/"), &server), bad);
        let old = http::Request::get("/").version(http::Version::HTTP_10);
        assert_eq!(judge(old, &server), Ok(()), "HTTP/1.0 knows no Host");
        let two = get("localhost").header("host", "localhost");
        assert_eq!(judge(two, &server), bad);
        let differs = http::Request::get("http://evil.example/").header("host", "localhost");
        assert_eq!(judge(differs, &server), bad);
    }

    #[test]
    fn a_page_is_let_in_only_where_it_is_listed() {
        let server = ServerConfig {
            origins: vec!["https://chat.example".into()],
            ..ServerConfig::default()
        };
        let from = |origin: &str| get("localhost").header("origin", origin);
        assert_eq!(judge(from("https://chat.example"), &server), Ok(()));
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost:8080",
            "https://chat.example.evil",
        ] {
            assert_eq!(
                judge(from(origin), &server),
                Err(ErrorKind::OriginNotAllowed),
                "{origin}"
            );
        }
        let two = from("https://chat.example").header("origin", "https://evil.example");
        assert_eq!(judge(two, &server), Err(ErrorKind::OriginNotAllowed));
    }

    #[test]
    fn what_needs_no_preflight_passes_only_without_a_sign_of_a_browser() {
        let server = ServerConfig::default();
        let post = || http::Request::post("/v1/chat/completions").header("host", "localhost");
        let refused = Err(ErrorKind::OriginNotAllowed);
        let signs = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-dest", "empty"),
            ("referer", "https://evil.example/"),
            ("user-agent", "Mozilla/5.0 (X11)"),
            ("cookie", "a=b"),
            ("sec-ch-ua", "x"),
        ];
        for (name, value) in signs {
            assert_eq!(
                judge(post().header(name, value), &server),
                refused,
                "{name}"
            );
            for media in [
                "text/plain",
                "TEXT/PLAIN;charset=utf-8",
                "multipart/form-data; boundary=x",
                "application/x-www-form-urlencoded",
            ] {
                let request = post().header(name, value).header("content-type", media);
                assert_eq!(judge(request, &server), refused, "{name} {media}");
            }
            assert_eq!(
                judge(get("localhost").header(name, value), &server),
                refused,
                "{name}"
            );
            let json = post()
                .header(name, value)
                .header("content-type", "application/json");
            assert_eq!(judge(json, &server), Ok(()), "{name} with JSON");
            let own = post().header(name, value).header("x-stainless-lang", "js");
            assert_eq!(judge(own, &server), Ok(()), "{name} with a header");
        }
        let typed = get("localhost")
            .header("sec-fetch-site", "none")
            .header("user-agent", "Mozilla/5.0");
        assert_eq!(judge(typed, &server), Ok(()));
        let node = get("localhost")
            .header("sec-fetch-mode", "cors")
            .header("user-agent", "node");
        assert_eq!(judge(node, &server), Ok(()));
        assert_eq!(judge(post(), &server), Ok(()), "curl with no type");
    }
}
