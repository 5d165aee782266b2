//! What crosses from one wire format to another: the typed form of a request, an answer and a
//! stream, rich enough for every format here and owned by none.
//!
//! Requests and answers borrow from the body they were read from wherever nothing is escaped,
//! so that a crossing costs few allocations. Where both sides speak the same format nothing of
//! this is used: bytes are passed on (see [`crate::Request::upstream_body`]).
//!
//! [`Message`] and [`Part`] are what crosses, typed and complete; those of the same names in
//! [`crate::canonical`] are what policies are shown: roles as clients write them, and text, calls or
//! JSON, so that a guard has no kind of part that it could overlook. What both mean alike is one
//! type: calls, sampling, usage, fields, and why an answer ended.
//!
//! What a target can't express is not guessed at: the writer lists it in [`Written::lost`], and
//! the gateway refuses the request or says so in a header, as configured.

pub(crate) mod answer;
pub(crate) mod blocks;
pub(crate) mod collect;
pub(crate) mod draft;
pub(crate) mod event;
pub(crate) mod fetched;
pub(crate) mod grade;
pub(crate) mod media;
pub(crate) mod part;
pub(crate) mod request;
pub(crate) mod sampling;
pub(crate) mod size;
pub(crate) mod track;
pub(crate) mod written;

pub(crate) use answer::logprobs_of;
pub use answer::{ChatAnswer, Choice, Finish};
pub(crate) use blocks::Blocks;
pub use collect::{Collector, replay};
pub use event::{Delta, PartKind, StreamEvent};
pub use fetched::Fetched;
pub use grade::Grade;
pub use media::{Media, Source};
pub use part::{CacheMarker, Citation, Content, Part, Thought, ToolCall, ToolResult};
pub use request::{ChatRequest, Effort, Message, OutputFormat, Reasoning, Role, Tool, ToolChoice};
pub use sampling::Sampling;
pub use track::PartTracker;

pub use crate::fit::back::{Back, Seen};
pub(crate) use draft::Draft;
pub(crate) use written::Losses;
pub use written::{Inexpressible, Lost, Profile, WriteOptions, Written};
