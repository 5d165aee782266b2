//! Checks of Internet addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

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

/// An address with at least three groups: shorter ones are more often source code, such as `a::b`.
pub(crate) fn ipv6(text: &[u8], start: usize, end: usize) -> bool {
    let apart = before(text, start) != Some(b':') && text.get(end) != Some(&b':');
    let Some(value) = text_of(text, start, end) else {
        return false;
    };
    let groups = value.split(':').filter(|group| !group.is_empty()).count();
    apart
        && groups >= 3
        && value.bytes().any(|b| b.is_ascii_digit())
        && value.parse::<Ipv6Addr>().is_ok()
}
