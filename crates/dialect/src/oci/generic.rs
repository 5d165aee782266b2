//! The form for everybody's models, `GENERIC` (`GenericChatRequest`).

use std::collections::HashSet;

use super::message::write_message;
use crate::cohere::{Calls, Losses, NO_PARAMETERS};
use crate::exchange::{
    ChatRequest, Effort, Inexpressible, OutputFormat, Tool, ToolChoice, WriteOptions,
};
use crate::json::write::{List, Object};
use crate::json::{Document, Kind};

/// Values that Oracle has of OpenAI's, in its own spelling: the field, its name, the values.
const WORDS: [(&str, &str, &[&str]); 1] = [("verbosity", "verbosity", &["low", "medium", "high"])];
const TIERS: [&str; 3] = ["auto", "default", "priority"];

pub(super) fn write(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    object.text("apiFormat", "GENERIC");
    if let Some(out) = object.begin("messages") {
        let mut calls = Calls::default();
        let mut list = List::open(out);
        for (at, message) in request.messages.iter().enumerate() {
            losses.message(at, message);
            write_message(at, message, &mut calls, &mut list, losses)?;
        }
        list.close();
    }
    tools(&request.tools, object, losses);
    tool_choice(request, object, losses);
    object.plain("isParallelToolCalls", request.parallel_tool_calls);
    output(request.output.as_ref(), object);
    sampling(request, &options.model, object, losses);
    reasoning(request, object, losses);
    if !request.metadata.is_empty() {
        object.object("metadata", |labels| {
            for (name, value) in &request.metadata {
                labels.label(name, value);
            }
        });
    }
    match request.service_tier.as_deref() {
        Some(tier) if TIERS.contains(&tier) => {
            object.text("serviceTier", &tier.to_ascii_uppercase());
        }
        Some(_) => losses.lose("service_tier", "Oracle has no such tier"),
        None => {}
    }
    extra(request, object, losses);
    Ok(())
}

fn tools(tools: &[Tool<'_>], object: &mut Object<'_>, losses: &mut Losses) {
    if tools.is_empty() {
        return;
    }
    let Some(out) = object.begin("tools") else {
        return;
    };
    let mut list = List::open(out);
    for (at, tool) in tools.iter().enumerate() {
        losses.tool(at, tool);
        if tool.builtin.is_some() {
            let why = "Oracle's tools are functions of the client";
            losses.lose(format!("tools[{at}]"), why);
            continue;
        }
        if tool.strict == Some(true) {
            let why = "Oracle's tools are not strict";
            losses.lose(format!("tools[{at}].strict"), why);
        }
        list.object(|object| {
            object.text("type", "FUNCTION");
            object.text("name", &tool.name);
            if let Some(description) = &tool.description {
                object.text("description", description);
            }
            let parameters = tool.parameters.as_deref();
            object.raw("parameters", parameters.unwrap_or(NO_PARAMETERS));
        });
    }
    list.close();
}

fn tool_choice(request: &ChatRequest<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    let (kind, name) = match &request.tool_choice {
        None => return,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("REQUIRED", None),
        Some(ToolChoice::Tool(name)) => ("FUNCTION", Some(name)),
        Some(ToolChoice::Allowed(names, required)) => {
            let names: HashSet<&str> = names.iter().map(|name| &**name).collect();
            let all = request.tools.iter().all(|tool| names.contains(&*tool.name));
            losses.lose_if(!all, "tool_choice", "Oracle can't narrow the tools down");
            (if *required { "REQUIRED" } else { "AUTO" }, None)
        }
    };
    object.object("toolChoice", |choice| {
        choice.text("type", kind);
        if let Some(name) = name {
            choice.text("name", name);
        }
    });
}

fn output(output: Option<&OutputFormat<'_>>, object: &mut Object<'_>) {
    let Some(output) = output else {
        return;
    };
    object.object("responseFormat", |format| match output {
        OutputFormat::Text => format.text("type", "TEXT"),
        OutputFormat::JsonObject => format.text("type", "JSON_OBJECT"),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            format.text("type", "JSON_SCHEMA");
            format.object("jsonSchema", |object| {
                object.text("name", name);
                if let Some(description) = description {
                    object.text("description", description);
                }
                object.raw("schema", schema);
                object.plain("isStrict", *strict);
            });
        }
    });
}

fn sampling(request: &ChatRequest<'_>, model: &str, object: &mut Object<'_>, losses: &mut Losses) {
    let sampling = &request.sampling;
    // OpenAI's reasoning models refuse the older name, wherever they are served.
    let openai = model.starts_with("openai.") && !model.contains("gpt-oss");
    let max_tokens = ["maxTokens", "maxCompletionTokens"][usize::from(openai)];
    object.plain(max_tokens, sampling.max_tokens);
    object.plain("temperature", sampling.temperature);
    object.plain("topP", sampling.top_p);
    object.plain("topK", sampling.top_k);
    object.plain("numGenerations", sampling.n);
    object.plain("seed", sampling.seed);
    object.texts("stop", &sampling.stop);
    object.plain("frequencyPenalty", sampling.frequency_penalty);
    object.plain("presencePenalty", sampling.presence_penalty);
    if sampling.logprobs {
        // A count of alternatives; nothing less than one asks for any.
        object.plain("logProbs", Some(sampling.top_logprobs.unwrap_or(1).max(1)));
    }
    if let Some(bias) = &sampling.logit_bias {
        object.raw("logitBias", bias);
    }
    losses.lose_if(sampling.min_p.is_some(), "min_p", "Oracle has no min_p");
}

fn reasoning(request: &ChatRequest<'_>, object: &mut Object<'_>, losses: &mut Losses) {
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
            losses.lose("reasoning_effort", "Oracle's efforts end at HIGH");
            "HIGH"
        }
    };
    object.text("reasoningEffort", word);
}

fn extra(request: &ChatRequest<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    let mut placed = Vec::new();
    for field in &request.extra {
        let word = WORDS.iter().find(|(name, ..)| *name == field.name);
        if let Some((name, here, words)) = word
            && let Ok(document) = Document::parse(field.value.as_bytes())
            && document.root().kind() == Kind::String
            && let Some(value) = document.root().as_str()
            && words.contains(&value.as_ref())
        {
            object.text(here, &value.to_ascii_uppercase());
            placed.push(*name);
        }
    }
    losses.extra(request, |name| placed.contains(&name));
}
