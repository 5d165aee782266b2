//! What the members of Anthropic's messages are, whole and in events.

use super::{names, usage};
use crate::canonical::{FinishKind, Usage};
use crate::grammar::drawn::{Drawn, Sample};
use crate::grammar::prompt::{Block, By, Content};
use crate::grammar::request::Turn;
use crate::grammar::{
    Axis, CONTENT, Closes, Gather, List, Mark, NUMBER, Object, Piece, REASONING, Rule, STRING, Said,
};
use crate::json::{Kind, Value};
use crate::payload::PayloadError;

/// What a message of a request holds, and a result within it.
pub(super) static CONTENT_OF: Content = Content {
    by: By::Type,
    blocks: &[
        ("text", Block::Text),
        ("tool_use", Block::Call(["id", "name", "input"])),
        ("tool_result", Block::Result),
    ],
    alone: &[Kind::String],
    expected: "a string or an array of content blocks",
};

pub(super) static TURN: Turn = Turn {
    content: &CONTENT_OF,
    needs_content: true,
    hides_plain: false,
    calls: &[],
};
pub(super) static DRAWN: Drawn = Drawn::of(&[
    ("max_tokens", Sample::MaxTokens),
    ("temperature", Sample::Temperature),
    ("top_p", Sample::TopP),
    ("top_k", Sample::TopK),
    ("stop_sequences", Sample::Stop),
]);

/// An event of a stream, or the count of a prompt's tokens.
pub(super) static EVENT: Object = Object::of(&[
    ("type", STRING),
    ("index", Rule::Any),
    ("usage", Rule::Usage(counted)),
    // What becomes of old context.
    ("context_management", Rule::Any),
])
.kinds(
    "type",
    &[
        ("", &COUNT),
        ("message", &MESSAGE),
        ("message_start", &MESSAGE_START),
        ("message_delta", &MESSAGE_DELTA),
        ("message_stop", &MESSAGE_STOP),
        ("content_block_start", &BLOCK_START),
        ("content_block_delta", &BLOCK_DELTA),
        ("content_block_stop", &BLOCK_STOP),
    ],
)
.numbers(&[("index", Axis::Block)]);
static COUNT: Object = Object::of(&[("input_tokens", Rule::Any)]).base(&EVENT);
static MESSAGE_START: Object = Object::of(&[("message", Rule::Object(&MESSAGE))])
    .base(&EVENT)
    .marks(&[Mark::Structure]);
static MESSAGE_DELTA: Object = Object::of(&[("delta", Rule::Object(&ABOUT))]).base(&EVENT);
static MESSAGE_STOP: Object = Object::of(&[]).base(&EVENT).marks(&[Mark::Ends]);
static BLOCK_START: Object =
    Object::of(&[("content_block", Rule::Object(&BEGUN_BLOCK))]).base(&EVENT);
static BLOCK_DELTA: Object = Object::of(&[("delta", Rule::Object(&DELTA))]).base(&EVENT);
static BLOCK_STOP: Object = Object::of(&[])
    .base(&EVENT)
    .marks(&[Mark::Structure, Mark::Closes]);

/// A message: whole, or as a stream begins it.
pub(super) static MESSAGE: Object = Object::of(&[("content", Rule::List(&BLOCKS))]).base(&ABOUT);
static BLOCKS: List = List::of(&BLOCK).placed(Axis::Block).closes();
/// What a message says of itself.
pub(super) static ABOUT: Object = Object::of(&[
    ("id", Rule::Id),
    ("model", Rule::Model),
    ("stop_reason", Rule::Finish(finish, Closes::No)),
    ("usage", Rule::Usage(counted)),
])
.others(&[
    "type",
    "role",
    "stop_sequence",
    "stop_details",
    "container",
    "context_management",
    "diagnostics",
    "request_id",
]);

/// A whole block.
static BLOCK: Object = Object::of(&[
    ("type", STRING),
    ("id", STRING),
    ("name", Rule::ToolName),
    ("tool_use_id", STRING),
    ("toolset_name", STRING),
])
.kinds(
    "type",
    &[
        ("text", &TEXT),
        ("thinking", &THINKING),
        ("redacted_thinking", &REDACTED),
        ("tool_use", &CALL),
        ("server_tool_use", &CALL),
    ],
)
.marks(&[Mark::Structure]);
static TEXT: Object = Object::of(&[("text", CONTENT), ("citations", Rule::List(&CITATIONS))])
    .base(&BLOCK)
    .marks(&[Mark::Structure]);
static THINKING: Object = Object::of(&[
    ("thinking", REASONING),
    // Encrypted, and a conversation can't go on without it.
    ("signature", Rule::Name),
])
.base(&BLOCK)
.marks(&[Mark::Structure]);
static REDACTED: Object = Object::of(&[("data", STRING)])
    .base(&BLOCK)
    .marks(&[Mark::Structure]);
static CALL: Object = Object::of(&[("input", Rule::Json(Piece::Part)), ("caller", Rule::Any)])
    .base(&BLOCK)
    .marks(&[Mark::Structure, Mark::Call]);

/// A block as a stream begins it: the arguments of a call follow in pieces.
pub(super) static BEGUN_BLOCK: Object = BLOCK.kinds(
    "type",
    &[
        ("text", &TEXT),
        ("thinking", &THINKING),
        ("redacted_thinking", &REDACTED),
        ("tool_use", &BEGUN_CALL),
        ("server_tool_use", &BEGUN_CALL),
    ],
);
static BEGUN_CALL: Object = Object::of(&[("input", Rule::Json(Piece::Begun))])
    .base(&CALL)
    .marks(&[Mark::Structure, Mark::Call]);

/// What a stream adds to a block.
pub(super) static DELTA: Object = Object::of(&[("type", Rule::Any)])
    .otherwise(Rule::Unreadable(Gather::Nothing))
    .whole_names(&[("type", "")])
    .kinds(
        "type",
        &[
            ("text_delta", &TEXT_DELTA),
            ("thinking_delta", &THINKING_DELTA),
            ("input_json_delta", &INPUT_DELTA),
            ("signature_delta", &SIGNATURE_DELTA),
            ("citations_delta", &CITATION_DELTA),
        ],
    );
static TEXT_DELTA: Object = Object::of(&[("text", CONTENT)]).base(&DELTA);
static THINKING_DELTA: Object = Object::of(&[("thinking", REASONING)]).base(&DELTA);
static INPUT_DELTA: Object = Object::of(&[("partial_json", Rule::JsonText)])
    .base(&DELTA)
    .marks(&[Mark::Call])
    .whole_names(&[("partial_json", "input")]);
static SIGNATURE_DELTA: Object = Object::of(&[("signature", Rule::Name)]).base(&DELTA);
static CITATION_DELTA: Object = Object::of(&[("citation", Rule::Item(&CITATION))])
    .base(&DELTA)
    .marks(&[Mark::Structure])
    .whole_names(&[("citation", "citations")]);

static CITATIONS: List = List::of(&CITATION).loose();
/// Each of its texts is complete at once, beside the block that it stands in.
static CITATION: Object = Object::of(&[
    ("type", STRING),
    ("encrypted_index", STRING),
    ("file_id", STRING),
    ("cited_text", QUOTED),
    ("document_title", QUOTED),
    ("title", QUOTED),
    ("source", QUOTED),
    ("url", QUOTED),
])
.otherwise(NUMBER)
.loose();
const QUOTED: Rule = Rule::Text(Said::Content, Piece::Whole);

fn finish(reason: &str, _has_calls: bool) -> Option<FinishKind> {
    Some(names::finish(reason, None).plain())
}

/// The format demands counts also of who has not counted.
fn counted(value: Value<'_>) -> Result<Option<Usage>, PayloadError> {
    Ok(Some(usage::read(value)?).filter(|usage| *usage != Usage::default()))
}
