//! Writes a plan as a commented `forebay.toml`.

use std::fmt::Write as _;

use super::{Plan, Upstream};

const HEAD: &str = "# Forebay's configuration. `forebay check` finds mistakes, `forebay doctor` tries every upstream,
# `forebay check --schema` prints all settings. A change takes effect when the file is saved.

";

/// The shipped rules, so that a written file screens what the program screens without one.
const RULES: &str = "
# Guardrails. Masked values come back in the answer. See docs/policies.md.
[[policies.guardrails.config.rules]]
name = \"secrets\"            # API keys, private keys and the like are refused
kind = \"secrets\"
action = \"deny\"
apply = [\"input\"]

[[policies.guardrails.config.rules]]
name = \"personal-data\"
kind = \"pii\"
action = \"mask\"
apply = [\"input\"]
entities = [\"EMAIL\", \"CREDIT_CARD\", \"IBAN\"]
";

/// The whole file.
pub(super) fn toml(plan: &Plan) -> String {
    let mut out = HEAD.to_owned();
    let (clients, admin) = ports(plan);
    let _ = write!(
        out,
        "[server]\nlisten = \"127.0.0.1:{clients}\"   # an address beyond loopback needs [keys]\n\n\
         [admin]\nlisten = \"127.0.0.1:{admin}\"   # probes, metrics, cache\n\n"
    );
    keys(plan, &mut out);
    let seconds = |of: Option<u64>| of.map(|of| format!("\"{of}s\""));
    let number = |of: Option<u64>| of.map(|of| of.to_string());
    let cache = "policies.prefix_cache.config";
    let settings = [
        ("retries", "attempts", number(plan.attempts)),
        ("retries", "eject_after", number(plan.eject.0)),
        ("retries", "eject_for", seconds(plan.eject.1)),
        ("timeouts", "total", seconds(plan.timeouts.0)),
        ("timeouts", "first_byte", seconds(plan.timeouts.1)),
        (cache, "ttl", number(plan.ttl)),
        ("log", "format", plan.json_logs.then(|| quoted("json"))),
    ];
    let mut section = "";
    for (name, setting, value) in settings {
        let Some(value) = value else {
            continue;
        };
        if name != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}[{name}]");
            section = name;
        }
        let _ = writeln!(out, "{setting} = {value}");
    }
    if !section.is_empty() {
        out.push('\n');
    }
    if plan.upstreams.is_empty() {
        out += "# Without upstreams the embedded engine answers; it only simulates a model. Add yours here:\n\
                # [[upstreams]]\n# name = \"own-vllm\"\n# provider = \"vllm\"\n# urls = [\"http://10.0.0.7:8000\"]\n";
    } else {
        out += "# In order of preference.\n";
    }
    for one in &plan.upstreams {
        upstream(one, &mut out);
        if plan.drops {
            out += "losses = \"drop\"            # unsupported fields are left out, as with drop_params\n";
        }
    }
    out += RULES;
    if !plan.left_out.is_empty() {
        out += "\n# Not imported:\n";
        for lost in &plan.left_out {
            let _ = writeln!(out, "# - {}", lost.replace('\n', " "));
        }
    }
    out
}

/// The ports for clients and for the admin API: the usual ones, or others where an upstream on this machine
/// has them. llama.cpp's server, for one, listens on 8080.
fn ports(plan: &Plan) -> (u16, u16) {
    let local = |url: &str| {
        let uri: http::Uri = url.parse().ok()?;
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let ip: Option<std::net::IpAddr> = host.parse().ok();
        let here =
            host == "localhost" || ip.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
        here.then(|| uri.port_u16())?
    };
    let urls = plan.upstreams.iter().flat_map(|it| &it.urls);
    let taken: Vec<u16> = urls.filter_map(|url| local(url.as_str())).collect();
    let free = |port: &u16| !taken.contains(port) && !taken.contains(&(port + 1));
    let clients = (8080..9080).step_by(10).find(free).unwrap_or(8080);
    (clients, clients + 1)
}

fn keys(plan: &Plan, out: &mut String) {
    if plan.keys {
        *out += "[keys]\nfile = \"keys.toml\"         # forebay keys create --tenant NAME\n\n";
    }
    let (requests, tokens) = plan.rate;
    if requests.is_some() || tokens.is_some() {
        *out += "[rate]                     # for keys without their own limits\n";
        for (name, value) in [
            ("requests_per_minute", requests),
            ("tokens_per_minute", tokens),
        ] {
            if let Some(value) = value {
                let _ = writeln!(out, "{name} = {value}");
            }
        }
        *out += "\n";
    }
    for tenant in &plan.tenants {
        let _ = write!(out, "[[tenants]]\nname = {}\n\n", quoted(&tenant.name));
    }
}

fn upstream(upstream: &Upstream, out: &mut String) {
    let _ = write!(out, "\n[[upstreams]]\nname = {}\n", quoted(&upstream.name));
    if let Some(provider) = &upstream.provider {
        let _ = writeln!(out, "provider = {}", quoted(provider));
    }
    if !upstream.urls.is_empty() {
        let urls: Vec<String> = upstream.urls.iter().map(|url| quoted(url)).collect();
        let _ = writeln!(out, "urls = [{}]", urls.join(", "));
    }
    if let Some(key) = &upstream.key {
        let _ = writeln!(out, "key = {}", quoted(&format!("env:{key}")));
    }
    if let Some(region) = &upstream.region {
        let _ = writeln!(out, "region = {}", quoted(region));
    }
    if upstream.provider.as_deref() == Some("vllm") {
        *out += "cache_salt = true           # keeps tenants apart in the engine's prefix cache\n";
    }
    if !upstream.models.is_empty() {
        let models: Vec<String> = upstream
            .models
            .iter()
            .map(|(name, id)| format!("{} = {}", quoted(name), quoted(id)))
            .collect();
        let _ = writeln!(
            out,
            "models = {{ {} }}   # name for clients = name at the upstream",
            models.join(", ")
        );
    }
    if let Some((input, output)) = upstream.price {
        let _ = writeln!(
            out,
            "price = {{ input = {input}, output = {output} }}   # millionths of a dollar per million tokens"
        );
    }
    if let Some(tokens) = upstream.context_tokens {
        let _ = writeln!(out, "context_tokens = {tokens}");
    }
    let options = [
        ("api", &upstream.api),
        ("api_version", &upstream.api_version),
        ("project", &upstream.project),
        ("compartment", &upstream.compartment),
    ];
    let options: Vec<String> = options
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} = {}", quoted(value.as_ref()?))))
        .collect();
    if !options.is_empty() {
        let _ = writeln!(out, "options = {{ {} }}", options.join(", "));
    }
}

/// A TOML basic string. JSON's escapes are a subset of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
