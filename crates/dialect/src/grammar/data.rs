//! Base64 and `data:` URLs: whether what they hold is text, and the same with other text.

use std::borrow::Cow;

use ::base64::alphabet;
use ::base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ::base64::engine::{DecodePaddingMode, Engine as _};

/// Readers differ in how strict they are; what any of them takes is read.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How many characters of base64 are looked at to tell text from binary data: 768 bytes. Every
/// binary type in use shows itself in its first bytes.
const SNIFFED: usize = 1024;

/// What a piece of data holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Text, and how to write it again.
    Text(String, Coding),
    /// The value is no encoded data: it is text as it stands.
    Plain,
    /// An image, a sound, or other data that is no text.
    Binary,
    /// Text by its type, but not in UTF-8, or in broken base64.
    Unreadable,
}

/// How text is written as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coding {
    /// A `data:` URL up to its comma; empty for base64 alone.
    head: String,
    /// With `-` and `_` in the place of `+` and `/`.
    url_safe: bool,
    /// Without `=` at the end.
    bare: bool,
}

impl Coding {
    /// Text as data of this coding.
    pub(super) fn encode(&self, text: &str) -> String {
        let mut out = self.head.clone();
        let start = out.len();
        STANDARD.encode_string(text, &mut out);
        if self.bare {
            out.truncate(start + out[start..].trim_end_matches('=').len());
        }
        if self.url_safe {
            let safe = out[start..].replace('+', "-").replace('/', "_");
            out.replace_range(start.., &safe);
        }
        out
    }
}

/// Reads a URL: what is no `data:` URL is text.
pub(super) fn link(text: &str, data_type: Option<&str>) -> Held {
    match split(text) {
        Some((head, data)) => of_url(head, data, data_type),
        None => Held::Plain,
    }
}

/// Reads base64, or a `data:` URL in its place.
pub(super) fn data(text: &str, data_type: Option<&str>) -> Held {
    match split(text) {
        Some((head, data)) => of_url(head, data, data_type),
        None => base64(text, data_type, String::new()),
    }
}

/// A `data:` URL as what stands before its comma, and its data.
fn split(text: &str) -> Option<(&str, &str)> {
    let scheme = text.get(..5)?;
    (scheme.eq_ignore_ascii_case("data:")).then(|| text.split_once(',').unwrap_or((text, "")))
}

fn of_url(head: &str, data: &str, data_type: Option<&str>) -> Held {
    let parameters = head.get(5..).unwrap_or_default();
    let named = parameters.split(';').next().unwrap_or_default().trim();
    let named = match named {
        "" => "text/plain",
        named => named,
    };
    let is_base64 = parameters
        .rsplit(';')
        .next()
        .is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    if is_base64 {
        // Data in a URL may be percent-encoded once more.
        let data = match data.contains('%') {
            true => {
                String::from_utf8(percent_decoded(data)).map_or(Cow::Borrowed(data), Cow::Owned)
            }
            false => Cow::Borrowed(data),
        };
        let declared = Some(named)
            .filter(|named| is_text_type(named))
            .or(data_type);
        return match base64(&data, declared, format!("{head},")) {
            Held::Plain => Held::Unreadable,
            held => held,
        };
    }
    match String::from_utf8(percent_decoded(data)) {
        Ok(text) => Held::Text(
            text,
            Coding {
                head: format!("{head};base64,"),
                url_safe: false,
                bare: false,
            },
        ),
        Err(_) => Held::Unreadable,
    }
}

fn base64(text: &str, data_type: Option<&str>, head: String) -> Held {
    let text: Cow<'_, str> = match text.contains(|c: char| c.is_ascii_whitespace()) {
        true => text.split_ascii_whitespace().collect::<String>().into(),
        false => text.into(),
    };
    let url_safe = text.contains(['-', '_']);
    let text = match url_safe {
        true => Cow::Owned(text.replace('-', "+").replace('_', "/")),
        false => text,
    };
    let is_text = data_type.is_some_and(is_text_type);
    let binary = || match is_text {
        true => Held::Unreadable,
        false => Held::Binary,
    };
    let start = text.get(..text.len().min(SNIFFED)).unwrap_or_default();
    match LENIENT.decode(start) {
        Ok(start) if is_utf16(&start) => return Held::Unreadable,
        Ok(start) if !looks_like_text(&start) => return binary(),
        Ok(_) => {}
        Err(_) if is_text => return Held::Unreadable,
        Err(_) => return Held::Plain,
    }
    match LENIENT.decode(text.as_ref()).map(String::from_utf8) {
        Ok(Ok(decoded)) => Held::Text(
            decoded,
            Coding {
                head,
                url_safe,
                bare: !text.ends_with('=') && !text.len().is_multiple_of(4),
            },
        ),
        Ok(Err(_)) => binary(),
        Err(_) if is_text => Held::Unreadable,
        Err(_) => Held::Plain,
    }
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

/// Whether the first bytes of data are those of a text in UTF-8.
fn looks_like_text(bytes: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // The last character may be cut.
        Err(error) => error.error_len().is_none(),
    };
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31);
    is_utf8 && !bytes.iter().any(is_control)
}

/// Media types, and Converse's names of formats, whose data is text.
fn is_text_type(data_type: &str) -> bool {
    const WORDS: [&str; 12] = [
        "text",
        "json",
        "xml",
        "yaml",
        "csv",
        "html",
        "txt",
        "md",
        "markdown",
        "javascript",
        "svg",
        "toml",
    ];
    let name = data_type.split(';').next().unwrap_or_default();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
