//! Text documents that come encoded: data URLs, and members that hold files in base64. What is text is told
//! by what it decodes to, not by what a client calls it: providers decode it whatever it is called.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A text document, decoded.
pub(crate) struct Encoded<'t> {
    /// What stands before what is encoded.
    head: &'t str,
    /// The document.
    pub(crate) text: String,
    form: Form,
}

/// How a document is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// In base64.
    Base64(Units),
    /// A data URL without base64.
    Percent,
}

/// What the bytes of a text are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Units {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// Whether members of this name hold a file in base64.
pub(super) fn is_document(member: &str) -> bool {
    matches!(member, "data" | "file_data" | "bytes")
}

impl<'t> Encoded<'t> {
    /// The document that a string is; none where it is no text. `document`: it stands where files do.
    pub(super) fn of(text: &'t str, document: bool) -> Option<Self> {
        match text.split_at_checked(5) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("data:") => {
                let (media, encoded) = rest.split_once(',')?;
                let head = text.get(..text.len() - encoded.len())?;
                let last = media.rsplit(';').next().unwrap_or_default();
                if last.trim().eq_ignore_ascii_case("base64") {
                    return Self::decoded(head, encoded);
                }
                let text = percent_decoded(encoded)?;
                let form = Form::Percent;
                Some(Self { head, text, form })
            }
            _ if document => Self::decoded("", text),
            _ => None,
        }
    }

    fn decoded(head: &'t str, encoded: &str) -> Option<Self> {
        // Nearly all files are no text, and nearly all of those say so in their first bytes.
        let begins = encoded.get(..64).and_then(bytes_of);
        if begins.is_some_and(|bytes| !may_be_text(&bytes)) {
            return None;
        }
        let (text, units) = text_of(&bytes_of(encoded)?)?;
        let form = Form::Base64(units);
        Some(Self { head, text, form })
    }

    /// The string with another document in the place of this one.
    pub(super) fn with(&self, text: &str) -> String {
        let encoded = match self.form {
            Form::Percent => percent_encoded(text),
            Form::Base64(units) => {
                let wide = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
                    text.encode_utf16().flat_map(bytes).collect()
                };
                STANDARD.encode(match units {
                    Units::Utf8 => text.as_bytes().to_vec(),
                    Units::Utf16Le => wide(u16::to_le_bytes),
                    Units::Utf16Be => wide(u16::to_be_bytes),
                })
            }
        };
        format!("{}{encoded}", self.head)
    }
}

/// The bytes of a text in base64. Both alphabets, with and without padding: providers take all of them.
pub(super) fn bytes_of(encoded: &str) -> Option<Vec<u8>> {
    let plain: String = encoded
        .chars()
        .filter(|c| !c.is_ascii_whitespace() && *c != '=')
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    STANDARD_NO_PAD.decode(plain).ok()
}

/// Whether bytes are the beginning of a text.
fn may_be_text(bytes: &[u8]) -> bool {
    let utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // A character may be cut at the end.
        Err(error) => error.error_len().is_none(),
    };
    utf8 || matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) || wide(bytes).is_some()
}

/// In which order the halves of UTF-16 stand where no mark says it: one half of Latin letters is zero.
fn wide(bytes: &[u8]) -> Option<Units> {
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).any(|byte| *byte == 0);
    match (zeros(0), zeros(1)) {
        (false, true) => Some(Units::Utf16Le),
        (true, false) => Some(Units::Utf16Be),
        _ => None,
    }
}

fn text_of(bytes: &[u8]) -> Option<(String, Units)> {
    let units = match bytes {
        [0xff, 0xfe, ..] => Units::Utf16Le,
        [0xfe, 0xff, ..] => Units::Utf16Be,
        _ => wide(bytes).unwrap_or(Units::Utf8),
    };
    let from: fn([u8; 2]) -> u16 = match units {
        Units::Utf8 => {
            let text = std::str::from_utf8(bytes).ok()?;
            return Some((text.to_owned(), units));
        }
        Units::Utf16Le => u16::from_le_bytes,
        Units::Utf16Be => u16::from_be_bytes,
    };
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    let pairs: Vec<u16> = pairs.iter().map(|pair| from(*pair)).collect();
    Some((String::from_utf16(&pairs).ok()?, units))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = (*byte == b'%').then(|| after.get(..2)).flatten();
        let hex = digits.and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
