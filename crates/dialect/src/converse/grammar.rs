//! The grammar of Converse (service model `bedrock-runtime` 2023-09-30).

use crate::grammar::{Grammar, Is, Object, Speaker};

pub(crate) static CONVERSE: Grammar = Grammar::new(&BODY);

static BODY: Object = Object::new(&[
    ("modelId", Is::Word(&[])),
    ("system", Is::As("system", &BLOCKS)),
    ("messages", Is::Each(&Is::Object(&MESSAGE))),
    ("toolConfig", Is::Object(&TOOL_CONFIG)),
    ("inferenceConfig", Is::Object(&INFERENCE)),
    ("outputConfig", Is::Object(&OUTPUT)),
    ("additionalModelRequestFields", Is::Free),
    ("additionalModelResponseFieldPaths", Is::Each(&Is::Text)),
    ("promptVariables", Is::Free),
    ("requestMetadata", Is::Free),
    ("guardrailConfig", Is::Free),
    ("performanceConfig", Is::Free),
    ("serviceTier", Is::Free),
    ("projectIdentifier", Is::Word(&[])),
]);

static MESSAGE: Object = Object::new(&[
    ("role", Is::Word(&["user", "assistant", "system"])),
    ("content", Is::Like(&BLOCKS)),
])
.turn(Speaker::Named);

static BLOCKS: Is = Is::Each(&Is::Object(&BLOCK));
static BLOCK: Object = Object::new(&[
    ("text", Is::Said),
    ("json", Is::Arguments),
    ("toolUse", Is::Object(&CALL)),
    ("toolResult", Is::Object(&RESULT)),
    ("image", Is::Object(&MEDIUM)),
    ("document", Is::Object(&MEDIUM)),
    ("video", Is::Object(&MEDIUM)),
    ("audio", Is::Object(&MEDIUM)),
    ("reasoningContent", Is::Object(&THOUGHT)),
    ("guardContent", Is::Object(&GUARDED)),
    ("searchResult", Is::Object(&FOUND)),
    ("citationsContent", Is::Object(&CITED)),
    ("cachePoint", Is::Object(&CACHE)),
]);
static CALL: Object = Object::new(&[
    ("toolUseId", Is::Id),
    ("name", Is::Id),
    ("input", Is::Arguments),
    ("type", Is::Word(&["server_tool_use"])),
]);
static RESULT: Object = Object::new(&[
    ("toolUseId", Is::Id),
    ("content", Is::Like(&BLOCKS)),
    ("status", Is::Word(&["success", "error"])),
    ("type", Is::Word(&[])),
])
.spoken_by("tool");
static MEDIUM: Object = Object::new(&[
    (
        "format",
        Is::Word(&[
            "png", "jpeg", "gif", "webp", "pdf", "csv", "doc", "docx", "xls", "xlsx", "html",
            "txt", "md", "mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp",
            "mp3", "opus", "wav", "aac", "x-aac", "flac", "ogg", "mka", "m4a", "pcm", "mpga",
        ]),
    ),
    ("name", Is::Text),
    ("context", Is::Text),
    ("source", Is::Object(&SOURCE)),
    ("citations", Is::Free),
])
.data_of("format");
static SOURCE: Object = Object::new(&[
    ("bytes", Is::Data),
    ("text", Is::Text),
    ("content", Is::Like(&BLOCKS)),
    ("s3Location", Is::Object(&LOCATION)),
]);
static LOCATION: Object = Object::new(&[("uri", Is::Text), ("bucketOwner", Is::Word(&[]))]);
static THOUGHT: Object = Object::new(&[
    ("reasoningText", Is::Object(&SIGNED)),
    ("redactedContent", Is::Signed),
]);
static SIGNED: Object = Object::new(&[("text", Is::SignedText), ("signature", Is::Signed)]);
static GUARDED: Object = Object::new(&[
    ("text", Is::Object(&QUALIFIED)),
    ("image", Is::Object(&MEDIUM)),
]);
static QUALIFIED: Object = Object::new(&[
    ("text", Is::Said),
    (
        "qualifiers",
        Is::Each(&Is::Word(&["grounding_source", "query", "guard_content"])),
    ),
]);
static FOUND: Object = Object::new(&[
    ("source", Is::Text),
    ("title", Is::Text),
    ("content", Is::Like(&BLOCKS)),
    ("citations", Is::Free),
]);
static CITED: Object = Object::new(&[("content", Is::Like(&BLOCKS)), ("citations", Is::Free)]);
static CACHE: Object = Object::new(&[
    ("type", Is::Word(&["default"])),
    ("ttl", Is::Word(&["5m", "1h"])),
]);

static TOOL_CONFIG: Object = Object::new(&[
    ("tools", Is::Each(&Is::Object(&TOOL))),
    ("toolChoice", Is::Object(&CHOICE)),
]);
static TOOL: Object = Object::new(&[
    ("toolSpec", Is::Object(&SPEC)),
    ("systemTool", Is::Object(&NAMED)),
    ("cachePoint", Is::Object(&CACHE)),
]);
static SPEC: Object = Object::new(&[
    ("name", Is::Id),
    ("description", Is::Text),
    ("inputSchema", Is::Object(&SCHEMA)),
    ("strict", Is::Setting),
]);
static SCHEMA: Object = Object::new(&[("json", Is::Schema)]);
static CHOICE: Object = Object::new(&[
    ("auto", Is::Free),
    ("any", Is::Free),
    ("tool", Is::Object(&NAMED)),
]);
static NAMED: Object = Object::new(&[("name", Is::Id)]);
static INFERENCE: Object = Object::new(&[
    ("maxTokens", Is::Setting),
    ("temperature", Is::Setting),
    ("topP", Is::Setting),
    ("stopSequences", Is::Each(&Is::Text)),
]);
static OUTPUT: Object = Object::new(&[("textFormat", Is::Object(&FORMAT))]);
static FORMAT: Object = Object::new(&[
    ("type", Is::Word(&["json_schema"])),
    ("structure", Is::Object(&STRUCTURE)),
]);
static STRUCTURE: Object = Object::new(&[("jsonSchema", Is::Object(&JSON_SCHEMA))]);
static JSON_SCHEMA: Object = Object::new(&[
    ("schema", Is::Arguments),
    ("name", Is::Id),
    ("description", Is::Text),
]);
