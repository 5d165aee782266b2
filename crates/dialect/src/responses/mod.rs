//! OpenAI's responses, as its official SDK types them (3.57) and as vLLM extends them.
//!
//! The format can keep conversations at the server: see [`kept`]. What refers to kept state and
//! was not put into the request passes to an upstream that speaks the format too, and is refused
//! elsewhere.

mod answer;
mod content;
mod echo;
mod error;
mod fold;
pub(crate) mod format;
mod grammar;
mod items;
pub mod kept;
mod mend;
mod object;
mod parts_out;
pub(crate) mod payload;
mod place;
pub(crate) mod prompt;
mod read;
mod stream_part;
mod stream_pieces;
mod stream_read;
mod stream_write;
mod stretch;
mod synthesise;
#[cfg(test)]
mod tests;
mod tools;
mod write;
mod write_items;
mod write_media;

/// What stands before hidden reasoning of another provider (Anthropic's `redacted_thinking`)
/// where it travels as `encrypted_content`, which clients only hand back.
const REDACTED: &str = "redacted:";

/// Encrypted content as a signature or, with its mark, as hidden reasoning.
fn unseal(sealed: std::borrow::Cow<'_, str>) -> (Option<Sealed<'_>>, Option<Sealed<'_>>) {
    use std::borrow::Cow;
    if sealed.is_empty() {
        return (None, None);
    }
    match sealed {
        Cow::Borrowed(text) => match text.strip_prefix(REDACTED) {
            Some(redacted) => (None, Some(Cow::Borrowed(redacted))),
            None => (Some(Cow::Borrowed(text)), None),
        },
        Cow::Owned(text) => match text.strip_prefix(REDACTED) {
            Some(redacted) => (None, Some(Cow::Owned(redacted.to_owned()))),
            None => (Some(Cow::Owned(text)), None),
        },
    }
}

type Sealed<'a> = std::borrow::Cow<'a, str>;
