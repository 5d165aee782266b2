//! AWS Bedrock: Converse, InvokeModel with Anthropic's messages, and OpenAI's form.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::route::converse;
use super::{Asked, Envelope, ProviderOptions, Route, Seller};

#[derive(Debug)]
pub(super) struct Bedrock;

impl Seller for Bedrock {
    fn wires(&self, options: &ProviderOptions) -> &'static [Wire] {
        match options.api() {
            "openai" => &[Wire::Chat],
            "invoke" => &[Wire::Messages],
            _ => &[Wire::Converse, Wire::Embeddings],
        }
    }

    fn apis(&self) -> &'static [&'static str] {
        &["converse", "invoke", "openai"]
    }

    fn options(&self) -> &'static [&'static str] {
        &["api"]
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn public_url(&self, _: &ProviderOptions, region: Option<&str>) -> Option<String> {
        region.map(|region| format!("https://bedrock-runtime.{region}.amazonaws.com"))
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let Asked {
            wire,
            model,
            stream,
            ..
        } = *asked;
        match (asked.options.api(), wire) {
            ("openai", _) => {
                Route::new(Wire::Chat, "/openai/v1/chat/completions").profile(Profile::OpenAi)
            }
            (_, Wire::Messages) => invoke(model, stream),
            (_, Wire::Embeddings) => Route::new(Wire::Converse, format!("/model/{model}/invoke")),
            _ => converse(wire, model, stream),
        }
    }
}

/// InvokeModel with a body of Anthropic's.
fn invoke(model: &str, stream: bool) -> Route {
    let verb = if stream {
        "invoke-with-response-stream"
    } else {
        "invoke"
    };
    let mut route = Route::new(Wire::Messages, format!("/model/{model}/{verb}"))
        .profile(Profile::BedrockInvoke)
        .framing(Envelope::Chunks);
    route.set = vec![("anthropic_version", "\"bedrock-2023-05-31\"".to_owned())];
    route.remove = &["model", "stream"];
    route
}
