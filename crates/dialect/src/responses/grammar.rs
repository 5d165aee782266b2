//! What the members of OpenAI's responses are, whole and in events.

use super::answer;
use crate::grammar::{Axis, List, Mark, Object, Piece, Rule, STRING, Said};

/// An event. One that is not listed says nothing but where it belongs.
pub(super) static EVENT: Object = Object {
    members: &[
        ("type", Rule::Any),
        ("sequence_number", Rule::Any),
        ("item_id", Rule::Any),
        ("output_index", Rule::Any),
        ("content_index", Rule::Any),
        ("summary_index", Rule::Any),
        ("annotation_index", Rule::Any),
        ("obfuscation", Rule::Any),
        ("name", Rule::Any),
        ("error", Rule::Any),
    ],
    kinds: &[
        ("response.created", &BEGINS),
        ("response.in_progress", &BEGINS),
        ("response.queued", &BEGINS),
        ("response.completed", &ENDS),
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
    numbers: &[("output_index", Axis::Item)],
    marks: &[Mark::Structure],
    ..Object::EMPTY
};

/// An event of one member beside those that place it.
const fn event(
    members: &'static [(&'static str, Rule)],
    numbers: &'static [(&'static str, Axis)],
    marks: &'static [Mark],
) -> Object {
    Object {
        members,
        base: Some(&EVENT),
        numbers,
        marks,
        ..Object::EMPTY
    }
}

const WITH_RESPONSE: &[(&str, Rule)] = &[("response", Rule::Object(&RESPONSE))];
static BEGINS: Object = event(WITH_RESPONSE, &[], &[Mark::Structure, Mark::Again]);
static ENDS: Object = event(WITH_RESPONSE, &[], &[Mark::Ends, Mark::Again]);

const WITH_ITEM: &[(&str, Rule)] = &[("item", Rule::Object(&ITEM))];
static ITEM_ADDED: Object = event(WITH_ITEM, &[], ADDED);
static ITEM_DONE: Object = event(WITH_ITEM, &[], DONE);

const WITH_PART: &[(&str, Rule)] = &[("part", Rule::Object(&PART))];
static PART_ADDED: Object = event(WITH_PART, CONTENT, ADDED);
static PART_DONE: Object = event(WITH_PART, CONTENT, DONE);
static SUMMARY_ADDED: Object = event(WITH_PART, SUMMARY, ADDED);
static SUMMARY_DONE: Object = event(WITH_PART, SUMMARY, DONE);

static TEXT_DELTA: Object = event(&[("delta", TEXT)], CONTENT, &[]);
static TEXT_DONE: Object = event(&[("text", TEXT)], CONTENT, DONE);
static REFUSAL_DELTA: Object = event(&[("delta", REFUSAL)], CONTENT, &[]);
static REFUSAL_DONE: Object = event(&[("refusal", REFUSAL)], CONTENT, DONE);
static REASONING_DELTA: Object = event(&[("delta", REASONING)], CONTENT, &[]);
static REASONING_DONE: Object = event(&[("text", REASONING)], CONTENT, DONE);
static SUMMARY_DELTA: Object = event(&[("delta", REASONING)], SUMMARY, &[]);
static SUMMARY_TEXT_DONE: Object = event(&[("text", REASONING)], SUMMARY, DONE);
static ARGUMENTS_DELTA: Object = event(&[("delta", ARGUMENTS)], &[], &[Mark::Call]);
static ARGUMENTS_DONE: Object = event(&[("arguments", ARGUMENTS)], &[], CALL_DONE);
static INPUT_DELTA: Object = event(&[("delta", INPUT)], &[], &[Mark::Call]);
static INPUT_DONE: Object = event(&[("input", INPUT)], &[], CALL_DONE);

const ADDED: &[Mark] = &[Mark::Structure];
const DONE: &[Mark] = &[Mark::Structure, Mark::Again];
const CALL_DONE: &[Mark] = &[Mark::Structure, Mark::Again, Mark::Call];
const CONTENT: &[(&str, Axis)] = &[("content_index", Axis::Part)];
const SUMMARY: &[(&str, Axis)] = &[("summary_index", Axis::Summary)];
const TEXT: Rule = Rule::Text(Said::Content, Piece::Part);
const REFUSAL: Rule = Rule::Text(Said::Refusal, Piece::Part);
const REASONING: Rule = Rule::Text(Said::Reasoning, Piece::Part);
const ARGUMENTS: Rule = Rule::Text(Said::Arguments, Piece::Part);
const INPUT: Rule = Rule::Text(Said::Input, Piece::Part);

/// A response object. Most of it repeats the request.
pub(super) static RESPONSE: Object = Object {
    members: &[
        ("output", Rule::List(&OUTPUT)),
        ("id", Rule::Id),
        ("model", Rule::Model),
        (
            "usage",
            Rule::Usage(|usage| answer::usage_of(usage).map(Some)),
        ),
        ("access_programs", Rule::Any),
        ("background", Rule::Any),
        ("completed_at", Rule::Any),
        ("conversation", Rule::Any),
        ("created_at", Rule::Any),
        ("error", Rule::Any),
        ("frequency_penalty", Rule::Any),
        ("image", Rule::Any),
        ("incomplete_details", Rule::Any),
        ("instructions", Rule::Any),
        ("max_output_tokens", Rule::Any),
        ("max_tool_calls", Rule::Any),
        ("metadata", Rule::Any),
        ("object", Rule::Any),
        ("parallel_tool_calls", Rule::Any),
        ("presence_penalty", Rule::Any),
        ("previous_response_id", Rule::Any),
        ("prompt", Rule::Any),
        ("prompt_cache_key", Rule::Any),
        ("prompt_cache_options", Rule::Any),
        ("prompt_cache_retention", Rule::Any),
        ("reasoning", Rule::Any),
        ("safety_identifier", Rule::Any),
        ("service_tier", Rule::Any),
        ("status", Rule::Any),
        ("store", Rule::Any),
        ("temperature", Rule::Any),
        ("text", Rule::Any),
        ("tool_choice", Rule::Any),
        ("tools", Rule::Any),
        ("top_logprobs", Rule::Any),
        ("top_p", Rule::Any),
        ("truncation", Rule::Any),
        ("type", Rule::Any),
        ("user", Rule::Any),
    ],
    ..Object::EMPTY
};

static OUTPUT: List = List {
    axis: Some(Axis::Item),
    ..List::of(&ITEM)
};
static ITEM: Object = Object {
    members: &[
        ("id", STRING),
        ("type", STRING),
        ("status", STRING),
        ("role", STRING),
        ("phase", STRING),
        ("name", STRING),
        ("call_id", STRING),
        ("encrypted_content", STRING),
    ],
    kinds: &[
        ("message", &MESSAGE),
        ("reasoning", &THOUGHT),
        ("function_call", &FUNCTION_CALL),
        ("custom_tool_call", &CUSTOM_CALL),
    ],
    marks: &[Mark::Structure],
    ..Object::EMPTY
};
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
    Object {
        members,
        base: Some(&ITEM),
        marks,
        ..Object::EMPTY
    }
}

static PARTS: List = List {
    axis: Some(Axis::Part),
    loose: true,
    ..List::of(&PART)
};
static SUMMARIES: List = List {
    axis: Some(Axis::Summary),
    loose: true,
    ..List::of(&PART)
};
static PART: Object = Object {
    members: &[("type", Rule::Any)],
    kinds: &[
        ("output_text", &TEXT_PART),
        ("refusal", &REFUSAL_PART),
        ("reasoning_text", &REASONING_PART),
        ("summary_text", &REASONING_PART),
    ],
    loose: true,
    ..Object::EMPTY
};
static TEXT_PART: Object = part(&[("text", TEXT)]);
static REFUSAL_PART: Object = part(&[("refusal", REFUSAL)]);
static REASONING_PART: Object = part(&[("text", REASONING)]);

const fn part(members: &'static [(&'static str, Rule)]) -> Object {
    Object {
        members,
        base: Some(&PART),
        ..Object::EMPTY
    }
}
