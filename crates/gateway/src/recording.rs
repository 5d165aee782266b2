//! A recorded answer: event boundaries, how it ended, what it cost and who made it. Masks are in place.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use forebay_dialect::canonical::Usage;
use forebay_dialect::{AnswerContext, Payload, Wire, fold, unfold};

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
    /// Names this very stream in event ids.
    pub id: u64,
    /// The format it is in: the one of the clients it answers.
    pub wire: Wire,
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
    #[allow(clippy::too_many_arguments, reason = "each is a fact of its own")]
    pub fn new(
        id: u64,
        wire: Wire,
        form: Form,
        ending: Ending,
        usage: Option<Usage>,
        model: Option<String>,
        upstream: Arc<str>,
        policy: [u8; 32],
    ) -> Self {
        Self {
            id,
            wire,
            form,
            ending,
            usage,
            model,
            upstream,
            policy,
            other: OnceLock::new(),
        }
    }

    /// The same for a store, which counts memory of its own: a whole body in bytes of its own.
    pub fn unbooked(self: Arc<Self>) -> Arc<Self> {
        let Form::Whole(body) = &self.form else {
            return self;
        };
        Arc::new(Self {
            id: self.id,
            wire: self.wire,
            form: Form::Whole(Bytes::copy_from_slice(body)),
            ending: self.ending,
            usage: self.usage,
            model: self.model.clone(),
            upstream: self.upstream.clone(),
            policy: self.policy,
            other: OnceLock::new(),
        })
    }

    /// What its other form says where this one says nothing.
    fn context(&self) -> AnswerContext {
        AnswerContext {
            id: format!("{:016x}", self.id),
            model: self.model.clone().unwrap_or_default(),
            ..AnswerContext::default()
        }
    }

    /// The size of what came, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Whole(body) => body.len(),
            // 48: the event's handle in the vector.
            Form::Events(events) => events.iter().map(|e| e.len() + 48).sum(),
        }
    }

    /// The index of the event that carries nothing but usage: the last one, where there is one.
    pub fn usage_event(&self) -> Option<usize> {
        let events = self.events()?;
        let last = events.len().checked_sub(1)?;
        let payload = Payload::parse(self.wire, events[last].clone()).ok()?;
        payload.is_usage_only().then_some(last)
    }

    /// The answer as one body; folded from its events the first time where it came as a stream.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.form {
            Form::Whole(body) => Some(body),
            Form::Events(events) => {
                match self.other.get_or_init(|| {
                    fold(self.wire, events, &self.context())
                        .ok()
                        .map(Form::Whole)
                }) {
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
                match self.other.get_or_init(|| {
                    unfold(self.wire, body, &self.context())
                        .ok()
                        .map(Form::Events)
                }) {
                    Some(Form::Events(events)) => Some(events),
                    _ => None,
                }
            }
        }
    }
}
