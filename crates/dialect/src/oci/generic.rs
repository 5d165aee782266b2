//! The form for everybody's models, `GENERIC` (`GenericChatRequest`).

use std::collections::HashSet;

use super::message::write_message;
use crate::cohere::{Calls, NO_PARAMETERS};
use crate::exchange::{ChatRequest, Draft, Effort, Inexpressible, OutputFormat, Tool, ToolChoice};
use crate::json::{Document, Kind, write};

/// Values that Oracle has of OpenAI's, in its own spelling: the field, its name, the values.
const WORDS: [(&str, &str, &[&str]); 1] = [("verbosity", "verbosity", &["low", "medium", "high"])];
const TIERS: [&str; 3] = ["auto", "default", "priority"];

pub(super) fn write(request: &ChatRequest<'_>, body: &mut Draft<'_>) -> Result<(), Inexpressible> {
    body.text("apiFormat", Some("GENERIC"));
    write::list(body, "messages", |body| {
        let mut calls = Calls::default();
        for (at, message) in request.messages.iter().enumerate() {
            body.lost.message(at, message);
            write_message(at, message, &mut calls, body)?;
        }
        Ok(())
    })?;
    tools(&request.tools, body);
    tool_choice(request, body);
    body.plain("isParallelToolCalls", request.parallel_tool_calls);
    output(request.output.as_ref(), &mut body.out);
    sampling(request, body);
    reasoning(request, body);
    write::some_object(&mut body.out, "metadata", |out| {
        for (name, value) in &request.metadata {
            write::text(out, name, value);
        }
    });
    match request.service_tier.as_deref() {
        Some(tier) if TIERS.contains(&tier) => {
            body.text("serviceTier", Some(&tier.to_ascii_uppercase()));
        }
        Some(_) => body.lose("service_tier", "Oracle has no such tier"),
        None => {}
    }
    extra(request, body);
    Ok(())
}

fn tools(tools: &[Tool<'_>], body: &mut Draft<'_>) {
    if tools.is_empty() {
        return;
    }
    write::list(body, "tools", |body| {
        for (at, tool) in tools.iter().enumerate() {
            body.lost.tool(at, tool);
            if tool.builtin.is_some() {
                let why = "Oracle's tools are functions of the client";
                body.lose(format!("tools[{at}]"), why);
                continue;
            }
            if tool.strict == Some(true) {
                let why = "Oracle's tools are not strict";
                body.lose(format!("tools[{at}].strict"), why);
            }
            write::typed(&mut body.out, "FUNCTION", |out| {
                write::text(out, "name", &tool.name);
                write::text_if(out, "description", tool.description.as_deref());
                let parameters = tool.parameters.as_deref();
                write::raw(out, "parameters", parameters.unwrap_or(NO_PARAMETERS));
            });
        }
    });
}

fn tool_choice(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    let (kind, name) = match &request.tool_choice {
        None => return,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("REQUIRED", None),
        Some(ToolChoice::Tool(name)) => ("FUNCTION", Some(name)),
        Some(ToolChoice::Allowed(names, required)) => {
            let names: HashSet<&str> = names.iter().map(|name| &**name).collect();
            let all = request.tools.iter().all(|tool| names.contains(&*tool.name));
            let why = "Oracle can't narrow the tools down";
            body.lost.lose_if(!all, "tool_choice", why);
            (if *required { "REQUIRED" } else { "AUTO" }, None)
        }
    };
    write::name(&mut body.out, "toolChoice");
    write::typed(&mut body.out, kind, |out| write::text_if(out, "name", name));
}

fn output(output: Option<&OutputFormat<'_>>, out: &mut String) {
    let kind = match output {
        None => return,
        Some(OutputFormat::Text) => "TEXT",
        Some(OutputFormat::JsonObject) => "JSON_OBJECT",
        Some(OutputFormat::JsonSchema { .. }) => "JSON_SCHEMA",
    };
    write::name(out, "responseFormat");
    write::typed(out, kind, |out| {
        if let Some(OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        }) = output
        {
            write::object(out, "jsonSchema", |out| {
                write::text(out, "name", name);
                write::text_if(out, "description", description.as_deref());
                write::raw(out, "schema", schema);
                write::plain_if(out, "isStrict", *strict);
            });
        }
    });
}

fn sampling(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    let sampling = &request.sampling;
    let model = &body.options.model;
    // OpenAI's reasoning models refuse the older name, wherever they are served.
    let openai = model.starts_with("openai.") && !model.contains("gpt-oss");
    let max_tokens = ["maxTokens", "maxCompletionTokens"][usize::from(openai)];
    body.plain(max_tokens, sampling.max_tokens);
    body.plain("temperature", sampling.temperature);
    body.plain("topP", sampling.top_p);
    body.plain("topK", sampling.top_k);
    body.plain("numGenerations", sampling.n);
    body.plain("seed", sampling.seed);
    body.texts("stop", &sampling.stop);
    body.plain("frequencyPenalty", sampling.frequency_penalty);
    body.plain("presencePenalty", sampling.presence_penalty);
    // A count of alternatives; nothing less than one asks for any.
    let alternatives = sampling.top_logprobs.unwrap_or(1).max(1);
    body.plain("logProbs", sampling.logprobs.then_some(alternatives));
    body.raw("logitBias", sampling.logit_bias.as_deref());
    let min_p = sampling.min_p.is_some();
    body.lost.lose_if(min_p, "min_p", "Oracle has no min_p");
}

fn reasoning(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    let Some(reasoning) = &request.reasoning else {
        return;
    };
    let effort = reasoning.effort.or(reasoning.budget.map(Effort::of_budget));
    let word = match effort {
        None => return,
        Some(Effort::None) => "NONE",
        Some(Effort::Minimal) => "MINIMAL",
        Some(Effort::Low) => "LOW",
        Some(Effort::Medium) => "MEDIUM",
        Some(Effort::High) => "HIGH",
        Some(Effort::Max) => {
            body.lose("reasoning_effort", "Oracle's efforts end at HIGH");
            "HIGH"
        }
    };
    body.text("reasoningEffort", Some(word));
}

fn extra(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    let mut placed = Vec::new();
    for field in &request.extra {
        let word = WORDS.iter().find(|(name, ..)| *name == field.name);
        if let Some((name, here, words)) = word
            && let Ok(document) = Document::parse(field.value.as_bytes())
            && document.root().kind() == Kind::String
            && let Some(value) = document.root().as_str()
            && words.contains(&value.as_ref())
        {
            body.text(here, Some(&value.to_ascii_uppercase()));
            placed.push(*name);
        }
    }
    body.lost.extra(request, |name| placed.contains(&name));
}
