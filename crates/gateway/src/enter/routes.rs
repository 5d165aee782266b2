//! The table of endpoints: which paths there are, in which vendor's words, and where the model's
//! name stands. Nothing else knows a client's path; every platform serves this table.

use forebay_dialect::door::Door;
use forebay_dialect::{Target, Wire};
use http::Method;

use super::form::Form;
use crate::through::objects::{Thing, Verb};
use crate::through::{self, Passage};

/// What stands behind a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The body says all.
    Body(Wire),
    /// The same for the deployment that the path names (Azure).
    Deployment(Wire),
    /// How many tokens a prompt of Anthropic's has.
    MessagesCount,
    /// Google's own.
    Gemini { stream: bool },
    /// Google's count of tokens.
    GeminiCount,
    /// Anthropic's messages as bodies of Bedrock's InvokeModel.
    Invoke { stream: bool },
    /// Anthropic's messages at Vertex.
    Predict { stream: bool },
    /// How many tokens a prompt of Anthropic's has, at Vertex.
    PredictCount,
    /// AWS's Converse.
    Converse { stream: bool },
    /// A format that only clients speak.
    Door(Door),
    /// The models in Google's form.
    GeminiModels,
    /// One of them.
    GeminiModel,
    /// The models in Ollama's form.
    OllamaTags,
    /// One of them, which the body names.
    OllamaShow,
    /// The version of Ollama's API.
    OllamaVersion,
    /// A kept response of OpenAI's form.
    Response,
    /// Its deletion.
    ResponseDeletion,
    /// The list of its input.
    ResponseInput,
    /// The end of its computation.
    ResponseCancel,
    /// The list of models in OpenAI's form, or in Anthropic's where its client asks.
    Models,
    /// One model of it.
    Model,
    /// What passes through as it is.
    Through(&'static Passage),
    /// A thing that an upstream keeps.
    Object(Thing, Verb),
    /// OpenAI's Realtime API, over a WebSocket.
    Realtime,
}

/// A path, under each of its homes.
pub(super) struct Row {
    /// What may stand before `path`. A star is anything.
    homes: &'static [&'static str],
    /// The path from there on. `{model}`, which may have slashes, is a model's name or an id.
    path: &'static str,
    pub(super) kind: Kind,
}

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
const ROWS: &[Row] = &[
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

/// Whose words a path that is none was probably meant in: what it begins with, or after a star
/// has within. OpenAI's are all others.
const NEAREST: &[(&str, Wire)] = &[
    ("/v1/messages", Wire::Messages),
    ("/messages", Wire::Messages),
    ("/api/v1/messages", Wire::Messages),
    ("/anthropic/", Wire::Messages),
    ("/v1beta/openai/", Wire::Chat),
    ("/v1beta/", Wire::Gemini),
    ("*/publishers/google/", Wire::Gemini),
    ("*/publishers/anthropic/", Wire::Messages),
    ("/model/", Wire::Converse),
];

/// The rows that a path fits, best first, each with the model's name as the path has it.
pub(super) fn rows(path: &str) -> impl Iterator<Item = (&'static Row, Option<&str>)> {
    ROWS.iter()
        .filter_map(move |row| Some((row, row.fit(path)?)))
}

/// Whose words errors about an unknown path are told in.
pub(super) fn nearest(path: &str) -> Wire {
    let found = NEAREST.iter().find(|(home, _)| after(home, path).is_some());
    found.map_or(Wire::Chat, |(_, wire)| *wire)
}

fn after<'p>(home: &str, path: &'p str) -> Option<&'p str> {
    match home.strip_prefix('*') {
        Some(within) => Some(path.split_once(within)?.1),
        None => path.strip_prefix(home),
    }
}

impl Row {
    /// The model's name where the path has one. None where it is another path.
    fn fit<'p>(&self, path: &'p str) -> Option<Option<&'p str>> {
        self.homes.iter().find_map(|home| {
            let rest = after(home, path)?;
            let Some((before, behind)) = self.path.split_once("{model}") else {
                return (rest == self.path).then_some(None);
            };
            let model = rest.strip_prefix(before)?.strip_suffix(behind)?;
            (!model.is_empty() && !model.starts_with('/')).then_some(Some(model))
        })
    }
}

impl Kind {
    /// Whether it is one model, by name.
    pub(super) fn is_model(self) -> bool {
        matches!(self, Kind::Model | Kind::GeminiModel)
    }

    /// The door whose format errors are told in.
    pub(super) fn door(self) -> Option<Door> {
        match self {
            Kind::Door(door) => Some(door),
            Kind::OllamaTags | Kind::OllamaShow | Kind::OllamaVersion => Some(Door::OllamaChat),
            _ => None,
        }
    }

    /// How it is asked.
    pub(super) fn method(self) -> Method {
        match self {
            Kind::Models
            | Kind::Model
            | Kind::GeminiModels
            | Kind::GeminiModel
            | Kind::OllamaTags
            | Kind::OllamaVersion
            | Kind::Response
            | Kind::ResponseInput
            | Kind::Realtime => Method::GET,
            Kind::ResponseDeletion => Method::DELETE,
            Kind::Object(_, verb) => verb.method(),
            _ => Method::POST,
        }
    }

    /// Whose words errors are told in.
    pub(super) fn wire(self) -> Wire {
        match self {
            Kind::Body(wire) | Kind::Deployment(wire) => wire,
            Kind::MessagesCount | Kind::Predict { .. } | Kind::PredictCount => Wire::Messages,
            Kind::Gemini { .. } | Kind::GeminiCount | Kind::GeminiModels | Kind::GeminiModel => {
                Wire::Gemini
            }
            Kind::Door(Door::GeminiEmbed | Door::GeminiBatchEmbed) => Wire::Gemini,
            Kind::Door(door) => door.wire(),
            Kind::OllamaTags | Kind::OllamaShow | Kind::OllamaVersion => Wire::Chat,
            Kind::Converse { .. } | Kind::Invoke { .. } => Wire::Converse,
            Kind::Response
            | Kind::ResponseDeletion
            | Kind::ResponseInput
            | Kind::ResponseCancel => Wire::Responses,
            Kind::Object(Thing::CachedContent, _) => Wire::Gemini,
            Kind::Models | Kind::Model | Kind::Through(_) | Kind::Object(..) | Kind::Realtime => {
                Wire::Chat
            }
        }
    }

    /// The endpoint's name for policies and metrics: its main path, whatever its home, without
    /// what clients fill in.
    pub(super) fn route(self) -> &'static str {
        match self {
            Kind::Body(wire) | Kind::Deployment(wire) => match wire {
                Wire::Completions => "/v1/completions",
                Wire::Responses => "/v1/responses",
                Wire::Embeddings => "/v1/embeddings",
                Wire::Messages => "/v1/messages",
                _ => "/v1/chat/completions",
            },
            Kind::Invoke { .. } | Kind::Predict { .. } => "/v1/messages",
            Kind::MessagesCount | Kind::PredictCount => "/v1/messages/count_tokens",
            Kind::Gemini { stream: false } => "/v1beta/models:generateContent",
            Kind::Gemini { stream: true } => "/v1beta/models:streamGenerateContent",
            Kind::GeminiCount => "/v1beta/models:countTokens",
            Kind::Converse { stream: false } => "/model/converse",
            Kind::Converse { stream: true } => "/model/converse-stream",
            Kind::Response | Kind::ResponseDeletion => "/v1/responses/ID",
            Kind::ResponseInput => "/v1/responses/ID/input_items",
            Kind::ResponseCancel => "/v1/responses/ID/cancel",
            Kind::Door(door) => door.path(),
            Kind::OllamaVersion => "/api/version",
            Kind::OllamaTags | Kind::OllamaShow => "/v1/models",
            Kind::GeminiModels | Kind::GeminiModel => "/v1/models",
            Kind::Models | Kind::Model => "/v1/models",
            Kind::Through(passage) => passage.path,
            Kind::Object(thing, _) => thing.passage().path,
            Kind::Realtime => through::REALTIME.path,
        }
    }

    /// What the path says of the request, and how its body differs from the format's own.
    pub(super) fn target(self, model: Option<String>) -> (Target, Form) {
        let wire = self.wire();
        let own = |model, stream| {
            let target = Target {
                wire,
                model,
                stream,
            };
            (target, Form::Own)
        };
        match self {
            Kind::Gemini { stream } | Kind::Converse { stream } => own(model, Some(stream)),
            // Not an answer is asked for, so no limit of one has to be named.
            Kind::GeminiCount | Kind::MessagesCount => own(model, Some(false)),
            Kind::Deployment(_) => (Target::new(wire), Form::InPath { model }),
            Kind::Invoke { stream } | Kind::Predict { stream } => {
                let stream = Some(stream);
                (
                    Target::new(Wire::Messages),
                    Form::Anthropic { model, stream },
                )
            }
            Kind::PredictCount => {
                let (target, _) = own(None, Some(false));
                let (model, stream) = (None, None);
                (target, Form::Anthropic { model, stream })
            }
            Kind::Door(door) => (Target::new(door.wire()), Form::Door { door, model }),
            Kind::Body(_)
            | Kind::GeminiModels
            | Kind::GeminiModel
            | Kind::OllamaTags
            | Kind::OllamaShow
            | Kind::OllamaVersion
            | Kind::Models
            | Kind::Model
            | Kind::Through(_)
            | Kind::Object(..)
            | Kind::Realtime
            | Kind::Response
            | Kind::ResponseDeletion
            | Kind::ResponseInput
            | Kind::ResponseCancel => own(model, None),
        }
    }
}
