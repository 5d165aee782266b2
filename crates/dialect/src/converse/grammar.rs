//! What the members of Converse's answers are, whole and in events. A block is what its one
//! member is; one with several is all of them.

use super::{names, usage};
use crate::canonical::FinishKind;
use crate::grammar::drawn::{Drawn, Sample};
use crate::grammar::prompt::{Block, By, Content};
use crate::grammar::request::Turn;
use crate::grammar::{
    ARGUMENTS, Axis, CONTENT, Closes, List, Mark, OBJECT, Object, Piece, REASONING, Rule, STRING,
};
use crate::json::{Kind, Value};

/// What a message of a request holds, and a result within it.
pub(super) static CONTENT_OF: Content = Content {
    by: By::Member,
    blocks: &[
        ("text", Block::Text),
        ("toolUse", Block::Call(["toolUseId", "name", "input"])),
        ("toolResult", Block::Result),
    ],
    alone: &[],
    expected: "an array",
};

pub(super) static TURN: Turn = Turn {
    content: &CONTENT_OF,
    needs_content: true,
    hides_plain: true,
    calls: &[],
};
pub(super) static DRAWN: Drawn = Drawn::of(&[
    ("inferenceConfig.maxTokens", Sample::MaxTokens),
    ("inferenceConfig.temperature", Sample::Temperature),
    ("inferenceConfig.topP", Sample::TopP),
    ("inferenceConfig.stopSequences", Sample::Stop),
]);

/// A whole answer, or an event under its name.
pub(super) static ANSWER: Object = Object::of(&[
    ("output", Rule::Object(&OUTPUT)),
    ("messageStart", Rule::Object(&MESSAGE_START)),
    ("contentBlockStart", Rule::Object(&BLOCK_START)),
    ("contentBlockDelta", Rule::Object(&BLOCK_DELTA)),
    ("contentBlockStop", Rule::Object(&BLOCK_STOP)),
    ("messageStop", Rule::Object(&MESSAGE_STOP)),
    ("metadata", Rule::Object(&EVENT)),
])
.base(&END);
/// What stands beside the output, at the end of a stream or in a whole answer. A guardrail's
/// trace is not listed: it repeats the output.
static END: Object = Object::of(&[
    ("stopReason", Rule::Finish(finish, Closes::No)),
    ("usage", Rule::Usage(|value| usage::read(value).map(Some))),
    ("metrics", OBJECT),
    ("performanceConfig", OBJECT),
    ("serviceTier", OBJECT),
    // Nobody knows what else a model's own fields say.
    ("additionalModelResponseFields", Rule::If(is_stop_sequence)),
]);

static EVENT: Object = Object::of(&[
    ("contentBlockIndex", Rule::Any),
    ("p", Rule::If(is_padding)),
])
.base(&END)
.numbers(&[("contentBlockIndex", Axis::Block)]);
static MESSAGE_START: Object = EVENT
    .members(&[("role", STRING)])
    .base(&EVENT)
    .marks(&[Mark::Structure]);
static BLOCK_START: Object = EVENT
    .members(&[("start", Rule::Object(&START))])
    .base(&EVENT)
    .marks(&[Mark::Structure]);
static BLOCK_DELTA: Object = EVENT
    .members(&[("delta", Rule::Object(&DELTA))])
    .base(&EVENT);
static BLOCK_STOP: Object = EVENT.marks(&[Mark::Structure, Mark::Closes]);
static MESSAGE_STOP: Object = EVENT.marks(&[Mark::Structure]);

/// What begins: a call, or the result of a tool that AWS runs.
static START: Object = Object::of(&[
    ("toolUse", Rule::Object(&CALL_START)),
    ("toolResult", Rule::Object(&POINTERS)),
])
.loose();
static POINTERS: Object = Object::of(&[
    ("toolUseId", STRING),
    ("name", STRING),
    ("type", STRING),
    ("status", STRING),
])
.loose();
static CALL_START: Object = Object::of(&[("name", Rule::ToolName)])
    .base(&POINTERS)
    .marks(&[Mark::Call])
    .loose();
/// A piece of a block. A citation is not listed: it quotes what it cites.
static DELTA: Object = Object::of(&[
    ("text", CONTENT),
    ("toolUse", Rule::Object(&CALL_DELTA)),
    ("reasoningContent", Rule::Object(&THOUGHT)),
])
.loose();
static CALL_DELTA: Object = Object::of(&[("input", ARGUMENTS)])
    .marks(&[Mark::Call])
    .loose();
/// Reasoning that can be read, of a whole block and of a piece alike.
static THOUGHT: Object = Object::of(&[
    ("text", REASONING),
    // Without it the provider takes the reasoning back no more.
    ("signature", Rule::Name),
])
.loose();

static OUTPUT: Object =
    Object::of(&[("message", Rule::Object(&MESSAGE))]).marks(&[Mark::Structure]);
static MESSAGE: Object = Object::of(&[("role", STRING), ("content", Rule::List(&BLOCKS))]);
static BLOCKS: List = List::of(&BLOCK).placed(Axis::Block).closes();
static BLOCK: Object = Object::of(&[
    ("text", CONTENT),
    ("toolUse", Rule::Object(&CALL)),
    ("reasoningContent", Rule::Object(&REASONING_BLOCK)),
    ("citationsContent", Rule::Object(&CITED)),
]);
static CALL: Object = Object::of(&[
    ("toolUseId", STRING),
    ("name", Rule::ToolName),
    ("type", STRING),
    ("input", Rule::Json(Piece::Part)),
])
.marks(&[Mark::Call])
.loose();
static REASONING_BLOCK: Object = Object::of(&[("reasoningText", Rule::Object(&THOUGHT))]).loose();
/// The texts of a block with sources are one stretch; the sources quote what they cite.
static CITED: Object = Object::of(&[("content", Rule::List(&CITED_TEXTS))]).loose();
static CITED_TEXTS: List = List::of(&CITED_TEXT).loose();
static CITED_TEXT: Object = Object::of(&[("text", CONTENT)]).loose();

fn finish(reason: &str, _has_calls: bool) -> Option<FinishKind> {
    Some(names::finish_of(reason, None).plain())
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
