//! What Anthropic's models refuse of thinking, sampling and tools together.

use super::aim::{Aim, Fitted};
use super::family::{Claude, Thinks};
use crate::exchange::{ChatRequest, Content, Effort, Message, Part, Reasoning, Role, ToolChoice};

/// The least that Anthropic takes as a budget for thinking.
const LEAST_BUDGET: u64 = 1024;
/// The least `top_p` beside thinking.
const LEAST_TOP_P: f64 = 0.95;

pub(super) fn fit(
    request: &mut ChatRequest<'_>,
    aim: &Aim<'_>,
    model: Claude,
    fitted: &mut Fitted,
) {
    limit(&mut request.sampling.max_tokens, model.max_output, fitted);
    stops(request, fitted);
    if !model.goes_on {
        ends_with_user(request, fitted);
    }
    let thinks = thinking(request, aim, model, fitted);
    sampling(request, model, thinks, fitted);
}

/// An output limit above what the model takes is that of the model.
pub(super) fn limit(asked: &mut Option<u64>, most: u64, fitted: &mut Fitted) {
    if asked.is_some_and(|asked| asked > most) {
        *asked = Some(most);
        let why = "it is above this model's output limit, which was sent instead";
        fitted.lose("max_tokens", why);
    }
}

/// Anthropic's models refuse sequences of nothing but white space.
fn stops(request: &mut ChatRequest<'_>, fitted: &mut Fitted) {
    let stop = &mut request.sampling.stop;
    let all = stop.len();
    stop.retain(|stop| !stop.trim().is_empty());
    if stop.len() < all {
        let why = "Anthropic's models take no stop sequence of white space";
        fitted.lose("stop", why);
    }
}

const GO_ON: &str = "Go on from exactly where your last message ends. Repeat none of it.";

/// Newer models refuse a conversation that ends with the beginning of their answer.
fn ends_with_user(request: &mut ChatRequest<'_>, fitted: &mut Fitted) {
    if !begins_the_answer(request) {
        return;
    }
    let was = fitted.message(request.messages.len().saturating_sub(1));
    let why =
        "this model does not continue a prefilled answer; an instruction to continue was sent";
    fitted.lose(format!("messages[{was}].role"), why);
    fitted.messages.push(was);
    let message = Message::new(Role::User, vec![Part::text(GO_ON)]);
    request.messages.push(message);
}

/// Whether the request asks for thinking, rather than against it.
fn asks(reasoning: &Reasoning<'_>) -> bool {
    let off = reasoning.budget == Some(0)
        || (reasoning.effort == Some(Effort::None) && reasoning.budget.is_none());
    reasoning.adaptive || !off
}

/// Fits what is asked of thinking; whether the model will think.
fn thinking(
    request: &mut ChatRequest<'_>,
    aim: &Aim<'_>,
    model: Claude,
    fitted: &mut Fitted,
) -> bool {
    let Some(reasoning) = request.reasoning.as_ref() else {
        return false;
    };
    if !asks(reasoning) {
        if model.thinks == Thinks::Never {
            // It doesn't anyway, and knows no word for it.
            request.reasoning = None;
        }
        return false;
    }
    let by_budget = match model.thinks {
        Thinks::Budget => true,
        Thinks::Either => reasoning.budget.is_some() && !reasoning.adaptive,
        Thinks::Never | Thinks::Adaptive => false,
    };
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Allowed(_, true))
    );
    let why = if model.thinks == Thinks::Never {
        Some("this model does not think")
    } else if forced && !request.tools.is_empty() {
        Some("Anthropic's models don't think where a tool has to be called")
    } else if by_budget && !begins_with_thoughts(request) {
        Some("the turn started without signed thinking, so it can't continue with it")
    } else if begins_the_answer(request) {
        Some("Anthropic's models don't think where the answer's beginning is given")
    } else {
        None
    };
    if let Some(why) = why {
        request.reasoning = None;
        fitted.lose("reasoning", why);
        return false;
    }
    if by_budget {
        return budget(request, aim, model, fitted);
    }
    let reasoning = request.reasoning.get_or_insert_default();
    reasoning.adaptive |= aim.ways.adapts;
    true
}

/// With a budget, the turn that goes on (calls and their results) must have begun with thinking.
fn begins_with_thoughts(request: &ChatRequest<'_>) -> bool {
    let goes_on = request
        .messages
        .last()
        .is_some_and(|m| m.role == Role::Tool);
    if !goes_on {
        return true;
    }
    let mut said = request.messages.iter().rev();
    let Some(answer) = said.find(|message| message.role == Role::Assistant) else {
        return true;
    };
    let first = answer.parts.first().map(|part| &part.content);
    matches!(first, Some(Content::Reasoning(thought)) if thought.is_sealed())
}

fn begins_the_answer(request: &ChatRequest<'_>) -> bool {
    let last = request.messages.last();
    last.is_some_and(|last| last.role == Role::Assistant)
}

/// A budget below the output limit, with a quarter of the limit left for the answer.
fn budget(
    request: &mut ChatRequest<'_>,
    aim: &Aim<'_>,
    model: Claude,
    fitted: &mut Fitted,
) -> bool {
    let named = request.sampling.max_tokens;
    let reasoning = request.reasoning.get_or_insert_default();
    let asked = reasoning.budget;
    let wanted = asked
        .unwrap_or_else(|| reasoning.effort.unwrap_or(Effort::Medium).budget())
        .max(LEAST_BUDGET);
    let limit = match named {
        Some(limit) => limit,
        None => aim
            .default_max_tokens
            .max(wanted.saturating_add(aim.default_max_tokens))
            .min(model.max_output),
    };
    // A client that counts in tokens itself knows what it leaves for the answer.
    let most = match asked {
        Some(asked) if asked < limit => asked,
        _ => limit - limit / 4,
    };
    let budget = wanted.min(most);
    if budget < LEAST_BUDGET || budget >= limit {
        request.reasoning = None;
        let why = "thinking needs an output limit that leaves 1,024 tokens for it";
        fitted.lose("reasoning", why);
        return false;
    }
    reasoning.budget = Some(budget);
    reasoning.adaptive = false;
    if !model.effort {
        reasoning.effort = None;
    }
    request.sampling.max_tokens = Some(limit);
    true
}

fn sampling(request: &mut ChatRequest<'_>, model: Claude, thinks: bool, fitted: &mut Fitted) {
    let sampling = &mut request.sampling;
    let is_default = |value: f64| (value - 1.0).abs() < f64::EPSILON;
    let why = match (model.sampling, thinks) {
        (false, _) => Some("this model does not accept sampling settings"),
        (true, true) => Some("Anthropic's models don't take it while they think"),
        _ => None,
    };
    if let Some(why) = why {
        if let Some(temperature) = sampling.temperature.take()
            && !is_default(temperature)
        {
            fitted.lose("temperature", why);
        }
        let keeps = |top_p: f64| model.sampling && top_p >= LEAST_TOP_P;
        if let Some(top_p) = sampling.top_p.take_if(|top_p| !keeps(*top_p))
            && !is_default(top_p)
        {
            fitted.lose("top_p", why);
        }
        if sampling.top_k.take().is_some() {
            fitted.lose("top_k", why);
        }
    }
    if !model.both && sampling.temperature.is_some() && sampling.top_p.is_some() {
        let top_p = sampling.top_p.take();
        if !top_p.is_some_and(is_default) {
            let why = "this model takes temperature or top_p, not both";
            fitted.lose("top_p", why);
        }
    }
}
