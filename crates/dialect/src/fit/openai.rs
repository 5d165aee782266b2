//! What OpenAI's models refuse: sampling where they reason, reasoning where they don't.

use std::borrow::Cow;

use super::aim::{Aim, Fitted};
use super::claude::limit;
use super::family::OpenAi;
use crate::exchange::{ChatRequest, Effort};
use crate::json::{Document, Kind, write};

pub(super) fn fit(request: &mut ChatRequest<'_>, model: OpenAi, fitted: &mut Fitted) {
    limit(&mut request.sampling.max_tokens, model.max_output, fitted);
    reasoning(request, model, fitted);
    sampling(request, model, fitted);
    for tool in &mut request.tools {
        if let Some(schema) = tool.parameters.as_mut() {
            with_properties(schema);
        }
    }
}

fn reasoning(request: &mut ChatRequest<'_>, model: OpenAi, fitted: &mut Fitted) {
    let Some(asked) = &mut request.reasoning else {
        return;
    };
    let effort = asked.effort.or(asked.budget.map(Effort::of_budget));
    if !model.reasons {
        if effort != Some(Effort::None) {
            fitted.lose("reasoning", "this model does not reason");
        }
        request.reasoning = None;
        return;
    }
    let nearest = match effort {
        Some(Effort::None) if !model.none => match model.minimal {
            true => Effort::Minimal,
            false => Effort::Low,
        },
        Some(Effort::Minimal) if !model.minimal => Effort::Low,
        Some(Effort::Max) if !model.xhigh => Effort::High,
        _ => return,
    };
    asked.effort = Some(nearest);
    asked.budget = None;
    let why = "this model does not have this effort level; the nearest one was sent";
    fitted.lose("reasoning_effort", why);
}

/// Since GPT-5.6, chat completions with functions take no effort but `none`.
pub(super) fn beside_tools(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let named = aim.model.strip_prefix("gpt-").unwrap_or_default();
    let version = named.split('-').next().unwrap_or_default();
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let version = (major.parse::<u32>(), minor.parse::<u32>());
    let refuses = matches!(version, (Ok(major), Ok(minor)) if (major, minor) >= (5, 6));
    if !refuses || aim.ways.reasons_with_tools || request.tools.is_empty() {
        return;
    }
    if let Some(asked) = &mut request.reasoning
        && asked.effort.is_some_and(|effort| effort != Effort::None)
    {
        asked.effort = Some(Effort::None);
        asked.budget = None;
        let why = "with tools, this model reasons only in the Responses API";
        fitted.lose("reasoning_effort", why);
    }
}

fn sampling(request: &mut ChatRequest<'_>, model: OpenAi, fitted: &mut Fitted) {
    if model.reasons && !std::mem::take(&mut request.sampling.stop).is_empty() {
        fitted.lose("stop", "OpenAI's reasoning models take no stop sequences");
    }
    let off = request
        .reasoning
        .as_ref()
        .is_some_and(|asked| asked.effort == Some(Effort::None));
    // Without reasoning the newer models sample as others do; absent effort is none there.
    if !model.reasons || (model.none && (off || request.reasoning.is_none())) {
        return;
    }
    let sampling = &mut request.sampling;
    let why = "OpenAI's reasoning models take no other than the default";
    let mut number = |name: &'static str, value: &mut Option<f64>, default: f64| {
        if let Some(value) = value.take()
            && (value - default).abs() > f64::EPSILON
        {
            fitted.lose(name, why);
        }
    };
    number("temperature", &mut sampling.temperature, 1.0);
    number("top_p", &mut sampling.top_p, 1.0);
    number("frequency_penalty", &mut sampling.frequency_penalty, 0.0);
    number("presence_penalty", &mut sampling.presence_penalty, 0.0);
    if std::mem::take(&mut sampling.logprobs) | sampling.top_logprobs.take().is_some() {
        fitted.lose(
            "logprobs",
            "OpenAI's reasoning models return no log probabilities",
        );
    }
    if sampling.logit_bias.take().is_some() {
        fitted.lose("logit_bias", "OpenAI's reasoning models take no bias");
    }
}

/// OpenAI refuses an object's schema without `properties`.
fn with_properties(schema: &mut Cow<'_, str>) {
    let Ok(document) = Document::parse(schema.as_bytes()) else {
        return;
    };
    let root = document.root();
    let is_object = root.says("type", "object");
    let has = root.get("properties").is_some();
    if root.kind() != Kind::Object || has || !is_object {
        return;
    }
    let with = write::with_member(root, |out| write::object(out, "properties", |_| {}));
    *schema = Cow::Owned(with);
}
