//! Base64 (RFC 4648): whether a text is such, how many bytes it stands for, and text as such.

use std::borrow::Cow;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;

/// How many bytes a base64 text stands for. None where it is none: protobuf's JSON takes the
/// standard and the URL-safe alphabet, with padding or without.
pub(super) fn decoded_len(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let fits = match digits.len() % 4 {
        0 => padding == 0,
        2 => padding == 0 || padding == 2,
        3 => padding == 0 || padding == 1,
        _ => false,
    };
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    (fits && digits.bytes().all(plain)).then_some(digits.len() * 3 / 4)
}

/// Appends bytes as base64 with padding.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    STANDARD.encode_string(bytes, out);
}

/// The same bytes in the standard alphabet with padding, which every other format demands.
/// Google's own client writes the URL-safe one.
pub(super) fn standard(text: Cow<'_, str>) -> Cow<'_, str> {
    let missing = match text.len() % 4 {
        2 => "==",
        3 => "=",
        _ => "",
    };
    if missing.is_empty() && !text.contains(['-', '_']) {
        return text;
    }
    let mut out = text.replace('-', "+").replace('_', "/");
    out.push_str(missing);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_hold() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, encoded) in vectors {
            let mut out = String::new();
            encode(text.as_bytes(), &mut out);
            assert_eq!(out, encoded);
            assert_eq!(decoded_len(encoded), Some(text.len()));
        }
    }

    #[test]
    fn the_url_safe_alphabet_becomes_the_standard_one() {
        assert_eq!(standard("_-8".into()), "/+8=");
        assert_eq!(standard("Zg==".into()), "Zg==");
    }

    #[test]
    fn what_is_no_base64_is_told() {
        for text in ["Z", "Zg=", "Zm9vY", "Zm 9v", "Zm9v====", "=", "Zé=="] {
            assert_eq!(decoded_len(text), None, "{text}");
        }
    }
}
