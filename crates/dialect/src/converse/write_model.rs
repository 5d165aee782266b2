//! Writes what is asked of the model itself: effort, and fields that only models of one family
//! take and Converse passes on (`additionalModelRequestFields`).

use super::names::is_nova;
use super::object::Open;
use super::write_options::Options;
use crate::anthropic::thinks_by_budget;
use crate::exchange::{Effort, Reasoning};

/// `outputConfig.effort`: `low`, `medium`, `high`, `xhigh` (or `max`).
pub(super) fn effort(options: &mut Options<'_>, config: &mut Open, out: &mut String) {
    let asked = options.request.reasoning.as_ref();
    match asked.and_then(|reasoning| reasoning.effort) {
        // Claude does not think unless it is asked to: `thinking` says so.
        None | Some(Effort::None) => {}
        Some(Effort::Minimal) => {
            config.text("effort", "low", out);
            let why = "Converse's lowest effort is low";
            options.losses.push("reasoning_effort", why);
        }
        Some(effort) => config.text("effort", effort.as_str(), out),
    }
}

/// Members of `additionalModelRequestFields`. `is_free`: tools are declared, and Converse itself
/// demands none of them.
pub(super) fn fields(
    options: &mut Options<'_>,
    is_free: bool,
    fields: &mut Open,
    out: &mut String,
) {
    let request = options.request;
    if let Some(reasoning) = &request.reasoning {
        thinking(options, reasoning, fields, out);
    }
    if let Some(top_k) = request.sampling.top_k {
        if options.claude {
            fields.plain("top_k", top_k, out);
        } else if is_nova(&options.options.model) {
            fields.json("inferenceConfig", &format!("{{\"topK\":{top_k}}}"), out);
        } else {
            options.losses.push("top_k", FAMILY);
        }
    }
    if let Some(choice) = options.own_choice().filter(|_| is_free) {
        fields.json("tool_choice", &choice, out);
        return;
    }
    match request.parallel_tool_calls {
        Some(false) if !request.tools.is_empty() => {
            let why = "Converse can't keep this model to one call at a time";
            options.losses.push("parallel_tool_calls", why);
        }
        // Without tools there is nothing to forbid, and several calls are the rule.
        _ => {}
    }
}

/// Claude's `thinking`.
fn thinking(
    options: &mut Options<'_>,
    reasoning: &Reasoning<'_>,
    fields: &mut Open,
    out: &mut String,
) {
    let is_off = reasoning.budget == Some(0) || reasoning.effort == Some(Effort::None);
    if !options.claude {
        if is_off || reasoning.budget.is_some() || reasoning.adaptive {
            options.losses.push("reasoning", FAMILY);
        } else if reasoning.summary.is_some() {
            options.losses.push("reasoning.summary", FAMILY);
        }
        return;
    }
    let budget = reasoning.budget.or_else(|| shown(options, reasoning));
    let mode = match budget {
        _ if is_off => "disabled",
        Some(_) => "enabled",
        None if reasoning.adaptive || reasoning.summary.is_some() => "adaptive",
        None => return,
    };
    fields.key("thinking", out);
    let mut object = Open::object(out);
    object.text("type", mode, out);
    if let (Some(budget), "enabled") = (budget, mode) {
        object.plain("budget_tokens", budget, out);
    }
    match reasoning.summary.as_deref() {
        Some(shown @ ("summarized" | "omitted")) if mode != "disabled" => {
            object.text("display", shown, out);
        }
        Some("auto" | "concise" | "detailed") if mode != "disabled" => {
            object.text("display", "summarized", out);
        }
        Some(_) => {
            let why = "Claude's thinking has no such way to be shown";
            options.losses.push("reasoning.summary", why);
        }
        None => {}
    }
    object.close(out);
}

/// The budget of a model that thinks by budget only, where its thinking is to be seen and none
/// is named: an effort alone does not show it.
fn shown(options: &Options<'_>, reasoning: &Reasoning<'_>) -> Option<u64> {
    if reasoning.summary.is_none() || !thinks_by_budget(&options.options.model) {
        return None;
    }
    let budget = reasoning.effort.unwrap_or(Effort::Medium).budget();
    // No more can be thought than may be said.
    let most = options
        .request
        .sampling
        .max_tokens
        .map(|tokens| tokens.saturating_sub(1));
    Some(most.map_or(budget, |most| budget.min(most)))
}

const FAMILY: &str = "the model's id does not show a family that is known to take this by Converse";
