//! The strings and numbers of a JSON text, so that what is escaped is judged as what it means.

use std::ops::Range;

/// A string or number of a JSON text.
pub(crate) struct Token<'a> {
    /// What it means: unescaped, without quotes.
    pub(crate) value: std::borrow::Cow<'a, str>,
    /// Where the value starts in the JSON text.
    start: usize,
    /// For a value with escapes: where each of its bytes comes from, and where it ends.
    places: Vec<u32>,
    /// It is a number: nothing else can stand in its place without quotes.
    pub(crate) is_number: bool,
    /// It is the name of a member.
    is_name: bool,
}

impl Token<'_> {
    /// Where a stretch of the value lies in the JSON text.
    pub(crate) fn place(&self, start: usize, end: usize) -> (usize, usize) {
        let of = |i: usize| match self.places.get(i) {
            Some(place) => *place as usize,
            None => self.start + i,
        };
        (of(start), of(end))
    }
}

/// Calls `each` with every string and number. What is no JSON gives what looks like them.
pub(crate) fn tokens<'t>(json: &'t str, mut each: impl FnMut(Token<'t>)) {
    let bytes = json.as_bytes();
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'"' => {
                let start = i + 1;
                let (end, escaped) = string_end(bytes, start);
                if let Some(raw) = json.get(start..end) {
                    let mut token = match escaped {
                        true => unescape(raw, start),
                        false => plain(raw, start, false),
                    };
                    let after = bytes.get(end + 1..).unwrap_or_default();
                    token.is_name = after.trim_ascii_start().first() == Some(&b':');
                    each(token);
                }
                i = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let end = bytes[i..]
                    .iter()
                    .position(|b| !matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .map_or(bytes.len(), |len| i + len);
                if let Some(raw) = json.get(i..end) {
                    each(plain(raw, i, true));
                }
                i = end;
            }
            _ => i += 1,
        }
    }
}

/// Calls `each` with what members of the name `text` say, in their order: blocks of a message or of a tool's
/// result, which the model reads one behind the other. Where there is one such member at most, with none.
pub(crate) fn texts<'t>(json: &'t str, mut each: impl FnMut(Token<'t>)) {
    const NAME: &[u8] = b"\"text\"";
    if memchr::memmem::find_iter(json.as_bytes(), NAME)
        .nth(1)
        .is_none()
    {
        return;
    }
    let mut is_text = false;
    tokens(json, |token| {
        if token.is_name {
            is_text = token.value == "text";
        } else if is_text && !token.value.is_empty() {
            each(token);
        }
    });
}

/// JSON within JSON within JSON is read this deep: agents nest twice, and each level costs a scan.
const DEPTH: u32 = 4;

/// Whether a text may be a JSON text.
pub(crate) fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

/// Where a stretch of one text lies in another that holds it.
type Outer<'a> = dyn Fn(Range<usize>) -> Range<usize> + 'a;

/// Calls `each` with every string of a JSON text that has escapes, at any depth of JSON within
/// JSON, and with what says where a stretch of that string lies in `text`. A string without
/// escapes says in `text` already what it means.
pub(crate) fn nested(text: &str, each: &mut dyn FnMut(&str, &Outer<'_>)) {
    nested_at(text, 1, &|range| range, each);
}

fn nested_at(text: &str, depth: u32, outer: &Outer<'_>, each: &mut dyn FnMut(&str, &Outer<'_>)) {
    tokens(text, |token| {
        if token.places.is_empty() {
            return;
        }
        let here = |range: Range<usize>| {
            let (start, end) = token.place(range.start, range.end);
            outer(start..end)
        };
        each(&token.value, &here);
        let deeper = token.value.contains('\\') && looks_like_json(&token.value);
        if deeper && depth < DEPTH {
            nested_at(&token.value, depth + 1, &here, each);
        }
    });
}

fn plain(raw: &str, start: usize, is_number: bool) -> Token<'_> {
    Token {
        value: raw.into(),
        start,
        places: Vec::new(),
        is_number,
        is_name: false,
    }
}

/// Where a string ends, and whether it has escapes.
fn string_end(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut escaped = false;
    let mut i = start;
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'"' => return (i, escaped),
            b'\\' => {
                escaped = true;
                i += 2;
            }
            _ => i += 1,
        }
    }
    (bytes.len(), escaped)
}

/// The escape at the start of a text (RFC 8259, section 7), which begins with `\\`: what it means and how long it is; `None` if it is none.
pub(crate) fn escape(raw: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        raw.get(at..at + 4)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
    };
    let simple = match raw.as_bytes().get(1)? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => {
            let high = unit(2)?;
            if let Some(c) = char::from_u32(high) {
                return Some((c, 6));
            }
            // A surrogate: with its pair one character, alone none.
            let pair = (raw.get(6..8) == Some("\\u")).then(|| unit(8)).flatten();
            return Some(match pair {
                Some(low) if high < 0xdc00 && (0xdc00..0xe000).contains(&low) => {
                    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                        12,
                    )
                }
                _ => (char::REPLACEMENT_CHARACTER, 6),
            });
        }
        _ => raw[1..].chars().next()?,
    };
    Some((simple, 1 + simple_len(raw)))
}

fn simple_len(raw: &str) -> usize {
    raw[1..].chars().next().map_or(0, char::len_utf8)
}

fn unescape(raw: &str, start: usize) -> Token<'_> {
    let mut value = String::with_capacity(raw.len());
    let mut places = Vec::with_capacity(raw.len() + 1);
    let place = |i: usize| u32::try_from(start + i).unwrap_or(u32::MAX);
    let mut i = 0;
    while let Some(c) = raw.get(i..).and_then(|rest| rest.chars().next()) {
        let (meaning, len) = match c {
            '\\' => escape(&raw[i..]).unwrap_or((c, 1)),
            _ => (c, c.len_utf8()),
        };
        value.push(meaning);
        places.resize(value.len(), place(i));
        i += len;
    }
    places.push(place(raw.len()));
    Token {
        value: value.into(),
        start,
        places,
        is_number: false,
        is_name: false,
    }
}
