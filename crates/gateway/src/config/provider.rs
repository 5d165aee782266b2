//! Who an upstream is, and the options that only some providers have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::services::{SERVICES, Service};

/// Who an upstream is: what it speaks, where, and how it is authenticated to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Any server that speaks as OpenAI does. The default.
    #[default]
    Compatible,
    /// OpenAI.
    Openai,
    /// Azure OpenAI and AI Foundry.
    Azure,
    /// AWS Bedrock.
    Bedrock,
    /// An AWS SageMaker endpoint with a container that speaks as OpenAI does (vLLM, TGI, DJL).
    Sagemaker,
    /// Google Vertex AI.
    Vertex,
    /// Google's Gemini API.
    Gemini,
    /// Oracle OCI Generative AI.
    Oci,
    /// Anthropic.
    Anthropic,
    /// Cohere.
    Cohere,
    /// Mistral.
    Mistral,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// Text Generation Inference.
    Tgi,
    /// llama.cpp's server.
    Llamacpp,
    /// Ollama.
    Ollama,
    /// NVIDIA NIM.
    Nim,
    /// Ray Serve LLM.
    Ray,
    /// A cloud that speaks as OpenAI does, at an address of its own.
    Service(&'static Service),
}

/// Those with code of their own, by their names in configurations.
const NAMED: &[(&str, Provider)] = &[
    ("compatible", Provider::Compatible),
    ("openai", Provider::Openai),
    ("azure", Provider::Azure),
    ("bedrock", Provider::Bedrock),
    ("sagemaker", Provider::Sagemaker),
    ("vertex", Provider::Vertex),
    ("gemini", Provider::Gemini),
    ("oci", Provider::Oci),
    ("anthropic", Provider::Anthropic),
    ("cohere", Provider::Cohere),
    ("mistral", Provider::Mistral),
    ("vllm", Provider::Vllm),
    ("sglang", Provider::Sglang),
    ("tgi", Provider::Tgi),
    ("llamacpp", Provider::Llamacpp),
    ("ollama", Provider::Ollama),
    ("nim", Provider::Nim),
    ("ray", Provider::Ray),
];

/// A name that no provider has.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{name}\" is not a known provider; write one of {}, or `compatible` with the address in urls",
    names()
)]
pub struct UnknownProvider {
    name: String,
}

fn names() -> String {
    Provider::all()
        .map(Provider::name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Provider {
    /// Every provider, those with code of their own first.
    pub fn all() -> impl Iterator<Item = Self> {
        let named = NAMED.iter().map(|(_, provider)| *provider);
        named.chain(SERVICES.iter().map(Self::Service))
    }

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        if let Self::Service(service) = self {
            return service.name;
        }
        let named = NAMED.iter().find(|(_, provider)| *provider == self);
        named.map_or("compatible", |(name, _)| name)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        Self::all()
            .find(|provider| provider.name() == name)
            .ok_or_else(|| UnknownProvider {
                name: name.to_owned(),
            })
    }
}

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Provider {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Provider".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = Self::all().map(Self::name).collect();
        schemars::json_schema!({
            "description": "Who an upstream is: what it speaks, where, and how it is authenticated to.",
            "type": "string",
            "enum": names,
        })
    }
}

/// What is wrong with an upstream's configuration: the field, and why.
pub type Problems = Vec<(&'static str, String)>;

/// `[upstreams.options]`: what only some providers know. An option of another provider is refused.
// This is the form in the file. `route/provider` reads it into the provider's own type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProviderOptions {
    /// Azure: `v1` (default), `deployments`, `foundry` or `anthropic`. Bedrock: `converse`
    /// (default), `invoke` (Anthropic's models) or `openai`.
    pub(crate) api: Option<String>,
    /// Azure: the version of the `deployments` and `foundry` forms.
    pub(crate) api_version: Option<String>,
    /// Vertex: the project.
    pub(crate) project: Option<String>,
    /// Vertex: the location; where absent, the region where that decides the host, else `global`.
    pub(crate) location: Option<String>,
    /// Vertex: the models' maker (`google`, `anthropic`, `mistralai`, `openapi`); by the model's name where absent.
    pub(crate) publisher: Option<String>,
    /// OCI: the compartment's OCID.
    pub(crate) compartment: Option<String>,
    /// OCI: `generic` or `cohere`; by the model's name where absent.
    pub(crate) format: Option<String>,
}

impl ProviderOptions {
    /// Those that are given, each with the names of the providers that have it.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let Self {
            api,
            api_version,
            project,
            location,
            publisher,
            compartment,
            format,
        } = self;
        [
            ("api", "azure and bedrock", api),
            ("api_version", "azure", api_version),
            ("project", "vertex", project),
            ("location", "vertex", location),
            ("publisher", "vertex", publisher),
            ("compartment", "oci", compartment),
            ("format", "oci", format),
        ]
        .into_iter()
        .filter_map(|(name, of, value)| value.is_some().then_some((name, of)))
    }
}
