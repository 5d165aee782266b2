//! AWS Bedrock: Converse, InvokeModel with Anthropic's messages, and OpenAI's form.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::options::Reading;
use super::route::converse;
use super::{Asked, Envelope, Route, Seller};

/// `options.api`.
#[derive(Debug)]
pub(super) enum Bedrock {
    /// Converse, and InvokeModel for embeddings.
    Converse,
    /// InvokeModel with Anthropic's messages.
    Invoke,
    /// OpenAI's form.
    OpenAi,
}

impl Bedrock {
    pub(super) fn read(options: &mut Reading) -> Self {
        let api = options.left.api.take();
        let forms = [
            ("converse", Self::Converse),
            ("invoke", Self::Invoke),
            ("openai", Self::OpenAi),
        ];
        options.one_of("api", api, forms).unwrap_or(Self::Converse)
    }
}

impl Seller for Bedrock {
    fn wires(&self) -> &'static [Wire] {
        match self {
            Self::Converse => &[Wire::Converse, Wire::Embeddings],
            Self::Invoke => &[Wire::Messages],
            Self::OpenAi => &[Wire::Chat],
        }
    }

    fn names_model_in_path(&self) -> bool {
        true
    }

    fn public_url(&self, region: Option<&str>) -> Option<String> {
        region.map(|region| format!("https://bedrock-runtime.{region}.amazonaws.com"))
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        let Asked {
            wire,
            model,
            stream,
        } = *asked;
        match (self, wire) {
            (Self::OpenAi, _) => {
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
