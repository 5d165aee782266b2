//! Log probabilities of the right shape: plausible numbers, the same for the same token and place.

use serde::Serialize;

use crate::answer::Piece;
use crate::tokenizer;

/// Chat's shape.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ChatLogprobs {
    content: Vec<ChatToken>,
}

#[derive(Debug, Clone, Serialize)]
struct ChatToken {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
    top_logprobs: Vec<TopToken>,
}

#[derive(Debug, Clone, Serialize)]
struct TopToken {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

/// The shape of text completions.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct TextLogprobs {
    text_offset: Vec<usize>,
    token_logprobs: Vec<f64>,
    tokens: Vec<String>,
    top_logprobs: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Between -0.01 and -1: what a confident model gives the token it chose.
fn logprob(token: u32, rank: usize) -> f64 {
    let spread = f64::from(token.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    -0.01 - 0.99 * spread - 2.0 * rank as f64
}

/// The token chosen and its runners-up, best first.
fn candidates(token: u32, most: usize) -> impl Iterator<Item = (u32, f64)> {
    (0..most).map(move |rank| match rank {
        0 => (token, logprob(token, 0)),
        _ => {
            let other = (token.wrapping_add(rank as u32 * 7_919)) % 100_000;
            (other, logprob(token, rank))
        }
    })
}

/// The log probabilities of some pieces, with `top` candidates for each token.
pub(crate) fn chat<'a>(pieces: impl Iterator<Item = &'a Piece>, top: usize) -> ChatLogprobs {
    let tokens = pieces.flat_map(|piece| piece.tokens.iter().copied());
    let content = tokens.map(|token| ChatToken {
        token: tokenizer::decode(&[token]),
        logprob: logprob(token, 0),
        bytes: tokenizer::token_bytes(token).to_vec(),
        top_logprobs: candidates(token, top)
            .map(|(token, logprob)| TopToken {
                token: tokenizer::decode(&[token]),
                logprob,
                bytes: tokenizer::token_bytes(token).to_vec(),
            })
            .collect(),
    });
    ChatLogprobs {
        content: content.collect(),
    }
}

/// The same for text completions; `offset` is where the pieces begin in the text.
pub(crate) fn text<'a>(
    pieces: impl Iterator<Item = &'a Piece>,
    top: usize,
    mut offset: usize,
) -> TextLogprobs {
    let mut out = TextLogprobs::default();
    for token in pieces.flat_map(|piece| piece.tokens.iter().copied()) {
        let shown = tokenizer::decode(&[token]);
        out.text_offset.push(offset);
        offset += shown.chars().count();
        out.token_logprobs.push(logprob(token, 0));
        out.tokens.push(shown);
        let best = candidates(token, top.max(1));
        out.top_logprobs.push(
            best.map(|(token, logprob)| (tokenizer::decode(&[token]), logprob.into()))
                .collect(),
        );
    }
    out
}
