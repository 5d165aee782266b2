//! Writes `generationConfig`.

use std::fmt::Write as _;

use super::emit::{item, name, string};
use crate::exchange::{ChatRequest, Effort, Losses, OutputFormat, Reasoning, Sampling};
use crate::json::write_json_string;

/// The most stop sequences that Google takes.
const MAX_STOPS: usize = 5;

pub(super) fn write(request: &ChatRequest<'_>, model: &str, out: &mut String, lost: &mut Losses) {
    let start = out.len();
    name(out, "generationConfig");
    out.push('{');
    let empty = out.len();
    sampling(&request.sampling, out, lost);
    if let Some(output) = &request.output {
        form(output, out, lost);
    }
    if let Some(reasoning) = &request.reasoning {
        thinking(reasoning, model, out, lost);
    }
    for field in &request.extra {
        if let Some(own) = field.name.strip_prefix("generationConfig.") {
            name(out, own);
            out.push_str(&field.value);
        }
    }
    if out.len() == empty {
        out.truncate(start);
    } else {
        out.push('}');
    }
}

fn sampling(sampling: &Sampling<'_>, out: &mut String, lost: &mut Losses) {
    let mut number = |member: &str, value: Option<f64>| {
        if let Some(value) = value {
            name(out, member);
            let _ = write!(out, "{value}");
        }
    };
    number("temperature", sampling.temperature);
    number("topP", sampling.top_p);
    number("frequencyPenalty", sampling.frequency_penalty);
    number("presencePenalty", sampling.presence_penalty);
    let seed = sampling.seed.and_then(|seed| i32::try_from(seed).ok());
    if sampling.seed.is_some() && seed.is_none() {
        lost.push("seed", "Gemini's seeds are 32-bit signed integers");
    }
    let mut integer = |member: &str, value: Option<i128>| {
        if let Some(value) = value {
            name(out, member);
            let _ = write!(out, "{value}");
        }
    };
    integer("topK", sampling.top_k.map(i128::from));
    integer("candidateCount", sampling.n.map(i128::from));
    integer("maxOutputTokens", sampling.max_tokens.map(i128::from));
    integer("seed", seed.map(i128::from));
    if sampling.logprobs {
        name(out, "responseLogprobs");
        out.push_str("true");
    }
    if let Some(count) = sampling.top_logprobs {
        name(out, "logprobs");
        let _ = write!(out, "{count}");
    }
    if !sampling.stop.is_empty() {
        name(out, "stopSequences");
        out.push('[');
        for stop in sampling.stop.iter().take(MAX_STOPS) {
            item(out);
            write_json_string(stop, out);
        }
        out.push(']');
    }
    for position in MAX_STOPS..sampling.stop.len() {
        let why = "Gemini takes at most 5 stop sequences";
        lost.push(format!("stop[{position}]"), why);
    }
    if sampling.min_p.is_some() {
        lost.push("min_p", "Gemini has no min_p");
    }
    if sampling.logit_bias.is_some() {
        lost.push("logit_bias", "Gemini has no bias for single tokens");
    }
}

fn form(output: &OutputFormat<'_>, out: &mut String, lost: &mut Losses) {
    match output {
        OutputFormat::Text => string(out, "responseMimeType", "text/plain"),
        OutputFormat::JsonObject => string(out, "responseMimeType", "application/json"),
        OutputFormat::JsonSchema {
            name: label,
            description,
            schema,
            // Google always keeps to it.
            strict: _,
        } => {
            string(out, "responseMimeType", "application/json");
            name(out, "responseJsonSchema");
            out.push_str(schema);
            if label != "response" {
                let why = "Gemini's schemas of answers have no name";
                lost.push("response_format.json_schema.name", why);
            }
            if description.is_some() {
                let why = "Gemini's schemas of answers have no description beside them";
                lost.push("response_format.json_schema.description", why);
            }
        }
    }
}

/// Google takes a level or a budget, and refuses both: levels from the third generation on,
/// budgets everywhere (ai.google.dev/gemini-api/docs/thinking).
fn thinking(reasoning: &Reasoning<'_>, model: &str, out: &mut String, lost: &mut Losses) {
    name(out, "thinkingConfig");
    out.push('{');
    match (reasoning.effort, reasoning.budget) {
        (Some(Effort::None), _) => budget(0, out),
        (Some(effort), None) if is_third_generation(model) => {
            let level = match effort {
                Effort::None | Effort::Minimal => "MINIMAL",
                Effort::Low => "LOW",
                Effort::Medium => "MEDIUM",
                Effort::High => "HIGH",
                Effort::Max => "XHIGH",
            };
            string(out, "thinkingLevel", level);
        }
        // The most that the smaller models of the second generation take.
        (Some(effort), None) if model.contains("flash") => budget(effort.budget().min(24_576), out),
        (Some(effort), None) => budget(effort.budget(), out),
        (effort, Some(tokens)) => {
            budget(tokens, out);
            if effort.is_some() {
                let why = "Gemini takes a level or a budget of reasoning: the budget is sent";
                lost.push("reasoning_effort", why);
            }
        }
        (None, None) => {
            name(out, "thinkingBudget");
            out.push_str("-1");
        }
    }
    let hidden = |summary: &str| matches!(summary, "none" | "omitted");
    if reasoning
        .summary
        .as_deref()
        .is_some_and(|summary| !hidden(summary))
    {
        name(out, "includeThoughts");
        out.push_str("true");
    }
    out.push('}');
}

fn budget(tokens: u64, out: &mut String) {
    name(out, "thinkingBudget");
    let _ = write!(out, "{tokens}");
}

/// Whether a model is of Gemini's third generation or later: it takes levels of thinking, and
/// wants signatures of calls. The names without a version are those of the latest.
pub(super) fn is_third_generation(model: &str) -> bool {
    let Some((_, version)) = model.rsplit_once("gemini-") else {
        return false;
    };
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    match version
        .get(..digits)
        .and_then(|digits| digits.parse::<u32>().ok())
    {
        Some(generation) => generation >= 3,
        None => version.ends_with("-latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_third_generation;

    #[test]
    fn the_generation_is_in_the_name() {
        for model in [
            "gemini-3-pro-preview",
            "models/gemini-3.1-flash",
            "gemini-flash-latest",
        ] {
            assert!(is_third_generation(model), "{model}");
        }
        for model in [
            "gemini-2.5-pro",
            "gemini-1.5-flash",
            "gemma-3-27b-it",
            "tuned/7",
        ] {
            assert!(!is_third_generation(model), "{model}");
        }
    }
}
