//! Checks of Internet addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::entities::Tail;
use crate::patterns::is_token;

fn text_of(text: &[u8], start: usize, end: usize) -> Option<&str> {
    std::str::from_utf8(text.get(start..end)?).ok()
}

fn before(text: &[u8], start: usize) -> Option<u8> {
    start.checked_sub(1).and_then(|i| text.get(i).copied())
}

/// Four octets, and not a piece of a longer dotted number such as a version or an object identifier.
pub(crate) fn ipv4(text: &[u8], start: usize, end: usize) -> bool {
    let followed =
        text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    before(text, start) != Some(b'.')
        && !followed
        && text_of(text, start, end).is_some_and(|s| s.parse::<Ipv4Addr>().is_ok())
}

/// How far the first `:` can be from an address's start.
pub(crate) const FIRST_GROUP: usize = 4;

/// The longest address: eight groups of four digits and the signs between.
const IPV6: usize = 39;

/// Looks for an address at `at` (RFC 4291, 2.2) with at least three groups: shorter ones are more
/// often source code, such as `a::b`.
pub(crate) fn ipv6(text: &[u8], at: usize) -> Tail {
    let len = text[at..]
        .iter()
        .take(IPV6 + 2)
        .take_while(|b| b.is_ascii_hexdigit() || **b == b':')
        .count();
    let stop = at + len;
    // A colon behind the address is the sentence's.
    let end = match &text[at..stop] {
        [.., b':', b':'] => stop,
        [.., b':'] => stop - 1,
        _ => stop,
    };
    let apart = before(text, at) != Some(b':') && !text.get(stop).copied().is_some_and(is_token);
    let value = text_of(text, at, end).unwrap_or_default();
    let groups = value.split(':').filter(|group| !group.is_empty()).count();
    let found = apart
        && groups >= 3
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.parse::<Ipv6Addr>().is_ok();
    Tail {
        stop,
        end: found.then_some(end),
    }
}
