//! Base64 (RFC 4648): whether a text is such, how many bytes it stands for, and text as such.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

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
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let six = (group >> (18 - 6 * digit)) & 63;
            out.push(match digit as usize > chunk.len() {
                true => '=',
                false => char::from(ALPHABET[six as usize]),
            });
        }
    }
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
    fn what_is_no_base64_is_told() {
        for text in ["Z", "Zg=", "Zm9vY", "Zm 9v", "Zm9v====", "=", "Zé=="] {
            assert_eq!(decoded_len(text), None, "{text}");
        }
    }
}
