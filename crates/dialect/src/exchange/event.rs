//! One step of a streamed answer, whatever dialect it came in.

use super::answer::Finish;
use super::media::Media;
use crate::canonical::Usage;
use crate::payload::UpstreamErrorBody;

/// What begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartKind {
    /// Text.
    Text,
    /// Reasoning.
    Reasoning,
    /// A refusal.
    Refusal,
    /// A call of a tool. Its id and name come whole.
    ToolCall {
        /// The call's id, never empty.
        id: String,
        /// The tool's name.
        name: String,
        /// OpenAI's custom tool.
        custom: bool,
    },
    /// An image, or another medium, that the model has made. It comes whole, so that no piece of
    /// it follows.
    Media(Box<Media<'static>>),
    /// Something that only its own dialect knows; it comes whole, too.
    Opaque {
        /// The type as its dialect names it.
        kind: String,
        /// The whole part as JSON.
        json: String,
    },
}

/// A piece of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text of a text, reasoning or refusal part, or a fragment of a call's arguments.
    Text(String),
    /// A reasoning part's signature.
    Signature(String),
    /// Hidden reasoning.
    Redacted(String),
    /// A citation, JSON in the form of [`super::part::Citation::json`], with what of it is typed.
    Citation(super::part::Citation<'static>),
    /// Log probabilities of the text beside it: the items of OpenAI's `logprobs.content`, a JSON array.
    Logprobs(String),
}

/// One step. A reader gives, for each choice: `PartStart`, its deltas, `PartEnd`, …, `Finish`.
/// Parts of a choice are numbered from 0 in the order of their beginnings; several may be open
/// at once (parallel calls). `Start` comes first and once, `Usage` anywhere (the last counts),
/// `End` last and once, unless there was an `Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The answer begins.
    Start {
        /// Its id at the upstream; empty where it has none.
        id: String,
        /// The model as the upstream names it; empty where it does not.
        model: String,
        /// When, in seconds since 1970.
        created: Option<u64>,
        /// What is counted already (Anthropic tells the input first).
        usage: Option<Usage>,
    },
    /// A part begins.
    PartStart {
        /// The choice.
        choice: u32,
        /// The part's number in it.
        part: u32,
        /// What begins.
        kind: PartKind,
    },
    /// A part goes on.
    PartDelta {
        /// The choice.
        choice: u32,
        /// The part's number in it.
        part: u32,
        /// The piece.
        delta: Delta,
    },
    /// A part is complete.
    PartEnd {
        /// The choice.
        choice: u32,
        /// The part's number in it.
        part: u32,
    },
    /// A choice is complete: all of its parts have ended.
    Finish {
        /// The choice.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Tokens so far.
    Usage(Usage),
    /// The upstream reports an error in the middle of its stream.
    Error(UpstreamErrorBody),
    /// The upstream has ended its stream properly.
    End,
}

impl StreamEvent {
    /// The beginning of an answer of which more is not known.
    pub(crate) fn start(id: impl Into<String>, model: impl Into<String>) -> Self {
        StreamEvent::Start {
            id: id.into(),
            model: model.into(),
            created: None,
            usage: None,
        }
    }

    pub(crate) fn begin(choice: u32, part: u32, kind: PartKind) -> Self {
        StreamEvent::PartStart { choice, part, kind }
    }

    pub(crate) fn delta(choice: u32, part: u32, delta: Delta) -> Self {
        StreamEvent::PartDelta {
            choice,
            part,
            delta,
        }
    }

    pub(crate) fn end(choice: u32, part: u32) -> Self {
        StreamEvent::PartEnd { choice, part }
    }
}
