//! What the members of Anthropic's messages are, whole and in events.

use super::names;
use super::usage::Counts;
use crate::canonical::{FinishKind, Usage};
use crate::grammar::{Axis, Closes, Gather, List, Mark, NUMBER, Object, Piece, Rule, STRING, Said};
use crate::json::Value;
use crate::payload::PayloadError;

/// An event of a stream, or the count of a prompt's tokens.
pub(super) static EVENT: Object = Object {
    members: &[
        ("type", STRING),
        ("index", Rule::Any),
        ("usage", Rule::Usage(usage)),
        // What becomes of old context.
        ("context_management", Rule::Any),
    ],
    kinds: &[
        ("", &COUNT),
        ("message", &MESSAGE),
        ("message_start", &MESSAGE_START),
        ("message_delta", &MESSAGE_DELTA),
        ("message_stop", &MESSAGE_STOP),
        ("content_block_start", &BLOCK_START),
        ("content_block_delta", &BLOCK_DELTA),
        ("content_block_stop", &BLOCK_STOP),
    ],
    numbers: &[("index", Axis::Block)],
    ..Object::EMPTY
};
static COUNT: Object = Object {
    members: &[("input_tokens", Rule::Any)],
    base: Some(&EVENT),
    ..Object::EMPTY
};
static MESSAGE_START: Object = Object {
    members: &[("message", Rule::Object(&MESSAGE))],
    base: Some(&EVENT),
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
static MESSAGE_DELTA: Object = Object {
    members: &[("delta", Rule::Object(&ABOUT))],
    base: Some(&EVENT),
    ..Object::EMPTY
};
static MESSAGE_STOP: Object = Object {
    base: Some(&EVENT),
    marks: &[Mark::Ends],
    ..Object::EMPTY
};
static BLOCK_START: Object = Object {
    members: &[("content_block", Rule::Object(&BEGUN_BLOCK))],
    base: Some(&EVENT),
    ..Object::EMPTY
};
static BLOCK_DELTA: Object = Object {
    members: &[("delta", Rule::Object(&DELTA))],
    base: Some(&EVENT),
    ..Object::EMPTY
};
static BLOCK_STOP: Object = Object {
    base: Some(&EVENT),
    marks: &[Mark::Structure, Mark::Closes],
    ..Object::EMPTY
};

/// A message: whole, or as a stream begins it.
pub(super) static MESSAGE: Object = Object {
    members: &[("content", Rule::List(&BLOCKS))],
    base: Some(&ABOUT),
    ..Object::EMPTY
};
static BLOCKS: List = List {
    axis: Some(Axis::Block),
    closes: true,
    ..List::of(&BLOCK)
};
/// What a message says of itself.
pub(super) static ABOUT: Object = Object {
    members: &[
        ("id", Rule::Id),
        ("model", Rule::Model),
        ("stop_reason", Rule::Finish(finish, Closes::No)),
        ("usage", Rule::Usage(usage)),
        ("type", Rule::Any),
        ("role", Rule::Any),
        ("stop_sequence", Rule::Any),
        ("stop_details", Rule::Any),
        ("container", Rule::Any),
        ("context_management", Rule::Any),
        ("diagnostics", Rule::Any),
        ("request_id", Rule::Any),
    ],
    ..Object::EMPTY
};

/// A whole block.
static BLOCK: Object = Object {
    members: &[
        ("type", STRING),
        ("id", STRING),
        ("name", STRING),
        ("tool_use_id", STRING),
        ("toolset_name", STRING),
    ],
    kinds: &[
        ("text", &TEXT),
        ("thinking", &THINKING),
        ("redacted_thinking", &REDACTED),
        ("tool_use", &CALL),
        ("server_tool_use", &CALL),
    ],
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
static TEXT: Object = Object {
    members: &[
        ("text", Rule::Text(Said::Content, Piece::Part)),
        ("citations", Rule::List(&CITATIONS)),
    ],
    base: Some(&BLOCK),
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
static THINKING: Object = Object {
    members: &[
        ("thinking", Rule::Text(Said::Reasoning, Piece::Part)),
        // Encrypted, and a conversation can't go on without it.
        ("signature", Rule::Name),
    ],
    base: Some(&BLOCK),
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
static REDACTED: Object = Object {
    members: &[("data", STRING)],
    base: Some(&BLOCK),
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
static CALL: Object = Object {
    members: &[("input", Rule::Json(Piece::Part)), ("caller", Rule::Any)],
    base: Some(&BLOCK),
    marks: &[Mark::Structure, Mark::Call],
    ..Object::EMPTY
};

/// A block as a stream begins it: the arguments of a call follow in pieces.
pub(super) static BEGUN_BLOCK: Object = Object {
    kinds: &[
        ("text", &TEXT),
        ("thinking", &THINKING),
        ("redacted_thinking", &REDACTED),
        ("tool_use", &BEGUN_CALL),
        ("server_tool_use", &BEGUN_CALL),
    ],
    ..BLOCK
};
static BEGUN_CALL: Object = Object {
    members: &[("input", Rule::Json(Piece::Begun))],
    base: Some(&CALL),
    marks: &[Mark::Structure, Mark::Call],
    ..Object::EMPTY
};

/// What a stream adds to a block.
pub(super) static DELTA: Object = Object {
    members: &[("type", Rule::Any)],
    otherwise: Rule::Unreadable(Gather::Nothing),
    whole_names: &[("type", "")],
    kinds: &[
        ("text_delta", &TEXT_DELTA),
        ("thinking_delta", &THINKING_DELTA),
        ("input_json_delta", &INPUT_DELTA),
        ("signature_delta", &SIGNATURE_DELTA),
        ("citations_delta", &CITATION_DELTA),
    ],
    ..Object::EMPTY
};
static TEXT_DELTA: Object = Object {
    members: &[("text", Rule::Text(Said::Content, Piece::Part))],
    base: Some(&DELTA),
    ..Object::EMPTY
};
static THINKING_DELTA: Object = Object {
    members: &[("thinking", Rule::Text(Said::Reasoning, Piece::Part))],
    base: Some(&DELTA),
    ..Object::EMPTY
};
static INPUT_DELTA: Object = Object {
    members: &[("partial_json", Rule::JsonText)],
    base: Some(&DELTA),
    marks: &[Mark::Call],
    whole_names: &[("partial_json", "input")],
    ..Object::EMPTY
};
static SIGNATURE_DELTA: Object = Object {
    members: &[("signature", Rule::Name)],
    base: Some(&DELTA),
    ..Object::EMPTY
};
static CITATION_DELTA: Object = Object {
    members: &[("citation", Rule::Item(&CITATION))],
    base: Some(&DELTA),
    marks: &[Mark::Structure],
    whole_names: &[("citation", "citations")],
    ..Object::EMPTY
};

static CITATIONS: List = List {
    loose: true,
    ..List::of(&CITATION)
};
/// Each of its texts is complete at once, beside the block that it stands in.
static CITATION: Object = Object {
    members: &[
        ("type", STRING),
        ("encrypted_index", STRING),
        ("file_id", STRING),
        ("cited_text", QUOTED),
        ("document_title", QUOTED),
        ("title", QUOTED),
        ("source", QUOTED),
        ("url", QUOTED),
    ],
    otherwise: NUMBER,
    loose: true,
    ..Object::EMPTY
};
const QUOTED: Rule = Rule::Text(Said::Content, Piece::Whole);

fn finish(reason: &str, _has_calls: bool) -> Option<FinishKind> {
    Some(names::finish_kind(reason))
}

/// The format demands counts also of who has not counted.
fn usage(value: Value<'_>) -> Result<Option<Usage>, PayloadError> {
    let mut counts = Counts::default();
    counts.take(value)?;
    Ok(Some(counts.usage()).filter(|usage| *usage != Usage::default()))
}
