//! Reads LiteLLM's `config.yaml`: models, fallbacks, keys' names and limits. What has no place here is listed.

use std::collections::BTreeSet;

use anyhow::Context as _;
use forebay_gateway::config::Service;
use serde_json::Value;

use super::{Plan, Upstream, without_v1};

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
fn provider_of(prefix: &str) -> Option<&'static str> {
    let known = PROVIDERS.iter().find(|(theirs, _)| *theirs == prefix);
    known
        .map(|(_, ours)| *ours)
        .or_else(|| Service::named(prefix).map(|service| service.name))
}

/// Whether that is the address that the provider has anyway.
fn is_public(provider: Option<&str>, base: &str) -> bool {
    let service = provider.and_then(Service::named);
    service.is_some_and(|service| base.starts_with(service.url))
}

/// The variable that LiteLLM reads the key of that provider from.
fn usual_key(provider: &str) -> Option<String> {
    let usual = USUAL_KEYS.iter().find(|(ours, _)| *ours == provider);
    usual
        .map(|(_, variable)| (*variable).to_owned())
        .or_else(|| Service::named(provider).map(|it| format!("{}_API_KEY", screaming(it.name))))
}

/// What a model's parameters may say that is taken over.
const TAKEN: [&str; 9] = [
    "model",
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "aws_region_name",
    "vertex_location",
    "vertex_project",
    "region_name",
];

/// The plan that a LiteLLM configuration amounts to.
pub(super) fn plan(text: &str) -> anyhow::Result<Plan> {
    let file: Value = serde_yaml_ng::from_str(text).context("it is not YAML")?;
    let mut plan = Plan::default();
    let models = file
        .get("model_list")
        .and_then(Value::as_array)
        .context("it has no model_list")?;
    for (position, entry) in models.iter().enumerate() {
        model(position, entry, &mut plan);
    }
    order(&file, &mut plan);
    settings(&file, &mut plan);
    Ok(plan)
}

fn model(position: usize, entry: &Value, plan: &mut Plan) {
    let path = |rest: &str| format!("model_list[{position}]{rest}");
    let parameters = &entry["litellm_params"];
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let (Some(name), Some(model)) = (
        entry.get("model_name").and_then(Value::as_str),
        text("model"),
    ) else {
        plan.left_out
            .push(path(": it has no model_name or no litellm_params.model"));
        return;
    };
    let (prefix, id) = model.split_once('/').unwrap_or(("openai", model));
    let base = text("api_base").or_else(|| text("base_url"));
    let provider = match (provider_of(prefix), base) {
        // LiteLLM writes openai/ for any server that speaks OpenAI's API.
        (Some("openai"), Some(_)) => None,
        (Some(provider), _) => Some(provider),
        (None, Some(_)) => None,
        (None, None) => {
            plan.left_out.push(path(&format!(
                ": provider \"{prefix}\" of {model} is unknown here; name its address with urls"
            )));
            return;
        }
    };
    for (parameter, _) in parameters.as_object().into_iter().flatten() {
        if !TAKEN.contains(&parameter.as_str()) {
            plan.left_out
                .push(path(&format!(".litellm_params.{parameter}")));
        }
    }
    let key = match text("api_key") {
        Some(reference) => match reference.strip_prefix("os.environ/") {
            Some(variable) => Some(variable.to_owned()),
            // A secret in the file stays out of ours.
            None if reference.len() < 12
                || provider.is_none() && reference.starts_with("sk-1234") =>
            {
                None
            }
            None => {
                let variable = format!("{}_API_KEY", screaming(name));
                plan.left_out.push(path(&format!(".litellm_params.api_key is a literal secret: put it into the environment as {variable}")));
                Some(variable)
            }
        },
        None => provider.and_then(usual_key),
    };
    let region = text("aws_region_name").or_else(|| text("region_name"));
    let upstream = Upstream {
        name: String::new(),
        provider: provider.map(str::to_owned),
        urls: base
            .filter(|base| !is_public(provider, base))
            .map(without_v1)
            .into_iter()
            .collect(),
        key,
        models: vec![(name.to_owned(), id.to_owned())],
        region: region
            .or_else(|| text("vertex_location"))
            .map(str::to_owned),
        api_version: text("api_version")
            .filter(|_| provider == Some("azure"))
            .map(str::to_owned),
        project: text("vertex_project").map(str::to_owned),
    };
    add(upstream, plan);
}

/// Adds the model to an upstream that differs in nothing else, or as an upstream of its own.
fn add(mut upstream: Upstream, plan: &mut Plan) {
    let same = plan.upstreams.iter_mut().find(|other| {
        let fresh = upstream
            .models
            .iter()
            .all(|(name, _)| !other.models.iter().any(|(taken, _)| taken == name));
        let bare = |one: &Upstream| Upstream {
            name: String::new(),
            models: Vec::new(),
            ..one.clone()
        };
        fresh && bare(other) == bare(&upstream)
    });
    if let Some(other) = same {
        other.models.append(&mut upstream.models);
        return;
    }
    upstream.name = fresh_name(&upstream, plan);
    plan.upstreams.push(upstream);
}

/// The provider's name, with a number from the second on.
fn fresh_name(upstream: &Upstream, plan: &Plan) -> String {
    let stem = upstream
        .provider
        .clone()
        .unwrap_or_else(|| "engine".to_owned());
    let names: BTreeSet<&str> = plan
        .upstreams
        .iter()
        .map(|other| other.name.as_str())
        .collect();
    let numbered = (2..=plan.upstreams.len() + 1).map(|n| format!("{stem}-{n}"));
    let mut candidates = std::iter::once(stem.clone()).chain(numbered);
    candidates
        .find(|name| !names.contains(name.as_str()))
        .unwrap_or(stem)
}

/// Fallbacks between models: the fallback's upstream also answers to the first model's name, after it.
fn order(file: &Value, plan: &mut Plan) {
    let places = [
        ("router_settings", "fallbacks"),
        ("litellm_settings", "fallbacks"),
        ("litellm_settings", "default_fallbacks"),
    ];
    for (section, name) in places {
        let Some(list) = file[section].get(name).and_then(Value::as_array) else {
            continue;
        };
        for fallback in list {
            let Some(pairs) = fallback.as_object() else {
                plan.left_out.push(format!("{section}.{name}: {fallback}"));
                continue;
            };
            for (from, targets) in pairs {
                for to in targets
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                {
                    if !fall_back(from, to, plan) {
                        plan.left_out
                            .push(format!("{section}.{name}: from {from} to {to}"));
                    }
                }
            }
        }
    }
}

/// Whether there was a model to fall back to.
fn fall_back(from: &str, to: &str, plan: &mut Plan) -> bool {
    let target = plan
        .upstreams
        .iter()
        .enumerate()
        .find_map(|(at, upstream)| {
            let model = upstream.models.iter().find(|(name, _)| name == to)?;
            Some((at, model.1.clone()))
        });
    let Some((at, id)) = target else {
        return false;
    };
    let serves = |upstream: &Upstream| upstream.models.iter().any(|(name, _)| name == from);
    let Some(last) = plan.upstreams.iter().rposition(serves) else {
        return false;
    };
    if at > last {
        plan.upstreams[at].models.push((from.to_owned(), id));
    } else {
        // The file's order is the order of preference, so what is fallen back to stands after.
        let mut upstream = plan.upstreams[at].clone();
        upstream.models = vec![(from.to_owned(), id)];
        upstream.name = fresh_name(&upstream, plan);
        plan.upstreams.push(upstream);
    }
    true
}

fn settings(file: &Value, plan: &mut Plan) {
    let known = [
        "model_list",
        "router_settings",
        "litellm_settings",
        "general_settings",
    ];
    for (section, value) in file.as_object().into_iter().flatten() {
        if !known.contains(&section.as_str()) {
            plan.left_out
                .push(format!("{section}: {}", shortened(value)));
        }
    }
    for section in ["router_settings", "litellm_settings", "general_settings"] {
        for (name, value) in file[section].as_object().into_iter().flatten() {
            match (name.as_str(), value.as_u64()) {
                ("fallbacks" | "default_fallbacks", _) => {}
                ("num_retries", Some(retries)) => plan.attempts = Some(retries + 1),
                ("master_key", _) => {
                    plan.keys = true;
                    plan.left_out.push("general_settings.master_key: keys are made with `forebay keys create`, the admin token with admin.token".to_owned());
                }
                ("default_rpm", Some(rpm)) => plan.rate.0 = Some(rpm),
                ("default_tpm", Some(tpm)) => plan.rate.1 = Some(tpm),
                // The cache is on unless a client or a rule says otherwise.
                ("cache" | "set_verbose" | "drop_params", _) => {}
                _ => plan
                    .left_out
                    .push(format!("{section}.{name}: {}", shortened(value))),
            }
        }
    }
}

/// A value in a line of its own; what looks like a secret is not repeated.
fn shortened(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with("os.environ/") => text.clone(),
        Value::String(_) => "(a text)".to_owned(),
        Value::Array(items) => format!("({} items)", items.len()),
        Value::Object(members) => {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            format!("({})", names.join(", "))
        }
        other => other.to_string(),
    }
}

fn screaming(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
model_list:
  - model_name: gpt-4o
    litellm_params: { model: azure/my-gpt4o, api_base: "https://x.openai.azure.com/", api_key: os.environ/AZURE_API_KEY, api_version: "2025-01-01-preview" }
  - model_name: claude
    litellm_params: { model: anthropic/claude-sonnet-4-5, rpm: 100 }
  - model_name: llama
    litellm_params: { model: openai/llama-3, api_base: "http://10.0.0.7:8000/v1", api_key: none }
  - model_name: qwen
    litellm_params: { model: hosted_vllm/qwen, api_base: "http://10.0.0.8:8000" }
  - model_name: odd
    litellm_params: { model: replicate/x }
router_settings:
  fallbacks: [{ gpt-4o: [claude] }, { llama: [nowhere] }]
  num_retries: 2
  redis_password: hunter2hunter2
general_settings:
  master_key: sk-1234567890abcdef
"#;

    #[test]
    fn models_fallbacks_and_keys_are_taken_over_and_the_rest_is_listed() {
        let plan = plan(FILE).unwrap();
        let names: Vec<&str> = plan
            .upstreams
            .iter()
            .map(|upstream| upstream.name.as_str())
            .collect();
        assert_eq!(names, ["azure", "anthropic", "engine", "vllm"]);
        assert_eq!(plan.upstreams[0].key.as_deref(), Some("AZURE_API_KEY"));
        assert_eq!(
            plan.upstreams[1].models,
            [
                ("claude".to_owned(), "claude-sonnet-4-5".to_owned()),
                ("gpt-4o".to_owned(), "claude-sonnet-4-5".to_owned()),
            ]
        );
        assert_eq!(plan.upstreams[2].urls, ["http://10.0.0.7:8000"]);
        assert_eq!((plan.attempts, plan.keys), (Some(3), true));
        let lost = plan.left_out.join("\n");
        for word in ["rpm", "replicate", "nowhere", "redis_password"] {
            assert!(lost.contains(word), "{word} in {lost}");
        }
        assert!(
            !lost.contains("hunter2") && !lost.contains("sk-1234567890"),
            "{lost}"
        );
    }

    #[test]
    fn clouds_that_are_known_by_name_need_no_address() {
        let plan = plan(
            r#"
model_list:
  - model_name: fast
    litellm_params: { model: groq/llama-3.3-70b-versatile, api_base: "https://api.groq.com/openai/v1" }
  - model_name: kimi
    litellm_params: { model: together_ai/moonshotai/Kimi-K2 }
"#,
        )
        .unwrap();
        let all: Vec<_> = plan
            .upstreams
            .iter()
            .map(|it| (it.provider.as_deref(), it.urls.len(), it.key.as_deref()))
            .collect();
        assert_eq!(
            all,
            [
                (Some("groq"), 0, Some("GROQ_API_KEY")),
                (Some("together"), 0, Some("TOGETHERAI_API_KEY")),
            ]
        );
        assert_eq!(plan.upstreams[1].models[0].1, "moonshotai/Kimi-K2");
        assert!(plan.left_out.is_empty(), "{:?}", plan.left_out);
    }

    #[test]
    fn a_fallback_stands_after_what_it_stands_in_for() {
        let text = FILE.replace("{ gpt-4o: [claude] }", "{ claude: [gpt-4o] }");
        let plan = plan(&text).unwrap();
        let serving: Vec<&str> = plan
            .upstreams
            .iter()
            .filter(|upstream| upstream.models.iter().any(|(name, _)| name == "claude"))
            .map(|upstream| upstream.name.as_str())
            .collect();
        assert_eq!(serving, ["anthropic", "azure-2"]);
    }

    #[test]
    fn what_is_written_of_it_is_a_good_configuration() {
        let text = super::super::write::toml(&plan(FILE).unwrap());
        let source = crate::config::Source {
            path: Some("forebay.toml".into()),
            text: text.clone(),
            base: ".".into(),
        };
        crate::config::load(&source, &crate::config::Overrides::default())
            .map_err(|e| format!("{e}\n{text}"))
            .unwrap();
    }
}
