//! Who computes: for each provider its options, the formats it speaks, where it speaks them, and what
//! it does in its own way. A file for each.

mod anthropic;
mod azure;
mod bedrock;
mod cohere;
mod engine;
mod gemini;
mod mistral;
mod oci;
mod openai;
mod options;
mod route;
mod sagemaker;
mod service;
mod vertex;

use std::borrow::Cow;
use std::fmt::Debug;

use forebay_dialect::Wire;

use self::options::Reading;
use self::route::standard;
pub(crate) use self::route::{Envelope, Route, encode, has_dot_segment};
use crate::config::{Problems, Provider, ProviderOptions};

/// The formats of OpenAI's house.
const OPENAI: &[Wire] = &[
    Wire::Chat,
    Wire::Completions,
    Wire::Responses,
    Wire::Embeddings,
];
/// What Cohere's and Google's clients say of texts to be embedded, which OpenAI refuses to be told.
const OTHERS_HINTS: &[&str] = &["input_type", "task_type", "title", "truncate"];
const OLDER_ENGINE: &[Wire] = &[Wire::Chat, Wire::Completions, Wire::Embeddings];

/// What a provider is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The format that it is asked in.
    wire: Wire,
    /// The model's name, as one segment of a path.
    model: &'a str,
    stream: bool,
}

/// One provider with its options. What is not said is as any server does it that speaks as OpenAI does.
pub(crate) trait Seller: Debug + Send + Sync {
    /// The formats it speaks, the one to translate into first.
    fn wires(&self) -> &'static [Wire];

    /// The format of that model, where each maker's models have their own.
    fn wire_of_model(&self, _model: &str) -> Option<Wire> {
        None
    }

    /// Whether a request's path may name the model.
    fn names_model_in_path(&self) -> bool {
        false
    }

    /// The header that carries a plain API key, and what stands before the key.
    fn key_header(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    /// Headers that every request to it has.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Its public address in a region, where it has one.
    fn public_url(&self, _region: Option<&str>) -> Option<String> {
        None
    }

    /// The endpoints that pass through to it, unless its configuration says otherwise.
    fn passages(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where the endpoint that passes through from this path is, from the base URL on.
    fn passage_path(&self, path: &str, _model: Option<&str>) -> String {
        path.to_owned()
    }

    /// Where its Realtime API is, from the base URL on, and the parameter that names the model.
    fn realtime(&self) -> (Cow<'static, str>, &'static str) {
        ("/v1/realtime".into(), "model")
    }

    /// Where and how it is asked.
    fn route(&self, asked: &Asked<'_>) -> Route {
        standard(asked.wire, asked.model, asked.stream)
    }
}

impl Provider {
    /// Whether it is one's own engine or any server, and no cloud that sells by the token.
    pub fn is_own_engine(self) -> bool {
        use Provider::{Ollama, Ray, Sagemaker};
        self.is_engine() || matches!(self, Ollama | Ray | Sagemaker)
    }

    /// Whether it is an engine that may have a `/health` of its own.
    pub(crate) fn is_engine(self) -> bool {
        use Provider::{Compatible, Llamacpp, Nim, Sglang, Tgi, Vllm};
        matches!(self, Compatible | Vllm | Sglang | Tgi | Llamacpp | Nim)
    }

    /// The provider with its options.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    pub(crate) fn seller(self, options: &ProviderOptions) -> Result<Box<dyn Seller>, Problems> {
        let mut options = Reading::new(options);
        let seller: Box<dyn Seller> = match self {
            Provider::Openai => Box::new(openai::OpenAi),
            Provider::Azure => Box::new(azure::Azure::read(&mut options)),
            Provider::Bedrock => Box::new(bedrock::Bedrock::read(&mut options)),
            Provider::Sagemaker => Box::new(sagemaker::Sagemaker),
            Provider::Vertex => Box::new(vertex::Vertex::read(&mut options)),
            Provider::Gemini => Box::new(gemini::Gemini),
            Provider::Oci => Box::new(oci::Oci::read(&mut options)),
            Provider::Anthropic => Box::new(anthropic::Anthropic),
            Provider::Cohere => Box::new(cohere::Cohere),
            Provider::Mistral => Box::new(mistral::Mistral),
            Provider::Compatible => Box::new(engine::COMPATIBLE),
            Provider::Vllm => Box::new(engine::VLLM),
            Provider::Sglang => Box::new(engine::SGLANG),
            Provider::Llamacpp => Box::new(engine::LLAMACPP),
            Provider::Tgi | Provider::Nim | Provider::Ollama | Provider::Ray => {
                Box::new(engine::ENGINE)
            }
            Provider::Service(service) => Box::new(service),
        };
        options.end(self)?;
        Ok(seller)
    }
}

impl dyn Seller {
    /// How a request of this format goes to it: as it is where it speaks that, else in the
    /// format to translate into. None where it has nothing for such requests. It speaks `speaks`,
    /// or its usual formats where that is empty.
    pub(crate) fn route_of(
        &self,
        speaks: &[Wire],
        client: Wire,
        model: &str,
        stream: bool,
    ) -> Option<Route> {
        let speaks = if speaks.is_empty() {
            self.wires()
        } else {
            speaks
        };
        let wire = match client {
            // Neither is a conversation, and no conversation is either.
            Wire::Completions | Wire::Embeddings => speaks.contains(&client).then_some(client)?,
            _ => match self.wire_of_model(model) {
                Some(wire) => wire,
                None if speaks.contains(&client) => client,
                None => speaks
                    .iter()
                    .copied()
                    .find(|wire| !matches!(wire, Wire::Completions | Wire::Embeddings))?,
            },
        };
        // A path that a server or a proxy could take for another one is asked of nobody.
        if self.names_model_in_path() && has_dot_segment(model) {
            return None;
        }
        Some(self.route(&Asked {
            wire,
            model: &encode(model),
            stream,
        }))
    }
}

#[cfg(test)]
impl Provider {
    /// The provider with options that are right.
    pub(in crate::route) fn with(self, options: serde_json::Value) -> Box<dyn Seller> {
        let options = serde_json::from_value(options).unwrap();
        self.seller(&options).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(provider: Provider, options: serde_json::Value, client: Wire, model: &str) -> String {
        let seller = provider.with(options);
        let route = seller.route_of(&[], client, model, true).unwrap();
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
                serde_json::json!({"compartment": "ocid1.compartment"}),
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
            (
                service("groq"),
                none(),
                Wire::Messages,
                "llama",
                "chat /v1/chat/completions",
            ),
            (
                service("deepinfra"),
                none(),
                Wire::Embeddings,
                "bge",
                "embeddings /v1/openai/embeddings",
            ),
            (
                service("perplexity"),
                none(),
                Wire::Chat,
                "sonar",
                "chat /chat/completions",
            ),
        ];
        for (provider, options, client, model, expected) in cases {
            assert_eq!(path(provider, options, client, model), expected);
        }
    }

    fn service(name: &str) -> Provider {
        name.parse().unwrap()
    }

    #[test]
    fn every_provider_is_known_by_its_name_and_by_no_other() {
        let mut names = std::collections::BTreeSet::new();
        for provider in Provider::all() {
            assert!(names.insert(provider.name()), "{provider} stands twice");
            assert_eq!(provider.name().parse::<Provider>().unwrap(), provider);
        }
        let error = "grok".parse::<Provider>().unwrap_err().to_string();
        assert!(error.contains("xai"), "{error}");
    }

    #[test]
    fn every_cloud_that_speaks_as_openai_does_is_asked_at_its_own_address() {
        for service in crate::config::SERVICES {
            let provider = Provider::Service(service);
            let seller = provider.with(serde_json::json!({}));
            let url: http::Uri = seller.public_url(None).unwrap().parse().unwrap();
            assert_eq!(url.scheme_str(), Some("https"), "{}", service.name);
            assert!(!url.path().ends_with("/v1"), "{}", service.name);
            let route = seller.route_of(&[], Wire::Messages, "m", true);
            assert_eq!(route.unwrap().wire, Wire::Chat, "{}", service.name);
            assert!(!provider.is_own_engine(), "{}", service.name);
        }
    }

    fn problems(provider: Provider, options: serde_json::Value) -> Vec<String> {
        let options: ProviderOptions = serde_json::from_value(options).unwrap();
        let problems = provider.seller(&options).err().unwrap_or_default();
        let said = problems.iter().map(|(at, why)| format!("{at}: {why}"));
        said.collect()
    }

    #[test]
    fn all_that_is_wrong_with_options_is_said_at_once() {
        let said = problems(
            Provider::Bedrock,
            serde_json::json!({"api": "v2", "project": "p", "format": "x"}),
        );
        assert_eq!(
            said,
            [
                "api: \"v2\" is not a value of `api`; use one of converse, invoke, openai",
                "project: `project` is an option of vertex, not of bedrock",
                "format: `format` is an option of oci, not of bedrock",
            ]
        );
        let said = problems(Provider::Oci, serde_json::json!({"format": "cohre"}));
        assert_eq!(
            said,
            [
                "provider: OCI needs options.compartment",
                "format: \"cohre\" is not a value of `format`; use one of generic, cohere",
            ]
        );
        let said = problems(Provider::Vertex, serde_json::json!({}));
        assert_eq!(said, ["provider: Vertex needs options.project"]);
    }

    #[test]
    fn each_option_is_read_by_the_providers_that_are_said_to_have_it() {
        let all = serde_json::json!({
            "api": "openai", "api_version": "x", "project": "x", "location": "x",
            "publisher": "x", "compartment": "x", "format": "cohere",
        });
        let options: ProviderOptions = serde_json::from_value(all.clone()).unwrap();
        assert_eq!(options.given().count(), all.as_object().unwrap().len());
        for provider in Provider::all() {
            let left = problems(provider, all.clone());
            for (option, of) in options.given() {
                let has = of.split(" and ").any(|name| name == provider.name());
                let foreign = format!("{option}: `{option}` is an option of {of}, not of");
                let refused = left.iter().any(|why| why.starts_with(&foreign));
                assert_ne!(has, refused, "{provider}: {option}");
            }
        }
    }

    #[test]
    fn a_form_of_azures_api_has_its_own_endpoints() {
        let azure = |options| Provider::Azure.with(options);
        let v1 = azure(serde_json::json!({}));
        assert!(v1.passages().contains(&"files"));
        assert_eq!(v1.passage_path("/v1/files", None), "/openai/v1/files");
        assert_eq!(v1.realtime(), ("/openai/v1/realtime".into(), "model"));
        let dated = azure(serde_json::json!({"api": "deployments", "api_version": "x"}));
        assert_eq!(
            dated.passage_path("/v1/audio/speech", Some("a b")),
            "/openai/deployments/a%20b/audio/speech?api-version=x"
        );
        let realtime = ("/openai/realtime?api-version=x".into(), "deployment");
        assert_eq!(dated.realtime(), realtime);
        let foundry = azure(serde_json::json!({"api": "foundry"}));
        assert!(foundry.passages().is_empty());
    }

    #[test]
    fn a_completion_goes_only_where_texts_are_continued() {
        let anthropic = Provider::Anthropic.with(serde_json::json!({}));
        let route = anthropic.route_of(&[], Wire::Completions, "m", false);
        assert_eq!(route, None);
    }
}
