//! OpenAI itself.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::route::standard;
use super::{Asked, OPENAI, OTHERS_HINTS, Route, Seller};

#[derive(Debug)]
pub(super) struct OpenAi;

impl Seller for OpenAi {
    fn wires(&self) -> &'static [Wire] {
        OPENAI
    }

    fn public_url(&self, _: Option<&str>) -> Option<String> {
        Some("https://api.openai.com".to_owned())
    }

    fn passages(&self) -> &'static [&'static str] {
        &[
            "moderations",
            "images.generations",
            "images.edits",
            "images.variations",
            "audio.speech",
            "audio.transcriptions",
            "audio.translations",
            "files",
            "batches",
            "vector_stores",
            "containers",
            "realtime",
        ]
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let mut route = standard(asked.wire, asked.model, asked.stream);
        if asked.wire == Wire::Embeddings {
            route.remove = OTHERS_HINTS;
        }
        route.profile(Profile::OpenAi)
    }
}
