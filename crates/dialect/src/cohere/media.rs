//! Media as URLs: those of the web as they are, bytes as `data:` URLs.

use crate::exchange::{Inexpressible, Media, Source};

/// Writes a medium's URL to `out`. False where there is none, since only a provider knows it.
///
/// # Errors
///
/// When the bytes are no base64 or nobody says of which type they are.
pub(crate) fn url(
    media: &Media<'_>,
    path: impl Fn() -> String,
    out: &mut String,
) -> Result<bool, Inexpressible> {
    let refuse = |why: &str| Inexpressible {
        param: path(),
        why: why.to_owned(),
    };
    match &media.source {
        Source::Url(url) if url.starts_with("data:") && !url.contains(";base64,") => {
            Err(refuse("it is a data: URL that holds no base64"))
        }
        Source::Url(url) => {
            if let Some((_, bytes)) = url.strip_prefix("data:").and_then(|u| u.split_once(','))
                && decoded_len(bytes).is_none()
            {
                return Err(refuse("its data: URL holds no valid base64"));
            }
            out.push_str(url);
            Ok(true)
        }
        Source::Base64(_) if media.media_type.is_empty() => {
            Err(refuse("its media type is missing"))
        }
        Source::Base64(bytes) => {
            if decoded_len(bytes).is_none() {
                return Err(refuse("it holds no valid base64"));
            }
            for piece in ["data:", &media.media_type, ";base64,", bytes] {
                out.push_str(piece);
            }
            Ok(true)
        }
        Source::Id(_) | Source::Text(_) => Ok(false),
    }
}

/// How many bytes a base64 text (RFC 4648, section 4, with padding) stands for.
pub(crate) fn decoded_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let data = match bytes {
        [data @ .., b'=', b'='] | [data @ .., b'='] => data,
        data => data,
    };
    let clean = data
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    (clean && bytes.len().is_multiple_of(4)).then(|| data.len() * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_told_from_other_text() {
        assert_eq!(decoded_len("QUJD"), Some(3));
        assert_eq!(decoded_len("QUI="), Some(2));
        assert_eq!(decoded_len("QQ=="), Some(1));
        assert_eq!(decoded_len(""), Some(0));
        for bad in ["QUJ", "Q===", "QU-D", "QU D", "QU=D"] {
            assert_eq!(decoded_len(bad), None, "{bad}");
        }
    }
}
