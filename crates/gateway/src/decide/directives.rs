//! `Cache-Control` of a request (RFC 9111 section 5.2.1, RFC 5861 section 4) as the policies see it.

use http::{HeaderMap, header::CACHE_CONTROL};

use crate::policy::Directives;

/// Reads the directives of a request. Unknown ones are ignored, as the RFC asks; of a
/// repeated one the strictest counts; an argument that is no number counts as 0.
///
/// Beside the RFC's there is one extension: `cache-sampled` says that the client accepts
/// a stored answer although its request samples (temperature above 0).
pub(crate) fn parse(headers: &HeaderMap) -> Directives {
    let mut found = Directives::default();
    for value in headers.get_all(CACHE_CONTROL) {
        let Ok(value) = value.to_str() else { continue };
        for directive in value.split(',') {
            let (name, argument) = match directive.split_once('=') {
                Some((name, argument)) => (name.trim(), argument.trim().trim_matches('"')),
                None => (directive.trim(), ""),
            };
            let seconds = argument
                .parse::<u64>()
                .map_or(0, |n| u32::try_from(n).unwrap_or(u32::MAX));
            match name.to_ascii_lowercase().as_str() {
                "no-cache" => found.no_cache = true,
                "no-store" => found.no_store = true,
                "only-if-cached" => found.only_if_cached = true,
                "cache-sampled" => found.cache_sampled = true,
                "max-age" => {
                    found.max_age = Some(found.max_age.map_or(seconds, |old| old.min(seconds)))
                }
                "stale-if-error" => {
                    found.stale_if_error =
                        Some(found.stale_if_error.map_or(seconds, |old| old.min(seconds)));
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Directives {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_CONTROL, value.parse().unwrap());
        parse(&headers)
    }

    #[test]
    fn directives_are_read_whatever_their_case_and_spacing() {
        let found = of("No-Cache , max-age = 30,stale-if-error=\"60\", x-unknown=1");
        assert!(found.no_cache && !found.no_store);
        assert_eq!((found.max_age, found.stale_if_error), (Some(30), Some(60)));
    }

    #[test]
    fn the_strictest_of_a_repeated_directive_counts() {
        assert_eq!(of("max-age=30, max-age=10").max_age, Some(10));
        assert_eq!(of("max-age=nonsense").max_age, Some(0));
        assert_eq!(of("max-age=99999999999").max_age, Some(u32::MAX));
    }
}
