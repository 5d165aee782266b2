//! What the members of OpenAI's chat and text completions are, whole and in chunks.

use super::payload::usage_of;
use crate::canonical::FinishKind;
use crate::grammar::{Axis, Closes, Gather, List, Mark, Object, Piece, Rule, STRING, Said};
use crate::json::Kind;

pub(super) static CHAT: Object = Object {
    members: &[
        ("choices", Rule::List(&CHAT_CHOICES)),
        ("usage", Rule::Usage(|value| usage_of(value).map(Some))),
        ("error", Rule::Any),
        ("created", Rule::Created),
        ("model", Rule::Model),
        ("id", Rule::Id),
        ("object", STRING),
        ("system_fingerprint", STRING),
        ("service_tier", STRING),
    ],
    ..Object::EMPTY
};
pub(super) static COMPLETION: Object = Object {
    members: &[("choices", Rule::List(&COMPLETION_CHOICES))],
    base: Some(&CHAT),
    ..Object::EMPTY
};
/// The same where the payload is an error, which may not be wrapped in `error`.
pub(super) static FAILED_CHAT: Object = Object {
    members: BARE_ERROR,
    base: Some(&CHAT),
    ..Object::EMPTY
};
pub(super) static FAILED_COMPLETION: Object = Object {
    members: BARE_ERROR,
    base: Some(&COMPLETION),
    ..Object::EMPTY
};
const BARE_ERROR: &[(&str, Rule)] = &[
    ("message", Rule::Any),
    ("type", Rule::Any),
    ("param", Rule::Any),
    ("code", Rule::Any),
    ("detail", Rule::Any),
];

static CHAT_CHOICES: List = List {
    axis: Some(Axis::Choice),
    index: Some("index"),
    keeps_index: true,
    ..List::of(&CHAT_CHOICE)
};
static COMPLETION_CHOICES: List = List {
    of: &COMPLETION_CHOICE,
    ..CHAT_CHOICES
};

static CHOICE: Object = Object {
    members: &[
        ("finish_reason", Rule::Finish(finish, Closes::Yes)),
        ("index", Rule::Any),
        // vLLM's: the stop sequence or token id that the client named.
        ("stop_reason", Rule::Known(&[Kind::String, Kind::Number])),
        ("logprobs", Rule::Unreadable(Gather::Lists)),
        ("token_ids", Rule::Unreadable(Gather::Items)),
    ],
    ..Object::EMPTY
};
static CHAT_CHOICE: Object = Object {
    members: &[
        ("delta", Rule::Object(&MESSAGE)),
        ("message", Rule::Object(&MESSAGE)),
    ],
    base: Some(&CHOICE),
    whole_names: &[("delta", "message")],
    ..Object::EMPTY
};
static COMPLETION_CHOICE: Object = Object {
    members: &[("text", Rule::Text(Said::Content, Piece::Part))],
    base: Some(&CHOICE),
    ..Object::EMPTY
};

static MESSAGE: Object = Object {
    members: &[
        ("role", Rule::Pointer),
        ("content", Rule::Text(Said::Content, Piece::Part)),
        ("reasoning", Rule::Text(Said::Reasoning, Piece::Twin)),
        (
            "reasoning_content",
            Rule::Text(Said::Reasoning, Piece::Twin),
        ),
        ("refusal", Rule::Text(Said::Refusal, Piece::Part)),
        ("tool_calls", Rule::List(&CALLS)),
        ("function_call", Rule::Object(&FUNCTION)),
    ],
    otherwise: Rule::Unreadable(Gather::Items),
    ..Object::EMPTY
};
static CALLS: List = List {
    axis: Some(Axis::Call),
    index: Some("index"),
    ..List::of(&CALL)
};
static CALL: Object = Object {
    members: &[
        ("index", Rule::Any),
        ("id", Rule::Pointer),
        ("type", Rule::Pointer),
        ("function", Rule::Object(&FUNCTION)),
        ("custom", Rule::Object(&FUNCTION)),
    ],
    marks: &[Mark::Call],
    ..Object::EMPTY
};
/// What is called: `arguments` of a function, `input` of a custom tool.
static FUNCTION: Object = Object {
    members: &[
        ("name", Rule::Name),
        ("arguments", Rule::Text(Said::Arguments, Piece::Part)),
        ("input", Rule::Text(Said::Arguments, Piece::Part)),
    ],
    marks: &[Mark::Call],
    ..Object::EMPTY
};

fn finish(reason: &str, _has_calls: bool) -> Option<FinishKind> {
    Some(match reason {
        "stop" => FinishKind::Stop,
        "length" => FinishKind::Length,
        "tool_calls" | "function_call" => FinishKind::ToolCalls,
        "content_filter" => FinishKind::Refused,
        other => FinishKind::Other(other.to_owned()),
    })
}
