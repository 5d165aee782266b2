//! Writes the output limit, how the model is to think, which takes from it, and the form of
//! what it answers.

use super::body::{Body, model};
use super::names::{self, Thinking};
use crate::exchange::{ChatRequest, Effort, OutputFormat, Reasoning};
use crate::json::write;

/// The output limit where neither the client nor the target's settings name one.
const FALLBACK_MAX_TOKENS: u64 = 4096;
/// The least that Anthropic takes as a budget for thinking.
const MIN_BUDGET: u64 = 1024;

/// Writes the output limit, and how the model is to think, which takes from it.
pub(super) fn limits(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let named = request.sampling.max_tokens;
    let default = match body.options.default_max_tokens {
        0 => FALLBACK_MAX_TOKENS,
        tokens => tokens,
    };
    let mut limit = named.unwrap_or(default);
    let thinking = request
        .reasoning
        .as_ref()
        .and_then(|reasoning| thinking(reasoning, model(request, body.options)));
    if let Some(Mode::Budget(budget)) = &thinking {
        let budget = (*budget).max(MIN_BUDGET);
        if named.is_none() && limit <= budget {
            limit = budget + default;
        }
        if budget < limit {
            asked("enabled", Some(budget), request, body);
        } else if limit > MIN_BUDGET {
            // No more can be thought than may be said.
            asked("enabled", Some(limit - 1), request, body);
        } else {
            let why = "Anthropic's thinking needs an output limit of more than 1,024 tokens";
            body.lose("reasoning", why);
        }
    }
    match thinking {
        Some(Mode::Adaptive) => asked("adaptive", None, request, body),
        Some(Mode::Disabled) => asked("disabled", None, request, body),
        _ => {}
    }
    body.plain("max_tokens", Some(limit));
}

enum Mode {
    Adaptive,
    Budget(u64),
    Disabled,
}

fn thinking(reasoning: &Reasoning<'_>, model: &str) -> Option<Mode> {
    let by_effort = || reasoning.effort.unwrap_or(Effort::Medium).budget();
    let off = reasoning.budget == Some(0)
        || (reasoning.effort == Some(Effort::None) && reasoning.budget.is_none());
    if off && !reasoning.adaptive {
        return Some(Mode::Disabled);
    }
    Some(match (names::thinking_of(model), reasoning.budget) {
        (Thinking::Budget, budget) => Mode::Budget(budget.unwrap_or_else(by_effort)),
        (Thinking::Either, Some(budget)) if !reasoning.adaptive => Mode::Budget(budget),
        _ => Mode::Adaptive,
    })
}

/// Writes `thinking`, and whether it is shown: Anthropic's own words, and everybody else's for yes.
fn asked(mode: &str, budget: Option<u64>, request: &ChatRequest<'_>, body: &mut Body<'_>) {
    if !body.is_free("thinking") {
        return;
    }
    let reasoning = request.reasoning.as_ref();
    let summary = reasoning.and_then(|reasoning| reasoning.summary.as_deref());
    let shown = summary.map(|summary| match summary {
        "omitted" | "none" => "omitted",
        _ => "summarized",
    });
    write::object(&mut body.out, "thinking", |out| {
        write::text(out, "type", mode);
        write::plain_if(out, "budget_tokens", budget);
        write::text_if(out, "display", shown.filter(|_| mode != "disabled"));
    });
}

/// Writes `output_config`: effort and the form of the answer.
pub(super) fn output(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let effort = effort(request, body);
    let schema = form(request.output.as_ref(), body);
    if !body.is_free("output_config") {
        return;
    }
    write::some_object(&mut body.out, "output_config", |out| {
        write::text_if(out, "effort", effort);
        if let Some(schema) = schema {
            write::object(out, "format", |out| {
                write::text(out, "type", "json_schema");
                write::raw(out, "schema", schema);
            });
        }
        for (own, value) in request.within("output_config.") {
            write::raw(out, own, value);
        }
    });
}

/// The schema that the answer is to keep to.
fn form<'f>(output: Option<&'f OutputFormat<'_>>, body: &mut Body<'_>) -> Option<&'f str> {
    match output? {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            let why = "Anthropic's messages keep to a schema, or to nothing: name one";
            body.lose("response_format", why);
            None
        }
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            ..
        } => {
            if description.is_some() {
                let why = "Anthropic's output format has no description beside the schema's own";
                body.lose("response_format.json_schema.description", why);
            }
            if name != "response" {
                let why = "Anthropic's output format has no name";
                body.lose("response_format.json_schema.name", why);
            }
            Some(schema)
        }
    }
}

/// Anthropic's word. Models that take budgets only know no effort; Opus 4.5 takes both.
fn effort(request: &ChatRequest<'_>, body: &Body<'_>) -> Option<&'static str> {
    let reasoning = request.reasoning.as_ref()?;
    let model = model(request, body.options);
    let budget = reasoning.budget.filter(|budget| *budget > 0);
    let takes = names::thinking_of(model);
    let effort = match (reasoning.effort, budget) {
        (Some(_), _) if takes == Thinking::Budget && !model.contains("opus-4-5") => return None,
        (Some(effort), _) => effort,
        (None, Some(budget)) if takes == Thinking::Adaptive => Effort::of_budget(budget),
        (None, _) => return None,
    };
    Some(match effort {
        Effort::None => return None,
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max => "max",
    })
}
