//! The table of endpoints: which paths there are, in which vendor's words, and where the model's
//! name stands. Nothing else knows a client's path; every platform serves this table.

mod table;

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
    table::ROWS
        .iter()
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
