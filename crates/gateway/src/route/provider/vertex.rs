//! Google Vertex AI: a format for each maker of models, told by `options.publisher`, else by the
//! model's name.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::mistral::differences;
use super::route::gemini_verb;
use super::{Asked, ProviderOptions, Route, Seller};

/// What a model's name begins with, and who makes it.
const MAKERS: [(&str, &str); 6] = [
    ("claude", "anthropic"),
    ("gemini", "google"),
    ("gemma", "google"),
    ("mistral", "mistralai"),
    ("codestral", "mistralai"),
    ("ministral", "mistralai"),
];

#[derive(Debug)]
pub(super) struct Vertex;

impl Seller for Vertex {
    fn wires(&self, _: &ProviderOptions) -> &'static [Wire] {
        &[Wire::Gemini, Wire::Messages, Wire::Chat]
    }

    fn wire_of_model(&self, options: &ProviderOptions, model: &str) -> Option<Wire> {
        Some(match publisher(options, model) {
            "anthropic" => Wire::Messages,
            "google" => Wire::Gemini,
            _ => Wire::Chat,
        })
    }

    fn options(&self) -> &'static [&'static str] {
        &["project", "location", "publisher"]
    }

    fn missing(&self, options: &ProviderOptions) -> Option<&'static str> {
        let missing = options.project.is_none();
        missing.then_some("Vertex needs options.project")
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn public_url(&self, options: &ProviderOptions, region: Option<&str>) -> Option<String> {
        match options.location.as_deref().or(region)? {
            "global" => Some("https://aiplatform.googleapis.com".to_owned()),
            location => Some(format!("https://{location}-aiplatform.googleapis.com")),
        }
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let Asked {
            options,
            wire,
            model,
            stream,
        } = *asked;
        let project = options.project.as_deref().unwrap_or_default();
        let location = options.location.as_deref().unwrap_or("global");
        let home = format!("/v1/projects/{project}/locations/{location}");
        let raw = if stream {
            "streamRawPredict"
        } else {
            "rawPredict"
        };
        match publisher(options, model) {
            "anthropic" => {
                let path = format!("{home}/publishers/anthropic/models/{model}:{raw}");
                let mut route = Route::new(wire, path).profile(Profile::VertexRaw);
                route.set = vec![("anthropic_version", "\"vertex-2023-10-16\"".to_owned())];
                route.remove = &["model"];
                route
            }
            "google" => {
                let verb = gemini_verb(stream);
                let path = format!("{home}/publishers/google/models/{model}:{verb}");
                Route::new(wire, path)
            }
            "openapi" => Route::new(wire, format!("{home}/endpoints/openapi/chat/completions")),
            maker => {
                let path = format!("{home}/publishers/{maker}/models/{model}:{raw}");
                differences(Route::new(wire, path))
            }
        }
    }
}

fn publisher<'a>(options: &'a ProviderOptions, model: &str) -> &'a str {
    if let Some(publisher) = &options.publisher {
        return publisher;
    }
    MAKERS
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix))
        .map_or("openapi", |(_, maker)| maker)
}
