//! Azure OpenAI and AI Foundry: four forms of one service, told by `options.api`.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::anthropic::VERSION;
use super::{Asked, OLDER_ENGINE, OPENAI, OTHERS_HINTS, ProviderOptions, Route, Seller};

#[derive(Debug)]
pub(super) struct Azure;

impl Seller for Azure {
    fn wires(&self, options: &ProviderOptions) -> &'static [Wire] {
        match options.api() {
            "anthropic" => &[Wire::Messages],
            // Responses came to Azure with the v1 endpoint, and to dated previews only.
            "deployments" | "foundry" => OLDER_ENGINE,
            _ => OPENAI,
        }
    }

    fn apis(&self) -> &'static [&'static str] {
        &["v1", "deployments", "foundry", "anthropic"]
    }

    fn options(&self) -> &'static [&'static str] {
        &["api", "api_version"]
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn key_header(&self) -> (&'static str, &'static str) {
        ("api-key", "")
    }

    fn headers(&self, options: &ProviderOptions) -> &'static [(&'static str, &'static str)] {
        if options.api() == "anthropic" {
            VERSION
        } else {
            &[]
        }
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let Asked { options, model, .. } = *asked;
        // The last version of the older form that has structured output and reasoning.
        let version = options.api_version.as_deref().unwrap_or("2024-10-21");
        let verb = match asked.wire {
            Wire::Completions => "completions",
            Wire::Embeddings => "embeddings",
            Wire::Responses => "responses",
            Wire::Messages => return Route::new(asked.wire, "/anthropic/v1/messages"),
            _ => "chat/completions",
        };
        let path = match options.api() {
            "deployments" => format!("/openai/deployments/{model}/{verb}?api-version={version}"),
            // AI Foundry's endpoint for models of other makers.
            "foundry" => format!("/models/{verb}?api-version={version}"),
            _ => format!("/openai/v1/{verb}"),
        };
        let mut route = Route::new(asked.wire, path);
        if asked.wire == Wire::Embeddings {
            route.remove = OTHERS_HINTS;
        }
        route.profile(Profile::Azure)
    }
}
