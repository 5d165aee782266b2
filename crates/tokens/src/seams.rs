//! Where a text can be cut so that the tokens of its pieces are the tokens of the whole.
//!
//! Tokenizers cut a text at its special tokens before they do anything else, so behind one of them
//! nothing that came before matters. That holds for a token whose match no other token can change
//! (see [`is_safe`]), in tokenizers that treat no stretch of a text otherwise than the others.

use tokenizers::{AddedToken, Tokenizer};

/// The tokens behind which a text can be cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seams {
    tokens: Vec<String>,
}

/// The most tokens that serve as seams; a template uses a handful.
const MAX_TOKENS: usize = 64;
/// The most seams of one text that are looked at, from its end.
const MAX_SEAMS: usize = 256;

impl Seams {
    pub(crate) fn of(tokenizer: &Tokenizer) -> Self {
        let added = tokenizer.get_added_tokens_decoder();
        let all: Vec<&AddedToken> = added.values().collect();
        if all.iter().any(|token| token.single_word) || !is_uniform(tokenizer) {
            return Self::default();
        }
        let mut tokens: Vec<String> = all
            .iter()
            .filter(|token| token.special && is_safe(token, &all))
            .map(|token| token.content.clone())
            .collect();
        // Those that templates are made of are short; reserved ones would fill the list.
        tokens.retain(|token| !token.contains("reserved") && !token.contains("unused"));
        tokens.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        tokens.truncate(MAX_TOKENS);
        Self { tokens }
    }

    /// The ends of the last seams in a text, in its order.
    pub(crate) fn ends(&self, text: &str) -> Vec<usize> {
        let mut ends: Vec<usize> = Vec::new();
        for token in &self.tokens {
            let found = text.rmatch_indices(token.as_str()).take(MAX_SEAMS);
            ends.extend(found.map(|(at, _)| at + token.len()));
        }
        ends.sort_unstable();
        ends.dedup();
        let from = ends.len().saturating_sub(MAX_SEAMS);
        ends.split_off(from)
    }
}

/// Whether a match of this token stays one whatever stands behind it, and takes nothing from there.
fn is_safe(token: &AddedToken, all: &[&AddedToken]) -> bool {
    let own = token.content.as_str();
    if own.is_empty() || token.normalized || token.rstrip || overlaps(own, own) {
        return false;
    }
    all.iter()
        .filter(|other| other.content != own)
        .all(|other| {
            !other.lstrip && !other.content.contains(own) && !overlaps(&other.content, own)
        })
}

/// Whether one token can end within another: some end of `first`, but not all, begins `second`.
fn overlaps(first: &str, second: &str) -> bool {
    (1..first.len().min(second.len()))
        .filter(|length| second.is_char_boundary(*length))
        .any(|length| first.ends_with(&second[..length]))
}

/// Whether every stretch between special tokens is treated alike: a "first" one that gets a
/// space of its own would differ when it is cut off.
fn is_uniform(tokenizer: &Tokenizer) -> bool {
    let settings = [
        serde_json::to_string(&tokenizer.get_normalizer()),
        serde_json::to_string(&tokenizer.get_pre_tokenizer()),
    ];
    settings
        .iter()
        .all(|text| text.as_ref().is_ok_and(|text| !text.contains("\"first\"")))
}
