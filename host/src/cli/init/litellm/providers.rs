//! LiteLLM's names of providers, the variables that it reads their keys from, and its references.

use forebay_gateway::config::Service;

/// LiteLLM's provider prefixes and ours. The rest speaks OpenAI's API at its `api_base`.
const PROVIDERS: [(&str, &str); 18] = [
    ("openai", "openai"),
    ("azure", "azure"),
    ("azure_ai", "azure"),
    ("anthropic", "anthropic"),
    ("bedrock", "bedrock"),
    ("sagemaker", "sagemaker"),
    ("vertex_ai", "vertex"),
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

/// The provider and the id in LiteLLM's name of a model, such as `bedrock/converse/ID`.
pub(super) fn split(model: &str) -> (&str, &str) {
    let Some((prefix, id)) = model.split_once('/') else {
        // LiteLLM knows Anthropic's models without their provider; what it does not know is OpenAI's.
        let prefix = if model.starts_with("claude-") {
            "anthropic"
        } else {
            "openai"
        };
        return (prefix, model);
    };
    // How Bedrock is asked is not part of the model's id.
    let ways = ["converse/", "invoke/"];
    let way = ways.iter().find_map(|way| id.strip_prefix(way));
    (prefix, way.filter(|_| prefix == "bedrock").unwrap_or(id))
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
