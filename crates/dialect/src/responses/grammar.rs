//! The grammar of OpenAI's responses, as its SDK types them (3.57). Items of its own tools
//! (searches, computers) are judged as JSON of any form.

use crate::grammar::{Grammar, Is, Object, Speaker, Tagged};

pub(crate) static RESPONSES: Grammar = Grammar::new(&BODY);

static BODY: Object = Object::new(&[
    ("model", Is::Word(&[])),
    ("instructions", Is::As("system", &Is::Said)),
    (
        "input",
        Is::Either {
            string: &Is::As("user", &Is::Said),
            other: &Is::Each(&Is::As("assistant", &Is::Tagged(&ITEM))),
        },
    ),
    ("tools", Is::Each(&Is::Tagged(&TOOL))),
    ("tool_choice", TOOL_CHOICE),
    ("text", Is::Object(&TEXT_OPTIONS)),
    ("reasoning", Is::Object(&REASONING)),
    ("include", Is::Each(&Is::Word(&[]))),
    ("prompt", Is::Object(&PROMPT)),
    ("stop", Is::Each(&Is::Text)),
    ("user", Is::Text),
    ("safety_identifier", Is::Text),
    ("prompt_cache_key", Is::Text),
    ("metadata", Is::Free),
    ("client_metadata", Is::Free),
    ("context_management", Is::Free),
    ("structured_outputs", Is::Schema),
    ("previous_response_id", Is::Word(&[])),
    ("conversation", Is::Free),
    ("truncation", Is::Word(&["auto", "disabled"])),
    (
        "service_tier",
        Is::Word(&["auto", "default", "flex", "priority"]),
    ),
    ("stream", Is::Setting),
    ("stream_options", Is::Object(&STREAM_OPTIONS)),
    ("store", Is::Setting),
    ("background", Is::Setting),
    ("parallel_tool_calls", Is::Setting),
    ("max_output_tokens", Is::Setting),
    ("max_tool_calls", Is::Setting),
    ("temperature", Is::Setting),
    ("top_p", Is::Setting),
    ("top_k", Is::Setting),
    ("min_p", Is::Setting),
    ("seed", Is::Setting),
    ("frequency_penalty", Is::Setting),
    ("presence_penalty", Is::Setting),
    ("top_logprobs", Is::Setting),
]);

/// An item without a type is a message, or a reference by its id alone.
static ITEM: Tagged = Tagged {
    tag: "type",
    default: "message",
    forms: &[
        ("message", &MESSAGE),
        ("function_call", &CALL),
        ("custom_tool_call", &CALL),
        ("function_call_output", &OUTPUT),
        ("custom_tool_call_output", &OUTPUT),
        ("reasoning", &THOUGHTS),
        ("item_reference", &REFERENCE),
    ],
};
static MESSAGE: Object = Object::new(&[
    ("type", TYPE),
    (
        "role",
        Is::Word(&["user", "assistant", "system", "developer"]),
    ),
    ("content", CONTENT),
    ("id", Is::Word(&[])),
    ("status", STATUS),
    ("phase", Is::Word(&["commentary", "final_answer"])),
])
.turn(Speaker::Named);
static CALL: Object = Object::new(&[
    ("type", TYPE),
    ("call_id", Is::Id),
    ("name", Is::Id),
    ("namespace", Is::Id),
    ("arguments", Is::Arguments),
    ("input", Is::Arguments),
    ("id", Is::Word(&[])),
    ("status", STATUS),
])
.turn(Speaker::Role("assistant"));
static OUTPUT: Object = Object::new(&[
    ("type", TYPE),
    ("call_id", Is::Id),
    ("output", CONTENT),
    ("id", Is::Word(&[])),
    ("status", STATUS),
])
.turn(Speaker::Role("tool"));
static THOUGHTS: Object = Object::new(&[
    ("type", TYPE),
    ("summary", Is::Each(&Is::Tagged(&PART))),
    ("content", Is::Each(&Is::Tagged(&PART))),
    ("encrypted_content", Is::Signed),
    ("id", Is::Word(&[])),
    ("status", STATUS),
])
.turn(Speaker::Role("assistant"));
static REFERENCE: Object =
    Object::new(&[("type", TYPE), ("id", Is::Word(&[]))]).turn(Speaker::Same);

const CONTENT: Is = Is::Either {
    string: &Is::Said,
    other: &Is::Each(&Is::Tagged(&PART)),
};
static PART: Tagged = Tagged {
    tag: "type",
    default: "",
    forms: &[
        ("input_text", &TEXT),
        ("output_text", &TEXT),
        ("text", &TEXT),
        ("summary_text", &TEXT),
        ("reasoning_text", &TEXT),
        ("refusal", &TEXT),
        ("input_image", &MEDIA),
        ("input_file", &MEDIA),
        ("input_audio", &MEDIA),
    ],
};
static TEXT: Object = Object::new(&[
    ("type", TYPE),
    ("text", Is::Said),
    ("refusal", Is::Said),
    ("annotations", Is::Free),
    ("logprobs", Is::Free),
    ("prompt_cache_breakpoint", Is::Free),
]);
static MEDIA: Object = Object::new(&[
    ("type", TYPE),
    ("image_url", Is::Link),
    ("file_url", Is::Link),
    ("file_id", Is::Word(&[])),
    ("filename", Is::Text),
    ("file_data", Is::Data),
    ("detail", Is::Word(&["auto", "low", "high", "original"])),
    ("input_audio", Is::Object(&SOUND)),
    ("prompt_cache_breakpoint", Is::Free),
]);
static SOUND: Object =
    Object::new(&[("data", Is::Data), ("format", Is::Word(&["wav", "mp3"]))]).data_of("format");
const STATUS: Is = Is::Word(&["in_progress", "completed", "incomplete", "failed"]);
const TYPE: Is = Is::Word(&[
    "message",
    "function_call",
    "custom_tool_call",
    "function_call_output",
    "custom_tool_call_output",
    "reasoning",
    "item_reference",
    "input_text",
    "output_text",
    "text",
    "summary_text",
    "reasoning_text",
    "refusal",
    "input_image",
    "input_file",
    "input_audio",
    "function",
    "custom",
    "namespace",
    "json_schema",
    "json_object",
    "grammar",
    "allowed_tools",
]);

static TOOL: Tagged = Tagged {
    tag: "type",
    default: "function",
    forms: &[
        ("function", &A_TOOL),
        ("custom", &A_TOOL),
        ("namespace", &A_TOOL),
    ],
};
static A_TOOL: Object = Object::new(&[
    ("type", TYPE),
    ("name", Is::Id),
    ("description", Is::Text),
    ("parameters", Is::Schema),
    ("output_schema", Is::Schema),
    ("strict", Is::Setting),
    ("defer_loading", Is::Setting),
    ("async", Is::Setting),
    ("allowed_callers", Is::Each(&Is::Word(&[]))),
    ("format", Is::Object(&FORMAT)),
    ("tools", Is::Each(&Is::Tagged(&TOOL))),
]);
static FORMAT: Object = Object::new(&[
    ("type", TYPE),
    ("name", Is::Id),
    ("description", Is::Text),
    ("schema", Is::Schema),
    ("strict", Is::Setting),
    ("syntax", Is::Word(&["lark", "regex"])),
    ("definition", Is::Text),
]);
const TOOL_CHOICE: Is = Is::Either {
    string: &Is::Word(&["none", "auto", "required"]),
    other: &Is::Object(&CHOSEN),
};
static CHOSEN: Object = Object::new(&[
    ("type", Is::Word(&["function", "custom", "allowed_tools"])),
    ("name", Is::Id),
    ("mode", Is::Word(&["auto", "required"])),
    ("tools", Is::Each(&Is::Object(&CHOSEN))),
]);
static TEXT_OPTIONS: Object =
    Object::new(&[("format", Is::Object(&FORMAT)), ("verbosity", EFFORT)]);
static REASONING: Object = Object::new(&[
    ("effort", EFFORT),
    ("summary", Is::Word(&["auto", "concise", "detailed"])),
    (
        "generate_summary",
        Is::Word(&["auto", "concise", "detailed"]),
    ),
]);
const EFFORT: Is = Is::Word(&["none", "minimal", "low", "medium", "high", "xhigh"]);
static PROMPT: Object = Object::new(&[
    ("id", Is::Word(&[])),
    ("version", Is::Word(&[])),
    ("variables", Is::Free),
]);
static STREAM_OPTIONS: Object = Object::new(&[
    ("include_obfuscation", Is::Setting),
    ("include_usage", Is::Setting),
]);
