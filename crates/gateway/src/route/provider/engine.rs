//! Engines and servers that speak as OpenAI does.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::route::standard;
use super::{Asked, OLDER_ENGINE, Route, Seller};

/// What runs on one's own machines.
#[derive(Debug)]
pub(super) struct Engine {
    wires: &'static [Wire],
    passages: &'static [&'static str],
    /// It takes what only engines know.
    profile: Profile,
}

/// Any server. What it lacks, and whether it knows responses, `passes` and `speaks` have to say.
pub(super) const COMPATIBLE: Engine = Engine {
    wires: OLDER_ENGINE,
    passages: crate::through::NAMES,
    profile: Profile::Standard,
};

/// vLLM 0.32 (`vllm/entrypoints`), which answers Anthropic's messages too.
pub(super) const VLLM: Engine = Engine {
    wires: &[
        Wire::Chat,
        Wire::Completions,
        Wire::Responses,
        Wire::Messages,
        Wire::Embeddings,
    ],
    passages: &[
        "rerank",
        "score",
        "tokenize",
        "detokenize",
        "classify",
        "pooling",
        "audio.transcriptions",
        "audio.translations",
    ],
    profile: Profile::Engine,
};

/// SGLang, which speaks as vLLM does.
pub(super) const SGLANG: Engine = Engine {
    passages: &[
        "rerank",
        "score",
        "tokenize",
        "detokenize",
        "classify",
        "audio.transcriptions",
    ],
    ..VLLM
};

/// Text Generation Inference, NVIDIA NIM, Ollama, Ray Serve.
pub(super) const ENGINE: Engine = Engine {
    wires: OLDER_ENGINE,
    passages: &[],
    profile: Profile::Engine,
};

/// llama.cpp's server.
pub(super) const LLAMACPP: Engine = Engine {
    passages: &["rerank", "tokenize", "detokenize"],
    ..ENGINE
};

impl Seller for Engine {
    fn wires(&self) -> &'static [Wire] {
        self.wires
    }

    fn passages(&self) -> &'static [&'static str] {
        self.passages
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        standard(asked.wire, asked.model, asked.stream).profile(self.profile)
    }
}
