//! LiteLLM's fallbacks and aliases: which other upstreams serve a model's name, and after which.

use serde_json::Value;

use super::super::{Plan, Upstream};
use super::fresh_name;

/// Fallbacks between models: the fallback's upstream also serves the first model's name, after it.
pub(super) fn import(file: &Value, plan: &mut Plan) {
    let names = served(plan);
    let mut own = Vec::new();
    for section in ["router_settings", "litellm_settings"] {
        let place = format!("{section}.fallbacks");
        for fallback in items(&file[section]["fallbacks"]) {
            let Some(fallback) = fallback.as_object() else {
                plan.left_out.push(format!(
                    "{place}: {} does not name the model that it is for",
                    one(fallback)
                ));
                continue;
            };
            for (from, targets) in fallback {
                // A fallback of an alias is one of the model that it stands for.
                let from = alias_of(file, from).unwrap_or(from);
                let from: Vec<&str> = match from {
                    "*" => names.iter().map(String::as_str).collect(),
                    from => vec![from],
                };
                for from in from {
                    own.push(from.to_owned());
                    fall_back(&place, from, targets, plan);
                }
            }
        }
    }
    for section in ["router_settings", "litellm_settings"] {
        let targets = &file[section]["default_fallbacks"];
        for from in names.iter().filter(|name| !own.contains(name)) {
            fall_back(&format!("{section}.default_fallbacks"), from, targets, plan);
        }
    }
}

/// The items of a list, or the one value that stands in its place.
fn items(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// A value in a message: its text, or that it is none.
fn one(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| "an item".to_owned(), str::to_owned)
}

/// Other names for models. They come last, so that an alias has the model's fallbacks too.
pub(super) fn aliases(file: &Value, plan: &mut Plan) {
    let aliases = file["router_settings"]["model_group_alias"].as_object();
    for alias in aliases.into_iter().flatten().map(|(alias, _)| alias) {
        let target = alias_of(file, alias);
        let mut known = false;
        for upstream in &mut plan.upstreams {
            let named = upstream.models.iter();
            let id = named.filter(|(name, _)| Some(name.as_str()) == target);
            if let Some(id) = id.map(|(_, id)| id.clone()).next() {
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

/// The model that an alias stands for.
fn alias_of<'a>(file: &'a Value, alias: &str) -> Option<&'a str> {
    let target = file["router_settings"]["model_group_alias"].get(alias)?;
    target.as_str().or_else(|| target["model"].as_str())
}

/// The names that clients use, in the order of the file.
fn served(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in plan.upstreams.iter().flat_map(|it| &it.models) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn fall_back(place: &str, from: &str, targets: &Value, plan: &mut Plan) {
    for to in items(targets) {
        let Some(to) = to.as_str() else {
            plan.left_out.push(format!(
                "{place}: from {from} to a model with parameters of its own"
            ));
            continue;
        };
        if to != from && !stands_in(from, to, plan) {
            plan.left_out.push(format!("{place}: from {from} to {to}"));
        }
    }
}

/// Whether there was a model to fall back to.
fn stands_in(from: &str, to: &str, plan: &mut Plan) -> bool {
    let id_of = |upstream: &Upstream, wanted: &str| {
        let mut named = upstream.models.iter().filter(|(name, _)| name == wanted);
        named.next().map(|(_, id)| id.clone())
    };
    let upstreams = plan.upstreams.iter().enumerate();
    let mut targets = upstreams.filter_map(|(at, it)| Some((at, id_of(it, to)?)));
    let Some((at, id)) = targets.next() else {
        return false;
    };
    let serves = |upstream: &Upstream| id_of(upstream, from).is_some();
    let Some(last) = plan.upstreams.iter().rposition(serves) else {
        return false;
    };
    // The file's order is the order of preference, so what is fallen back to comes after.
    let (same, entry) = (plan.upstreams[at].bare(), (from.to_owned(), id));
    let mut later = plan.upstreams.iter_mut().skip(last + 1);
    match later.find(|other| other.bare() == same) {
        Some(other) => other.models.push(entry),
        None => {
            let mut upstream = plan.upstreams[at].clone();
            upstream.models = vec![entry];
            upstream.name = fresh_name(&upstream, plan);
            plan.upstreams.push(upstream);
        }
    }
    true
}
