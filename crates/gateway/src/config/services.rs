//! Clouds that speak as OpenAI does and need nothing beyond an address and a key. A new one is a
//! row here, and nothing else.

use forebay_dialect::Wire;

/// A cloud that is asked as OpenAI is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Service {
    /// Its name in configurations, and the catalogue's where that has it.
    pub name: &'static str,
    /// Its public address.
    pub url: &'static str,
    /// What its paths begin with, after the address.
    pub(crate) root: &'static str,
    /// The formats it speaks.
    pub(crate) wires: &'static [Wire],
    /// Members that it refuses although the format has them.
    pub(crate) remove: &'static [&'static str],
}

const CHAT: &[Wire] = &[Wire::Chat];
const TEXTS: &[Wire] = &[Wire::Chat, Wire::Completions, Wire::Embeddings];

const fn service(name: &'static str, url: &'static str, wires: &'static [Wire]) -> Service {
    Service {
        name,
        url,
        root: "/v1",
        wires,
        remove: &[],
    }
}

/// Every such cloud, by name. The addresses are those of the vendors' own quick starts.
pub static SERVICES: &[Service] = &[
    service("cerebras", "https://api.cerebras.ai", CHAT),
    service("deepinfra", "https://api.deepinfra.com", TEXTS).under("/v1/openai"),
    service("deepseek", "https://api.deepseek.com", CHAT),
    service("fireworks", "https://api.fireworks.ai/inference", TEXTS),
    service("groq", "https://api.groq.com/openai", CHAT),
    service("huggingface", "https://router.huggingface.co", CHAT),
    service("moonshot", "https://api.moonshot.ai", CHAT),
    service("nebius", "https://api.tokenfactory.nebius.com", TEXTS),
    service("novita", "https://api.novita.ai/openai", TEXTS),
    service("openrouter", "https://openrouter.ai/api", CHAT),
    service("perplexity", "https://api.perplexity.ai", CHAT).under(""),
    service("sambanova", "https://api.sambanova.ai", CHAT),
    service("together", "https://api.together.xyz", TEXTS),
    service("xai", "https://api.x.ai", CHAT),
];

impl Service {
    const fn under(mut self, root: &'static str) -> Self {
        self.root = root;
        self
    }

    /// The cloud of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SERVICES.iter().find(|service| service.name == name)
    }
}
