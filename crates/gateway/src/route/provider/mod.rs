//! Who computes: for each provider the formats it speaks, where it speaks them, and what it does
//! in its own way. A file for each; nothing else in the gateway asks who an upstream is.

mod anthropic;
mod azure;
mod bedrock;
mod cohere;
mod engine;
mod gemini;
mod mistral;
mod oci;
mod openai;
mod route;
mod sagemaker;
mod service;
mod vertex;

use forebay_dialect::Wire;

pub(crate) use self::route::encode;
use self::route::standard;
pub(crate) use self::route::{Envelope, Route, has_dot_segment};
use crate::config::{Provider, ProviderOptions};

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
struct Asked<'a> {
    options: &'a ProviderOptions,
    /// The format that it is asked in.
    wire: Wire,
    /// The model's name, as one segment of a path.
    model: &'a str,
    stream: bool,
}

/// One provider. What is not said is as any server does it that speaks as OpenAI does.
trait Seller: Sync {
    /// The formats it speaks, the one to translate into first.
    fn wires(&self, options: &ProviderOptions) -> &'static [Wire];

    /// The format of that model, where each maker's models have their own.
    fn wire_of_model(&self, _options: &ProviderOptions, _model: &str) -> Option<Wire> {
        None
    }

    /// What `options.api` may say. Empty: it has no such option.
    fn apis(&self) -> &'static [&'static str] {
        &[]
    }

    /// The names of its options.
    fn options(&self) -> &'static [&'static str] {
        &[]
    }

    /// What its options lack.
    fn missing(&self, _options: &ProviderOptions) -> Option<&'static str> {
        None
    }

    /// Whether it is one's own engine or any server, and no cloud that sells by the token.
    fn is_own_engine(&self) -> bool {
        false
    }

    /// Whether it is an engine that may have a `/health` of its own.
    fn is_engine(&self) -> bool {
        false
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
    fn headers(&self, _options: &ProviderOptions) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Its public address, where it has one.
    fn public_url(&self, _options: &ProviderOptions, _region: Option<&str>) -> Option<String> {
        None
    }

    /// Where and how it is asked.
    fn route(&self, asked: &Asked<'_>) -> Route {
        standard(asked.wire, asked.model, asked.stream)
    }
}

/// Who each provider is.
fn seller(provider: Provider) -> &'static dyn Seller {
    match provider {
        Provider::Openai => &openai::OpenAi,
        Provider::Azure => &azure::Azure,
        Provider::Bedrock => &bedrock::Bedrock,
        Provider::Sagemaker => &sagemaker::Sagemaker,
        Provider::Vertex => &vertex::Vertex,
        Provider::Gemini => &gemini::Gemini,
        Provider::Oci => &oci::Oci,
        Provider::Anthropic => &anthropic::Anthropic,
        Provider::Cohere => &cohere::Cohere,
        Provider::Mistral => &mistral::Mistral,
        Provider::Compatible => &engine::COMPATIBLE,
        Provider::Vllm | Provider::Sglang => &engine::VLLM,
        Provider::Tgi | Provider::Llamacpp | Provider::Nim => &engine::ENGINE,
        Provider::Ollama | Provider::Ray => &engine::SERVER,
        Provider::Service(service) => service,
    }
}

impl Provider {
    /// Whether it is one's own engine or any server, and no cloud that sells by the token.
    pub fn is_own_engine(self) -> bool {
        seller(self).is_own_engine() || self.is_engine()
    }

    /// Whether it is an engine that may have a `/health` of its own.
    pub(crate) fn is_engine(self) -> bool {
        seller(self).is_engine()
    }

    /// The header that carries a plain API key, and what stands before the key.
    pub(crate) fn key_header(self) -> (&'static str, &'static str) {
        seller(self).key_header()
    }

    /// Headers that every request to it has.
    pub(crate) fn headers(
        self,
        options: &ProviderOptions,
    ) -> &'static [(&'static str, &'static str)] {
        seller(self).headers(options)
    }

    /// Its public address, where it has one.
    pub(crate) fn public_url(self, options: &ProviderOptions, region: &str) -> Option<String> {
        let region = Some(region).filter(|region| !region.is_empty());
        seller(self).public_url(options, region)
    }

    /// What is wrong with these options: the field, and why.
    pub(crate) fn problems(self, options: &ProviderOptions) -> Vec<(&'static str, String)> {
        let seller = seller(self);
        let mut problems: Vec<_> = options
            .named()
            .into_iter()
            .filter(|field| !seller.options().contains(field))
            .map(|field| {
                let all = Provider::all().filter(|it| it.options().contains(&field));
                let names: Vec<_> = all.map(Provider::name).collect();
                (field, format!("only {} has `{field}`", names.join(" and ")))
            })
            .collect();
        if let Some(api) = &options.api
            && !seller.apis().is_empty()
            && !seller.apis().contains(&api.as_str())
        {
            let known = seller.apis().join(", ");
            problems.push(("api", format!("\"{api}\" is not one of {known}")));
        }
        if let Some(missing) = seller.missing(options) {
            problems.push(("provider", missing.to_owned()));
        }
        problems
    }

    fn options(self) -> &'static [&'static str] {
        seller(self).options()
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
        let seller = seller(self);
        let speaks = if speaks.is_empty() {
            seller.wires(options)
        } else {
            speaks
        };
        let wire = match client {
            // Neither is a conversation, and no conversation is either.
            Wire::Completions | Wire::Embeddings => speaks.contains(&client).then_some(client)?,
            _ => match seller.wire_of_model(options, model) {
                Some(wire) => wire,
                None if speaks.contains(&client) => client,
                None => speaks
                    .iter()
                    .copied()
                    .find(|wire| !matches!(wire, Wire::Completions | Wire::Embeddings))?,
            },
        };
        // A path that a server or a proxy could take for another one is asked of nobody.
        if seller.names_model_in_path() && has_dot_segment(model) {
            return None;
        }
        Some(seller.route(&Asked {
            options,
            wire,
            model: &encode(model),
            stream,
        }))
    }
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
        let options = ProviderOptions::default();
        for service in crate::config::SERVICES {
            let provider = Provider::Service(service);
            let url = provider.public_url(&options, "").unwrap();
            let url: http::Uri = url.parse().unwrap();
            assert_eq!(url.scheme_str(), Some("https"), "{}", service.name);
            assert!(!url.path().ends_with("/v1"), "{}", service.name);
            let route = provider.route(&options, &[], Wire::Messages, "m", true);
            assert_eq!(route.unwrap().wire, Wire::Chat, "{}", service.name);
            assert!(!provider.is_own_engine(), "{}", service.name);
        }
    }

    #[test]
    fn an_option_of_another_provider_is_named_with_those_that_have_it() {
        let options = ProviderOptions {
            api: Some("v2".to_owned()),
            project: Some("p".to_owned()),
            ..Default::default()
        };
        let problems = Provider::Bedrock.problems(&options);
        let all: Vec<_> = problems
            .iter()
            .map(|(at, why)| format!("{at}: {why}"))
            .collect();
        assert_eq!(
            all,
            [
                "project: only vertex has `project`",
                "api: \"v2\" is not one of converse, invoke, openai",
            ]
        );
    }

    #[test]
    fn a_completion_goes_only_where_texts_are_continued() {
        let options = ProviderOptions::default();
        let route = Provider::Anthropic.route(&options, &[], Wire::Completions, "m", false);
        assert_eq!(route, None);
    }
}
