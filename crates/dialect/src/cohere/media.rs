//! Media as URLs: those of the web as they are, bytes as `data:` URLs.

use crate::data_url::{DataUrl, decoded_len, is_data_url};
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
    let refuse = |why: &str| Inexpressible::new(path(), why.to_owned());
    match &media.source {
        Source::Url(url) => {
            if is_data_url(url) {
                let Some(parts) = DataUrl::split(url) else {
                    return Err(refuse("it is a data: URL that holds no base64"));
                };
                if decoded_len(parts.data).is_none() {
                    return Err(refuse("its data: URL holds no valid base64"));
                }
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
