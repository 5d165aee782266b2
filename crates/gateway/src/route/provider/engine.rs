//! Engines and servers that speak as OpenAI does.

use forebay_dialect::Wire;
use forebay_dialect::exchange::Profile;

use super::route::standard;
use super::{Asked, OLDER_ENGINE, ProviderOptions, Route, Seller};

/// What runs on one's own machines.
#[derive(Debug)]
pub(super) struct Engine {
    wires: &'static [Wire],
    /// It may have a `/health`.
    health: bool,
    /// It takes what only engines know.
    profile: Profile,
}

/// Any server. Whether it knows responses, `speaks` has to say.
pub(super) static COMPATIBLE: Engine = Engine {
    wires: OLDER_ENGINE,
    health: true,
    profile: Profile::Standard,
};

/// vLLM 0.32 and SGLang answer Anthropic's messages too.
pub(super) static VLLM: Engine = Engine {
    wires: &[
        Wire::Chat,
        Wire::Completions,
        Wire::Responses,
        Wire::Messages,
        Wire::Embeddings,
    ],
    health: true,
    profile: Profile::Engine,
};

/// Text Generation Inference, llama.cpp's server, NVIDIA NIM.
pub(super) static ENGINE: Engine = Engine {
    wires: OLDER_ENGINE,
    health: true,
    profile: Profile::Engine,
};

/// Ollama and Ray Serve, which have no `/health`.
pub(super) static SERVER: Engine = Engine {
    wires: OLDER_ENGINE,
    health: false,
    profile: Profile::Engine,
};

impl Seller for Engine {
    fn wires(&self, _: &ProviderOptions) -> &'static [Wire] {
        self.wires
    }

    fn is_own_engine(&self) -> bool {
        true
    }

    fn is_engine(&self) -> bool {
        self.health
    }

    fn route(&self, asked: &Asked<'_>) -> Route {
        standard(asked.wire, asked.model, asked.stream).profile(self.profile)
    }
}
