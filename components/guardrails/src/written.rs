//! Characters as HTML, URLs and source code write them: `&#64;`, `%40`, `\u0040`, `\100` for `@`.

use crate::escapes::has_only_begun;
use crate::json::escape;
use crate::named::{self, named};

/// Whether bytes that begin with `&`, `%` or `\` may write a character. It errs towards yes.
pub(crate) fn may_hide(bytes: &[u8]) -> bool {
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    match bytes {
        [b'&', b'#', ..] => true,
        [b'&', ..] => named(bytes).is_some(),
        [b'%', ..] => hex(1) && hex(2),
        [b'\\', b'u', ..] if hex(2) => hex(3) && hex(4) && hex(5),
        [b'\\', b'x', ..] => hex(2) && hex(3),
        [b'\\', ..] => coded(bytes).is_some(),
        _ => false,
    }
}

/// Where the end of a text may be the beginning of a character's escape; the text's length where not.
pub(crate) fn begun(text: &str) -> usize {
    let bytes = text.as_bytes();
    let first = bytes.len().saturating_sub(LONGEST);
    let goes_on = |at: &usize| match bytes.get(*at..).unwrap_or_default() {
        [b'&', rest @ ..] => rest.iter().all(|b| *b == b'#' || b.is_ascii_alphanumeric()),
        [b'%', ..] => percent_goes_on(bytes, *at),
        [b'\\', b'u', b'{', rest @ ..] => rest.len() <= 6 && rest.iter().all(u8::is_ascii_hexdigit),
        [b'\\'] | [b'\\', b'u', ..] => has_only_begun(&text[*at..]),
        [b'\\', b'U', rest @ ..] => rest.len() < 8 && rest.iter().all(u8::is_ascii_hexdigit),
        [b'\\', b'x', rest @ ..] => rest.len() < 2 && rest.iter().all(u8::is_ascii_hexdigit),
        [b'\\', rest @ ..] if rest.len() < 3 => rest.iter().all(is_octal),
        _ => false,
    };
    (first..bytes.len()).find(goes_on).unwrap_or(bytes.len())
}

/// The longest escape that is looked for: a character reference, with its `&`.
const LONGEST: usize = named::LONGEST + 1;

/// Whether a text ends within the percent-encoding of one character.
fn percent_goes_on(bytes: &[u8], at: usize) -> bool {
    let mut decoded = [0; 4];
    for count in 0..decoded.len() {
        let at = at + count * 3;
        let there = bytes.get(at..bytes.len().min(at + 3)).unwrap_or_default();
        match there {
            [] | [b'%'] => return true,
            [b'%', digit] => return digit.is_ascii_hexdigit(),
            [b'%', ..] => {}
            _ => return false,
        }
        let Some(byte) = hex(bytes, at + 1) else {
            return false;
        };
        decoded[count] = byte;
        // A character that is incomplete, not one that is wrong.
        match std::str::from_utf8(&decoded[..=count]) {
            Err(error) if error.error_len().is_none() => {}
            _ => return false,
        }
    }
    false
}

/// The character at the start of a text and how many bytes write it.
pub(crate) fn written(text: &str) -> Option<(char, usize)> {
    let bytes = text.as_bytes();
    let found = match bytes.first()? {
        b'&' => reference(text),
        b'%' => percent(bytes),
        b'\\' if bytes.get(1) == Some(&b'u') && bytes.get(2) != Some(&b'{') && may_hide(bytes) => {
            escape(text)
        }
        b'\\' if bytes.get(1) == Some(&b'x') => hex(bytes, 2).map(|byte| (char::from(byte), 4)),
        b'\\' => coded(bytes),
        _ => None,
    };
    found.or_else(|| text.chars().next().map(|c| (c, c.len_utf8())))
}

/// A character reference of HTML. The `;` may be missing behind a number.
fn reference(text: &str) -> Option<(char, usize)> {
    let Some(number) = text.strip_prefix("&#") else {
        return named(text.as_bytes());
    };
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let len = digits
        .bytes()
        .take(8)
        .take_while(|b| char::from(*b).is_digit(radix))
        .count();
    let code = u32::from_str_radix(digits.get(..len)?, radix).ok()?;
    let end = text.len() - digits.len() + len;
    let semicolon = usize::from(digits.as_bytes().get(len) == Some(&b';'));
    Some((char::from_u32(code)?, end + semicolon))
}

/// A character by its number, as source code writes it: `\u{40}`, `\U00000040`, or in three octal digits.
fn coded(bytes: &[u8]) -> Option<(char, usize)> {
    let number = |digits: &[u8], radix: u32| {
        let digits = std::str::from_utf8(digits).ok()?;
        let plain = digits.bytes().all(|b| char::from(b).is_digit(radix));
        let code = u32::from_str_radix(digits, radix).ok().filter(|_| plain)?;
        char::from_u32(code)
    };
    match bytes {
        [b'\\', b'u', b'{', rest @ ..] => {
            let len = rest.iter().take(7).position(|b| *b == b'}')?;
            Some((number(rest.get(..len)?, 16)?, len + 4))
        }
        [b'\\', b'U', rest @ ..] => Some((number(rest.get(..8)?, 16)?, 10)),
        [b'\\', b'0'..=b'3', ..] => Some((number(bytes.get(1..4)?, 8)?, 4)),
        _ => None,
    }
}

fn is_octal(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'7')
}

/// A character in percent-encoding (RFC 3986, section 2.1), in UTF-8.
fn percent(bytes: &[u8]) -> Option<(char, usize)> {
    let mut decoded = [0; 4];
    for count in 0..decoded.len() {
        let at = count * 3;
        if bytes.get(at) != Some(&b'%') {
            return None;
        }
        decoded[count] = hex(bytes, at + 1)?;
        if let Ok(text) = std::str::from_utf8(&decoded[..=count]) {
            return Some((text.chars().next()?, at + 3));
        }
    }
    None
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}
