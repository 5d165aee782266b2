//! Writes what is asked of the model itself: effort, and fields that only models of one family
//! take and Converse passes on (`additionalModelRequestFields`).

use super::names::is_nova;
use super::write_options::Options;
use crate::anthropic::thinks_by_budget;
use crate::exchange::{Effort, Reasoning};
use crate::json::write;

/// `outputConfig.effort`: `low`, `medium`, `high`, `xhigh` (or `max`).
pub(super) fn effort(options: &mut Options<'_>, out: &mut String) {
    let asked = options.request.reasoning.as_ref();
    match asked.and_then(|reasoning| reasoning.effort) {
        // Claude does not think unless it is asked to: `thinking` says so.
        None | Some(Effort::None) => {}
        Some(Effort::Minimal) => {
            write::text(out, "effort", "low");
            let why = "Converse's lowest effort is low";
            options.losses.push("reasoning_effort", why);
        }
        Some(effort) => write::text(out, "effort", effort.as_str()),
    }
}

/// Members of `additionalModelRequestFields`. `is_free`: tools are declared, and Converse itself
/// demands none of them.
pub(super) fn fields(options: &mut Options<'_>, is_free: bool, out: &mut String) {
    let request = options.request;
    if let Some(reasoning) = &request.reasoning {
        thinking(options, reasoning, out);
    }
    if let Some(top_k) = request.sampling.top_k {
        if options.claude {
            write::plain(out, "top_k", top_k);
        } else if is_nova(&options.options.model) {
            write::object(out, "inferenceConfig", |out| {
                write::plain(out, "topK", top_k)
            });
        } else {
            options.losses.push("top_k", FAMILY);
        }
    }
    if let Some(choice) = options.own_choice().filter(|_| is_free) {
        write::raw(out, "tool_choice", &choice);
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
fn thinking(options: &mut Options<'_>, reasoning: &Reasoning<'_>, out: &mut String) {
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
    let display = match reasoning.summary.as_deref() {
        None => None,
        Some(shown @ ("summarized" | "omitted")) if mode != "disabled" => Some(shown),
        Some("auto" | "concise" | "detailed") if mode != "disabled" => Some("summarized"),
        Some(_) => {
            let why = "Claude's thinking has no such way to be shown";
            options.losses.push("reasoning.summary", why);
            None
        }
    };
    write::object(out, "thinking", |out| {
        write::text(out, "type", mode);
        write::plain_if(out, "budget_tokens", budget.filter(|_| mode == "enabled"));
        write::text_if(out, "display", display);
    });
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
