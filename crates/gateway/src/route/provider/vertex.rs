//! Google Vertex AI: a format for each maker of models, told by `options.publisher`, else by the
//! model's name.

use std::borrow::Cow;

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::mistral::differences;
use super::options::Reading;
use super::route::gemini_verb;
use super::{Asked, Route, Seller};

#[derive(Debug)]
pub(super) struct Vertex {
    project: String,
    location: Option<String>,
    /// By the model's name where absent.
    publisher: Option<Maker>,
}

/// Who makes a model.
#[derive(Debug)]
enum Maker {
    Google,
    Anthropic,
    /// Any, behind Vertex's endpoint in OpenAI's form.
    OpenApi,
    /// Another, whose models are asked as Mistral's are.
    Other(Cow<'static, str>),
}

const MISTRAL: Maker = Maker::Other(Cow::Borrowed("mistralai"));

/// What a model's name begins with, and who makes it.
static MAKERS: [(&str, Maker); 6] = [
    ("claude", Maker::Anthropic),
    ("gemini", Maker::Google),
    ("gemma", Maker::Google),
    ("mistral", MISTRAL),
    ("codestral", MISTRAL),
    ("ministral", MISTRAL),
];

impl Maker {
    fn named(name: String) -> Self {
        match name.as_str() {
            "google" => Self::Google,
            "anthropic" => Self::Anthropic,
            "openapi" => Self::OpenApi,
            _ => Self::Other(name.into()),
        }
    }
}

impl Vertex {
    pub(super) fn read(options: &mut Reading) -> Self {
        let project = options.left.project.take();
        Self {
            project: options.needed(project, "Vertex needs options.project"),
            location: options.left.location.take(),
            publisher: options.left.publisher.take().map(Maker::named),
        }
    }

    fn maker(&self, model: &str) -> &Maker {
        if let Some(publisher) = &self.publisher {
            return publisher;
        }
        MAKERS
            .iter()
            .find(|(prefix, _)| model.starts_with(prefix))
            .map_or(&Maker::OpenApi, |(_, maker)| maker)
    }
}

impl Seller for Vertex {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Gemini, Wire::Messages, Wire::Chat]
    }

    fn wire_of_model(&self, model: &str) -> Option<Wire> {
        Some(match self.maker(model) {
            Maker::Google => Wire::Gemini,
            Maker::Anthropic => Wire::Messages,
            Maker::OpenApi | Maker::Other(_) => Wire::Chat,
        })
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn public_url(&self, region: Option<&str>) -> Option<String> {
        match self.location.as_deref().or(region)? {
            "global" => Some("https://aiplatform.googleapis.com".to_owned()),
            location => Some(format!("https://{location}-aiplatform.googleapis.com")),
        }
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let Asked {
            wire,
            model,
            stream,
        } = *asked;
        let location = self.location.as_deref().unwrap_or("global");
        let home = format!("/v1/projects/{}/locations/{location}", self.project);
        let raw = if stream {
            "streamRawPredict"
        } else {
            "rawPredict"
        };
        match self.maker(model) {
            Maker::Anthropic => {
                let path = format!("{home}/publishers/anthropic/models/{model}:{raw}");
                let mut route = Route::new(wire, path).profile(Profile::VertexRaw);
                route.set = vec![("anthropic_version", "\"vertex-2023-10-16\"".to_owned())];
                route.remove = &["model"];
                route
            }
            Maker::Google => {
                let verb = gemini_verb(stream);
                let path = format!("{home}/publishers/google/models/{model}:{verb}");
                Route::new(wire, path)
            }
            Maker::OpenApi => {
                Route::new(wire, format!("{home}/endpoints/openapi/chat/completions"))
            }
            Maker::Other(maker) => {
                let path = format!("{home}/publishers/{maker}/models/{model}:{raw}");
                differences(Route::new(wire, path))
            }
        }
    }
}
