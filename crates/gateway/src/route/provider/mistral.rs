//! Mistral itself.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::route::standard;
use super::{Asked, Route, Seller};

#[derive(Debug)]
pub(super) struct Mistral;

impl Seller for Mistral {
    fn wires(&self) -> &'static [Wire] {
        &[Wire::Chat, Wire::Embeddings]
    }

    fn public_url(&self, _: Option<&str>) -> Option<String> {
        Some("https://api.mistral.ai".to_owned())
    }

    fn passages(&self) -> &'static [&'static str] {
        &["moderations", "audio.transcriptions"]
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        differences(standard(asked.wire, asked.model, asked.stream))
    }
}

/// Mistral speaks as OpenAI does, but for some names; and it always tells usage, and refuses to
/// be asked for it (the models of `mistralai` 3.7).
pub(super) fn differences(route: Route) -> Route {
    let mut route = route.profile(Profile::Mistral);
    route.remove = &["stream_options"];
    if route.wire == Wire::Chat {
        route.differs = &[
            "functions",
            "logit_bias",
            "max_completion_tokens",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "top_logprobs",
            "user",
        ];
    }
    route
}
