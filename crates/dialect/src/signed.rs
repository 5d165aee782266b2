//! Whose opaque strings are whose. What a maker of models signs or encrypts of its reasoning only
//! that maker can read, and others refuse a request that has it. So such a string has its maker's
//! name in it while a client of another format holds it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{self, GeneralPurpose, GeneralPurposeConfig};

/// What a marked string begins with. Some clients decode the string and encode it again, perhaps
/// in the other alphabet: these are whole groups of base64, alike in both, and their bytes are no text.
pub(crate) const MARK: &str = "ForebayMark1";

const READER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The string with its maker's name, and its place among what the answer's message holds, where the
/// client's format does not keep that.
pub(crate) fn marked(maker: &str, at: Option<usize>, opaque: &str) -> String {
    let named = match at {
        Some(at) => format!("{maker}@{at}:{opaque}"),
        None => format!("{maker}:{opaque}"),
    };
    let mut out = MARK.to_owned();
    general_purpose::STANDARD.encode_string(named.as_bytes(), &mut out);
    out
}

/// What a client hands back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// It has no mark.
    Bare,
    /// That maker's.
    Of {
        /// Empty where the mark was damaged.
        maker: String,
        /// Its place, where it does not stand ahead of all else.
        at: Option<usize>,
        opaque: String,
    },
}

/// Reads a string that a client hands back.
pub(crate) fn read(text: &str) -> Handed {
    let Some(rest) = text.strip_prefix(MARK) else {
        return Handed::Bare;
    };
    let rest = rest.replace('-', "+").replace('_', "/");
    let named = READER.decode(rest).ok();
    let named = named.and_then(|bytes| String::from_utf8(bytes).ok());
    let (maker, opaque) = named
        .as_deref()
        .and_then(|named| named.split_once(':'))
        .unwrap_or_default();
    let (maker, at) = match maker.split_once('@') {
        Some((maker, at)) => (maker, at.parse().ok()),
        None => (maker, None),
    };
    Handed::Of {
        maker: maker.to_owned(),
        at,
        opaque: opaque.to_owned(),
    }
}

/// Whether a string without a mark can be that maker's, in a format that has none of its own.
/// OpenAI's are Fernet tokens, which begin alike; nobody else's do.
pub(crate) fn fits(maker: &str, opaque: &str) -> bool {
    opaque.starts_with("gAAAAA") == (maker == "openai")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_string_is_read_back_byte_for_byte_whatever_the_alphabet_and_padding() {
        let opaques = ["", "c2ln", "a:b/+-_=\u{fc}", "gAAAAABo"];
        for (opaque, at) in opaques.into_iter().zip([None, Some(3), Some(0), None]) {
            let marked = marked("anthropic", at, opaque);
            let url_safe = marked.replace('+', "-").replace('/', "_");
            for text in [&marked, &url_safe, url_safe.trim_end_matches('=')] {
                let expected = Handed::Of {
                    maker: "anthropic".to_owned(),
                    at,
                    opaque: opaque.to_owned(),
                };
                assert_eq!(read(text), expected, "{text}");
            }
            assert!(crate::data_url::is_base64(&marked));
        }
    }

    #[test]
    fn a_damaged_mark_is_nobodys_and_none_is_bare() {
        assert_eq!(read("c2ln"), Handed::Bare);
        for damaged in ["ForebayMark1", "ForebayMark1!!", "ForebayMark1Zm9v"] {
            assert!(matches!(read(damaged), Handed::Of { maker, .. } if maker.is_empty()));
        }
    }
}
