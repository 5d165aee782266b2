//! Checks of secrets: tokens that a head announces, and values that something secret is set to.

use crate::entities::Tail;

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Characters of a token that its pattern has read.
const HEAD: usize = 10;

/// Reads a JSON Web Token on from its head: three parts, the first of which is a JSON object with
/// an `alg` (RFC 7515).
pub(crate) fn jwt(text: &[u8], head_end: usize) -> Tail {
    let goes_on = |b: u8| is_base64url(b) || b == b'.';
    let start = head_end.saturating_sub(HEAD);
    if start > 0 && goes_on(text[start - 1]) {
        // Within a longer run of such characters, which is read once and not from every place.
        return Tail {
            stop: head_end - 1,
            end: None,
        };
    }
    let stop = text[head_end..]
        .iter()
        .position(|b| !goes_on(*b))
        .map_or(text.len(), |len| head_end + len);
    let token = &text[start..stop];
    let mut parts = token.split(|b| *b == b'.');
    let header = parts.next().unwrap_or_default();
    let payload = parts.next().unwrap_or_default();
    let signature = parts.next().unwrap_or_default();
    let is_token = payload.len() >= 2
        && decode(header).is_some_and(|json| json.windows(5).any(|w| w == b"\"alg\""));
    let len = header.len() + 1 + payload.len() + 1 + signature.len();
    Tail {
        stop,
        // A full stop behind the token is the sentence's.
        end: (is_token && len <= token.len()).then_some(start + len),
    }
}

/// Base64url without padding; `None` for what it is not.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut have) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
    Some(out)
}

/// Reads a private key on from its header: to the end of its footer, or, where that is missing,
/// of what can be its body (RFC 7468).
pub(crate) fn pem(text: &[u8], head_end: usize) -> Tail {
    const FOOTER: &[u8] = b"-----END ";
    let rest = &text[head_end..];
    // Key files carry headers such as `Proc-Type: 4,ENCRYPTED`, and `\n` where JSON holds them.
    let is_body = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'+' | b'/' | b'=' | b'\\' | b':' | b',')
            || b.is_ascii_whitespace()
    };
    let mut i = 0;
    while let Some(byte) = rest.get(i) {
        if *byte == b'-' {
            let left = &rest[i..];
            if left.starts_with(FOOTER) {
                let label = left[FOOTER.len()..]
                    .iter()
                    .position(|b| !(b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b' '))
                    .map_or(left.len(), |len| FOOTER.len() + len);
                let dashes = left[label..]
                    .iter()
                    .take(5)
                    .take_while(|b| **b == b'-')
                    .count();
                let end = head_end + i + label + dashes;
                // All five dashes are there, or the text ends within them.
                return Tail {
                    stop: end,
                    end: Some(end),
                };
            }
            if FOOTER.starts_with(left) {
                return Tail {
                    stop: text.len(),
                    end: Some(head_end + i),
                };
            }
        } else if !is_body(*byte) {
            break;
        }
        i += 1;
    }
    let stop = head_end + i;
    let body = rest[..i].trim_ascii_end().len();
    Tail {
        stop,
        end: Some(head_end + body),
    }
}

/// What a secret is called where it is set.
const NAMES: [&[u8]; 12] = [
    b"apikey",
    b"secret",
    b"secretkey",
    b"accesskey",
    b"token",
    b"password",
    b"passwd",
    b"pwd",
    b"credential",
    b"credentials",
    b"privatekey",
    b"authkey",
];

/// How far before a value its name is looked for: a long name, quotes, spaces and the sign.
pub(crate) const CONTEXT: usize = 64;

/// Entropy below this, in bits a character, is text or a placeholder; random base64 of 16
/// characters and more has above 3.5 with near certainty, hexadecimal above 3.
const RANDOM: f32 = 3.0;

/// Shorter values are guessable anyway and too often words; longer ones are data.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=200;

/// Looks for a value at `at` that something secret is set to: `api_key = "…"`, `"password": "…"`.
pub(crate) fn assigned(text: &[u8], at: usize) -> Tail {
    let none = |stop| Tail { stop, end: None };
    if !follows_sign(text, at) {
        return none(at);
    }
    let before = &text[at.saturating_sub(CONTEXT)..at];
    let Some(name) = name_before(before) else {
        return none(at);
    };
    let is_secret = NAMES.iter().any(|known| ends_with(name, known));
    if !is_secret {
        return none(at);
    }
    let len = text[at..]
        .iter()
        .take(LENGTHS.end() + 1)
        .take_while(|b| b.is_ascii_alphanumeric() || b"+/_.=-".contains(b))
        .count();
    let stop = at + len;
    // A full stop behind the value is the sentence's.
    let dots = text[at..stop]
        .iter()
        .rev()
        .take_while(|b| **b == b'.')
        .count();
    let value = &text[at..stop - dots];
    let random = LENGTHS.contains(&len)
        && LENGTHS.contains(&value.len())
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && entropy(value) >= RANDOM;
    Tail {
        stop,
        end: random.then_some(stop - dots),
    }
}

/// Whether the one or two bytes before can belong to an assignment: nearly every word ends here,
/// for a letter or comma is before its space.
#[inline]
pub(crate) fn follows_sign(text: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|i| text.get(i)).copied();
    match before(1) {
        Some(b'=' | b':') => true,
        Some(b) if is_soft(b) => before(2).is_some_and(|b| is_soft(b) || matches!(b, b'=' | b':')),
        _ => false,
    }
}

/// What may be between a name, its sign and its value.
fn is_soft(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\')
}

/// Whether a name ends with a known one, whatever its case and separators.
fn ends_with(name: &[u8], known: &[u8]) -> bool {
    let mut letters = name
        .iter()
        .rev()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(u8::to_ascii_lowercase);
    known.iter().rev().all(|k| letters.next() == Some(*k))
}

/// The name before quotes, spaces and one `=` or `:`.
fn name_before(before: &[u8]) -> Option<&[u8]> {
    let trim = |bytes: &'_ [u8]| {
        bytes
            .iter()
            .rposition(|b| !is_soft(*b))
            .map_or(0, |i| i + 1)
    };
    let before = &before[..trim(before)];
    let (sign, before) = before.split_last()?;
    if !matches!(sign, b'=' | b':') {
        return None;
    }
    let before = &before[..trim(before)];
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let start = before
        .iter()
        .rposition(|b| !is_name(b))
        .map_or(0, |i| i + 1);
    (start < before.len()).then_some(&before[start..])
}

/// Shannon's entropy, in bits a byte.
fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0_u16; 128];
    for byte in bytes {
        counts[usize::from(byte & 0x7f)] += 1;
    }
    let len = bytes.len() as f32;
    counts
        .iter()
        .filter(|n| **n > 0)
        .map(|n| {
            let p = f32::from(*n) / len;
            -p * p.log2()
        })
        .sum()
}
