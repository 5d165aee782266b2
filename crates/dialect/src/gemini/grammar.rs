//! The grammar of Google's `generateContent` (v1beta, November 2026). Protobuf's JSON takes
//! each member in camelCase and in snake_case.

use crate::grammar::{Grammar, Is, Object, Speaker};

pub(crate) static GEMINI: Grammar = Grammar {
    root: &BODY,
    two_spellings: true,
};

static BODY: Object = Object::new(&[
    ("model", Is::Word(&[])),
    (
        "systemInstruction",
        Is::As(
            "system",
            &Is::Either {
                string: &Is::Said,
                other: &Is::Object(&INSTRUCTION),
            },
        ),
    ),
    ("contents", Is::Each(&Is::Object(&CONTENT))),
    ("tools", Is::Each(&Is::Object(&TOOL))),
    ("toolConfig", Is::Object(&TOOL_CONFIG)),
    ("generationConfig", Is::Object(&GENERATION)),
    ("safetySettings", Is::Each(&Is::Object(&SAFETY))),
    ("cachedContent", Is::Word(&[])),
    ("labels", Is::Free),
    ("serviceTier", Is::Word(&[])),
    ("store", Is::Setting),
]);

static CONTENT: Object = Object::new(CONTENT_MEMBERS).turn(Speaker::Named);
static INSTRUCTION: Object = Object::new(CONTENT_MEMBERS);
const CONTENT_MEMBERS: &[crate::grammar::Member] = &[
    ("role", Is::Word(&["user", "model", "function", "system"])),
    ("parts", Is::Each(&Is::Object(&PART))),
];

static PART: Object = Object::new(&[
    ("text", Is::Said),
    ("thought", Is::Setting),
    ("thoughtSignature", Is::Signed),
    ("functionCall", Is::Object(&CALL)),
    ("functionResponse", Is::Object(&RESPONSE)),
    ("inlineData", Is::Object(&DATA)),
    ("fileData", Is::Object(&DATA)),
    ("executableCode", Is::Object(&CODE)),
    ("codeExecutionResult", Is::Object(&CODE)),
    ("videoMetadata", Is::Free),
    ("audioMetadata", Is::Free),
    ("documentMetadata", Is::Free),
    ("speechMetadata", Is::Free),
    ("spreadsheetMetadata", Is::Free),
    ("partMetadata", Is::Free),
    ("mediaProcessing", Is::Free),
    ("mediaResolution", Is::Free),
]);
static CALL: Object = Object::new(&[
    ("id", Is::Id),
    ("name", Is::Id),
    ("args", Is::Arguments),
    ("partialArgs", Is::Arguments),
    ("willContinue", Is::Setting),
]);
static RESPONSE: Object = Object::new(&[
    ("id", Is::Id),
    ("name", Is::Id),
    ("response", Is::Arguments),
    ("parts", Is::Each(&Is::Object(&PART))),
    ("willContinue", Is::Setting),
    ("scheduling", Is::Word(&[])),
])
.spoken_by("tool");
static DATA: Object = Object::new(&[
    (
        "mimeType",
        Is::Word(&["image/png", "image/jpeg", "application/pdf", "text/plain"]),
    ),
    ("data", Is::Data),
    ("fileUri", Is::Link),
    ("displayName", Is::Text),
])
.data_of("mimeType");
static CODE: Object = Object::new(&[
    ("id", Is::Id),
    ("language", Is::Word(&["PYTHON", "LANGUAGE_UNSPECIFIED"])),
    ("code", Is::Text),
    ("outcome", Is::Word(&["OUTCOME_OK", "OUTCOME_FAILED"])),
    ("output", Is::Text),
]);

static TOOL: Object = Object::new(&[
    ("functionDeclarations", Is::Each(&Is::Object(&FUNCTION))),
    ("googleSearch", Is::Free),
    ("googleSearchRetrieval", Is::Free),
    ("codeExecution", Is::Free),
    ("urlContext", Is::Free),
    ("googleMaps", Is::Free),
    ("computerUse", Is::Free),
    ("fileSearch", Is::Free),
    ("retrieval", Is::Free),
    ("mcpServers", Is::Free),
]);
static FUNCTION: Object = Object::new(&[
    ("name", Is::Id),
    ("description", Is::Text),
    ("parameters", Is::Schema),
    ("parametersJsonSchema", Is::Schema),
    ("response", Is::Schema),
    ("responseJsonSchema", Is::Schema),
    (
        "behavior",
        Is::Word(&["UNSPECIFIED", "BLOCKING", "NON_BLOCKING"]),
    ),
]);
static TOOL_CONFIG: Object = Object::new(&[
    ("functionCallingConfig", Is::Object(&CALLING)),
    ("retrievalConfig", Is::Free),
    ("includeServerSideToolInvocations", Is::Setting),
]);
static CALLING: Object = Object::new(&[
    (
        "mode",
        Is::Word(&["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]),
    ),
    ("allowedFunctionNames", Is::Each(&Is::Id)),
    ("streamFunctionCallArguments", Is::Setting),
]);
static GENERATION: Object = Object::new(&[
    ("stopSequences", Is::Each(&Is::Text)),
    (
        "responseMimeType",
        Is::Word(&["text/plain", "application/json", "text/x.enum"]),
    ),
    ("responseSchema", Is::Schema),
    ("responseJsonSchema", Is::Schema),
    (
        "responseModalities",
        Is::Each(&Is::Word(&["TEXT", "IMAGE", "AUDIO"])),
    ),
    ("speechConfig", Is::Free),
    ("imageConfig", Is::Free),
    ("thinkingConfig", Is::Object(&THINKING)),
    ("mediaResolution", Is::Word(&[])),
    ("routingConfig", Is::Free),
    ("modelSelectionConfig", Is::Free),
    ("temperature", Is::Setting),
    ("topP", Is::Setting),
    ("topK", Is::Setting),
    ("candidateCount", Is::Setting),
    ("maxOutputTokens", Is::Setting),
    ("seed", Is::Setting),
    ("presencePenalty", Is::Setting),
    ("frequencyPenalty", Is::Setting),
    ("responseLogprobs", Is::Setting),
    ("logprobs", Is::Setting),
    ("enableEnhancedCivicAnswers", Is::Setting),
    ("audioTimestamp", Is::Setting),
]);
static THINKING: Object = Object::new(&[
    ("includeThoughts", Is::Setting),
    ("thinkingBudget", Is::Setting),
    (
        "thinkingLevel",
        Is::Word(&["MINIMAL", "LOW", "MEDIUM", "HIGH"]),
    ),
]);
static SAFETY: Object = Object::new(&[
    ("category", Is::Word(&[])),
    ("threshold", Is::Word(&[])),
    ("method", Is::Word(&[])),
]);
