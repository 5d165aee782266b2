//! The endpoints that pass through as they are: where they are, what their bodies and answers
//! hold, and what of it is text. One row each.

use forebay_dialect::passing::Member::{Media, Text, Tree, Word};
use forebay_dialect::passing::Table;
use http::HeaderMap;

use super::form::Form;
use crate::enter::headers::require_json;
use crate::error::GatewayError;

/// How a body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// JSON, read by this table.
    Json(Table),
    /// A form with files (`multipart/form-data`). Its fields are read by this table; files can't be.
    Form(Table),
}

/// What an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// JSON: its strings are text, but for those that the table lists otherwise. Whatever comes
    /// under another media type is text of its own.
    Text(Table),
    /// Sound or pictures: no rule can read it.
    Media,
}

/// An endpoint that passes through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// Its name in the configuration and in metrics.
    pub(crate) name: &'static str,
    /// Its path for policies, and at upstreams that have it where its maker has it.
    pub(crate) path: &'static str,
    pub(crate) body: Body,
    pub(crate) answer: Answer,
}

impl Passage {
    /// Whether its body is a form with files.
    pub(crate) fn takes_form(&self) -> bool {
        matches!(self.body, Body::Form(_))
    }

    /// Refuses a body whose media type is none of this endpoint's.
    pub(crate) fn check_head(&self, head: &HeaderMap) -> Result<(), GatewayError> {
        match self.body {
            Body::Json(_) => require_json(head),
            Body::Form(_) => Form::boundary(head).map(|_| ()),
        }
    }
}

const fn json(name: &'static str, path: &'static str, table: Table, answer: Answer) -> Passage {
    Passage {
        name,
        path,
        body: Body::Json(table),
        answer,
    }
}

/// Words that answers of all makers have.
const WORDS: Table = &[
    ("id", Word),
    ("object", Word),
    ("model", Word),
    ("data[].object", Word),
    ("usage.type", Word),
    ("meta.api_version.version", Word),
];

const RERANKED: Table = &[
    ("model", Word),
    ("query", Text),
    ("documents[]", Text),
    ("documents[].text", Text),
    ("documents[].title", Text),
    ("texts[]", Text),
    ("rank_fields[]", Word),
    ("user", Word),
];

/// Jina's, Cohere's first, and the engines'.
pub(crate) static RERANK: Passage = json("rerank", "/v1/rerank", RERANKED, Answer::Text(WORDS));
/// Cohere's second.
pub(crate) static RERANK_V2: Passage = json("rerank", "/v2/rerank", RERANKED, Answer::Text(WORDS));

pub(crate) static MODERATIONS: Passage = json(
    "moderations",
    "/v1/moderations",
    &[
        ("model", Word),
        ("input", Text),
        ("input[]", Text),
        ("input[].type", Word),
        ("input[].text", Text),
        ("input[].image_url", Media),
    ],
    Answer::Text(WORDS),
);

pub(crate) static IMAGES: Passage = json(
    "images.generations",
    "/v1/images/generations",
    &[
        ("model", Word),
        ("prompt", Text),
        ("negative_prompt", Text),
        ("background", Word),
        ("moderation", Word),
        ("output_format", Word),
        ("quality", Word),
        ("response_format", Word),
        ("size", Word),
        ("style", Word),
        ("user", Word),
    ],
    Answer::Media,
);

pub(crate) static SPEECH: Passage = json(
    "audio.speech",
    "/v1/audio/speech",
    &[
        ("model", Word),
        ("input", Text),
        ("instructions", Text),
        ("voice", Word),
        ("voice.id", Word),
        ("language", Word),
        ("response_format", Word),
        ("stream_format", Word),
    ],
    Answer::Media,
);

pub(crate) static SCORE: Passage = json(
    "score",
    "/v1/score",
    &[
        ("model", Word),
        ("text_1", Text),
        ("text_1[]", Text),
        ("text_2", Text),
        ("text_2[]", Text),
        ("query", Text),
        ("items", Text),
        ("items[]", Text),
        ("queries", Text),
        ("queries[]", Text),
        ("documents", Text),
        ("documents[]", Text),
        ("label_token_ids", Media),
        ("encoding_format", Word),
        ("user", Word),
    ],
    Answer::Text(WORDS),
);

/// vLLM's, SGLang's and llama.cpp's.
pub(crate) static TOKENIZE: Passage = json(
    "tokenize",
    "/tokenize",
    &[
        ("model", Word),
        ("prompt", Text),
        ("prompt[]", Text),
        ("content", Text),
        ("messages[].role", Word),
        ("messages[].name", Text),
        ("messages[].content", Text),
        ("messages[].content[].type", Word),
        ("messages[].content[].text", Text),
        ("tools", Tree),
        ("chat_template", Text),
    ],
    Answer::Text(WORDS),
);

pub(crate) static DETOKENIZE: Passage = json(
    "detokenize",
    "/detokenize",
    &[("model", Word), ("tokens", Media)],
    Answer::Text(WORDS),
);

const INPUTS: Table = &[
    ("model", Word),
    ("input", Text),
    ("input[]", Text),
    ("text", Text),
    ("text[]", Text),
    ("messages[].role", Word),
    ("messages[].content", Text),
    ("messages[].content[].type", Word),
    ("messages[].content[].text", Text),
    ("encoding_format", Word),
    ("embed_dtype", Word),
    ("endianness", Word),
    ("task", Word),
    ("user", Word),
];

pub(crate) static CLASSIFY: Passage = json("classify", "/classify", INPUTS, Answer::Text(WORDS));
pub(crate) static POOLING: Passage = json("pooling", "/pooling", INPUTS, Answer::Text(WORDS));

const HEARD: Table = &[
    ("model", Word),
    ("prompt", Text),
    ("language", Word),
    ("response_format", Word),
    ("temperature", Word),
    ("stream", Word),
    ("timestamp_granularities[]", Word),
    ("timestamp_granularities", Word),
    ("include[]", Word),
    ("include", Word),
    ("chunking_strategy", Word),
    ("user", Word),
    ("file", Media),
];

const fn form(name: &'static str, path: &'static str, table: Table, answer: Answer) -> Passage {
    Passage {
        name,
        path,
        body: Body::Form(table),
        answer,
    }
}

pub(crate) static TRANSCRIPTIONS: Passage = form(
    "audio.transcriptions",
    "/v1/audio/transcriptions",
    HEARD,
    Answer::Text(WORDS),
);
pub(crate) static TRANSLATIONS: Passage = form(
    "audio.translations",
    "/v1/audio/translations",
    HEARD,
    Answer::Text(WORDS),
);

const DRAWN: Table = &[
    ("model", Word),
    ("prompt", Text),
    ("background", Word),
    ("input_fidelity", Word),
    ("n", Word),
    ("output_compression", Word),
    ("output_format", Word),
    ("partial_images", Word),
    ("quality", Word),
    ("response_format", Word),
    ("size", Word),
    ("stream", Word),
    ("user", Word),
];

pub(crate) static IMAGE_EDITS: Passage =
    form("images.edits", "/v1/images/edits", DRAWN, Answer::Media);
pub(crate) static IMAGE_VARIATIONS: Passage = form(
    "images.variations",
    "/v1/images/variations",
    DRAWN,
    Answer::Media,
);

pub(crate) static FILES: Passage = form(
    "files",
    "/v1/files",
    &[
        ("purpose", Word),
        ("file", Media),
        ("expires_after[anchor]", Word),
        ("expires_after[seconds]", Word),
    ],
    Answer::Text(&[]),
);

pub(crate) static BATCHES: Passage = json(
    "batches",
    "/v1/batches",
    &[
        ("input_file_id", Word),
        ("endpoint", Word),
        ("completion_window", Word),
        ("metadata", Tree),
        ("output_expires_after.anchor", Word),
    ],
    Answer::Text(&[]),
);

pub(crate) static VECTOR_STORES: Passage = json(
    "vector_stores",
    "/v1/vector_stores",
    &[
        ("name", Text),
        ("description", Text),
        ("metadata", Tree),
        ("attributes", Tree),
        ("filters", Tree),
        ("query", Text),
        ("query[]", Text),
        ("file_id", Word),
        ("file_ids[]", Word),
        ("expires_after.anchor", Word),
        ("chunking_strategy.type", Word),
        ("ranking_options.ranker", Word),
    ],
    Answer::Text(&[]),
);

pub(crate) static CONTAINERS: Passage = json(
    "containers",
    "/v1/containers",
    &[
        ("name", Text),
        ("file_id", Word),
        ("file_ids[]", Word),
        ("expires_after.anchor", Word),
        ("memory_limit", Word),
    ],
    Answer::Text(&[]),
);

/// A file that is put into a container.
pub(crate) static CONTAINER_FILES: Passage = form(
    "containers",
    "/v1/containers",
    &[("file", Media), ("file_id", Word)],
    Answer::Text(&[]),
);

/// Gemini's.
pub(crate) static CACHED_CONTENTS: Passage = json(
    "cachedContents",
    "/v1beta/cachedContents",
    &[
        ("model", Word),
        ("displayName", Text),
        ("ttl", Word),
        ("expireTime", Word),
        ("contents[].role", Word),
        ("contents[].parts[].text", Text),
        ("contents[].parts[].functionCall", Tree),
        ("contents[].parts[].functionResponse", Tree),
        ("systemInstruction.role", Word),
        ("systemInstruction.parts[].text", Text),
        ("tools", Tree),
        ("toolConfig", Tree),
    ],
    Answer::Text(&[]),
);

/// OpenAI's Realtime API: the events of clients.
pub(crate) static REALTIME: Passage = json(
    "realtime",
    "/v1/realtime",
    super::realtime::EVENTS,
    Answer::Text(WORDS),
);

/// What the configuration lists of a provider's own API.
pub(crate) static RAW: Passage = json("raw", "/raw", &[], Answer::Media);

/// Every name that the configuration may use.
pub(crate) const NAMES: &[&str] = &[
    "rerank",
    "moderations",
    "images.generations",
    "images.edits",
    "images.variations",
    "audio.speech",
    "audio.transcriptions",
    "audio.translations",
    "score",
    "tokenize",
    "detokenize",
    "classify",
    "pooling",
    "files",
    "batches",
    "vector_stores",
    "containers",
    "cachedContents",
    "realtime",
];
