//! Every path, with the homes that it has at the vendors.

use forebay_dialect::Wire;
use forebay_dialect::door::Door;

use super::{Kind, Row};
use crate::through;
use crate::through::objects::{Thing, Verb};

/// OpenAI's and its imitators' homes: its own first, then clients whose base URL lacks `/v1`,
/// Azure's both, Google's for OpenAI's clients, OpenRouter's.
const OPENAI: &[&str] = &[
    "/v1",
    "",
    "/openai/v1",
    "/openai",
    "/v1beta/openai",
    "/api/v1",
];
/// Anthropic's: its own, without `/v1`, Azure AI Foundry's, OpenRouter's.
const ANTHROPIC: &[&str] = &["/v1", "", "/anthropic/v1", "/api/v1"];
/// Google's: the Gemini API's versions, and the vendor's client in its Vertex mode.
const GOOGLE: &[&str] = &["/v1beta", "/v1", "*/publishers/google"];
/// The Gemini API alone.
const GEMINI: &[&str] = &["/v1beta", "/v1"];
/// What only engines have.
const ENGINES: &[&str] = &["/v1", ""];
const AZURE: &[&str] = &["/openai/deployments"];
const AWS: &[&str] = &[""];
const OLLAMA: &[&str] = &["/api"];
const COHERE: &[&str] = &["/v2"];
const VERTEX: &[&str] = &["*/publishers/anthropic"];

const fn row(homes: &'static [&'static str], path: &'static str, kind: Kind) -> Row {
    Row { homes, path, kind }
}

/// Every endpoint. The first that fits counts.
pub(super) const ROWS: &[Row] = &[
    row(OPENAI, "/chat/completions", Kind::Body(Wire::Chat)),
    row(OPENAI, "/completions", Kind::Body(Wire::Completions)),
    row(OPENAI, "/responses", Kind::Body(Wire::Responses)),
    row(
        OPENAI,
        "/responses/{model}/input_items",
        Kind::ResponseInput,
    ),
    row(OPENAI, "/responses/{model}/cancel", Kind::ResponseCancel),
    row(OPENAI, "/responses/{model}", Kind::Response),
    row(OPENAI, "/responses/{model}", Kind::ResponseDeletion),
    row(OPENAI, "/embeddings", Kind::Body(Wire::Embeddings)),
    row(ANTHROPIC, "/messages", Kind::Body(Wire::Messages)),
    row(ANTHROPIC, "/messages/count_tokens", Kind::MessagesCount),
    row(
        AZURE,
        "/{model}/chat/completions",
        Kind::Deployment(Wire::Chat),
    ),
    row(
        AZURE,
        "/{model}/completions",
        Kind::Deployment(Wire::Completions),
    ),
    row(
        AZURE,
        "/{model}/embeddings",
        Kind::Deployment(Wire::Embeddings),
    ),
    row(
        GOOGLE,
        "/models/{model}:generateContent",
        Kind::Gemini { stream: false },
    ),
    row(
        GOOGLE,
        "/models/{model}:streamGenerateContent",
        Kind::Gemini { stream: true },
    ),
    row(GOOGLE, "/models/{model}:countTokens", Kind::GeminiCount),
    row(
        GOOGLE,
        "/models/{model}:embedContent",
        Kind::Door(Door::GeminiEmbed),
    ),
    row(
        GOOGLE,
        "/models/{model}:batchEmbedContents",
        Kind::Door(Door::GeminiBatchEmbed),
    ),
    row(&["/v1beta"], "/models", Kind::GeminiModels),
    row(&["/v1beta"], "/models/{model}", Kind::GeminiModel),
    row(OLLAMA, "/chat", Kind::Door(Door::OllamaChat)),
    row(OLLAMA, "/generate", Kind::Door(Door::OllamaGenerate)),
    row(OLLAMA, "/embed", Kind::Door(Door::OllamaEmbed)),
    row(OLLAMA, "/embeddings", Kind::Door(Door::OllamaEmbeddings)),
    row(OLLAMA, "/tags", Kind::OllamaTags),
    row(OLLAMA, "/show", Kind::OllamaShow),
    row(OLLAMA, "/version", Kind::OllamaVersion),
    row(COHERE, "/chat", Kind::Door(Door::CohereChat)),
    row(COHERE, "/embed", Kind::Door(Door::CohereEmbed)),
    row(
        AWS,
        "/model/{model}/converse",
        Kind::Converse { stream: false },
    ),
    row(
        AWS,
        "/model/{model}/converse-stream",
        Kind::Converse { stream: true },
    ),
    row(AWS, "/model/{model}/invoke", Kind::Invoke { stream: false }),
    row(
        AWS,
        "/model/{model}/invoke-with-response-stream",
        Kind::Invoke { stream: true },
    ),
    row(
        VERTEX,
        "/models/count-tokens:rawPredict",
        Kind::PredictCount,
    ),
    row(
        VERTEX,
        "/models/{model}:rawPredict",
        Kind::Predict { stream: false },
    ),
    row(
        VERTEX,
        "/models/{model}:streamRawPredict",
        Kind::Predict { stream: true },
    ),
    row(OPENAI, "/rerank", Kind::Through(&through::RERANK)),
    row(&["/v2"], "/rerank", Kind::Through(&through::RERANK_V2)),
    row(OPENAI, "/moderations", Kind::Through(&through::MODERATIONS)),
    row(
        OPENAI,
        "/images/generations",
        Kind::Through(&through::IMAGES),
    ),
    row(OPENAI, "/audio/speech", Kind::Through(&through::SPEECH)),
    row(
        OPENAI,
        "/audio/transcriptions",
        Kind::Through(&through::TRANSCRIPTIONS),
    ),
    row(
        OPENAI,
        "/audio/translations",
        Kind::Through(&through::TRANSLATIONS),
    ),
    row(
        OPENAI,
        "/images/edits",
        Kind::Through(&through::IMAGE_EDITS),
    ),
    row(
        OPENAI,
        "/images/variations",
        Kind::Through(&through::IMAGE_VARIATIONS),
    ),
    row(ENGINES, "/score", Kind::Through(&through::SCORE)),
    row(ENGINES, "/tokenize", Kind::Through(&through::TOKENIZE)),
    row(ENGINES, "/detokenize", Kind::Through(&through::DETOKENIZE)),
    row(ENGINES, "/classify", Kind::Through(&through::CLASSIFY)),
    row(ENGINES, "/pooling", Kind::Through(&through::POOLING)),
    row(
        AZURE,
        "/{model}/images/generations",
        Kind::Through(&through::IMAGES),
    ),
    row(
        AZURE,
        "/{model}/audio/speech",
        Kind::Through(&through::SPEECH),
    ),
    row(
        AZURE,
        "/{model}/audio/transcriptions",
        Kind::Through(&through::TRANSCRIPTIONS),
    ),
    row(
        AZURE,
        "/{model}/audio/translations",
        Kind::Through(&through::TRANSLATIONS),
    ),
    row(
        AZURE,
        "/{model}/images/edits",
        Kind::Through(&through::IMAGE_EDITS),
    ),
    row(OPENAI, "/files", Kind::Object(Thing::File, Verb::Create)),
    row(OPENAI, "/files", Kind::Object(Thing::File, Verb::List)),
    row(
        OPENAI,
        "/files/{model}/content",
        Kind::Object(Thing::File, Verb::Content),
    ),
    row(
        OPENAI,
        "/files/{model}",
        Kind::Object(Thing::File, Verb::Get),
    ),
    row(
        OPENAI,
        "/files/{model}",
        Kind::Object(Thing::File, Verb::Delete),
    ),
    row(OPENAI, "/batches", Kind::Object(Thing::Batch, Verb::Create)),
    row(OPENAI, "/batches", Kind::Object(Thing::Batch, Verb::List)),
    row(
        OPENAI,
        "/batches/{model}/cancel",
        Kind::Object(Thing::Batch, Verb::Cancel),
    ),
    row(
        OPENAI,
        "/batches/{model}",
        Kind::Object(Thing::Batch, Verb::Get),
    ),
    row(
        OPENAI,
        "/vector_stores",
        Kind::Object(Thing::VectorStore, Verb::Create),
    ),
    row(
        OPENAI,
        "/vector_stores",
        Kind::Object(Thing::VectorStore, Verb::List),
    ),
    row(
        OPENAI,
        "/vector_stores/{model}",
        Kind::Object(Thing::VectorStore, Verb::Get),
    ),
    row(
        OPENAI,
        "/vector_stores/{model}",
        Kind::Object(Thing::VectorStore, Verb::Update),
    ),
    row(
        OPENAI,
        "/vector_stores/{model}",
        Kind::Object(Thing::VectorStore, Verb::Delete),
    ),
    row(
        OPENAI,
        "/containers",
        Kind::Object(Thing::Container, Verb::Create),
    ),
    row(
        OPENAI,
        "/containers",
        Kind::Object(Thing::Container, Verb::List),
    ),
    row(
        OPENAI,
        "/containers/{model}",
        Kind::Object(Thing::Container, Verb::Get),
    ),
    row(
        OPENAI,
        "/containers/{model}",
        Kind::Object(Thing::Container, Verb::Update),
    ),
    row(
        OPENAI,
        "/containers/{model}",
        Kind::Object(Thing::Container, Verb::Delete),
    ),
    row(
        GEMINI,
        "/cachedContents",
        Kind::Object(Thing::CachedContent, Verb::Create),
    ),
    row(
        GEMINI,
        "/cachedContents",
        Kind::Object(Thing::CachedContent, Verb::List),
    ),
    row(
        GEMINI,
        "/cachedContents/{model}",
        Kind::Object(Thing::CachedContent, Verb::Get),
    ),
    row(
        GEMINI,
        "/cachedContents/{model}",
        Kind::Object(Thing::CachedContent, Verb::Patch),
    ),
    row(
        GEMINI,
        "/cachedContents/{model}",
        Kind::Object(Thing::CachedContent, Verb::Delete),
    ),
    row(OPENAI, "/realtime", Kind::Realtime),
    row(OPENAI, "/models", Kind::Models),
    row(OPENAI, "/models/{model}", Kind::Model),
    row(&["/anthropic/v1"], "/models", Kind::Models),
    row(&["/anthropic/v1"], "/models/{model}", Kind::Model),
];
