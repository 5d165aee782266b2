//! Reads LiteLLM's `config.yaml`: models, fallbacks, keys' names and limits. What can't be imported is listed.

mod address;
mod fallbacks;
mod instead;
mod model;
mod providers;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::Value;

use super::{Plan, Upstream};
use model::TAKEN;

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
        model::read((position, entry), &file, &mut members, &mut plan);
    }
    members.list(&mut plan);
    credentials(&file, models, &mut plan);
    in_turns(&mut plan);
    fallbacks::import(&file, &mut plan);
    fallbacks::aliases(&file, &mut plan);
    settings::import(&file, &mut plan);
    Ok(plan)
}

/// What reading the models collects.
#[derive(Default)]
struct Members {
    /// What models say that is not imported: each member once, with the models that have it.
    left_out: BTreeMap<String, Vec<usize>>,
    /// The literal keys, each with the variable that takes its place.
    literals: BTreeMap<String, String>,
    /// The models that were read, and where.
    read: Vec<(Upstream, usize)>,
}

impl Members {
    fn add(&mut self, member: String, position: usize) {
        self.left_out.entry(member).or_default().push(position);
    }

    fn list(self, plan: &mut Plan) {
        for (member, positions) in self.left_out {
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

/// What `credential_list` says that no model takes, and models that name a credential that is not there.
fn credentials(file: &Value, models: &[Value], plan: &mut Plan) {
    let named = |entry: &Value| entry["litellm_params"]["litellm_credential_name"].clone();
    let list = file["credential_list"].as_array();
    let list: Vec<&Value> = list.into_iter().flatten().collect();
    for (position, one) in list.iter().enumerate() {
        let name = &one["credential_name"];
        if !models.iter().any(|entry| named(entry) == *name) {
            plan.left_out
                .push(format!("credential_list[{position}]: no model names it"));
            continue;
        }
        for (value, _) in one["credential_values"].as_object().into_iter().flatten() {
            if !TAKEN.contains(&value.as_str()) {
                let instead = instead::of(value);
                plan.left_out.push(format!(
                    "credential_list[{position}].credential_values.{value}{instead}"
                ));
            }
        }
    }
    for (position, entry) in models.iter().enumerate() {
        let name = named(entry);
        if !name.is_null() && !list.iter().any(|one| one["credential_name"] == name) {
            plan.left_out.push(format!(
                "model_list[{position}].litellm_params.litellm_credential_name: there is no credential {name}"
            ));
        }
    }
}

/// LiteLLM sends requests to all deployments of a model in turns, Forebay to the first that can answer.
fn in_turns(plan: &mut Plan) {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for upstream in &plan.upstreams {
        for (name, _) in &upstream.models {
            by_name.entry(name).or_default().push(&upstream.name);
        }
    }
    let lines: Vec<String> = by_name
        .into_iter()
        .filter(|(_, upstreams)| upstreams.len() > 1)
        .map(|(name, upstreams)| {
            format!(
                "sending requests for {name} to {} in turns; {}",
                upstreams.join(", "),
                instead::ORDER
            )
        })
        .collect();
    plan.left_out.extend(lines);
}

/// Adds the model to an upstream that differs in nothing else, or as an upstream of its own.
fn add(mut upstream: Upstream, position: usize, members: &mut Members, plan: &mut Plan) {
    if let Some((_, first)) = members.read.iter().find(|(other, _)| *other == upstream) {
        plan.left_out.push(format!(
            "model_list[{position}]: it is the same as model_list[{first}]"
        ));
        return;
    }
    members.read.push((upstream.clone(), position));
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
