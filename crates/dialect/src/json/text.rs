//! JSON strings: escaping them, finding their end, and telling which raw byte a decoded one
//! came from.

/// A string as a JSON string, quotes included: escapes where RFC 8259 demands them and nowhere
/// else, the short form where there is one.
pub fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_json_string(text, &mut out);
    out
}

/// Appends what [`json_string`] gives.
pub(crate) fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    write_escaped(text, out);
    out.push('"');
}

fn write_escaped(text: &str, out: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            0x08 => 'b',
            0x0c => 'f',
            0x00..0x20 => 'u',
            _ => continue,
        };
        // All of these are ASCII, so the cuts lie on character boundaries.
        out.push_str(&text[clean..at]);
        out.push('\\');
        out.push(short);
        if short == 'u' {
            out.push_str("00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
        clean = at + 1;
    }
    out.push_str(&text[clean..]);
}

/// One past the closing quote of the string that opens at `start`.
pub(super) fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        .map(|found| at + found)
    {
        if bytes[found] == b'"' {
            return found + 1;
        }
        at = found + 2;
    }
    bytes.len()
}

/// One character of a string as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Bytes as written.
    pub(super) raw: usize,
    /// Bytes in UTF-8 once decoded.
    pub(super) decoded: usize,
    /// Half of a surrogate pair without the other half.
    pub(super) lone: bool,
}

/// The escape that begins at `at`, which is a backslash.
pub(super) fn escaped_unit(bytes: &[u8], at: usize) -> Unit {
    if bytes.get(at + 1) != Some(&b'u') {
        return Unit {
            raw: 2,
            decoded: 1,
            lone: false,
        };
    }
    match hex(bytes, at + 2) {
        0..0x80 => Unit {
            raw: 6,
            decoded: 1,
            lone: false,
        },
        0x80..0x800 => Unit {
            raw: 6,
            decoded: 2,
            lone: false,
        },
        0xd800..0xdc00 => {
            let paired = bytes.get(at + 6..at + 8) == Some(b"\\u")
                && (0xdc00..0xe000).contains(&hex(bytes, at + 8));
            Unit {
                raw: if paired { 12 } else { 6 },
                decoded: 4,
                lone: !paired,
            }
        }
        code => Unit {
            raw: 6,
            decoded: 3,
            lone: (0xdc00..0xe000).contains(&code),
        },
    }
}

/// A string's content, decoded: one allocation, whatever is escaped. None where it is not the
/// content of a good JSON string.
pub(super) fn unescape(raw: &str) -> Option<String> {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len());
    let mut at = 0;
    while let Some(plain) = memchr::memchr(b'\\', bytes.get(at..)?) {
        out.push_str(raw.get(at..at + plain)?);
        at += plain;
        out.push(match bytes.get(at + 1)? {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => match hex(bytes, at + 2) {
                high @ 0xd800..0xdc00 => {
                    let low = hex(bytes, at + 8).checked_sub(0xdc00)?;
                    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)?
                }
                code => char::from_u32(code)?,
            },
            other => char::from(*other),
        });
        at += escaped_unit(bytes, at).raw;
    }
    out.push_str(raw.get(at..)?);
    Some(out)
}

fn hex(bytes: &[u8], at: usize) -> u32 {
    let digits = bytes.get(at..at + 4).unwrap_or_default();
    digits.iter().fold(0, |code, digit| {
        code * 16 + char::from(*digit).to_digit(16).unwrap_or_default()
    })
}

/// Walks the content of a JSON string and tells, for rising offsets, where a decoded byte
/// stands in the raw text and the other way round.
#[derive(Debug, Clone)]
pub(crate) struct Offsets<'a> {
    raw: &'a str,
    at_raw: usize,
    at_decoded: usize,
}

impl<'a> Offsets<'a> {
    /// At the beginning of a string's content, without its quotes.
    pub(crate) fn new(raw: &'a str) -> Self {
        Self {
            raw,
            at_raw: 0,
            at_decoded: 0,
        }
    }

    /// The raw offset of a decoded one; none where that lies inside a character, beyond the
    /// end, or before an offset that was asked for earlier.
    pub(crate) fn raw_of(&mut self, decoded: usize) -> Option<usize> {
        self.advance(|_, at_decoded| decoded.checked_sub(at_decoded));
        (self.at_decoded == decoded).then_some(self.at_raw)
    }

    /// The decoded offset of a raw one, under the same conditions.
    pub(crate) fn decoded_of(&mut self, raw: usize) -> Option<usize> {
        self.advance(|at_raw, _| raw.checked_sub(at_raw));
        (self.at_raw == raw).then_some(self.at_decoded)
    }

    /// Steps on while `left(raw, decoded)` says that bytes are left to go.
    fn advance(&mut self, left: impl Fn(usize, usize) -> Option<usize>) {
        while let Some(left) = left(self.at_raw, self.at_decoded).filter(|left| *left > 0) {
            let rest = &self.raw.as_bytes()[self.at_raw..];
            // Bytes without a backslash are as long raw as decoded.
            let plain = memchr::memchr(b'\\', &rest[..left.min(rest.len())]);
            let step = plain.unwrap_or(left.min(rest.len()));
            if step > 0 {
                let mut end = self.at_raw + step;
                while !self.raw.is_char_boundary(end) {
                    end += 1;
                }
                self.at_decoded += end - self.at_raw;
                self.at_raw = end;
            } else if rest.is_empty() {
                return;
            } else {
                let unit = escaped_unit(self.raw.as_bytes(), self.at_raw);
                self.at_raw = (self.at_raw + unit.raw).min(self.raw.len());
                self.at_decoded += unit.decoded;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn surrogate_pairs_are_one_character() {
        let mut offsets = Offsets::new(r"a\ud83d\ude00b");
        assert_eq!(offsets.raw_of(1), Some(1));
        assert_eq!(offsets.clone().raw_of(3), None);
        assert_eq!(offsets.raw_of(5), Some(13));
        assert_eq!(offsets.raw_of(6), Some(14));
        assert_eq!(offsets.raw_of(7), None);
    }

    #[test]
    fn escapes_are_those_of_serde_json() {
        let text: String = (0..0x100).filter_map(char::from_u32).collect();
        assert_eq!(json_string(&text), serde_json::to_string(&text).unwrap());
    }

    /// A character and one way to write it.
    fn written() -> impl Strategy<Value = (char, String)> {
        (any::<char>(), any::<bool>()).prop_map(|(character, escaped)| {
            let mut units = [0; 2];
            let written = if escaped {
                character
                    .encode_utf16(&mut units)
                    .iter()
                    .map(|u| format!("\\u{u:04x}"))
                    .collect()
            } else {
                let quoted = json_string(&character.to_string());
                quoted[1..quoted.len() - 1].to_owned()
            };
            (character, written)
        })
    }

    proptest! {
        #[test]
        fn each_decoded_boundary_maps_to_the_raw_one(parts in prop::collection::vec(written(), 0..40)) {
            let raw: String = parts.iter().map(|(_, written)| written.as_str()).collect();
            let decoded: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
            prop_assert_eq!(unescape(&raw), Some(decoded.clone()));
            let mut forward = Offsets::new(&raw);
            let mut backward = Offsets::new(&raw);
            let (mut at_raw, mut at_decoded) = (0, 0);
            for (character, written) in &parts {
                prop_assert_eq!(forward.raw_of(at_decoded), Some(at_raw));
                prop_assert_eq!(backward.decoded_of(at_raw), Some(at_decoded));
                at_raw += written.len();
                at_decoded += character.len_utf8();
            }
            prop_assert_eq!(at_decoded, decoded.len());
            prop_assert_eq!(forward.raw_of(at_decoded), Some(raw.len()));
            for inside in (0..decoded.len()).filter(|at| !decoded.is_char_boundary(*at)) {
                prop_assert_eq!(Offsets::new(&raw).raw_of(inside), None);
            }
        }
    }
}
