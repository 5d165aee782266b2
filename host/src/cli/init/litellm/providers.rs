//! LiteLLM's names of providers, the variables that it reads their keys from, and its references.

use forebay_gateway::config::Service;

/// LiteLLM's provider prefixes and ours. The rest speaks OpenAI's API at its `api_base`.
const PROVIDERS: [(&str, &str); 22] = [
    ("openai", "openai"),
    ("text-completion-openai", "openai"),
    ("azure", "azure"),
    ("azure_ai", "azure"),
    ("azure_text", "azure"),
    ("anthropic", "anthropic"),
    ("bedrock", "bedrock"),
    ("sagemaker", "sagemaker"),
    ("sagemaker_chat", "sagemaker"),
    ("vertex_ai", "vertex"),
    ("vertex_ai_beta", "vertex"),
    ("gemini", "gemini"),
    ("cohere", "cohere"),
    ("cohere_chat", "cohere"),
    ("mistral", "mistral"),
    ("oci", "oci"),
    ("hosted_vllm", "vllm"),
    ("vllm", "vllm"),
    ("ollama", "ollama"),
    ("ollama_chat", "ollama"),
    ("together_ai", "together"),
    ("fireworks_ai", "fireworks"),
];

/// The variables that LiteLLM reads where a model names no key.
const USUAL_KEYS: [(&str, &str); 9] = [
    ("openai", "OPENAI_API_KEY"),
    ("azure", "AZURE_API_KEY"),
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("gemini", "GEMINI_API_KEY"),
    ("cohere", "COHERE_API_KEY"),
    ("mistral", "MISTRAL_API_KEY"),
    ("together", "TOGETHERAI_API_KEY"),
    ("fireworks", "FIREWORKS_AI_API_KEY"),
    ("perplexity", "PERPLEXITYAI_API_KEY"),
];

/// Our name of LiteLLM's provider.
pub(super) fn provider_of(prefix: &str) -> Option<&'static str> {
    let known = PROVIDERS.iter().find(|(theirs, _)| *theirs == prefix);
    known
        .map(|(_, ours)| *ours)
        .or_else(|| Service::named(prefix).map(|service| service.name))
}

/// Whether that is the address that the provider has anyway.
pub(super) fn is_public(provider: Option<&str>, base: &str) -> bool {
    if provider == Some("openai") && base.starts_with("https://api.openai.com") {
        return true;
    }
    let service = provider.and_then(Service::named);
    service.is_some_and(|service| base.starts_with(service.url))
}

/// The variable that LiteLLM reads the key of that provider from.
pub(super) fn usual_key(provider: &str) -> Option<String> {
    let usual = USUAL_KEYS.iter().find(|(ours, _)| *ours == provider);
    usual
        .map(|(_, variable)| (*variable).to_owned())
        .or_else(|| Service::named(provider).map(|it| format!("{}_API_KEY", screaming(it.name))))
}

/// The region that LiteLLM asks where none is configured.
pub(super) fn usual_region(provider: &str) -> Option<&'static str> {
    let usual = [
        ("bedrock", "us-east-1"),
        ("sagemaker", "us-east-1"),
        ("vertex", "us-central1"),
        ("oci", "us-ashburn-1"),
    ];
    let found = usual.iter().find(|(ours, _)| *ours == provider);
    found.map(|(_, region)| *region)
}

/// LiteLLM's name of a model, such as `bedrock/converse/ID`, as its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Name<'a> {
    /// LiteLLM's name of the provider.
    pub(super) provider: &'a str,
    /// The provider's name of the model.
    pub(super) id: &'a str,
    /// The region, where the name has it: `bedrock/eu-west-1/ID`.
    pub(super) region: Option<&'a str>,
}

/// What stands between provider and id, and says how the model is asked.
const WAYS: [(&str, &[&str]); 4] = [
    (
        "bedrock",
        &["converse", "invoke", "converse_like", "mantle"],
    ),
    ("openai", &["responses"]),
    ("azure", &["responses", "o_series", "gpt5_series"]),
    ("azure_ai", &["model_router"]),
];

/// What is not a model: agents and document services.
const SERVICES: [(&str, &[&str]); 2] = [
    ("bedrock", &["agent", "agentcore"]),
    ("azure_ai", &["agents", "doc-intelligence"]),
];

/// The parts of LiteLLM's name of a model.
pub(super) fn split(model: &str) -> Name<'_> {
    let Some((provider, mut id)) = model.split_once('/') else {
        // LiteLLM knows Anthropic's models without their provider; what it does not know is OpenAI's.
        let provider = match model.starts_with("claude-") {
            true => "anthropic",
            false => "openai",
        };
        return Name {
            provider,
            id: model,
            region: None,
        };
    };
    let listed = |list: &[(&str, &[&str])], word: &str| {
        list.iter()
            .any(|(of, words)| *of == provider && words.contains(&word))
    };
    let mut region = None;
    // A way and a region at most.
    for _ in 0..2 {
        let Some((word, rest)) = id.split_once('/') else {
            break;
        };
        if listed(&SERVICES, word) {
            break;
        }
        if provider == "bedrock" && is_region(word) {
            region = Some(word);
        } else if !(listed(&WAYS, word) || provider == "bedrock" && rest.starts_with("arn:")) {
            break;
        }
        id = rest;
    }
    Name {
        provider,
        id,
        region,
    }
}

/// Whether a name is that of an agent or a service, which no client can use as a model.
pub(super) fn is_service(name: &Name<'_>) -> bool {
    let word = name.id.split('/').next().unwrap_or_default();
    let found = SERVICES.iter().find(|(of, _)| *of == name.provider);
    found.is_some_and(|(_, words)| name.id.contains('/') && words.contains(&word))
}

/// Whether a word is a region of AWS: `eu-west-1`, `us-gov-east-1`.
fn is_region(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let digits = |part: &&str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit());
    (3..=4).contains(&parts.len())
        && parts[0].len() == 2
        && parts.last().is_some_and(digits)
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The environment variable that a value names: `os.environ/NAME`, or `${NAME}` in a template.
pub(super) fn variable(text: &str) -> Option<&str> {
    let template = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    text.strip_prefix("os.environ/")
        .or(template)
        .filter(|name| !name.is_empty())
}

/// An environment variable's name made of any text.
pub(super) fn screaming(name: &str) -> String {
    let one = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    name.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_provider_an_id_and_sometimes_a_region() {
        for (model, provider, id, region) in [
            ("gpt-4o", "openai", "gpt-4o", None),
            ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5", None),
            ("openai/responses/gpt-5", "openai", "gpt-5", None),
            ("azure/o_series/my-o3", "azure", "my-o3", None),
            (
                "huggingface/groq/llama-3",
                "huggingface",
                "groq/llama-3",
                None,
            ),
            (
                "bedrock/converse/us.amazon.nova-pro-v1:0",
                "bedrock",
                "us.amazon.nova-pro-v1:0",
                None,
            ),
            (
                "bedrock/eu-west-1/amazon.titan",
                "bedrock",
                "amazon.titan",
                Some("eu-west-1"),
            ),
            (
                "bedrock/invoke/us-gov-east-1/x",
                "bedrock",
                "x",
                Some("us-gov-east-1"),
            ),
            (
                "bedrock/llama/arn:aws:bedrock:x/y",
                "bedrock",
                "arn:aws:bedrock:x/y",
                None,
            ),
        ] {
            let name = Name {
                provider,
                id,
                region,
            };
            assert_eq!(split(model), name, "{model}");
            assert!(!is_service(&name), "{model}");
        }
        for model in [
            "bedrock/agent/A/B",
            "bedrock/agentcore/arn:x",
            "azure_ai/agents/a",
        ] {
            assert!(is_service(&split(model)), "{model}");
        }
    }
}
