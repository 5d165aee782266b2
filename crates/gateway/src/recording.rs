//! A recorded answer: event boundaries, how it ended, what it cost and who made it. Masks are in place.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use forebay_dialect::canonical::{Operation, Usage};
use forebay_dialect::openai::convert;

use crate::policy::Ending;

/// In which form the upstream answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One body.
    Whole(Bytes),
    /// The payloads of a stream's events, in order, without the terminal `[DONE]`.
    Events(Vec<Bytes>),
}

/// A recorded answer.
#[derive(Debug)]
pub struct Recording {
    /// The endpoint it answers.
    pub operation: Operation,
    /// What came, as released by the guard.
    pub form: Form,
    /// How it ended.
    pub ending: Ending,
    /// Tokens, where counted.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: Option<String>,
    /// The upstream that answered.
    pub upstream: Arc<str>,
    /// The policy digest under which it was released.
    pub policy: [u8; 32],
    other: OnceLock<Option<Form>>,
}

impl Recording {
    /// A recording of what the guard released.
    pub fn new(
        operation: Operation,
        form: Form,
        ending: Ending,
        usage: Option<Usage>,
        model: Option<String>,
        upstream: Arc<str>,
        policy: [u8; 32],
    ) -> Self {
        Self { operation, form, ending, usage, model, upstream, policy, other: OnceLock::new() }
    }

    /// The size of what came, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Whole(body) => body.len(),
            // 48: the event's handle in the vector.
            Form::Events(events) => events.iter().map(|e| e.len() + 48).sum(),
        }
    }

    /// The answer as one body; folded from its events the first time where it came as a stream.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Whole(body) => Some(body),
            Form::Events(events) => {
                match self.other.get_or_init(|| convert::fold(self.operation, events).ok().map(Form::Whole)) {
                    Some(Form::Whole(body)) => Some(body),
                    _ => None,
                }
            }
        }
    }

    /// The answer as events; unfolded from its body the first time where it came whole.
    pub fn events(&self) -> Option<&[Bytes]> {
        match &self.form {
            Form::Events(events) => Some(events),
            Form::Whole(body) => {
                match self.other.get_or_init(|| convert::unfold(self.operation, body).ok().map(Form::Events)) {
                    Some(Form::Events(events)) => Some(events),
                    _ => None,
                }
            }
        }
    }
}
