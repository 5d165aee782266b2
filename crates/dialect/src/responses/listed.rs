//! Which members of payloads are known, and which hold text.

use crate::canonical::Channel;

/// Members of a response object that hold no output.
pub(super) const RESPONSE: [&str; 38] = [
    "access_programs",
    "background",
    "completed_at",
    "conversation",
    "created_at",
    "error",
    "frequency_penalty",
    "id",
    "image",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "object",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "status",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "type",
    "usage",
    "user",
];

/// Members that place an event.
pub(super) const PLACE: [&str; 9] = [
    "type",
    "sequence_number",
    "item_id",
    "output_index",
    "content_index",
    "summary_index",
    "annotation_index",
    "obfuscation",
    "name",
];

/// Members of an item that shape the answer.
pub(super) const SHAPE: [&str; 8] = [
    "id",
    "type",
    "status",
    "role",
    "phase",
    "name",
    "call_id",
    "encrypted_content",
];

/// Where an event's text stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Content(Channel),
    Summary,
    Arguments,
    Input,
}

/// Events with text: their type, the member, where it belongs, and whether it is told again.
pub(super) const TEXTS: [(&str, &str, Place, bool); 12] = [
    ("response.output_text.delta", "delta", TEXT, false),
    ("response.output_text.done", "text", TEXT, true),
    ("response.refusal.delta", "delta", REFUSAL, false),
    ("response.refusal.done", "refusal", REFUSAL, true),
    ("response.reasoning_text.delta", "delta", REASONING, false),
    ("response.reasoning_text.done", "text", REASONING, true),
    (
        "response.reasoning_summary_text.delta",
        "delta",
        Place::Summary,
        false,
    ),
    (
        "response.reasoning_summary_text.done",
        "text",
        Place::Summary,
        true,
    ),
    (
        "response.function_call_arguments.delta",
        "delta",
        Place::Arguments,
        false,
    ),
    (
        "response.function_call_arguments.done",
        "arguments",
        Place::Arguments,
        true,
    ),
    (
        "response.custom_tool_call_input.delta",
        "delta",
        Place::Input,
        false,
    ),
    (
        "response.custom_tool_call_input.done",
        "input",
        Place::Input,
        true,
    ),
];
const TEXT: Place = Place::Content(Channel::Content);
const REFUSAL: Place = Place::Content(Channel::Refusal);
const REASONING: Place = Place::Content(Channel::Reasoning);
