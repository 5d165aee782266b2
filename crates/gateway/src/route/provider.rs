//! Who computes: for each provider the formats it speaks, where it speaks them, and what it does
//! in its own way. One table; nothing else in the gateway asks who an upstream is.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use crate::config::{Provider, ProviderOptions};

/// How an upstream frames a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// AWS event-stream frames, one event each.
    Frames,
    /// AWS event-stream frames around a model's own events (Bedrock's InvokeModel).
    Chunks,
    /// AWS event-stream frames around pieces of a container's event stream (SageMaker).
    Pieces,
}

/// Where and how a request goes to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// The format that is spoken there.
    pub wire: Wire,
    /// Path and query, from the base URL on.
    pub path: String,
    /// Its own way in that format.
    pub profile: Profile,
    /// How it frames streams.
    pub framing: Framing,
    /// Members of the body beyond the format, as JSON.
    pub set: Vec<(&'static str, String)>,
    /// Members that the body must not have, since the path says them.
    pub remove: &'static [&'static str],
    /// Members that are called otherwise there, or are unknown, although the format is the
    /// same: a body that has one is written anew.
    pub differs: &'static [&'static str],
}

impl Route {
    pub(super) fn new(wire: Wire, path: impl Into<String>) -> Self {
        Self {
            wire,
            path: path.into(),
            profile: Profile::Standard,
            framing: Framing::Sse,
            set: Vec::new(),
            remove: &[],
            differs: &[],
        }
    }

    fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }
}

/// The formats of OpenAI's house.
const OPENAI: &[Wire] = &[
    Wire::Chat,
    Wire::Completions,
    Wire::Responses,
    Wire::Embeddings,
];
/// vLLM 0.32 and SGLang answer Anthropic's messages too.
const ENGINE: &[Wire] = &[
    Wire::Chat,
    Wire::Completions,
    Wire::Responses,
    Wire::Messages,
    Wire::Embeddings,
];
const OLDER_ENGINE: &[Wire] = &[Wire::Chat, Wire::Completions, Wire::Embeddings];

impl Provider {
    /// The formats it speaks, the one to translate into first.
    pub(crate) fn wires(self, options: &ProviderOptions) -> &'static [Wire] {
        match self {
            Provider::Openai | Provider::Azure => match options.api() {
                "anthropic" => &[Wire::Messages],
                // Responses came to Azure with the v1 endpoint, and to dated previews only.
                "deployments" | "foundry" => OLDER_ENGINE,
                _ => OPENAI,
            },
            Provider::Vllm | Provider::Sglang => ENGINE,
            // Whether it knows responses, `speaks` has to say.
            Provider::Compatible
            | Provider::Tgi
            | Provider::Llamacpp
            | Provider::Ollama
            | Provider::Nim
            | Provider::Ray => OLDER_ENGINE,
            Provider::Sagemaker => &[Wire::Chat],
            Provider::Bedrock => match options.api() {
                "openai" => &[Wire::Chat],
                "invoke" => &[Wire::Messages],
                _ => &[Wire::Converse, Wire::Embeddings],
            },
            Provider::Vertex => &[Wire::Gemini, Wire::Messages, Wire::Chat],
            Provider::Gemini => &[Wire::Gemini, Wire::Embeddings],
            Provider::Oci => &[Wire::Oci],
            Provider::Anthropic => &[Wire::Messages],
            Provider::Cohere => &[Wire::Cohere, Wire::Embeddings],
            Provider::Mistral => &[Wire::Chat, Wire::Embeddings],
        }
    }

    /// Whether it is one's own engine or any server, and no cloud that sells by the token.
    pub fn is_own_engine(self) -> bool {
        self.is_engine() || matches!(self, Provider::Ollama | Provider::Ray | Provider::Sagemaker)
    }

    /// Whether it is an engine that may have a `/health` of its own.
    pub(crate) fn is_engine(self) -> bool {
        matches!(
            self,
            Provider::Compatible
                | Provider::Vllm
                | Provider::Sglang
                | Provider::Tgi
                | Provider::Llamacpp
                | Provider::Nim
        )
    }

    /// Whether a request's path may name the model.
    fn names_model_in_path(self) -> bool {
        matches!(
            self,
            Provider::Azure
                | Provider::Bedrock
                | Provider::Sagemaker
                | Provider::Vertex
                | Provider::Gemini
        )
    }

    /// The header that carries a plain API key, and what stands before the key.
    pub(crate) fn key_header(self) -> (&'static str, &'static str) {
        match self {
            Provider::Azure => ("api-key", ""),
            Provider::Anthropic => ("x-api-key", ""),
            Provider::Gemini => ("x-goog-api-key", ""),
            _ => ("authorization", "Bearer "),
        }
    }

    /// Headers that every request to it has.
    pub(crate) fn headers(
        self,
        options: &ProviderOptions,
    ) -> &'static [(&'static str, &'static str)] {
        match self {
            // The only version there is: platform.claude.com, "Versions".
            Provider::Anthropic => &[("anthropic-version", "2023-06-01")],
            Provider::Azure if options.api() == "anthropic" => {
                &[("anthropic-version", "2023-06-01")]
            }
            _ => &[],
        }
    }

    /// Its public address, where it has one.
    pub(crate) fn public_url(self, options: &ProviderOptions, region: &str) -> Option<String> {
        let region = match region {
            "" => None,
            region => Some(region),
        };
        match self {
            Provider::Openai => Some("https://api.openai.com".to_owned()),
            Provider::Anthropic => Some("https://api.anthropic.com".to_owned()),
            Provider::Cohere => Some("https://api.cohere.com".to_owned()),
            Provider::Mistral => Some("https://api.mistral.ai".to_owned()),
            Provider::Gemini => Some("https://generativelanguage.googleapis.com".to_owned()),
            Provider::Bedrock => {
                region.map(|region| format!("https://bedrock-runtime.{region}.amazonaws.com"))
            }
            Provider::Sagemaker => {
                region.map(|region| format!("https://runtime.sagemaker.{region}.amazonaws.com"))
            }
            Provider::Oci => region.map(|region| {
                format!("https://inference.generativeai.{region}.oci.oraclecloud.com")
            }),
            Provider::Vertex => match options.location.as_deref().or(region)? {
                "global" => Some("https://aiplatform.googleapis.com".to_owned()),
                location => Some(format!("https://{location}-aiplatform.googleapis.com")),
            },
            _ => None,
        }
    }

    /// How a request of this format goes to it: as it is where it speaks that, else in the
    /// format to translate into. None where it has nothing for such requests.
    pub(crate) fn route(
        self,
        options: &ProviderOptions,
        speaks: &[Wire],
        client: Wire,
        model: &str,
        stream: bool,
    ) -> Option<Route> {
        let speaks = if speaks.is_empty() {
            self.wires(options)
        } else {
            speaks
        };
        let wire = match client {
            // Neither is a conversation, and no conversation is either.
            Wire::Completions | Wire::Embeddings => speaks.contains(&client).then_some(client)?,
            _ if self == Provider::Vertex => vertex_wire(options, model),
            _ if speaks.contains(&client) => client,
            _ => speaks
                .iter()
                .copied()
                .find(|wire| !matches!(wire, Wire::Completions | Wire::Embeddings))?,
        };
        // A path that a server or a proxy could take for another one is asked of nobody.
        if self.names_model_in_path() && has_dot_segment(model) {
            return None;
        }
        let model = encode(model);
        Some(match self {
            Provider::Azure => azure(options, wire, &model),
            Provider::Bedrock => bedrock(options, wire, &model, stream),
            Provider::Sagemaker => sagemaker(&model, stream),
            Provider::Vertex => vertex(options, wire, &model, stream),
            Provider::Gemini => match wire {
                Wire::Embeddings => Route::new(
                    Wire::Gemini,
                    format!("/v1beta/models/{model}:batchEmbedContents"),
                ),
                _ => Route::new(
                    wire,
                    format!("/v1beta/models/{model}:{}", gemini_verb(stream)),
                ),
            },
            Provider::Oci => {
                let mut route = Route::new(wire, "/20231130/actions/chat");
                let cohere = options
                    .format
                    .as_deref()
                    .map_or(model.starts_with("cohere"), |format| format == "cohere");
                if cohere {
                    route.profile = Profile::OciCohere;
                }
                if let Some(compartment) = &options.compartment {
                    let quoted = forebay_dialect::json_string(compartment);
                    route.set.push(("compartmentId", quoted));
                }
                route
            }
            Provider::Cohere => match wire {
                Wire::Embeddings => Route::new(Wire::Cohere, "/v2/embed"),
                _ => Route::new(wire, "/v2/chat"),
            },
            Provider::Openai => house(wire, &model, stream).profile(Profile::OpenAi),
            Provider::Mistral => {
                let mut route = house(wire, &model, stream).profile(Profile::Mistral);
                mistrals(&mut route);
                route
            }
            Provider::Vllm
            | Provider::Sglang
            | Provider::Tgi
            | Provider::Llamacpp
            | Provider::Ollama
            | Provider::Nim
            | Provider::Ray => house(wire, &model, stream).profile(Profile::Engine),
            Provider::Compatible | Provider::Anthropic => house(wire, &model, stream),
        })
    }
}

/// The usual paths: those of whoever made the format.
fn house(wire: Wire, model: &str, stream: bool) -> Route {
    let path = match wire {
        Wire::Gemini => {
            return Route::new(
                wire,
                format!("/v1beta/models/{model}:{}", gemini_verb(stream)),
            );
        }
        Wire::Converse => return converse(wire, model, stream),
        Wire::Chat => "/v1/chat/completions",
        Wire::Completions => "/v1/completions",
        Wire::Embeddings => "/v1/embeddings",
        Wire::Responses => "/v1/responses",
        Wire::Messages => "/v1/messages",
        Wire::Cohere => "/v2/chat",
        Wire::Oci => "/20231130/actions/chat",
        _ => "/",
    };
    Route::new(wire, path)
}

/// Mistral speaks as OpenAI does, but for some names; and it always tells usage, and refuses to
/// be asked for it (the models of `mistralai` 3.7).
fn mistrals(route: &mut Route) {
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
}

fn azure(options: &ProviderOptions, wire: Wire, model: &str) -> Route {
    // The last version of the older form that has structured output and reasoning.
    let version = options.api_version.as_deref().unwrap_or("2024-10-21");
    let verb = match wire {
        Wire::Completions => "completions",
        Wire::Embeddings => "embeddings",
        Wire::Responses => "responses",
        _ => "chat/completions",
    };
    if wire == Wire::Messages {
        return Route::new(wire, "/anthropic/v1/messages");
    }
    let path = match (options.api(), wire) {
        ("deployments", _) => {
            format!("/openai/deployments/{model}/{verb}?api-version={version}")
        }
        // AI Foundry's endpoint for models of other makers.
        ("foundry", _) => format!("/models/{verb}?api-version={version}"),
        _ => format!("/openai/v1/{verb}"),
    };
    Route::new(wire, path).profile(Profile::Azure)
}

fn bedrock(options: &ProviderOptions, wire: Wire, model: &str, stream: bool) -> Route {
    match (options.api(), wire) {
        ("openai", _) => {
            Route::new(Wire::Chat, "/openai/v1/chat/completions").profile(Profile::OpenAi)
        }
        (_, Wire::Messages) => {
            let verb = if stream {
                "invoke-with-response-stream"
            } else {
                "invoke"
            };
            let mut route = Route::new(wire, format!("/model/{model}/{verb}"))
                .profile(Profile::BedrockInvoke)
                .framing(Framing::Chunks);
            route.set = vec![("anthropic_version", "\"bedrock-2023-05-31\"".to_owned())];
            route.remove = &["model", "stream"];
            route
        }
        (_, Wire::Embeddings) => Route::new(Wire::Converse, format!("/model/{model}/invoke")),
        _ => converse(wire, model, stream),
    }
}

fn converse(wire: Wire, model: &str, stream: bool) -> Route {
    let verb = if stream {
        "converse-stream"
    } else {
        "converse"
    };
    Route::new(wire, format!("/model/{model}/{verb}")).framing(Framing::Frames)
}

fn sagemaker(model: &str, stream: bool) -> Route {
    let verb = if stream {
        "invocations-response-stream"
    } else {
        "invocations"
    };
    Route::new(Wire::Chat, format!("/endpoints/{model}/{verb}"))
        .profile(Profile::Engine)
        .framing(Framing::Pieces)
}

/// Vertex has a format for each maker: told by `publisher`, else by the model's name.
fn vertex_wire(options: &ProviderOptions, model: &str) -> Wire {
    match publisher(options, model) {
        "anthropic" => Wire::Messages,
        "google" => Wire::Gemini,
        _ => Wire::Chat,
    }
}

fn publisher<'a>(options: &'a ProviderOptions, model: &str) -> &'a str {
    if let Some(publisher) = &options.publisher {
        return publisher;
    }
    const MAKERS: [(&str, &str); 6] = [
        ("claude", "anthropic"),
        ("gemini", "google"),
        ("gemma", "google"),
        ("mistral", "mistralai"),
        ("codestral", "mistralai"),
        ("ministral", "mistralai"),
    ];
    MAKERS
        .iter()
        .find(|(prefix, _)| model.starts_with(prefix))
        .map_or("openapi", |(_, maker)| maker)
}

fn vertex(options: &ProviderOptions, wire: Wire, model: &str, stream: bool) -> Route {
    let project = options.project.as_deref().unwrap_or_default();
    let location = options.location.as_deref().unwrap_or("global");
    let home = format!("/v1/projects/{project}/locations/{location}");
    let raw = if stream {
        "streamRawPredict"
    } else {
        "rawPredict"
    };
    match (publisher(options, model), wire) {
        ("anthropic", _) => {
            let path = format!("{home}/publishers/anthropic/models/{model}:{raw}");
            let mut route = Route::new(wire, path).profile(Profile::VertexRaw);
            route.set = vec![("anthropic_version", "\"vertex-2023-10-16\"".to_owned())];
            route.remove = &["model"];
            route
        }
        ("google", _) => {
            let verb = gemini_verb(stream);
            Route::new(
                wire,
                format!("{home}/publishers/google/models/{model}:{verb}"),
            )
        }
        ("openapi", _) => Route::new(wire, format!("{home}/endpoints/openapi/chat/completions")),
        (maker, _) => {
            let path = format!("{home}/publishers/{maker}/models/{model}:{raw}");
            let mut route = Route::new(wire, path).profile(Profile::Mistral);
            mistrals(&mut route);
            route
        }
    }
}

fn gemini_verb(stream: bool) -> &'static str {
    if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    }
}

/// Whether a name would walk through a path, also once it is decoded (RFC 3986, section 5.2.4).
pub(crate) fn has_dot_segment(model: &str) -> bool {
    model
        .split(['/', '\\'])
        .any(|segment| matches!(segment, "." | ".."))
}

/// A model's name as one segment of a path (RFC 3986): Bedrock's have colons and slashes.
pub(crate) fn encode(model: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(provider: Provider, options: serde_json::Value, client: Wire, model: &str) -> String {
        let options: ProviderOptions = serde_json::from_value(options).unwrap();
        let route = provider.route(&options, &[], client, model, true).unwrap();
        format!("{} {}", route.wire.as_str(), route.path)
    }

    #[test]
    fn each_provider_is_asked_where_it_listens() {
        let none = || serde_json::json!({});
        let cases = [
            (
                Provider::Openai,
                none(),
                Wire::Responses,
                "gpt-5",
                "responses /v1/responses",
            ),
            (
                Provider::Openai,
                none(),
                Wire::Gemini,
                "gpt-5",
                "chat /v1/chat/completions",
            ),
            (
                Provider::Azure,
                none(),
                Wire::Chat,
                "d",
                "chat /openai/v1/chat/completions",
            ),
            (
                Provider::Azure,
                serde_json::json!({"api": "deployments", "api_version": "2025-01-01"}),
                Wire::Embeddings,
                "d 1",
                "embeddings /openai/deployments/d%201/embeddings?api-version=2025-01-01",
            ),
            (
                Provider::Bedrock,
                none(),
                Wire::Messages,
                "anthropic.claude:0",
                "converse /model/anthropic.claude%3A0/converse-stream",
            ),
            (
                Provider::Bedrock,
                serde_json::json!({"api": "invoke"}),
                Wire::Chat,
                "anthropic.claude",
                "messages /model/anthropic.claude/invoke-with-response-stream",
            ),
            (
                Provider::Vertex,
                serde_json::json!({"project": "p", "location": "europe-west1"}),
                Wire::Chat,
                "claude-x",
                "messages /v1/projects/p/locations/europe-west1/publishers/anthropic/models/claude-x:streamRawPredict",
            ),
            (
                Provider::Vertex,
                serde_json::json!({"project": "p"}),
                Wire::Chat,
                "gemini-3",
                "gemini /v1/projects/p/locations/global/publishers/google/models/gemini-3:streamGenerateContent?alt=sse",
            ),
            (
                Provider::Oci,
                none(),
                Wire::Chat,
                "cohere.x",
                "oci /20231130/actions/chat",
            ),
            (
                Provider::Vllm,
                none(),
                Wire::Messages,
                "m",
                "messages /v1/messages",
            ),
        ];
        for (provider, options, client, model, expected) in cases {
            assert_eq!(path(provider, options, client, model), expected);
        }
    }

    #[test]
    fn a_completion_goes_only_where_texts_are_continued() {
        let options = ProviderOptions::default();
        let route = Provider::Anthropic.route(&options, &[], Wire::Completions, "m", false);
        assert_eq!(route, None);
    }
}
