//! What Google's models refuse of thinking and limits.

use super::aim::Fitted;
use super::claude::limit;
use super::family::Gemini;
use crate::exchange::{ChatRequest, Effort};

pub(super) fn fit(request: &mut ChatRequest<'_>, model: Gemini, fitted: &mut Fitted) {
    limit(&mut request.sampling.max_tokens, model.max_output, fitted);
    let Some(reasoning) = &mut request.reasoning else {
        return;
    };
    if !model.thinks {
        let off = reasoning.effort == Some(Effort::None) || reasoning.budget == Some(0);
        if !off {
            fitted.lose("reasoning", "this model does not think");
        }
        request.reasoning = None;
        return;
    }
    let off = reasoning.effort == Some(Effort::None) || reasoning.budget == Some(0);
    let lacking = |effort: &Effort| model.lacks.contains(effort);
    if let Some(asked) = reasoning.effort.filter(lacking) {
        reasoning.effort = Some(match asked {
            Effort::Minimal => Effort::Low,
            _ => Effort::High,
        });
        let why = "this model does not have this thinking level; the nearest one was sent";
        fitted.lose("reasoning_effort", why);
        return;
    }
    if off && model.third {
        // The third generation has levels, and none of them is off.
        reasoning.budget = None;
        reasoning.effort = Some(match model.least_budget {
            128 => Effort::Low,
            _ => Effort::Minimal,
        });
    } else if off && model.least_budget > 0 {
        reasoning.effort = None;
        reasoning.budget = Some(model.least_budget);
    } else if let Some(budget) = &mut reasoning.budget
        && !off
    {
        *budget = (*budget).clamp(model.least_budget, model.most_budget);
    } else {
        return;
    }
    if off {
        let why = "this model can't turn thinking off; the lowest effort was sent";
        fitted.lose("reasoning_effort", why);
    }
}
