//! What the members of Converse's answers are, whole and in events. A block is what its one
//! member is; one with several is all of them.

use super::{names, usage};
use crate::canonical::FinishKind;
use crate::grammar::{Axis, Closes, List, Mark, OBJECT, Object, Piece, Rule, STRING, Said};
use crate::json::{Kind, Value};

/// A whole answer, or an event under its name.
pub(super) static ANSWER: Object = Object {
    members: &[
        ("output", Rule::Object(&OUTPUT)),
        ("messageStart", Rule::Object(&MESSAGE_START)),
        ("contentBlockStart", Rule::Object(&BLOCK_START)),
        ("contentBlockDelta", Rule::Object(&BLOCK_DELTA)),
        ("contentBlockStop", Rule::Object(&BLOCK_STOP)),
        ("messageStop", Rule::Object(&MESSAGE_STOP)),
        ("metadata", Rule::Object(&EVENT)),
    ],
    base: Some(&END),
    ..Object::EMPTY
};
/// What stands beside the output, at the end of a stream or in a whole answer. A guardrail's
/// trace is not listed: it repeats the output.
static END: Object = Object {
    members: &[
        ("stopReason", Rule::Finish(finish, Closes::No)),
        ("usage", Rule::Usage(|value| usage::read(value).map(Some))),
        ("metrics", OBJECT),
        ("performanceConfig", OBJECT),
        ("serviceTier", OBJECT),
        // Nobody knows what else a model's own fields say.
        ("additionalModelResponseFields", Rule::If(is_stop_sequence)),
    ],
    ..Object::EMPTY
};

static EVENT: Object = Object {
    members: &[
        ("contentBlockIndex", Rule::Any),
        ("p", Rule::If(is_padding)),
    ],
    base: Some(&END),
    numbers: &[("contentBlockIndex", Axis::Block)],
    ..Object::EMPTY
};
static MESSAGE_START: Object = Object {
    members: &[("role", STRING)],
    base: Some(&EVENT),
    marks: &[Mark::Structure],
    ..EVENT
};
static BLOCK_START: Object = Object {
    members: &[("start", Rule::Object(&START))],
    base: Some(&EVENT),
    marks: &[Mark::Structure],
    ..EVENT
};
static BLOCK_DELTA: Object = Object {
    members: &[("delta", Rule::Object(&DELTA))],
    base: Some(&EVENT),
    ..EVENT
};
static BLOCK_STOP: Object = Object {
    marks: &[Mark::Structure, Mark::Closes],
    ..EVENT
};
static MESSAGE_STOP: Object = Object {
    marks: &[Mark::Structure],
    ..EVENT
};

/// What begins: a call, or the result of a tool that AWS runs.
static START: Object = Object {
    members: &[
        ("toolUse", Rule::Object(&CALL_START)),
        ("toolResult", Rule::Object(&POINTERS)),
    ],
    loose: true,
    ..Object::EMPTY
};
static POINTERS: Object = Object {
    members: &[
        ("toolUseId", STRING),
        ("name", STRING),
        ("type", STRING),
        ("status", STRING),
    ],
    loose: true,
    ..Object::EMPTY
};
static CALL_START: Object = Object {
    marks: &[Mark::Call],
    ..POINTERS
};
/// A piece of a block. A citation is not listed: it quotes what it cites.
static DELTA: Object = Object {
    members: &[
        ("text", Rule::Text(Said::Content, Piece::Part)),
        ("toolUse", Rule::Object(&CALL_DELTA)),
        ("reasoningContent", Rule::Object(&REASONING)),
    ],
    loose: true,
    ..Object::EMPTY
};
static CALL_DELTA: Object = Object {
    members: &[("input", Rule::Text(Said::Arguments, Piece::Part))],
    marks: &[Mark::Call],
    loose: true,
    ..Object::EMPTY
};
/// Reasoning that can be read, of a whole block and of a piece alike.
static REASONING: Object = Object {
    members: &[
        ("text", Rule::Text(Said::Reasoning, Piece::Part)),
        // Without it the provider takes the reasoning back no more.
        ("signature", Rule::Name),
    ],
    loose: true,
    ..Object::EMPTY
};

static OUTPUT: Object = Object {
    members: &[("message", Rule::Object(&MESSAGE))],
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
static MESSAGE: Object = Object {
    members: &[("role", STRING), ("content", Rule::List(&BLOCKS))],
    ..Object::EMPTY
};
static BLOCKS: List = List {
    axis: Some(Axis::Block),
    closes: true,
    ..List::of(&BLOCK)
};
static BLOCK: Object = Object {
    members: &[
        ("text", Rule::Text(Said::Content, Piece::Part)),
        ("toolUse", Rule::Object(&CALL)),
        ("reasoningContent", Rule::Object(&REASONING_BLOCK)),
        ("citationsContent", Rule::Object(&CITED)),
    ],
    ..Object::EMPTY
};
static CALL: Object = Object {
    members: &[
        ("toolUseId", STRING),
        ("name", STRING),
        ("type", STRING),
        ("input", Rule::Json(Piece::Part)),
    ],
    marks: &[Mark::Call],
    loose: true,
    ..Object::EMPTY
};
static REASONING_BLOCK: Object = Object {
    members: &[("reasoningText", Rule::Object(&REASONING))],
    loose: true,
    ..Object::EMPTY
};
/// The texts of a block with sources are one stretch; the sources quote what they cite.
static CITED: Object = Object {
    members: &[("content", Rule::List(&CITED_TEXTS))],
    loose: true,
    ..Object::EMPTY
};
static CITED_TEXTS: List = List {
    loose: true,
    ..List::of(&CITED_TEXT)
};
static CITED_TEXT: Object = Object {
    members: &[("text", Rule::Text(Said::Content, Piece::Part))],
    loose: true,
    ..Object::EMPTY
};

fn finish(reason: &str, _has_calls: bool) -> Option<FinishKind> {
    Some(names::finish_kind(reason))
}

/// AWS pads its events with the beginning of one fixed text, so that their lengths tell nothing.
/// Only that text is let pass.
fn is_padding(value: Value<'_>) -> bool {
    const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    value
        .as_str()
        .is_some_and(|text| PADDING.starts_with(text.as_ref()))
}

/// Nothing but the client's own stop sequence.
fn is_stop_sequence(value: Value<'_>) -> bool {
    let known = |(key, value): (Value<'_>, Value<'_>)| {
        key.is_str("stop_sequence") && matches!(value.kind(), Kind::String | Kind::Null)
    };
    value.kind() == Kind::Object && value.members().all(known)
}
