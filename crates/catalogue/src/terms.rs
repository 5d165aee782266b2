//! The closed vocabularies of the catalogue: one table each, so that a misspelt word is found.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! terms {
    ($($(#[$doc:meta])* $name:ident ($what:literal) { $($(#[$item_doc:meta])* $item:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl $name {
            /// Every word there is, as it is written.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$item, $text),)*];

            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$item => $text,)* }
            }
        }

        impl Term for $name {
            const WHAT: &'static str = $what;

            fn find(text: &str) -> Option<Self> {
                Self::ALL.iter().find(|(_, name)| *name == text).map(|(term, _)| *term)
            }

            fn words() -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().map(|(_, name)| *name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

/// A word of a closed vocabulary.
pub(crate) trait Term: Sized + Ord {
    /// What the word is, in messages.
    const WHAT: &'static str;

    fn find(text: &str) -> Option<Self>;
    fn words() -> impl Iterator<Item = &'static str>;
}

terms! {
    /// The kind of wire format and sign-in that a seller has.
    Provider ("provider") {
        /// OpenAI.
        OpenAi = "openai",
        /// Azure OpenAI and Azure AI Foundry.
        Azure = "azure",
        /// Amazon Bedrock.
        Bedrock = "bedrock",
        /// Amazon SageMaker endpoints.
        SageMaker = "sagemaker",
        /// Google Vertex AI.
        Vertex = "vertex",
        /// Google's Gemini API.
        Gemini = "gemini",
        /// Oracle's OCI Generative AI.
        Oci = "oci",
        /// Anthropic.
        Anthropic = "anthropic",
        /// Cohere.
        Cohere = "cohere",
        /// Mistral AI.
        Mistral = "mistral",
        /// vLLM.
        Vllm = "vllm",
        /// SGLang.
        Sglang = "sglang",
        /// Text Generation Inference.
        Tgi = "tgi",
        /// llama.cpp's server.
        LlamaCpp = "llamacpp",
        /// Ollama.
        Ollama = "ollama",
        /// NVIDIA NIM.
        Nim = "nim",
        /// Ray Serve.
        Ray = "ray",
        /// Anything else that speaks OpenAI's format.
        Compatible = "compatible",
    }

    /// What a seller's bill counts.
    SoldBy ("way of selling") {
        /// Tokens: every offer has a price.
        Token = "token",
        /// Time or machines: a token has no price of its own.
        Time = "time",
    }

    /// What a model can do at a seller.
    Capability ("capability") {
        /// Calls of tools.
        Tools = "tools",
        /// Several calls in one answer.
        ParallelTools = "parallel_tools",
        /// Answers held to a JSON schema.
        JsonSchema = "json_schema",
        /// Images in the prompt.
        Vision = "vision",
        /// Audio in the prompt.
        AudioIn = "audio_in",
        /// Files, such as PDF, in the prompt.
        Files = "files",
        /// Reasoning before the answer.
        Reasoning = "reasoning",
        /// Log-probabilities of tokens.
        Logprobs = "logprobs",
        /// Answers as a stream.
        Streaming = "streaming",
        /// A cheaper price for a prompt's repeated head.
        PromptCaching = "prompt_caching",
        /// Vectors instead of text.
        Embeddings = "embeddings",
    }

    /// What an auditor or a law says of a seller's service.
    Certificate ("certificate") {
        /// AICPA SOC 1.
        Soc1 = "SOC 1",
        /// AICPA SOC 2.
        Soc2 = "SOC 2",
        /// AICPA SOC 3.
        Soc3 = "SOC 3",
        /// Information security.
        Iso27001 = "ISO 27001",
        /// Information security in clouds.
        Iso27017 = "ISO 27017",
        /// Personal data in clouds.
        Iso27018 = "ISO 27018",
        /// Privacy information.
        Iso27701 = "ISO 27701",
        /// Artificial intelligence management.
        Iso42001 = "ISO 42001",
        /// A business associate agreement can be had.
        Hipaa = "HIPAA",
        /// A data processing agreement under the GDPR can be had.
        Gdpr = "GDPR",
        /// FedRAMP Moderate.
        FedRampModerate = "FedRAMP Moderate",
        /// FedRAMP High.
        FedRampHigh = "FedRAMP High",
        /// Payment cards.
        PciDss = "PCI DSS",
        /// Germany's BSI C5.
        C5 = "C5",
        /// Health data in the United States: HITRUST CSF.
        Hitrust = "HITRUST",
        /// Health data in France.
        Hds = "HDS",
        /// The Cloud Security Alliance's STAR.
        CsaStar = "CSA STAR",
    }

    /// Whose law holds where a region is.
    Jurisdiction ("jurisdiction") {
        /// The European Union.
        Eu = "EU",
        /// The United States.
        Us = "US",
        /// The United Kingdom.
        Uk = "UK",
        /// Switzerland.
        Ch = "CH",
        /// Norway.
        No = "NO",
        /// Canada.
        Ca = "CA",
        /// Brazil.
        Br = "BR",
        /// Japan.
        Jp = "JP",
        /// South Korea.
        Kr = "KR",
        /// Singapore.
        Sg = "SG",
        /// India.
        In = "IN",
        /// Australia.
        Au = "AU",
        /// The United Arab Emirates.
        Ae = "AE",
        /// Saudi Arabia.
        Sa = "SA",
        /// South Africa.
        Za = "ZA",
        /// The seller promises no place.
        Global = "GLOBAL",
        /// One's own machines.
        Own = "OWN",
    }

    /// How far a row's figures can be trusted.
    Confidence ("confidence") {
        /// The seller's public page says so.
        Published = "published",
        /// Not verified against the seller's page; the row's note says why.
        Estimate = "estimate",
    }
}
