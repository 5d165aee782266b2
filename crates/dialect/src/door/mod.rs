//! Formats that clients speak and no upstream is asked in: at the door such a request becomes one
//! of OpenAI's, and is judged, cached and translated as that; on its way out the answer gets the
//! client's own form. A member that a format does not know goes along under its name, so that a
//! guard sees it.

mod embedded;
mod said;

use bytes::Bytes;

use crate::error::ErrorParts;
use crate::request::RequestError;
use crate::wire::Wire;
use crate::{cohere, gemini, ollama};

pub(crate) use embedded::{Vectors, texts, vectors};
pub(crate) use said::{Call, Piece, Said, Tokens, pieces, said};

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

/// A request that came through a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// The request in OpenAI's form.
    Request(Bytes),
    /// It asks nothing of a model: this answers it.
    Answer(Bytes),
}

/// What an answer says that no upstream knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The model, as the client named it.
    pub model: String,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// An id: letters and digits.
    pub id: String,
    /// The texts that are embedded, where the format repeats them.
    pub texts: Vec<String>,
}

/// A stream on its way out: each event of OpenAI's becomes no, one or several of the format's.
pub trait DoorStream: Send + Sync {
    /// An event.
    fn event(&mut self, data: &Bytes, out: &mut Vec<Bytes>);
    /// The stream has ended well.
    fn end(&mut self, out: &mut Vec<Bytes>);
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
