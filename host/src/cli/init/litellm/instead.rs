//! What takes the place of a LiteLLM setting that can't be imported.

/// The last word of a setting's path, and what an operator does instead.
const INSTEAD: [(&str, &str); 45] = [
    (
        "cache",
        "the cache is on for deterministic requests; see docs/cache.md",
    ),
    ("rpm", KEY_LIMITS),
    ("tpm", KEY_LIMITS),
    ("weight", ORDER),
    ("order", ORDER),
    ("routing_strategy", ORDER),
    ("routing_strategy_args", ORDER),
    ("model_group_retry_policy", RETRIES),
    ("retry_policy", RETRIES),
    ("timeout", TIMEOUTS),
    ("stream_timeout", TIMEOUTS),
    ("request_timeout", TIMEOUTS),
    (
        "max_parallel_requests",
        "capacity at the upstream says how many requests it takes at once",
    ),
    ("aws_access_key_id", BEDROCK),
    ("aws_secret_access_key", BEDROCK),
    ("aws_session_token", BEDROCK),
    ("aws_profile_name", BEDROCK),
    ("aws_role_name", BEDROCK),
    (
        "vertex_credentials",
        "see docs/providers/vertex.md for [upstreams.auth]",
    ),
    ("azure_ad_token", AZURE),
    ("tenant_id", AZURE),
    ("client_id", AZURE),
    ("client_secret", AZURE),
    ("extra_headers", HEADERS),
    ("headers", HEADERS),
    ("organization", HEADERS),
    (
        "cache_control_injection_points",
        "prompt_cache at the upstream marks prompts by itself",
    ),
    ("drop_params", "losses = \"drop\" at the upstream"),
    ("callbacks", WATCH),
    ("success_callback", WATCH),
    ("failure_callback", WATCH),
    ("service_callback", WATCH),
    (
        "cache_params",
        "the cache is in the gateway's memory; see docs/cache.md",
    ),
    ("redis_host", SHARED),
    ("redis_port", SHARED),
    ("redis_password", SHARED),
    ("redis_url", SHARED),
    ("max_budget", BUDGETS),
    ("budget_duration", BUDGETS),
    ("provider_budget_config", BUDGETS),
    ("guardrails", "write them as rules; see docs/policies.md"),
    (
        "master_key",
        "make keys with `forebay keys create`; admin.token is the admin's",
    ),
    (
        "database_url",
        "keys are in keys.file; there is no database",
    ),
    ("pass_through_endpoints", "see [[raw]] in docs/endpoints.md"),
    ("include", "import each file by itself, with --out"),
];

const KEY_LIMITS: &str = "limits belong to keys and tenants; see docs/authentication.md";
pub(super) const ORDER: &str =
    "upstreams are tried in this file's order; see strategy = \"score\" in docs/operations.md";
const RETRIES: &str = "[retries] holds for all upstreams";
const TIMEOUTS: &str = "set timeouts or model_timeouts at the upstream; see docs/operations.md";
const BEDROCK: &str = "see docs/providers/bedrock.md for [upstreams.auth]";
const AZURE: &str = "see docs/providers/azure.md for [upstreams.auth]";
const HEADERS: &str = "set headers at the upstream; secrets in them as env:NAME";
const WATCH: &str = "metrics are at /metrics of the admin address, traces go to [telemetry] otlp";
const SHARED: &str = "each gateway counts and caches by itself";
const BUDGETS: &str =
    "there are no budgets over time; budget_micro_usd in [[tenants]] bounds one request";

/// `; and the hint`, or nothing.
pub(super) fn of(path: &str) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let found = INSTEAD.iter().find(|(name, _)| *name == last);
    found.map_or_else(String::new, |(_, hint)| format!("; {hint}"))
}
