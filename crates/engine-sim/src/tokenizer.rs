//! Text to tokens and back: cl100k with ChatML's two marks, loaded on first use (it keeps some
//! megabytes resident, which an idle replica need not have).

use bpe_openai::Tokenizer;

/// Begins a message.
pub(crate) const IM_START: u32 = 100_264;
/// Ends a message, and a completion.
pub(crate) const IM_END: u32 = 100_265;
/// Stands where an image would be.
pub(crate) const IMAGE: u32 = 100_266;

fn cl100k() -> &'static Tokenizer {
    bpe_openai::cl100k_base()
}

/// The tokens of plain text; marks in it are text like any other.
pub(crate) fn encode(text: &str) -> Vec<u32> {
    cl100k().encode(text)
}

/// Whether `token` is in the vocabulary.
pub(crate) fn is_token(token: u32) -> bool {
    mark(token).is_some() || (token as usize) < cl100k().bpe.num_tokens()
}

/// The bytes of one token; none for an id outside the vocabulary.
pub(crate) fn token_bytes(token: u32) -> &'static [u8] {
    match mark(token) {
        Some(text) => text.as_bytes(),
        None if is_token(token) => cl100k().bpe.token_bytes(token),
        None => &[],
    }
}

fn mark(token: u32) -> Option<&'static str> {
    match token {
        IM_START => Some("<|im_start|>"),
        IM_END => Some("<|im_end|>"),
        IMAGE => Some("<|image|>"),
        _ => None,
    }
}

/// The text of tokens; bytes that are not UTF-8 become the replacement character.
pub(crate) fn decode(tokens: &[u32]) -> String {
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| token_bytes(*token).iter().copied())
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Cuts text into what each of its tokens adds to it, as an engine streams: a token that ends
/// inside a character adds nothing, and the one that completes the character adds it whole.
pub(crate) fn split(text: &str) -> Vec<(u32, String)> {
    let mut pending = Vec::new();
    encode(text)
        .into_iter()
        .map(|token| {
            pending.extend_from_slice(token_bytes(token));
            let whole = match std::str::from_utf8(&pending) {
                Ok(text) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            let rest = pending.split_off(whole);
            let ready = std::mem::replace(&mut pending, rest);
            (token, String::from_utf8_lossy(&ready).into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_text_and_tokens_to_its_encoding() {
        let text = "The forebay held 3,000 m³ — 漢字 and 🦀 — before noon.\n";
        let pieces = split(text);
        let joined: String = pieces.iter().map(|(_, piece)| piece.as_str()).collect();
        let tokens: Vec<u32> = pieces.iter().map(|(token, _)| *token).collect();
        assert_eq!(joined, text);
        assert_eq!(decode(&tokens), text);
    }

    #[test]
    fn a_mark_in_text_stays_text() {
        assert!(!encode("<|im_start|>system").contains(&IM_START));
        assert_eq!(decode(&[IM_START, 9906, u32::MAX]), "<|im_start|>Hello");
    }
}
