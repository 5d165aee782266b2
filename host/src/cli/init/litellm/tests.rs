//! What is imported of real-looking files, and what is listed instead.

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

macro_rules! file {
    ($name:literal, [$($upstream:literal),*], [$($listed:literal),*]) => {
        (
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/litellm/",
                $name,
                ".yaml"
            )),
            &[$($upstream),*],
            &[$($listed),*],
        )
    };
}

/// Files like those that people have: the upstreams that come of each, and what has to be listed.
const FILES: [(&str, &str, &[&str], &[&str]); 13] = [
    file!("quickstart", ["openai", "anthropic"], ["master_key"]),
    file!(
        "azure-regions",
        ["azure", "azure-2"],
        [
            "[0].litellm_params.rpm",
            "[0].model_info",
            "AZURE_API_VERSION",
            "routing_strategy"
        ]
    ),
    file!(
        "bedrock",
        ["bedrock", "bedrock-2"],
        [
            "aws_secret_access_key",
            "AWS_REGION_NAME",
            "us-east-1 was assumed"
        ]
    ),
    file!(
        "vllm-cluster",
        ["vllm", "vllm-2", "engine", "ollama"],
        ["routing_strategy"]
    ),
    file!(
        "wildcards",
        ["openai", "anthropic"],
        [
            "leave out \"openai/\"",
            "leave out \"anthropic/\"",
            "the pattern team-*",
            "callbacks"
        ]
    ),
    file!(
        "fallbacks",
        ["groq", "gemini", "openrouter", "gemini-2"],
        ["context_window_fallbacks"]
    ),
    file!(
        "cache-and-guards",
        ["openai"],
        [
            "tpm",
            "tags",
            "cache_params",
            "guardrails",
            "database_url",
            "environment_variables"
        ]
    ),
    file!("kubernetes-template", ["engine", "openai"], ["master_key"]),
    file!(
        "vertex-and-literals",
        ["vertex", "mistral", "cohere"],
        ["vertex_credentials", "MISTRAL_API_KEY"]
    ),
    file!(
        "unknown-and-incomplete",
        ["anthropic"],
        [
            "replicate",
            "[1]: it has no model_name",
            "[2]: it has no",
            "include"
        ]
    ),
    file!(
        "production-proxy",
        ["azure", "openai", "bedrock"],
        [
            "[0].litellm_params.rpm (and of 1 more model); limits belong to keys and tenants",
            "[0].litellm_params.weight",
            "[0].model_info.id",
            "aws_role_name; see docs/providers/bedrock.md",
            "cache_control_injection_points; prompt_cache",
            "routing_strategy: (a string); upstreams are tried in this file's order",
            "redis_port: os.environ/REDIS_PORT",
            "success_callback: (2 items); metrics are at /metrics",
            "cache_params: (namespace, ttl, type)",
            "max_budget: 500; there are no budgets over time",
            "default_team_settings: (3 items)",
            "database_url: os.environ/DATABASE_URL; keys are in keys.file",
            "alerting"
        ]
    ),
    file!(
        "vllm-fleet",
        ["vllm", "vllm-2", "vllm-3", "openrouter"],
        [
            "stream_timeout; set timeouts",
            "supports_function_calling (and of 1 more model)"
        ]
    ),
    file!(
        "credentials-and-patterns",
        ["azure", "anthropic", "bedrock", "gemini"],
        [
            "extra_headers; set headers",
            "the pattern claude-*: the upstream serves every model",
            "leave out \"bedrock/\"",
            "from unknown to gemini",
            "from gpt-4o to a model with parameters of its own",
            "pass_through_endpoints: (1 item); see [[raw]]"
        ]
    ),
];

#[test]
fn files_like_those_that_people_have_become_good_configurations() {
    for (name, text, upstreams, listed) in FILES {
        let plan = plan(text).unwrap();
        let names: Vec<&str> = plan.upstreams.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, upstreams, "{name}");
        let left_out = plan.left_out.join("\n");
        for word in listed {
            assert!(left_out.contains(word), "{name}: {word} in\n{left_out}");
        }
        let written = super::super::write::toml(&plan);
        for secret in ["hunter2", "secret-password", "sk-lf-0123", "mst-0123"] {
            assert!(!written.contains(secret), "{name}: {written}");
        }
        let source = crate::config::Source {
            path: Some("forebay.toml".into()),
            text: written.clone(),
            base: ".".into(),
        };
        crate::config::load(&source, &crate::config::Overrides::default())
            .map_err(|e| format!("{name}: {e}\n{written}"))
            .unwrap();
    }
}

/// The plan, and the file that is written of it, which has to be a good configuration.
fn imported(text: &str) -> (Plan, String) {
    let plan = plan(text).unwrap_or_else(|e| panic!("{e:#}\n{text}"));
    let written = super::super::write::toml(&plan);
    let source = crate::config::Source {
        path: Some("forebay.toml".into()),
        text: written.clone(),
        base: ".".into(),
    };
    crate::config::load(&source, &crate::config::Overrides::default())
        .unwrap_or_else(|e| panic!("{e}\n{text}\n{written}"));
    (plan, written)
}

#[test]
fn any_model_at_any_address_becomes_a_good_configuration_and_nothing_is_lost_silently() {
    let models = [
        "gpt-4o",
        "claude-opus",
        "openai/m",
        "openai/*",
        "azure/m",
        "azure_ai/m",
        "azure_ai/claude-m",
        "anthropic/m",
        "bedrock/m",
        "bedrock/us-west-2/m",
        "bedrock/agent/A/B",
        "vertex_ai/m",
        "gemini/m",
        "hosted_vllm/m",
        "vllm/m",
        "ollama/m",
        "groq/m",
        "oci/m",
        "sagemaker_chat/m",
        "replicate/m",
        "litellm_proxy/m",
    ];
    let addresses = [
        "",
        "http://localhost:8080",
        "http://0.0.0.0:8091/v1",
        "https://x.openai.azure.com/openai/deployments/m/chat/completions?api-version=2025-01-01-preview",
        "https://x.example.com/v1/?key=1",
        "os.environ/BASE",
        "<your-endpoint>",
        "https://me:hush@x.example.com",
        "localhost:8000",
    ];
    let members = [
        ("api_version", "2024-02-01"),
        ("api_version", "preview"),
        ("api_version", "os.environ/VERSION"),
        ("vertex_project", "os.environ/PROJECT_ID"),
        ("vertex_ai_project", "my-project"),
        ("vertex_ai_location", "europe-west1"),
        ("aws_region_name", "os.environ/REGION"),
        ("input_cost_per_token", "0.000001"),
        ("custom_llm_provider", "azure"),
        ("api_key", "a-literal-key-of-some-length"),
        ("rpm", "100"),
    ];
    for model in models {
        for address in addresses {
            for (member, value) in members {
                let (_, written) = imported(&format!(
                    "model_list: [{{ model_name: name, litellm_params: {{ model: \"{model}\", \
                     api_base: \"{address}\", {member}: \"{value}\" }} }}]"
                ));
                let case = format!("{model} {address} {member} {value}\n{written}");
                let host = [
                    "x.example.com",
                    "x.openai",
                    "localhost:8080",
                    "0.0.0.0:8091",
                    "env:BASE",
                ];
                let reached = host.iter().any(|host| written.contains(host));
                let said = ["api_base", "model_list[0]:"]
                    .iter()
                    .any(|it| written.contains(it));
                assert!(address.is_empty() || reached || said, "{case}");
                let kept = written.contains(value) || written.contains(member);
                // One that is not imported at all is listed as a whole.
                assert!(kept || said || member == "custom_llm_provider", "{case}");
                assert!(
                    !written.contains("hush") && !written.contains("a-literal-key"),
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn odd_fallbacks_credentials_and_repeats_are_imported_or_listed() {
    let (plan, written) = imported(
        r#"
credential_list:
  - { credential_name: aws, credential_values: { aws_access_key_id: os.environ/A, aws_region_name: eu-west-1 } }
  - { credential_name: unused, credential_values: { api_key: os.environ/U } }
model_list:
  - { model_name: a, litellm_params: { model: openai/a, api_key: sk-first-literal-key } }
  - { model_name: b, litellm_params: { model: openai/b, api_key: sk-first-literal-key } }
  - { model_name: a, litellm_params: { model: openai/a, api_key: sk-first-literal-key } }
  - { model_name: a, litellm_params: { model: azure/a, api_base: "https://x.openai.azure.com", api_version: 2024-10-21 } }
  - { model_name: c, litellm_params: { model: bedrock/c, litellm_credential_name: aws } }
  - { model_name: d, litellm_params: { model: gemini/d, litellm_credential_name: nowhere } }
litellm_settings: { cache: false, fallbacks: [a, { b: c }] }
general_settings: [1]
"#,
    );
    let names: Vec<&str> = plan.upstreams.iter().map(|it| it.name.as_str()).collect();
    // The same literal is one variable, so both models share an upstream; b falls back to c.
    assert_eq!(names, ["openai", "azure", "bedrock", "gemini"]);
    assert_eq!(plan.upstreams[0].key.as_deref(), Some("A_API_KEY"));
    assert_eq!(plan.upstreams[0].models.len(), 2);
    assert_eq!(plan.upstreams[1].api.as_deref(), Some("deployments"));
    assert_eq!(plan.upstreams[2].region.as_deref(), Some("eu-west-1"));
    assert_eq!(
        plan.upstreams[2].models[1],
        ("b".to_owned(), "c".to_owned())
    );
    for said in [
        "model_list[2]: it is the same as model_list[0]",
        "sending requests for a to openai, azure in turns",
        "credential_list[0].credential_values.aws_access_key_id",
        "credential_list[1]: no model names it",
        "there is no credential \"nowhere\"",
        "litellm_settings.fallbacks: a does not name the model that it is for",
        "litellm_settings.cache: false",
        "general_settings: (1 item)",
    ] {
        assert!(
            plan.left_out.iter().any(|it| it.contains(said)),
            "{said}\n{written}"
        );
    }
    assert!(!written.contains("sk-first"), "{written}");
}

#[test]
fn an_engine_on_the_usual_port_moves_the_gateway_to_another() {
    let (_, written) = imported(
        r#"model_list: [{ model_name: a, litellm_params: { model: openai/a, api_base: "http://localhost:8080/v1" } }]"#,
    );
    assert!(written.contains("listen = \"127.0.0.1:8090\""), "{written}");
    assert!(written.contains("listen = \"127.0.0.1:8091\""), "{written}");
}

#[test]
fn addresses_aliases_and_options_are_imported() {
    let of = |name: &str| {
        let (_, text, ..) = FILES.iter().find(|(it, ..)| *it == name).unwrap();
        plan(text).unwrap()
    };
    let azure = of("azure-regions");
    assert_eq!(azure.upstreams[0].urls, ["env:AZURE_EU_API_BASE"]);
    assert_eq!(azure.upstreams[1].urls, ["https://canada.openai.azure.com"]);
    assert!(azure.variables().contains(&"AZURE_EU_API_BASE"));
    assert_eq!(azure.upstreams[1].api_version, None);
    let bedrock = of("bedrock");
    let id = &bedrock.upstreams[0].models[0].1;
    assert_eq!(id, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_eq!(bedrock.upstreams[0].region.as_deref(), Some("eu-central-1"));
    assert!(bedrock.drops && super::super::write::toml(&bedrock).contains("losses = \"drop\""));
    assert!(
        of("wildcards")
            .upstreams
            .iter()
            .all(|it| it.models.is_empty())
    );
    let fallbacks = of("fallbacks");
    let serving = |model: &str| -> Vec<&str> {
        let serves = |it: &&Upstream| it.models.iter().any(|(name, _)| name == model);
        let upstreams = fallbacks.upstreams.iter().filter(serves);
        upstreams.map(|it| it.name.as_str()).collect()
    };
    // What one falls back to, for the alias and the model alike; careful has the default fallback.
    assert_eq!(serving("fast"), ["groq", "openrouter", "gemini-2"]);
    assert_eq!(serving("gpt-4"), serving("fast"));
    assert_eq!(serving("careful"), ["gemini", "openrouter"]);
    assert_eq!(serving("hidden"), serving("careful"));
    assert_eq!(serving("cheap"), ["openrouter"]);
    let template = of("kubernetes-template");
    assert_eq!(template.upstreams[0].urls, ["env:VLLM_SERVICE_URL"]);
    assert_eq!(template.upstreams[1].key.as_deref(), Some("OPENAI_API_KEY"));
    assert!(template.upstreams[1].urls.is_empty());
}

#[test]
fn limits_retries_teams_and_prices_are_imported() {
    let written = |name: &str| {
        let (_, text, ..) = FILES.iter().find(|(it, ..)| *it == name).unwrap();
        let text = super::super::write::toml(&plan(text).unwrap());
        let settings = text.split("# Not imported:").next().unwrap().to_owned();
        (settings.parse::<toml::Table>().unwrap(), settings)
    };
    let (proxy, text) = written("production-proxy");
    let settings = |section: &str| proxy[section].to_string();
    assert_eq!(
        settings("retries"),
        "{ attempts = 3, eject_after = 4, eject_for = \"30s\" }"
    );
    assert_eq!(
        settings("timeouts"),
        "{ first_byte = \"45s\", total = \"120s\" }"
    );
    assert_eq!(settings("log"), "{ format = \"json\" }");
    assert_eq!(
        settings("tenants"),
        "[{ name = \"search\" }, { name = \"support\" }]"
    );
    assert!(
        text.contains("[policies.prefix_cache.config]\nttl = 1200\n"),
        "{text}"
    );
    // The alias has the model's fallback too.
    assert_eq!(
        proxy["upstreams"][2]["models"]["gpt-4"],
        proxy["upstreams"][2]["models"]["claude-sonnet"]
    );

    let (fleet, text) = written("vllm-fleet");
    let first = &fleet["upstreams"][0];
    assert_eq!(
        first["price"].to_string(),
        "{ input = 400000, output = 400000 }"
    );
    assert_eq!(first["context_tokens"].to_string(), "131072");
    assert_eq!(
        first["models"]["llama-70b-legal"].as_str(),
        Some("legal-lora")
    );
    let cloud = &fleet["upstreams"][3];
    assert_eq!(
        cloud["price"].to_string(),
        "{ input = 130000, output = 390000 }"
    );
    // Everything falls back to the cloud, which needs one upstream for that.
    let names: Vec<&String> = cloud["models"].as_table().unwrap().keys().collect();
    assert_eq!(
        names,
        ["cloud", "llama-70b", "llama-70b-legal", "small"],
        "{text}"
    );

    let (patterns, text) = written("credentials-and-patterns");
    let azure = &patterns["upstreams"][0];
    assert_eq!(azure["key"].as_str(), Some("env:AZURE_EU_KEY"), "{text}");
    assert_eq!(
        azure["urls"][0].as_str(),
        Some("https://eu.openai.azure.com")
    );
    let gemini = &patterns["upstreams"][3]["models"];
    assert_eq!(gemini["gpt-4o"].as_str(), Some("gemini-2.5-flash"));
    assert_eq!(gemini["gpt-4o-mini"].as_str(), Some("gemini-2.5-flash"));
}
