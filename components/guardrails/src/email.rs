//! Addresses for electronic mail, as people write them: no quoted local parts, no bare hosts.

use crate::entities::Tail;
use crate::patterns::is_token;

/// The longest local part (RFC 5321, 4.5.3.1.1).
pub(crate) const LOCAL: usize = 64;

fn is_local(byte: u8) -> bool {
    is_token(byte) || matches!(byte, b'.' | b'%' | b'+' | b'-')
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// Looks for an address that starts at `at`.
pub(crate) fn find(text: &[u8], at: usize) -> Tail {
    let local = text[at..]
        .iter()
        .take(LOCAL + 1)
        .take_while(|b| is_local(**b))
        .count();
    let sign = at + local;
    if local == 0 || local > LOCAL || text.get(sign) != Some(&b'@') {
        return Tail {
            stop: sign,
            end: None,
        };
    }
    let start = sign + 1;
    let len = text[start..].iter().take_while(|b| is_domain(**b)).count();
    let stop = start + len;
    let next = text.get(stop).copied();
    let end = domain(&text[start..stop])
        .filter(|len| start + len < stop || !next.is_some_and(is_token))
        .map(|len| start + len);
    Tail { stop, end }
}

/// The longest beginning that is a domain: labels between dots, the last one of 2 to 24 letters.
fn domain(text: &[u8]) -> Option<usize> {
    let mut longest = None;
    let mut start = 0;
    for label in text.split(|b| *b == b'.') {
        let hyphens = label.iter().rev().take_while(|b| **b == b'-').count();
        let name = &label[..label.len() - hyphens];
        if name.is_empty() || name[0] == b'-' {
            break;
        }
        if start > 0 && (2..=24).contains(&name.len()) && name.iter().all(u8::is_ascii_alphabetic) {
            longest = Some(start + name.len());
        }
        if hyphens > 0 {
            break;
        }
        start += label.len() + 1;
    }
    longest
}
