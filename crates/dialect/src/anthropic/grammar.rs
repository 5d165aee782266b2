//! The grammar of Anthropic's messages, as its SDKs type them (anthropic 2.14 for Python).
//! Blocks of its own tools are judged as JSON of any form.

use crate::grammar::{Grammar, Is, Object, Speaker, Tagged};

pub(crate) static MESSAGES: Grammar = Grammar::new(&BODY);

static BODY: Object = Object::new(&[
    ("model", Is::Word(&[])),
    ("system", Is::As("system", &CONTENT)),
    ("messages", Is::Each(&Is::Object(&MESSAGE))),
    ("tools", Is::Each(&Is::Object(&TOOL))),
    ("tool_choice", Is::Object(&TOOL_CHOICE)),
    ("stop_sequences", Is::Each(&Is::Text)),
    ("metadata", Is::Free),
    ("thinking", Is::Object(&THINKING)),
    ("output_config", Is::Object(&OUTPUT)),
    ("output_format", Is::Object(&FORMAT)),
    ("mcp_servers", Is::Each(&Is::Object(&SERVER))),
    ("container", Is::Free),
    ("context_management", Is::Free),
    ("cache_control", Is::Object(&CACHE)),
    ("service_tier", Is::Word(&["auto", "standard_only"])),
    ("inference_geo", Is::Word(&[])),
    ("max_tokens", Is::Setting),
    ("stream", Is::Setting),
    ("temperature", Is::Setting),
    ("top_k", Is::Setting),
    ("top_p", Is::Setting),
]);

static MESSAGE: Object = Object::new(&[
    ("role", Is::Word(&["user", "assistant", "system"])),
    ("content", Is::Like(&CONTENT)),
])
.turn(Speaker::Named);

static CONTENT: Is = Is::Either {
    string: &Is::Said,
    other: &Is::Each(&Is::Tagged(&BLOCK)),
};
static BLOCK: Tagged = Tagged {
    tag: "type",
    default: "",
    forms: &[
        ("text", &TEXT),
        ("image", &DOCUMENT),
        ("document", &DOCUMENT),
        ("tool_use", &CALL),
        ("server_tool_use", &CALL),
        ("tool_result", &RESULT),
        ("thinking", &THOUGHT),
        ("redacted_thinking", &THOUGHT),
        ("search_result", &SEARCH_RESULT),
    ],
};
static TEXT: Object = Object::new(&[
    ("type", TYPE),
    ("text", Is::Said),
    ("citations", Is::Free),
    ("cache_control", Is::Object(&CACHE)),
]);
static DOCUMENT: Object = Object::new(&[
    ("type", TYPE),
    ("source", Is::Tagged(&SOURCE)),
    ("title", Is::Text),
    ("context", Is::Text),
    ("citations", Is::Free),
    ("cache_control", Is::Object(&CACHE)),
]);
static SOURCE: Tagged = Tagged {
    tag: "type",
    default: "base64",
    forms: &[
        ("base64", &ENCODED),
        ("text", &PLAIN),
        ("url", &ELSEWHERE),
        ("file", &ELSEWHERE),
        ("content", &ELSEWHERE),
    ],
};
static ENCODED: Object = Object::new(&[
    ("type", TYPE),
    ("media_type", MEDIA_TYPE),
    ("data", Is::Data),
])
.data_of("media_type");
static PLAIN: Object = Object::new(&[
    ("type", TYPE),
    ("media_type", MEDIA_TYPE),
    ("data", Is::Text),
]);
static ELSEWHERE: Object = Object::new(&[
    ("type", TYPE),
    ("url", Is::Link),
    ("file_id", Is::Word(&[])),
    ("content", Is::Like(&CONTENT)),
]);
const MEDIA_TYPE: Is = Is::Word(&[
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/pdf",
    "text/plain",
]);
static CALL: Object = Object::new(&[
    ("type", TYPE),
    ("id", Is::Id),
    ("name", Is::Id),
    ("input", Is::Arguments),
    ("caller", Is::Free),
    ("cache_control", Is::Object(&CACHE)),
]);
static RESULT: Object = Object::new(&[
    ("type", TYPE),
    ("tool_use_id", Is::Id),
    ("content", Is::Like(&CONTENT)),
    ("is_error", Is::Setting),
    ("cache_control", Is::Object(&CACHE)),
])
.spoken_by("tool");
static THOUGHT: Object = Object::new(&[
    ("type", TYPE),
    ("thinking", Is::SignedText),
    ("signature", Is::Signed),
    ("data", Is::Signed),
]);
static SEARCH_RESULT: Object = Object::new(&[
    ("type", TYPE),
    ("source", Is::Text),
    ("title", Is::Text),
    ("content", Is::Like(&CONTENT)),
    ("citations", Is::Free),
    ("cache_control", Is::Object(&CACHE)),
]);
static CACHE: Object = Object::new(&[
    ("type", Is::Word(&["ephemeral"])),
    ("ttl", Is::Word(&["5m", "1h"])),
    ("scope", Is::Word(&[])),
]);
const TYPE: Is = Is::Word(&[
    "text",
    "image",
    "document",
    "tool_use",
    "server_tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "search_result",
    "base64",
    "url",
    "file",
    "content",
    "custom",
    "enabled",
    "disabled",
    "adaptive",
    "auto",
    "any",
    "tool",
    "none",
    "json_schema",
]);

static TOOL: Object = Object::new(&[
    ("type", TYPE),
    ("name", Is::Id),
    ("description", Is::Text),
    ("input_schema", Is::Schema),
    ("input_examples", Is::Each(&Is::Arguments)),
    ("strict", Is::Setting),
    ("defer_loading", Is::Setting),
    ("eager_input_streaming", Is::Setting),
    ("allowed_callers", Is::Each(&Is::Word(&[]))),
    ("allowed_domains", Is::Each(&Is::Text)),
    ("blocked_domains", Is::Each(&Is::Text)),
    ("max_uses", Is::Setting),
    ("cache_control", Is::Object(&CACHE)),
]);
static TOOL_CHOICE: Object = Object::new(&[
    ("type", TYPE),
    ("name", Is::Id),
    ("disable_parallel_tool_use", Is::Setting),
]);
static THINKING: Object = Object::new(&[
    ("type", TYPE),
    ("budget_tokens", Is::Setting),
    ("display", Is::Word(&["summarized", "omitted"])),
]);
static OUTPUT: Object = Object::new(&[
    ("format", Is::Object(&FORMAT)),
    (
        "effort",
        Is::Word(&["low", "medium", "high", "xhigh", "max"]),
    ),
]);
static FORMAT: Object = Object::new(&[("type", TYPE), ("schema", Is::Schema)]);
static SERVER: Object = Object::new(&[
    ("type", TYPE),
    ("name", Is::Id),
    ("url", Is::Text),
    ("authorization_token", Is::Text),
    ("tool_configuration", Is::Free),
]);
