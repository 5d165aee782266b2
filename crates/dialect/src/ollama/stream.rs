//! Streams: lines of JSON. A call is told whole, once its arguments are.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::answer::{done_reason, end, event, speak};
use crate::canonical::Usage;
use crate::door::said::{Call, Piece, Said, pieces};
use crate::door::told::{DoorStream, LEFT_OUT, Told};
use crate::json::write;

/// Writes a stream.
pub(crate) struct Lines {
    told: Told,
    generates: bool,
    calls: BTreeMap<u64, Call>,
    finish: String,
    tokens: Option<Usage>,
    left_out: Option<&'static str>,
}

impl Lines {
    pub(crate) fn new(told: Told, generates: bool) -> Self {
        Self {
            told,
            generates,
            calls: BTreeMap::new(),
            finish: String::new(),
            tokens: None,
            left_out: None,
        }
    }

    fn line(&self, said: &Said) -> Bytes {
        event(&self.told, |out| {
            speak(said, self.generates, out);
            write::plain(out, "done", false);
        })
    }

    /// The calls that have been gathered.
    fn flush(&mut self, out: &mut Vec<Bytes>) {
        let calls: Vec<Call> = std::mem::take(&mut self.calls).into_values().collect();
        if !calls.is_empty() {
            let said = Said {
                calls,
                ..Said::default()
            };
            out.push(self.line(&said));
        }
    }
}

impl DoorStream for Lines {
    fn event(&mut self, data: &Bytes, out: &mut Vec<Bytes>) {
        let mut said = Said::default();
        for piece in pieces(data) {
            match piece {
                Piece::Text(text) => said.text.push_str(&text),
                Piece::Reasoning(text) => said.reasoning.push_str(&text),
                Piece::Logprobs(items) => said.logprobs = Some(items),
                Piece::Call(index, piece) => self.calls.entry(index).or_default().add(piece),
                Piece::Finish(finish) => self.finish = finish,
                Piece::Tokens(tokens) => {
                    let known = self.tokens.unwrap_or_default();
                    self.tokens = Some(known.followed_by(tokens));
                }
            }
        }
        if !said.text.is_empty() || !said.reasoning.is_empty() || said.logprobs.is_some() {
            out.push(self.line(&said));
        }
    }

    fn end(&mut self, out: &mut Vec<Bytes>) {
        self.flush(out);
        out.push(event(&self.told, |out| {
            speak(&Said::default(), self.generates, out);
            end(done_reason(&self.finish), self.tokens, out);
            write::text_if(out, LEFT_OUT, self.left_out);
        }));
    }

    fn leave_out(&mut self, medium: &'static str) {
        self.left_out = Some(medium);
    }
}
