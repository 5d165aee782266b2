//! The sections of LiteLLM's file beside its models: limits, retries, timeouts, teams.

use serde_json::Value;

use super::super::{Plan, Tenant};
use super::instead;

const SECTIONS: [&str; 3] = ["router_settings", "litellm_settings", "general_settings"];

pub(super) fn import(file: &Value, plan: &mut Plan) {
    for (section, value) in file.as_object().into_iter().flatten() {
        let read = ["model_list", "credential_list"].contains(&section.as_str());
        if !read && !SECTIONS.contains(&section.as_str()) {
            left_out(section, value, plan);
        }
    }
    for section in SECTIONS {
        if !file[section].is_object() && !file[section].is_null() {
            left_out(section, &file[section], plan);
        }
        for (name, value) in file[section].as_object().into_iter().flatten() {
            if !setting(name, value, plan) {
                left_out(&format!("{section}.{name}"), value, plan);
            }
        }
    }
}

/// Whether the setting is imported, or is how Forebay works anyway.
fn setting(name: &str, value: &Value, plan: &mut Plan) -> bool {
    let whole = value.as_u64();
    match (name, whole) {
        ("fallbacks" | "default_fallbacks" | "model_group_alias", _) => {}
        ("num_retries", Some(retries)) => plan.attempts = Some(retries.saturating_add(1)),
        // LiteLLM takes a deployment out after one failure more than it allows.
        ("allowed_fails", Some(fails)) => plan.eject.0 = Some(fails.saturating_add(1)),
        ("cooldown_time", Some(seconds @ 1..)) => plan.eject.1 = Some(seconds),
        ("timeout" | "request_timeout", Some(seconds @ 1..)) => plan.timeouts.0 = Some(seconds),
        ("stream_timeout", Some(seconds @ 1..)) => plan.timeouts.1 = Some(seconds),
        ("master_key", _) => {
            plan.keys = true;
            return false;
        }
        ("default_rpm", Some(rpm)) => plan.rate.0 = Some(rpm),
        ("default_tpm", Some(tpm)) => plan.rate.1 = Some(tpm),
        ("drop_params", _) => plan.drops = value == &Value::Bool(true),
        ("json_logs", _) => plan.json_logs = value == &Value::Bool(true),
        ("default_team_settings", _) => return teams(value, plan),
        ("cache_params", _) => {
            plan.ttl = value["ttl"].as_u64().filter(|ttl| *ttl > 0);
            let imported = |(name, value): (&String, &Value)| match name.as_str() {
                "ttl" => plan.ttl.is_some(),
                "type" => value == "local",
                _ => false,
            };
            return value.as_object().is_some_and(|it| it.iter().all(imported));
        }
        // The cache is on unless a client or a rule says otherwise.
        ("cache", _) => return value == &Value::Bool(true),
        ("set_verbose", _) => {}
        _ => return false,
    }
    true
}

/// Each team becomes a tenant. What it logs to is left out.
fn teams(list: &Value, plan: &mut Plan) -> bool {
    let mut whole = true;
    for team in list.as_array().into_iter().flatten() {
        let name = team["team_id"].as_str().unwrap_or_default();
        let usable = !name.is_empty() && crate::config::unusable_tenant(name).is_none();
        let fresh = plan.tenants.iter().all(|it| it.name != name);
        if usable && fresh {
            plan.tenants.push(Tenant {
                name: name.to_owned(),
            });
        }
        whole &= usable && team.as_object().is_some_and(|it| it.len() == 1);
    }
    whole
}

fn left_out(path: &str, value: &Value, plan: &mut Plan) {
    let instead = instead::of(path);
    plan.left_out
        .push(format!("{path}: {}{instead}", shortened(value)));
}

/// A value in a line of its own; what looks like a secret is not repeated.
fn shortened(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with("os.environ/") => text.clone(),
        Value::String(_) => "(a string)".to_owned(),
        Value::Array(items) if items.len() == 1 => "(1 item)".to_owned(),
        Value::Array(items) => format!("({} items)", items.len()),
        Value::Object(members) => {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            format!("({})", names.join(", "))
        }
        other => other.to_string(),
    }
}
