//! What the members of OpenAI's responses are, whole and in events.

use super::answer;
use crate::grammar::drawn::{Drawn, Sample};
use crate::grammar::prompt::{Block, By, Content};
use crate::grammar::{
    ARGUMENTS, Axis, CONTENT, List, Mark, Object, Piece, REASONING, REFUSAL, Rule, STRING, Said,
};
use crate::json::Kind;

/// What an item of a request holds.
pub(super) static CONTENT_OF: Content = Content {
    by: By::Type,
    blocks: &[
        ("input_text", Block::Text),
        ("output_text", Block::Text),
        ("text", Block::Text),
        ("summary_text", Block::Text),
        ("reasoning_text", Block::Text),
    ],
    alone: &[Kind::String],
    expected: "a string or an array of parts",
};

/// Beside OpenAI's names those of vLLM and its kin.
pub(super) static DRAWN: Drawn = Drawn::of(&[
    ("temperature", Sample::Temperature),
    ("top_p", Sample::TopP),
    ("min_p", Sample::MinP),
    ("top_k", Sample::TopK),
    ("max_output_tokens", Sample::MaxTokens),
    ("top_logprobs", Sample::TopLogprobs),
    ("seed", Sample::Seed),
    ("frequency_penalty", Sample::FrequencyPenalty),
    ("presence_penalty", Sample::PresencePenalty),
    ("logit_bias", Sample::LogitBias),
    ("stop", Sample::StopOrStops),
]);

/// An event. One that is not listed says nothing but where it belongs.
pub(super) static EVENT: Object = Object::of(&[])
    .others(&[
        "type",
        "sequence_number",
        "item_id",
        "output_index",
        "content_index",
        "summary_index",
        "annotation_index",
        "obfuscation",
        "name",
        "error",
    ])
    .kinds(
        "type",
        &[
            ("response.created", &BEGINS),
            ("response.in_progress", &BEGINS),
            ("response.queued", &BEGINS),
            ("response.completed", &ENDS),
            // In the place of it at some of OpenAI's own servers.
            ("response.done", &ENDS),
            ("response.incomplete", &ENDS),
            ("response.failed", &ENDS),
            ("response.cancelled", &ENDS),
            ("response.output_item.added", &ITEM_ADDED),
            ("response.output_item.done", &ITEM_DONE),
            ("response.content_part.added", &PART_ADDED),
            ("response.content_part.done", &PART_DONE),
            ("response.reasoning_part.added", &PART_ADDED),
            ("response.reasoning_part.done", &PART_DONE),
            ("response.reasoning_summary_part.added", &SUMMARY_ADDED),
            ("response.reasoning_summary_part.done", &SUMMARY_DONE),
            ("response.output_text.delta", &TEXT_DELTA),
            ("response.output_text.done", &TEXT_DONE),
            ("response.refusal.delta", &REFUSAL_DELTA),
            ("response.refusal.done", &REFUSAL_DONE),
            ("response.reasoning_text.delta", &REASONING_DELTA),
            ("response.reasoning_text.done", &REASONING_DONE),
            ("response.reasoning_summary_text.delta", &SUMMARY_DELTA),
            ("response.reasoning_summary_text.done", &SUMMARY_TEXT_DONE),
            ("response.function_call_arguments.delta", &ARGUMENTS_DELTA),
            ("response.function_call_arguments.done", &ARGUMENTS_DONE),
            ("response.custom_tool_call_input.delta", &INPUT_DELTA),
            ("response.custom_tool_call_input.done", &INPUT_DONE),
        ],
    )
    .numbers(&[("output_index", Axis::Item)])
    .marks(&[Mark::Structure]);

/// An event of one member beside those that place it.
const fn event(
    members: &'static [(&'static str, Rule)],
    numbers: &'static [(&'static str, Axis)],
    marks: &'static [Mark],
) -> Object {
    let event = Object::of(members).base(&EVENT);
    event.numbers(numbers).marks(marks)
}

const WITH_RESPONSE: &[(&str, Rule)] = &[("response", Rule::Object(&RESPONSE))];
static BEGINS: Object = event(WITH_RESPONSE, &[], &[Mark::Structure, Mark::Again]);
static ENDS: Object = event(WITH_RESPONSE, &[], &[Mark::Ends, Mark::Again]);

const WITH_ITEM: &[(&str, Rule)] = &[("item", Rule::Object(&ITEM))];
static ITEM_ADDED: Object = event(WITH_ITEM, &[], ADDED);
static ITEM_DONE: Object = event(WITH_ITEM, &[], DONE);

const WITH_PART: &[(&str, Rule)] = &[("part", Rule::Object(&PART))];
static PART_ADDED: Object = event(WITH_PART, IN_CONTENT, ADDED);
static PART_DONE: Object = event(WITH_PART, IN_CONTENT, DONE);
static SUMMARY_ADDED: Object = event(WITH_PART, IN_SUMMARY, ADDED);
static SUMMARY_DONE: Object = event(WITH_PART, IN_SUMMARY, DONE);

static TEXT_DELTA: Object = event(&[("delta", CONTENT)], IN_CONTENT, &[]);
static TEXT_DONE: Object = event(&[("text", CONTENT)], IN_CONTENT, DONE);
static REFUSAL_DELTA: Object = event(&[("delta", REFUSAL)], IN_CONTENT, &[]);
static REFUSAL_DONE: Object = event(&[("refusal", REFUSAL)], IN_CONTENT, DONE);
static REASONING_DELTA: Object = event(&[("delta", REASONING)], IN_CONTENT, &[]);
static REASONING_DONE: Object = event(&[("text", REASONING)], IN_CONTENT, DONE);
static SUMMARY_DELTA: Object = event(&[("delta", REASONING)], IN_SUMMARY, &[]);
static SUMMARY_TEXT_DONE: Object = event(&[("text", REASONING)], IN_SUMMARY, DONE);
static ARGUMENTS_DELTA: Object = event(&[("delta", ARGUMENTS)], &[], &[Mark::Call]);
static ARGUMENTS_DONE: Object = event(&[("arguments", ARGUMENTS)], &[], CALL_DONE);
static INPUT_DELTA: Object = event(&[("delta", INPUT)], &[], &[Mark::Call]);
static INPUT_DONE: Object = event(&[("input", INPUT)], &[], CALL_DONE);

const ADDED: &[Mark] = &[Mark::Structure];
const DONE: &[Mark] = &[Mark::Structure, Mark::Again];
const CALL_DONE: &[Mark] = &[Mark::Structure, Mark::Again, Mark::Call];
const IN_CONTENT: &[(&str, Axis)] = &[("content_index", Axis::Part)];
const IN_SUMMARY: &[(&str, Axis)] = &[("summary_index", Axis::Summary)];
const INPUT: Rule = Rule::Text(Said::Input, Piece::Part);

/// A response object. Most of it repeats the request.
pub(super) static RESPONSE: Object = Object::of(&[
    ("output", Rule::List(&OUTPUT)),
    ("id", Rule::Id),
    ("model", Rule::Model),
    ("conversation", Rule::Echo),
    ("instructions", Rule::Echo),
    ("metadata", Rule::Echo),
    ("previous_response_id", Rule::Echo),
    ("prompt", Rule::Echo),
    ("prompt_cache_key", Rule::Echo),
    ("safety_identifier", Rule::Echo),
    ("text", Rule::Echo),
    ("tools", Rule::Echo),
    ("user", Rule::Echo),
    (
        "usage",
        Rule::Usage(|usage| answer::usage_of(usage).map(Some)),
    ),
])
.others(&[
    "access_programs",
    "background",
    "completed_at",
    "created_at",
    "error",
    "frequency_penalty",
    "image",
    "incomplete_details",
    "max_output_tokens",
    "max_tool_calls",
    "object",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "service_tier",
    "status",
    "store",
    "temperature",
    "tool_choice",
    "top_logprobs",
    "top_p",
    "truncation",
    "type",
]);

static OUTPUT: List = List::of(&ITEM).placed(Axis::Item);
static ITEM: Object = Object::of(&[
    ("id", STRING),
    ("type", STRING),
    ("status", STRING),
    ("role", STRING),
    ("phase", STRING),
    ("name", Rule::ToolName),
    ("call_id", STRING),
    ("encrypted_content", STRING),
])
.kinds(
    "type",
    &[
        ("message", &MESSAGE),
        ("reasoning", &THOUGHT),
        ("function_call", &FUNCTION_CALL),
        ("custom_tool_call", &CUSTOM_CALL),
    ],
)
.marks(&[Mark::Structure]);
static MESSAGE: Object = item(&[("content", Rule::List(&PARTS))], ADDED);
static THOUGHT: Object = item(
    &[
        ("content", Rule::List(&PARTS)),
        ("summary", Rule::List(&SUMMARIES)),
    ],
    ADDED,
);
static FUNCTION_CALL: Object = item(&[("arguments", ARGUMENTS)], CALLED);
static CUSTOM_CALL: Object = item(&[("input", INPUT)], CALLED);
const CALLED: &[Mark] = &[Mark::Structure, Mark::Call];

const fn item(members: &'static [(&'static str, Rule)], marks: &'static [Mark]) -> Object {
    Object::of(members).base(&ITEM).marks(marks)
}

static PARTS: List = List::of(&PART).placed(Axis::Part).loose();
static SUMMARIES: List = List::of(&PART).placed(Axis::Summary).loose();
static PART: Object = Object::of(&[("type", Rule::Any)])
    .kinds(
        "type",
        &[
            ("output_text", &TEXT_PART),
            ("text", &TEXT_PART),
            ("refusal", &REFUSAL_PART),
            ("reasoning_text", &REASONING_PART),
            ("summary_text", &REASONING_PART),
        ],
    )
    .loose();
static TEXT_PART: Object = part(&[("text", CONTENT)]);
static REFUSAL_PART: Object = part(&[("refusal", REFUSAL)]);
static REASONING_PART: Object = part(&[("text", REASONING)]);

const fn part(members: &'static [(&'static str, Rule)]) -> Object {
    Object::of(members).base(&PART)
}
