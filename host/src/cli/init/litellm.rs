//! Reads LiteLLM's `config.yaml`: models, fallbacks, keys' names and limits. What can't be imported is listed.

mod providers;

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

use super::{Plan, Upstream, without_v1};
use providers::{is_public, provider_of, screaming, split, usual_key, usual_region, variable};

/// The parameters of a model that are imported.
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
    let mut file: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(text).context("it is not valid YAML")?;
    // `<<: *defaults` in a model.
    file.apply_merge().context("it is not valid YAML")?;
    let file = serde_json::to_value(file).context("a key is not a string")?;
    let mut plan = Plan::default();
    let models = file
        .get("model_list")
        .and_then(Value::as_array)
        .context("it has no model_list, so it is not LiteLLM's config.yaml")?;
    for (position, entry) in models.iter().enumerate() {
        model(position, entry, &mut plan);
    }
    aliases(&file, &mut plan);
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
    let (prefix, id) = split(model);
    let base = text("api_base").or_else(|| text("base_url"));
    let provider = match (provider_of(prefix), base) {
        // LiteLLM writes openai/ for any server that speaks OpenAI's API.
        (Some("openai"), Some(base)) if !is_public(Some("openai"), base) => None,
        (Some(provider), _) => Some(provider),
        (None, Some(_)) => None,
        (None, None) => {
            plan.left_out.push(path(&format!(
                ": the provider \"{prefix}\" of {model} is not known; add an [[upstreams]] table with its urls"
            )));
            return;
        }
    };
    let models = match (name, id) {
        (name, id) if !name.contains('*') && !id.contains('*') => {
            vec![(name.to_owned(), id.to_owned())]
        }
        // An upstream without a list of models serves every model by its own name.
        ("*", "*") => Vec::new(),
        (name, "*") if name.ends_with("/*") => {
            plan.left_out.push(path(&format!(
                ".model_name: clients leave out \"{}\" and use the provider's own names of models",
                name.trim_end_matches('*')
            )));
            Vec::new()
        }
        _ => {
            plan.left_out.push(path(&format!(
                ": the pattern {name} for {model}; list the models in models = {{ }}"
            )));
            return;
        }
    };
    // Whatever else the entry says, such as prices in model_info.
    for (member, _) in entry.as_object().into_iter().flatten() {
        if !["model_name", "litellm_params"].contains(&member.as_str()) {
            plan.left_out.push(path(&format!(".{member}")));
        }
    }
    for (parameter, _) in parameters.as_object().into_iter().flatten() {
        if !TAKEN.contains(&parameter.as_str()) {
            plan.left_out
                .push(path(&format!(".litellm_params.{parameter}")));
        }
    }
    let key = key(position, name, provider, text("api_key"), plan);
    let mut literal = |parameter: &'static str| {
        let value = text(parameter)?;
        if variable(value).is_some() {
            plan.left_out.push(path(&format!(
                ".litellm_params.{parameter}: {value}; write the value itself"
            )));
            return None;
        }
        Some(value.to_owned())
    };
    let regions = ["aws_region_name", "region_name", "vertex_location"];
    let region = regions.into_iter().find_map(&mut literal);
    let api_version = literal("api_version").filter(|_| provider == Some("azure"));
    let project = literal("vertex_project");
    let region = region.or_else(|| {
        let usual = usual_region(provider?)?;
        plan.left_out.push(path(&format!(
            ": no region is named; {usual} was assumed, change region if it is another"
        )));
        Some(usual.to_owned())
    });
    // Where LiteLLM finds the address of an Azure resource if no model names it.
    let base = base.or((provider == Some("azure")).then_some("os.environ/AZURE_API_BASE"));
    let upstream = Upstream {
        name: String::new(),
        provider: provider.map(str::to_owned),
        urls: base
            .filter(|base| !is_public(provider, base))
            .map(|base| match variable(base) {
                Some(variable) => format!("env:{variable}"),
                None => without_v1(base),
            })
            .into_iter()
            .collect(),
        key,
        models,
        region,
        api_version,
        project,
    };
    add(upstream, plan);
}

/// The variable that holds a model's key.
fn key(
    position: usize,
    name: &str,
    provider: Option<&str>,
    given: Option<&str>,
    plan: &mut Plan,
) -> Option<String> {
    let Some(given) = given else {
        return provider.and_then(usual_key);
    };
    if let Some(variable) = variable(given) {
        return Some(variable.to_owned());
    }
    // Engines without keys get a word in the place of one.
    if given.len() < 12 || provider.is_none() && given.starts_with("sk-1234") {
        return None;
    }
    // A secret in the file stays out of ours.
    let variable = format!("{}_API_KEY", screaming(name));
    plan.left_out.push(format!(
        "model_list[{position}].litellm_params.api_key is a literal secret: put it into the environment as {variable}"
    ));
    Some(variable)
}

/// Adds the model to an upstream that differs in nothing else, or as an upstream of its own.
fn add(mut upstream: Upstream, plan: &mut Plan) {
    let same = plan.upstreams.iter_mut().find(|other| {
        // One that serves every model would serve only those that are listed.
        let alike = upstream.models.is_empty() == other.models.is_empty();
        let taken = |name: &str| other.models.iter().any(|(taken, _)| taken == name);
        let fresh = alike && upstream.models.iter().all(|(name, _)| !taken(name));
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

/// Other names for models.
fn aliases(file: &Value, plan: &mut Plan) {
    let aliases = file["router_settings"].get("model_group_alias");
    for (alias, target) in aliases.and_then(Value::as_object).into_iter().flatten() {
        let target = target.as_str().or_else(|| target["model"].as_str());
        let mut known = false;
        for upstream in &mut plan.upstreams {
            let id = upstream
                .models
                .iter()
                .find(|(name, _)| Some(name.as_str()) == target)
                .map(|(_, id)| id.clone());
            if let Some(id) = id {
                upstream.models.push((alias.clone(), id));
                known = true;
            }
        }
        if !known {
            plan.left_out
                .push(format!("router_settings.model_group_alias.{alias}"));
        }
    }
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
                ("fallbacks" | "default_fallbacks" | "model_group_alias", _) => {}
                ("num_retries", Some(retries)) => plan.attempts = Some(retries + 1),
                ("master_key", _) => {
                    plan.keys = true;
                    plan.left_out.push("general_settings.master_key: keys are made with `forebay keys create`, the admin token with admin.token".to_owned());
                }
                ("default_rpm", Some(rpm)) => plan.rate.0 = Some(rpm),
                ("default_tpm", Some(tpm)) => plan.rate.1 = Some(tpm),
                ("drop_params", _) => plan.drops = value == &Value::Bool(true),
                // The cache is on unless a client or a rule says otherwise.
                ("cache" | "set_verbose", _) => {}
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
        Value::String(_) => "(a string)".to_owned(),
        Value::Array(items) => format!("({} items)", items.len()),
        Value::Object(members) => {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            format!("({})", names.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
