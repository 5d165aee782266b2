//! Formats that clients speak and no upstream is asked in: at the door such a request becomes one
//! of OpenAI's, and is judged, cached and translated as that; on its way out the answer gets the
//! client's own form. A member that a format does not know goes along under its name, so that a
//! guard sees it.

pub(crate) mod embedded;
pub(crate) mod said;
pub(crate) mod told;

use bytes::Bytes;

use crate::contract::refusal::ErrorParts;
use crate::request::RequestError;
use crate::wire::Wire;
use crate::{cohere, gemini, ollama};

pub use told::{DoorStream, Entered, Told};

use embedded::vectors;

/// An endpoint of such a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Ollama's `/api/chat`.
    OllamaChat,
    /// Ollama's `/api/generate`.
    OllamaGenerate,
    /// Ollama's `/api/embed`.
    OllamaEmbed,
    /// Its older form, `/api/embeddings`.
    OllamaEmbeddings,
    /// Cohere's `/v2/chat`.
    CohereChat,
    /// Cohere's `/v2/embed`.
    CohereEmbed,
    /// Google's `:embedContent`.
    GeminiEmbed,
    /// Google's `:batchEmbedContents`.
    GeminiBatchEmbed,
}

impl Door {
    /// Every door.
    pub const ALL: [Door; 8] = [
        Door::OllamaChat,
        Door::OllamaGenerate,
        Door::OllamaEmbed,
        Door::OllamaEmbeddings,
        Door::CohereChat,
        Door::CohereEmbed,
        Door::GeminiEmbed,
        Door::GeminiBatchEmbed,
    ];

    /// The format that requests become.
    pub fn wire(self) -> Wire {
        match self {
            Door::OllamaChat | Door::OllamaGenerate | Door::CohereChat => Wire::Chat,
            _ => Wire::Embeddings,
        }
    }

    /// Whether events are lines of JSON; else they are server-sent events, named by their type.
    pub fn streams_lines(self) -> bool {
        matches!(self, Door::OllamaChat | Door::OllamaGenerate)
    }

    /// The endpoint's path, without what clients fill in.
    pub fn path(self) -> &'static str {
        match self {
            Door::OllamaChat => "/api/chat",
            Door::OllamaGenerate => "/api/generate",
            Door::OllamaEmbed => "/api/embed",
            Door::OllamaEmbeddings => "/api/embeddings",
            Door::CohereChat => "/v2/chat",
            Door::CohereEmbed => "/v2/embed",
            Door::GeminiEmbed => "/v1beta/models:embedContent",
            Door::GeminiBatchEmbed => "/v1beta/models:batchEmbedContents",
        }
    }

    /// The request in OpenAI's form, and what its answer will need. `told` has what is known
    /// without the body; the model where the path names it.
    ///
    /// # Errors
    ///
    /// When the body can't be read, or asks for what OpenAI's form has no words for.
    pub fn enter(self, body: &Bytes, told: &mut Told) -> Result<Entered, RequestError> {
        match self {
            Door::OllamaChat => ollama::chat(body, told),
            Door::OllamaGenerate => ollama::generate(body, told),
            Door::OllamaEmbed => ollama::embed(body, told, "input"),
            Door::OllamaEmbeddings => ollama::embed(body, told, "prompt"),
            Door::CohereChat => cohere::client::chat(body, told),
            Door::CohereEmbed => cohere::client::embed(body, told),
            Door::GeminiEmbed => gemini::embed::one(body, told),
            Door::GeminiBatchEmbed => gemini::embed::batch(body, told),
        }
    }

    /// A whole answer in the format's own form. None where it is none.
    pub fn answer(self, body: &Bytes, told: &Told) -> Option<Bytes> {
        match self {
            Door::OllamaChat => ollama::answer(body, told, false),
            Door::OllamaGenerate => ollama::answer(body, told, true),
            Door::OllamaEmbed => ollama::embedded(&vectors(body)?, told),
            Door::OllamaEmbeddings => ollama::embedded_one(&vectors(body)?),
            Door::CohereChat => cohere::client::answer(body, told),
            Door::CohereEmbed => Some(cohere::client::embedded(&vectors(body)?, told)),
            Door::GeminiEmbed => gemini::embed::embedded(&vectors(body)?, false),
            Door::GeminiBatchEmbed => gemini::embed::embedded(&vectors(body)?, true),
        }
    }

    /// What writes a stream of it. Vectors have none.
    pub fn stream(self, told: Told) -> Option<Box<dyn DoorStream>> {
        Some(match self {
            Door::OllamaChat => Box::new(ollama::Lines::new(told, false)),
            Door::OllamaGenerate => Box::new(ollama::Lines::new(told, true)),
            Door::CohereChat => Box::new(cohere::client::Events::new(told)),
            _ => return None,
        })
    }

    /// The body of a refusal, and the last event of a stream that fails.
    pub fn error(self, error: &ErrorParts<'_>) -> Bytes {
        match self {
            Door::GeminiEmbed | Door::GeminiBatchEmbed => gemini::error_body(error),
            Door::CohereChat | Door::CohereEmbed => cohere::client::error(error),
            _ => ollama::error(error),
        }
    }

    /// The last event of a stream that fails.
    pub fn error_event(self, error: &ErrorParts<'_>) -> Bytes {
        match self {
            Door::CohereChat => cohere::client::error_event(error),
            _ => self.error(error),
        }
    }
}
