//! Formats that clients speak and no upstream is asked in: at the door such a request becomes one
//! of OpenAI's, and is judged, cached and translated as that; on its way out the answer gets the
//! client's own form. A member that a format does not know goes along under its name, so that a
//! guard sees it.

pub(crate) mod embedded;
pub(crate) mod said;
pub(crate) mod told;

use bytes::Bytes;
use memchr::memmem;

use crate::contract::context::AnswerContext;
use crate::contract::refusal::ErrorParts;
use crate::cross::{StreamTranslation, translate_answer};
use crate::exchange::Lost;
use crate::json::{Document, Kind, Value};
use crate::payload::is_done_marker;
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

    /// Whether it is about conversations; else it is about vectors.
    fn converses(self) -> bool {
        matches!(
            self,
            Door::OllamaChat | Door::OllamaGenerate | Door::CohereChat
        )
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
        // Servers write answers of OpenAI's form in many ways: those who go out have one.
        let read = self
            .converses()
            .then(|| translate_answer(Wire::Chat, Wire::Chat, body, &context(told)).ok());
        let body = read.flatten().unwrap_or_else(|| body.clone());
        let body = &body;
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

    /// A medium of an answer of OpenAI's form, or of an event of its stream, that the format has no
    /// place for.
    pub fn unshown(self, body: &Bytes) -> Option<Lost> {
        let medium = self.medium(body)?;
        let why = "the client's format can't carry such media in answers";
        Some(Lost::new(medium, why))
    }

    /// The medium of such an answer, by the name of its loss.
    fn medium(self, body: &Bytes) -> Option<&'static str> {
        /// Members of a message that hold media.
        const MEDIA: [(&str, &str); 3] = [
            ("images", "answer.image"),
            ("audio", "answer.audio"),
            ("videos", "answer.video"),
        ];
        let spells = |(member, _): &&(&str, &str)| {
            memmem::find(body, format!("\"{member}\"").as_bytes()).is_some()
        };
        if !self.converses() || !MEDIA.iter().any(|medium| spells(&medium)) {
            return None;
        }
        let document = Document::parse(body).ok()?;
        let holds = |value: Value<'_>| match value.kind() {
            Kind::Array => value.items().next().is_some(),
            // The text of a sound is told.
            Kind::Object => value.get("data").is_some_and(|data| !data.is_null()),
            _ => false,
        };
        let choices = document.root().each("choices");
        let mut said = choices.filter_map(|choice| choice.get("message").or(choice.get("delta")));
        said.find_map(|said| {
            let found = MEDIA
                .iter()
                .find(|(member, _)| said.get(member).is_some_and(holds));
            found.map(|(_, name)| *name)
        })
    }

    /// What writes a stream of it. Vectors have none.
    pub fn stream(self, told: Told) -> Option<Box<dyn DoorStream>> {
        let read = StreamTranslation::new(Wire::Chat, Wire::Chat, &context(&told));
        let door: Box<dyn DoorStream> = match self {
            Door::OllamaChat => Box::new(ollama::Lines::new(told, false)),
            Door::OllamaGenerate => Box::new(ollama::Lines::new(told, true)),
            Door::CohereChat => Box::new(cohere::client::Events::new(told)),
            _ => return None,
        };
        let format = self;
        Some(Box::new(Read { format, read, door }))
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

fn context(told: &Told) -> AnswerContext {
    AnswerContext {
        id: told.id.clone(),
        model: told.model.clone(),
        created: told.now,
        ..AnswerContext::default()
    }
}

/// A stream of OpenAI's form, whichever way its server writes it, on its way to a door.
struct Read {
    format: Door,
    read: StreamTranslation,
    door: Box<dyn DoorStream>,
}

impl Read {
    fn tell(&mut self, events: &[Bytes], out: &mut Vec<Bytes>) {
        for event in events.iter().filter(|event| !is_done_marker(event)) {
            self.door.event(event, out);
        }
    }
}

impl DoorStream for Read {
    fn event(&mut self, data: &Bytes, out: &mut Vec<Bytes>) {
        if let Some(medium) = self.format.medium(data) {
            self.door.leave_out(medium);
        }
        let mut told = Vec::new();
        // What is no event of that form is one of the door's own to judge.
        if self.read.push(None, data, &mut told).is_err() {
            told.push(data.clone());
        }
        self.tell(&told, out);
    }

    fn end(&mut self, out: &mut Vec<Bytes>) {
        let mut told = Vec::new();
        self.read.end_of_body(&mut told);
        self.tell(&told, out);
        self.door.end(out);
    }
}
