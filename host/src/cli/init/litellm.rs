//! Reads LiteLLM's `config.yaml`: models, fallbacks, keys' names and limits. What can't be imported is listed.

mod fallbacks;
mod instead;
mod providers;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use super::{Plan, Upstream, without_v1};
use providers::{is_public, provider_of, screaming, split, usual_key, usual_region, variable};

/// The parameters of a model that are imported.
const TAKEN: [&str; 12] = [
    "model",
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "aws_region_name",
    "vertex_location",
    "vertex_project",
    "region_name",
    "litellm_credential_name",
    "input_cost_per_token",
    "output_cost_per_token",
];

/// What `model_info` says that is imported, or that changes nothing here.
const KNOWN_INFO: [&str; 5] = [
    "input_cost_per_token",
    "output_cost_per_token",
    "max_input_tokens",
    "mode",
    "base_model",
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
    let mut members = Members::default();
    for (position, entry) in models.iter().enumerate() {
        model((position, entry), &file, &mut members, &mut plan);
    }
    members.list(&mut plan);
    fallbacks::import(&file, &mut plan);
    fallbacks::aliases(&file, &mut plan);
    settings::import(&file, &mut plan);
    Ok(plan)
}

/// What models say that is not imported: each member once, with the models that have it.
#[derive(Default)]
struct Members(BTreeMap<String, Vec<usize>>);

impl Members {
    fn add(&mut self, member: String, position: usize) {
        self.0.entry(member).or_default().push(position);
    }

    fn list(self, plan: &mut Plan) {
        for (member, positions) in self.0 {
            let first = positions.first().copied().unwrap_or_default();
            let more = match positions.len() {
                0 | 1 => String::new(),
                2 => " (and of 1 more model)".to_owned(),
                n => format!(" (and of {} more models)", n - 1),
            };
            let instead = instead::of(&member);
            plan.left_out
                .push(format!("model_list[{first}].{member}{more}{instead}"));
        }
    }
}

/// The values that a model takes from `credential_list`.
fn credential<'a>(file: &'a Value, parameters: &Value) -> &'a Value {
    let name = &parameters["litellm_credential_name"];
    let list = file["credential_list"].as_array().into_iter().flatten();
    let mut named = list.filter(|one| name.is_string() && one["credential_name"] == *name);
    named
        .next()
        .map_or(&Value::Null, |one| &one["credential_values"])
}

fn model((position, entry): (usize, &Value), file: &Value, members: &mut Members, plan: &mut Plan) {
    let path = |rest: &str| format!("model_list[{position}]{rest}");
    let parameters = &entry["litellm_params"];
    let shared = credential(file, parameters);
    let text = |name: &str| {
        let own = parameters.get(name).and_then(Value::as_str);
        own.or_else(|| shared.get(name).and_then(Value::as_str))
    };
    let (Some(name), Some(model)) = (
        entry.get("model_name").and_then(Value::as_str),
        text("model"),
    ) else {
        plan.left_out
            .push(path(": it has no model_name or no litellm_params.model"));
        return;
    };
    let base = text("api_base").or_else(|| text("base_url"));
    let provider = match provider(model, base) {
        Ok(provider) => provider,
        Err(why) => {
            plan.left_out.push(path(&why));
            return;
        }
    };
    let models = match names(name, model) {
        Ok((models, note)) => {
            plan.left_out.extend(note.map(|note| path(&note)));
            models
        }
        Err(why) => {
            plan.left_out.push(path(&why));
            return;
        }
    };
    rest(position, entry, members);
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
        price: price(entry),
        context_tokens: entry["model_info"]["max_input_tokens"].as_u64(),
    };
    add(upstream, plan);
}

/// Our provider of a model. None: any server that speaks OpenAI's API.
fn provider(model: &str, base: Option<&str>) -> Result<Option<&'static str>, String> {
    let (prefix, _) = split(model);
    match (provider_of(prefix), base) {
        // LiteLLM writes openai/ for any server that speaks OpenAI's API.
        (Some("openai"), Some(base)) if !is_public(Some("openai"), base) => Ok(None),
        (Some(provider), _) => Ok(Some(provider)),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(format!(
            ": the provider \"{prefix}\" of {model} is not known; add an [[upstreams]] table with its urls"
        )),
    }
}

/// Names that clients use, each with the id that it stands for.
type Names = Vec<(String, String)>;

/// The names that clients use and the ids that they stand for, and what clients have to know of it. No names:
/// the upstream serves every model by its own name.
fn names(name: &str, model: &str) -> Result<(Names, Option<String>), String> {
    let (_, id) = split(model);
    match (name, id) {
        (name, id) if !name.contains('*') && !id.contains('*') => {
            Ok((vec![(name.to_owned(), id.to_owned())], None))
        }
        ("*", "*") => Ok((Vec::new(), None)),
        (name, "*") if name.ends_with("/*") => {
            let note = format!(
                ".model_name: clients leave out \"{}\" and use the provider's own names of models",
                name.trim_end_matches('*')
            );
            Ok((Vec::new(), Some(note)))
        }
        // The same names on both sides, such as claude-* for anthropic/claude-*.
        (name, id) if name == id || name == model => {
            let note = format!(
                ": the pattern {name}: the upstream serves every model, by the provider's own name"
            );
            Ok((Vec::new(), Some(note)))
        }
        _ => Err(format!(
            ": the pattern {name} for {model}; list the models in models = {{ }}"
        )),
    }
}

/// Whatever else an entry says.
fn rest(position: usize, entry: &Value, members: &mut Members) {
    for (member, _) in entry.as_object().into_iter().flatten() {
        if !["model_name", "litellm_params", "model_info"].contains(&member.as_str()) {
            members.add(member.clone(), position);
        }
    }
    let tables: [(&str, &[&str]); 2] = [("litellm_params", &TAKEN), ("model_info", &KNOWN_INFO)];
    for (table, known) in tables {
        for (member, _) in entry[table].as_object().into_iter().flatten() {
            if !known.contains(&member.as_str()) {
                members.add(format!("{table}.{member}"), position);
            }
        }
    }
}

/// What tokens of the prompt and of the answer cost, in millionths of a dollar per million. LiteLLM has
/// dollars per token, in either table.
fn price(entry: &Value) -> Option<(u64, u64)> {
    let of = |name: &str| {
        let tables = ["model_info", "litellm_params"].into_iter();
        let usd = tables
            .filter_map(|table| number(&entry[table][name]))
            .next()?;
        let price = (usd * 1e12).round();
        // A million dollars for a token is a mistake; below that every whole number is exact enough.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (0.0..1e18).contains(&price).then_some(price as u64)
    };
    Some((of("input_cost_per_token")?, of("output_cost_per_token")?))
}

/// YAML's `1.5e-7` is a text for some of its readers.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
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
        fresh && other.bare() == upstream.bare()
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

#[cfg(test)]
mod tests;
