//! The grammar of OpenAI's chat completions, completions and embeddings, as its SDK types them
//! (3.57) and as vLLM, Mistral and OpenRouter extend them.

use crate::grammar::{Grammar, Is, Member, Object, Speaker, Tagged};

pub(crate) static CHAT: Grammar = Grammar::new(&CHAT_BODY);
pub(crate) static COMPLETIONS: Grammar = Grammar::new(&COMPLETIONS_BODY);
pub(crate) static EMBEDDINGS: Grammar = Grammar::new(&EMBEDDINGS_BODY);

static CHAT_BODY: Object = Object::new(&[
    ("model", Is::Word(&[])),
    ("messages", Is::Each(&Is::Object(&MESSAGE))),
    ("tools", Is::Each(&Is::Tagged(&TOOL))),
    ("tool_choice", TOOL_CHOICE),
    ("functions", Is::Each(&Is::Object(&FUNCTION))),
    ("function_call", TOOL_CHOICE),
    ("response_format", Is::Object(&RESPONSE_FORMAT)),
    ("prediction", Is::Object(&PREDICTION)),
    ("modalities", Is::Each(&Is::Word(&["text", "audio"]))),
    ("audio", Is::Object(&VOICE)),
    ("reasoning_effort", EFFORT),
    ("reasoning", Is::Object(&REASONING)),
    ("thinking", Is::Object(&THINKING)),
    ("verbosity", EFFORT),
    ("documents", Is::Each(&Is::Free)),
    ("chat_template", Is::Text),
    ("chat_template_kwargs", Is::Free),
    ("parallel_tool_calls", Is::Setting),
    ("add_generation_prompt", Is::Setting),
    ("continue_final_message", Is::Setting),
    ("safe_prompt", Is::Setting),
    ("enable_thinking", Is::Setting),
    ("include_reasoning", Is::Setting),
    ("thinking_token_budget", Is::Setting),
])
.sharing(OPTIONS);

static COMPLETIONS_BODY: Object = Object::new(&[
    ("model", Is::Word(&[])),
    (
        "prompt",
        Is::Either {
            string: &Is::As("user", &Is::Said),
            other: &Is::Texts,
        },
    ),
    ("suffix", Is::Text),
    ("best_of", Is::Setting),
])
.sharing(OPTIONS);

static EMBEDDINGS_BODY: Object = Object::new(&[
    ("model", Is::Word(&[])),
    ("input", Is::As("user", &Is::Texts)),
    ("messages", Is::Each(&Is::Object(&MESSAGE))),
    ("encoding_format", Is::Word(&["float", "base64"])),
    ("input_type", Is::Word(&[])),
    ("truncate", Is::Word(&[])),
    ("dimensions", Is::Setting),
    ("user", Is::Text),
]);

/// What all of them take.
const OPTIONS: &[Member] = &[
    ("stop", Is::Each(&Is::Text)),
    ("stop_token_ids", Is::Each(&Is::Setting)),
    ("bad_words", Is::Each(&Is::Text)),
    ("user", Is::Text),
    ("safety_identifier", Is::Text),
    ("prompt_cache_key", Is::Text),
    ("cache_salt", Is::Text),
    ("metadata", Is::Free),
    (
        "service_tier",
        Is::Word(&["auto", "default", "flex", "priority"]),
    ),
    ("guided_json", Is::Schema),
    ("guided_regex", Is::Text),
    ("guided_grammar", Is::Text),
    ("guided_choice", Is::Each(&Is::Text)),
    ("structured_outputs", Is::Schema),
    ("prompt_embeds", Is::Unreadable),
    ("stream", Is::Setting),
    ("stream_options", Is::Object(&STREAM_OPTIONS)),
    ("temperature", Is::Setting),
    ("top_p", Is::Setting),
    ("top_k", Is::Setting),
    ("min_p", Is::Setting),
    ("n", Is::Setting),
    ("seed", Is::Setting),
    ("random_seed", Is::Setting),
    ("max_tokens", Is::Setting),
    ("max_completion_tokens", Is::Setting),
    ("min_tokens", Is::Setting),
    ("frequency_penalty", Is::Setting),
    ("presence_penalty", Is::Setting),
    ("repetition_penalty", Is::Setting),
    ("logprobs", Is::Setting),
    ("top_logprobs", Is::Setting),
    ("prompt_logprobs", Is::Setting),
    ("store", Is::Setting),
    ("echo", Is::Setting),
    ("ignore_eos", Is::Setting),
    ("skip_special_tokens", Is::Setting),
    ("return_token_ids", Is::Setting),
    ("add_special_tokens", Is::Setting),
];

static MESSAGE: Object = Object::new(&[
    ("role", ROLE),
    ("content", CONTENT),
    ("name", Is::Id),
    ("refusal", Is::Said),
    ("reasoning_content", Is::Said),
    ("reasoning", Is::Said),
    ("thinking_blocks", Is::Each(&Is::Tagged(&PART))),
    ("tool_calls", Is::Each(&Is::Tagged(&CALL))),
    ("function_call", Is::Object(&CALLED)),
    ("tool_call_id", Is::Id),
    ("audio", Is::Object(&SPOKEN)),
    ("annotations", Is::Free),
    ("prefix", Is::Setting),
    ("cache_control", Is::Object(&CACHE)),
])
.turn(Speaker::Named);

const ROLE: Is = Is::Word(&[
    "system",
    "developer",
    "user",
    "assistant",
    "tool",
    "function",
]);
const EFFORT: Is = Is::Word(&["none", "minimal", "low", "medium", "high", "xhigh"]);
const CONTENT: Is = Is::Either {
    string: &Is::Said,
    other: &Is::Each(&Is::Tagged(&PART)),
};

static PART: Tagged = Tagged {
    tag: "type",
    default: "",
    forms: &[
        ("text", &TEXT),
        ("image_url", &MEDIA),
        ("file", &MEDIA),
        ("input_audio", &MEDIA),
        ("video_url", &MEDIA),
        ("audio_url", &MEDIA),
        ("document_url", &MEDIA),
        ("refusal", &TEXT),
        ("thinking", &THOUGHT),
        ("redacted_thinking", &THOUGHT),
    ],
};

static TEXT: Object = Object::new(&[
    ("type", TYPE),
    ("text", Is::Said),
    ("refusal", Is::Said),
    ("cache_control", Is::Object(&CACHE)),
    ("prompt_cache_breakpoint", Is::Object(&CACHE)),
]);
static THOUGHT: Object = Object::new(&[
    ("type", TYPE),
    (
        "thinking",
        Is::Either {
            string: &Is::SignedText,
            other: &Is::Each(&Is::Tagged(&PART)),
        },
    ),
    ("signature", Is::Signed),
    ("data", Is::Signed),
    ("closed", Is::Setting),
]);
static MEDIA: Object = Object::new(&[
    ("type", TYPE),
    ("image_url", LINK),
    ("video_url", LINK),
    ("audio_url", LINK),
    ("document_url", LINK),
    ("document_name", Is::Text),
    ("input_audio", Is::Object(&FILE)),
    ("file", Is::Object(&FILE)),
    ("uuid", Is::Id),
    ("cache_control", Is::Object(&CACHE)),
    ("prompt_cache_breakpoint", Is::Object(&CACHE)),
]);
const LINK: Is = Is::Either {
    string: &Is::Link,
    other: &Is::Object(&URL),
};
static URL: Object = Object::new(&[
    ("url", Is::Link),
    ("detail", Is::Word(&["auto", "low", "high", "original"])),
]);
static FILE: Object = Object::new(&[
    ("file_id", Is::Word(&[])),
    ("filename", Is::Text),
    ("file_data", Is::Data),
    ("data", Is::Data),
    ("format", Is::Word(&["wav", "mp3"])),
])
.data_of("format");
static CACHE: Object = Object::new(&[
    ("type", Is::Word(&["ephemeral"])),
    ("ttl", Is::Word(&["5m", "1h", "30m", "24h"])),
    ("mode", Is::Word(&[])),
]);
const TYPE: Is = Is::Word(&[
    "text",
    "image_url",
    "file",
    "input_audio",
    "video_url",
    "audio_url",
    "document_url",
    "refusal",
    "thinking",
    "redacted_thinking",
    "function",
    "custom",
    "json_schema",
    "json_object",
    "content",
    "enabled",
    "disabled",
    "adaptive",
    "allowed_tools",
    "grammar",
]);

static CALL: Tagged = Tagged {
    tag: "type",
    default: "function",
    forms: &[("function", &A_CALL), ("custom", &A_CALL)],
};
static A_CALL: Object = Object::new(&[
    ("id", Is::Id),
    ("type", TYPE),
    ("index", Is::Setting),
    ("function", Is::Object(&CALLED)),
    ("custom", Is::Object(&CALLED)),
]);
static CALLED: Object = Object::new(&[
    ("name", Is::Id),
    ("arguments", Is::Arguments),
    ("input", Is::Arguments),
    ("parsed_arguments", Is::Arguments),
]);
static SPOKEN: Object = Object::new(&[
    ("id", Is::Word(&[])),
    ("data", Is::Data),
    ("transcript", Is::Said),
    ("expires_at", Is::Setting),
]);

static TOOL: Tagged = Tagged {
    tag: "type",
    default: "function",
    forms: &[("function", &A_TOOL), ("custom", &A_TOOL)],
};
static A_TOOL: Object = Object::new(&[
    ("type", TYPE),
    ("function", Is::Object(&FUNCTION)),
    ("custom", Is::Object(&CUSTOM)),
    ("cache_control", Is::Object(&CACHE)),
]);
static FUNCTION: Object = Object::new(&[
    ("name", Is::Id),
    ("description", Is::Text),
    ("parameters", Is::Schema),
    ("strict", Is::Setting),
]);
static CUSTOM: Object = Object::new(&[
    ("name", Is::Id),
    ("description", Is::Text),
    ("format", Is::Object(&GRAMMAR)),
]);
static GRAMMAR: Object = Object::new(&[
    ("type", TYPE),
    ("grammar", Is::Object(&DEFINED)),
    ("syntax", Is::Word(&["lark", "regex"])),
    ("definition", Is::Text),
]);
static DEFINED: Object = Object::new(&[
    ("syntax", Is::Word(&["lark", "regex"])),
    ("definition", Is::Text),
]);

const TOOL_CHOICE: Is = Is::Either {
    string: &Is::Word(&["none", "auto", "required", "any"]),
    other: &Is::Object(&CHOSEN),
};
static CHOSEN: Object = Object::new(&[
    ("type", TYPE),
    ("name", Is::Id),
    ("function", Is::Object(&NAMED)),
    ("custom", Is::Object(&NAMED)),
    ("allowed_tools", Is::Object(&ALLOWED)),
    ("mode", Is::Word(&["auto", "required"])),
    ("tools", Is::Each(&Is::Object(&CHOSEN))),
]);
static ALLOWED: Object = Object::new(&[
    ("mode", Is::Word(&["auto", "required"])),
    ("tools", Is::Each(&Is::Object(&CHOSEN))),
]);
static NAMED: Object = Object::new(&[("name", Is::Id)]);

static RESPONSE_FORMAT: Object = Object::new(&[
    ("type", TYPE),
    ("json_schema", Is::Object(&JSON_SCHEMA)),
    ("schema", Is::Schema),
]);
static JSON_SCHEMA: Object = Object::new(&[
    ("name", Is::Id),
    ("description", Is::Text),
    ("schema", Is::Schema),
    ("strict", Is::Setting),
]);
static PREDICTION: Object = Object::new(&[
    ("type", TYPE),
    (
        "content",
        Is::Either {
            string: &Is::Text,
            other: &Is::Each(&Is::Tagged(&PART)),
        },
    ),
]);
static VOICE: Object = Object::new(&[("voice", Is::Word(&[])), ("format", Is::Word(&[]))]);
static REASONING: Object = Object::new(&[
    ("effort", EFFORT),
    ("summary", Is::Word(&["auto", "concise", "detailed"])),
    ("max_tokens", Is::Setting),
    ("enabled", Is::Setting),
    ("exclude", Is::Setting),
]);
static THINKING: Object = Object::new(&[("type", TYPE), ("budget_tokens", Is::Setting)]);
static STREAM_OPTIONS: Object = Object::new(&[
    ("include_usage", Is::Setting),
    ("include_obfuscation", Is::Setting),
    ("continuous_usage_stats", Is::Setting),
]);
