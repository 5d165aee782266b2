//! Where LiteLLM asks a model: its `api_base` as a base URL of ours and, at Azure, as one of its forms.

use super::super::without_v1;
use super::providers::{Name, is_public, variable};
use crate::config::check_url;

/// Where a model is asked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Address {
    /// No URL: at the provider's public address.
    pub(super) urls: Vec<String>,
    /// `options.api`.
    pub(super) api: Option<&'static str>,
    /// `options.api_version`, where the address has it.
    pub(super) api_version: Option<String>,
}

/// What follows the base URL where an `api_base` names the endpoint itself.
const ENDPOINTS: [&str; 6] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/messages",
    "/rerank",
];

/// The address of a model at a provider of ours.
///
/// # Errors
/// Why the `api_base` is not a base URL.
pub(super) fn address(
    provider: Option<&str>,
    name: &Name<'_>,
    base: Option<&str>,
) -> Result<Address, String> {
    let mut address = Address {
        api: (name.provider == "azure_ai").then(|| match name.id.starts_with("claude") {
            true => "anthropic",
            false => "foundry",
        }),
        ..Address::default()
    };
    // Where LiteLLM finds an address if the model has none.
    let usual = match (name.provider, provider) {
        ("azure_ai", _) => Some("os.environ/AZURE_AI_API_BASE"),
        (_, Some("azure")) => Some("os.environ/AZURE_API_BASE"),
        ("hosted_vllm", _) => Some("os.environ/HOSTED_VLLM_API_BASE"),
        (_, Some("ollama")) => Some("http://localhost:11434"),
        _ => None,
    };
    let base = base.filter(|base| !base.is_empty()).or(usual);
    let Some(base) = base.filter(|base| !is_public(provider, base)) else {
        return match provider {
            Some("vllm") | None => Err("it is missing".to_owned()),
            Some(_) => Ok(address),
        };
    };
    if let Some(variable) = variable(base) {
        address.urls.push(format!("env:{variable}"));
        return Ok(address);
    }
    let (mut url, query) = base.split_once('?').unwrap_or((base, ""));
    let mut parameters = query.split('&');
    let version = parameters.find_map(|one| one.strip_prefix("api-version="));
    address.api_version = version.map(str::to_owned);
    url = url.trim_end_matches('/');
    url = ENDPOINTS
        .iter()
        .find_map(|endpoint| url.strip_suffix(endpoint))
        .unwrap_or(url);
    let mut url = without_v1(url);
    if provider == Some("azure") {
        let forms = [
            ("/openai/deployments/", Some("deployments")),
            ("/openai", None),
            ("/anthropic", Some("anthropic")),
            ("/models", Some("foundry")),
        ];
        let form = forms
            .into_iter()
            .find_map(|(path, api)| Some((url.find(path)?, api)));
        if let Some((at, api)) = form {
            url.truncate(at);
            address.api = api;
        }
    }
    check_url(&url)?;
    address.urls.push(url);
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::super::providers::{provider_of, split};
    use super::*;

    fn of(
        model: &str,
        base: &str,
    ) -> Result<(String, Option<&'static str>, Option<String>), String> {
        let name = split(model);
        let found = address(provider_of(name.provider), &name, Some(base))?;
        let url = found.urls.first().cloned().unwrap_or_default();
        Ok((url, found.api, found.api_version))
    }

    #[test]
    fn an_address_of_azure_names_its_form() {
        let host = "https://x.cognitiveservices.azure.com";
        for (model, path, api, version) in [
            ("azure/gpt", "/", None, None),
            ("azure/gpt", "/openai/v1/", None, None),
            (
                "azure/gpt",
                "/openai/deployments/gpt/chat/completions?api-version=2025-01-01-preview",
                Some("deployments"),
                Some("2025-01-01-preview"),
            ),
            (
                "azure_ai/claude-sonnet-4-5",
                "/anthropic",
                Some("anthropic"),
                None,
            ),
            (
                "azure_ai/claude-sonnet-4-5",
                "/anthropic/v1/messages",
                Some("anthropic"),
                None,
            ),
            ("azure_ai/claude-sonnet-4-5", "", Some("anthropic"), None),
            ("azure_ai/command-r-plus", "", Some("foundry"), None),
            ("azure_ai/gpt-5", "/openai/v1/", None, None),
        ] {
            let found = of(model, &format!("{host}{path}"));
            let version = version.map(str::to_owned);
            assert_eq!(found, Ok((host.to_owned(), api, version)), "{path}");
        }
    }

    #[test]
    fn an_endpoint_is_not_part_of_a_base_url() {
        for (base, url) in [
            ("http://10.0.0.7:8000/v1/", "http://10.0.0.7:8000"),
            (
                "http://10.0.0.7:8000/v1/chat/completions",
                "http://10.0.0.7:8000",
            ),
            ("https://x.example.com/llm/v1", "https://x.example.com/llm"),
            ("${ENGINE}", "env:ENGINE"),
        ] {
            assert_eq!(of("openai/m", base).unwrap().0, url);
        }
        for base in [
            "<your-endpoint>",
            "https://u:p@x.example.com",
            "10.0.0.7:8000",
        ] {
            assert!(of("openai/m", base).is_err(), "{base}");
        }
    }
}
