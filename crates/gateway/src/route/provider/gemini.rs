//! Google's Gemini API.

use forebay_dialect::Wire;

use super::route::gemini_verb;
use super::{Asked, Route, Seller};

#[derive(Debug)]
pub(super) struct Gemini;

impl Seller for Gemini {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Gemini, Wire::Embeddings]
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "")
    }

    fn public_url(&self, _: Option<&str>) -> Option<String> {
        Some("https://generativelanguage.googleapis.com".to_owned())
    }

    fn passages(&self) -> &'static [&'static str] {
        &["cachedContents"]
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let (wire, verb) = match asked.wire {
            Wire::Embeddings => (Wire::Gemini, "batchEmbedContents"),
            wire => (wire, gemini_verb(asked.stream)),
        };
        Route::new(wire, format!("/v1beta/models/{}:{verb}", asked.model))
    }
}
