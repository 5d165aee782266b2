//! Writes `generationConfig`.

use super::older;
use crate::exchange::{ChatRequest, Effort, Losses, OutputFormat, Reasoning, Sampling};
use crate::fit::reads_json_schema;
use crate::json::write;

/// The most stop sequences that Google takes.
const MAX_STOPS: usize = 5;

pub(super) fn write(request: &ChatRequest<'_>, model: &str, out: &mut String, lost: &mut Losses) {
    write::some_object(out, "generationConfig", |out| {
        sampling(&request.sampling, out, lost);
        if let Some(output) = &request.output {
            form(output, model, out, lost);
        }
        if let Some(reasoning) = &request.reasoning {
            thinking(reasoning, model, out, lost);
        }
        for (own, value) in request.within("generationConfig.") {
            write::raw(out, own, value);
        }
    });
}

fn sampling(sampling: &Sampling<'_>, out: &mut String, lost: &mut Losses) {
    write::plain_if(out, "temperature", sampling.temperature);
    write::plain_if(out, "topP", sampling.top_p);
    write::plain_if(out, "frequencyPenalty", sampling.frequency_penalty);
    write::plain_if(out, "presencePenalty", sampling.presence_penalty);
    let seed = sampling.seed.and_then(|seed| i32::try_from(seed).ok());
    if sampling.seed.is_some() && seed.is_none() {
        lost.push("seed", "Gemini's seeds are 32-bit signed integers");
    }
    write::plain_if(out, "topK", sampling.top_k);
    write::plain_if(out, "candidateCount", sampling.n);
    write::plain_if(out, "maxOutputTokens", sampling.max_tokens);
    write::plain_if(out, "seed", seed);
    write::plain_if(out, "responseLogprobs", sampling.logprobs.then_some(true));
    write::plain_if(out, "logprobs", sampling.top_logprobs);
    if !sampling.stop.is_empty() {
        write::texts(out, "stopSequences", sampling.stop.iter().take(MAX_STOPS));
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

fn form(output: &OutputFormat<'_>, model: &str, out: &mut String, lost: &mut Losses) {
    match output {
        OutputFormat::Text => write::text(out, "responseMimeType", "text/plain"),
        OutputFormat::JsonObject => write::text(out, "responseMimeType", "application/json"),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            // Google always keeps to it.
            strict: _,
        } => {
            write::text(out, "responseMimeType", "application/json");
            match reads_json_schema(model) {
                true => write::raw(out, "responseJsonSchema", schema),
                false => {
                    if let Some(schema) = older::schema(schema) {
                        write::raw(out, "responseSchema", &schema);
                    }
                }
            }
            if name != "response" {
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
    let budget = |tokens: u64, out: &mut String| write::number(out, "thinkingBudget", tokens);
    write::object(out, "thinkingConfig", |out| {
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
                write::text(out, "thinkingLevel", level);
            }
            // The most that the smaller models of the second generation take.
            (Some(effort), None) if model.contains("flash") => {
                budget(effort.budget().min(24_576), out);
            }
            (Some(effort), None) => budget(effort.budget(), out),
            (effort, Some(tokens)) => {
                budget(tokens, out);
                if effort.is_some() {
                    let why = "Gemini accepts a reasoning level or a budget; the budget was sent";
                    lost.push("reasoning_effort", why);
                }
            }
            (None, None) => write::plain(out, "thinkingBudget", -1),
        }
        let hidden = |summary: &str| matches!(summary, "none" | "omitted");
        let summary = reasoning.summary.as_deref();
        if summary.is_some_and(|summary| !hidden(summary)) {
            write::plain(out, "includeThoughts", true);
        }
    });
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
