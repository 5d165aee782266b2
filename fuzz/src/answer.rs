//! Any whole answer, from every dialect into every client's: translated or refused without a panic,
//! and what is made of it can be read.

use bytes::Bytes;
use forebay_dialect::{AnswerContext, Payload, translate_answer};

use crate::stream::{FROM, TO};

/// Any answer.
pub(crate) fn answer(input: &[u8]) {
    let raw = Bytes::copy_from_slice(input);
    for from in FROM {
        for to in TO {
            if let Ok(answer) = translate_answer(from, to, &raw, &AnswerContext::default()) {
                Payload::parse(to, answer).unwrap();
            }
        }
    }
}
