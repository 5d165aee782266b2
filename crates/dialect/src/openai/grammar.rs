//! What the members of OpenAI's chat and text completions are, whole and in chunks.

use super::message;
use super::payload::{GROQ, usage_of};
use crate::canonical::FinishKind;
use crate::grammar::drawn::{Drawn, Sample};
use crate::grammar::prompt::{Block, By, Content};
use crate::grammar::request::Turn;
use crate::grammar::{
    ARGUMENTS, Axis, CONTENT, Closes, Gather, List, Mark, Object, Piece, REFUSAL, Rule, STRING,
    Said,
};
use crate::json::Kind;

/// What a message of a request holds.
static CONTENT_OF: Content = Content {
    by: By::Type,
    blocks: &[("text", Block::Text)],
    alone: &[Kind::String, Kind::Null],
    expected: "a string, null or an array of parts",
};
pub(super) static TURN: Turn = Turn {
    content: &CONTENT_OF,
    needs_content: false,
    hides_plain: false,
    calls: &[
        ("tool_calls", message::tool_calls),
        ("function_call", message::function_call),
    ],
};
/// Names of OpenAI, and of vLLM, Mistral and their kin.
pub(super) static DRAWN: Drawn = Drawn::of(&[
    ("temperature", Sample::Temperature),
    ("top_p", Sample::TopP),
    ("min_p", Sample::MinP),
    ("top_k", Sample::TopKOrAll),
    ("n", Sample::Choices),
    ("max_completion_tokens", Sample::MaxTokens),
    ("max_tokens", Sample::OldMaxTokens),
    ("seed", Sample::Seed),
    ("random_seed", Sample::Seed),
    ("stop", Sample::StopOrStops),
    ("frequency_penalty", Sample::FrequencyPenalty),
    ("presence_penalty", Sample::PresencePenalty),
    ("logprobs", Sample::Logprobs),
    ("top_logprobs", Sample::TopLogprobs),
    ("logit_bias", Sample::LogitBias),
]);

pub(super) static CHAT: Object = Object::of(&[
    ("choices", Rule::List(&CHAT_CHOICES)),
    ("usage", USAGE),
    (GROQ, Rule::Object(&GROQS)),
    ("error", Rule::Any),
    ("created", Rule::Created),
    ("model", Rule::Model),
    ("id", Rule::Id),
    ("object", STRING),
    ("system_fingerprint", STRING),
    ("service_tier", STRING),
    // It makes the sizes of a stream's events tell less.
    ("obfuscation", Rule::Unreadable(Gather::Nothing)),
]);
const USAGE: Rule = Rule::Usage(|value| usage_of(value).map(Some));
static GROQS: Object = Object::of(&[("id", STRING), ("usage", USAGE)]).loose();
pub(super) static COMPLETION: Object =
    Object::of(&[("choices", Rule::List(&COMPLETION_CHOICES))]).base(&CHAT);
/// The same where the payload is an error, which may not be wrapped in `error`.
pub(super) static FAILED_CHAT: Object = Object::of(&[]).others(BARE_ERROR).base(&CHAT);
pub(super) static FAILED_COMPLETION: Object = FAILED_CHAT.base(&COMPLETION);
const BARE_ERROR: &[&str] = &["message", "type", "param", "code", "detail"];

static CHAT_CHOICES: List = List::of(&CHAT_CHOICE)
    .numbered(Axis::Choice, "index")
    .keeps_index();
static COMPLETION_CHOICES: List = CHAT_CHOICES.with(&COMPLETION_CHOICE);

static CHOICE: Object = Object::of(&[
    ("finish_reason", Rule::Finish(finish, Closes::Yes)),
    // vLLM's: the stop sequence or token id that the client named.
    ("stop_reason", Rule::Known(&[Kind::String, Kind::Number])),
    // Moonshot AI's.
    ("usage", USAGE),
    ("logprobs", Rule::Unreadable(Gather::Lists)),
    ("token_ids", Rule::Unreadable(Gather::Items)),
])
.others(&["index"]);
static CHAT_CHOICE: Object = Object::of(&[
    ("delta", Rule::Object(&MESSAGE)),
    ("message", Rule::Object(&MESSAGE)),
])
.base(&CHOICE)
.whole_names(&[("delta", "message")]);
static COMPLETION_CHOICE: Object = Object::of(&[("text", CONTENT)]).base(&CHOICE);

pub(super) static MESSAGE: Object = Object::of(&[
    ("role", Rule::Pointer),
    ("content", CONTENT),
    ("reasoning", Rule::Text(Said::Reasoning, Piece::Twin)),
    (
        "reasoning_content",
        Rule::Text(Said::Reasoning, Piece::Twin),
    ),
    ("refusal", REFUSAL),
    ("tool_calls", Rule::List(&CALLS)),
    ("function_call", Rule::Object(&FUNCTION)),
])
.otherwise(Rule::Unreadable(Gather::Items));
static CALLS: List = List::of(&CALL).numbered(Axis::Call, "index");
static CALL: Object = Object::of(&[
    ("index", Rule::Any),
    ("id", Rule::Pointer),
    ("type", Rule::Pointer),
    ("function", Rule::Object(&FUNCTION)),
    ("custom", Rule::Object(&FUNCTION)),
])
.marks(&[Mark::Call]);
/// What is called: `arguments` of a function, `input` of a custom tool.
static FUNCTION: Object = Object::of(&[
    ("name", Rule::ToolName),
    ("arguments", ARGUMENTS),
    ("input", ARGUMENTS),
])
.marks(&[Mark::Call]);

fn finish(reason: &str, _has_calls: bool) -> Option<FinishKind> {
    Some(match reason {
        "stop" => FinishKind::Stop,
        "length" => FinishKind::Length,
        "tool_calls" | "function_call" => FinishKind::ToolCalls,
        "content_filter" => FinishKind::Refused,
        other => FinishKind::Other(other.to_owned()),
    })
}
