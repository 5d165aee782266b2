//! The form for everybody's models, `GENERIC` (`GenericChatRequest`).

use crate::cohere::{Calls, List, Losses, NO_PARAMETERS, Object, media_url};
use crate::exchange::{
    ChatRequest, Content, Effort, Inexpressible, Media, Message, OutputFormat, Part, Role, Tool,
    ToolChoice, WriteOptions,
};
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
        Some(_) => losses.spare("service_tier", "Oracle has no such tier"),
        None => {}
    }
    extra(request, object, losses);
    Ok(())
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "SYSTEM",
        Role::Developer => "DEVELOPER",
        Role::User => "USER",
        Role::Assistant => "ASSISTANT",
        Role::Tool => "TOOL",
    }
}

fn write_message<'r>(
    at: usize,
    message: &'r Message<'r>,
    calls: &mut Calls<'r>,
    list: &mut List<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    if message.role == Role::Tool {
        losses.speaker(at, message);
        for (position, part) in message.parts.iter().enumerate() {
            losses.part(at, position, part);
            let Content::ToolResult(result) = &part.content else {
                losses.whole_part(at, position, "tools only give results");
                continue;
            };
            if calls.of(result, at)?.is_none() {
                losses.whole_part(at, position, "its call can't be told to Oracle");
                continue;
            }
            let param = format!("messages[{at}].is_error");
            losses.lose_if(
                result.is_error,
                &param,
                "Oracle's results have no mark of failure",
            );
            let mut object = Object::open(list.next());
            object.text("role", role(message.role));
            object.text("toolCallId", &result.call_id);
            content(at, &result.parts, true, &mut object, losses)?;
            object.close();
        }
        return Ok(());
    }
    let mut object = Object::open(list.next());
    object.text("role", role(message.role));
    if let Some(name) = &message.name {
        object.text("name", name);
    }
    let assistant = message.role == Role::Assistant;
    let is_call = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_));
    let has_calls = assistant && message.parts.iter().any(is_call);
    content(at, &message.parts, !has_calls, &mut object, losses)?;
    if assistant {
        said(at, message, &mut object, losses);
    }
    if has_calls && let Some(out) = object.begin("toolCalls") {
        let mut list = List::open(out);
        for (position, part) in message.parts.iter().enumerate() {
            let Content::ToolCall(call) = &part.content else {
                continue;
            };
            calls.note(call, !call.custom);
            if call.custom {
                let why = "Oracle's tools are functions, whose arguments are JSON";
                losses.whole_part(at, position, why);
                continue;
            }
            list.object(|object| {
                object.text("type", "FUNCTION");
                object.text("id", &call.id);
                object.text("name", &call.name);
                let none = call.arguments.trim().is_empty();
                object.text("arguments", if none { "{}" } else { &call.arguments });
            });
        }
        list.close();
    }
    object.close();
    Ok(())
}

/// The assistant's refusal and reasoning, which stand beside its content.
fn said(at: usize, message: &Message<'_>, object: &mut Object<'_>, losses: &mut Losses) {
    let (mut refusal, mut reasoning) = (String::new(), String::new());
    for (position, part) in message.parts.iter().enumerate() {
        match &part.content {
            Content::Refusal(text) => refusal.push_str(text),
            Content::Reasoning { text, redacted, .. } => {
                reasoning.push_str(text);
                if redacted.is_some() {
                    let why = "only the provider that hid this reasoning can read it";
                    losses.whole_part(at, position, why);
                }
            }
            _ => {}
        }
    }
    for (name, text) in [("refusal", refusal), ("reasoningContent", reasoning)] {
        if !text.is_empty() {
            object.text(name, &text);
        }
    }
}

/// The content, which may be left out where it is empty and calls stand in its place.
fn content(
    at: usize,
    parts: &[Part<'_>],
    needed: bool,
    object: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let beside = |part: &Part<'_>| {
        matches!(
            part.content,
            Content::ToolCall(_) | Content::Refusal(_) | Content::Reasoning { .. }
        )
    };
    if !needed && parts.iter().all(beside) {
        for (position, part) in parts.iter().enumerate() {
            losses.part(at, position, part);
        }
        return Ok(());
    }
    let Some(out) = object.begin("content") else {
        return Ok(());
    };
    let mut list = List::open(out);
    for (position, part) in parts.iter().enumerate() {
        losses.part(at, position, part);
        match &part.content {
            Content::Text { text, .. } => list.object(|block| {
                block.text("type", "TEXT");
                block.text("text", text);
            }),
            Content::Image(media) => {
                medium(
                    at,
                    position,
                    ("IMAGE", "imageUrl"),
                    media,
                    &mut list,
                    losses,
                )?;
            }
            Content::Audio(media) => {
                medium(
                    at,
                    position,
                    ("AUDIO", "audioUrl"),
                    media,
                    &mut list,
                    losses,
                )?;
            }
            Content::Video(media) => {
                medium(
                    at,
                    position,
                    ("VIDEO", "videoUrl"),
                    media,
                    &mut list,
                    losses,
                )?;
            }
            Content::File(media) => {
                let kind = ("DOCUMENT", "documentUrl");
                medium(at, position, kind, media, &mut list, losses)?;
            }
            _ if beside(part) => {}
            _ => losses.whole_part(at, position, "Oracle's messages have no such part"),
        }
    }
    if list.is_empty() {
        list.object(|block| {
            block.text("type", "TEXT");
            block.text("text", "");
        });
    }
    list.close();
    Ok(())
}

fn medium(
    at: usize,
    position: usize,
    (kind, member): (&str, &str),
    media: &Media<'_>,
    list: &mut List<'_>,
    losses: &mut Losses,
) -> Result<(), Inexpressible> {
    let path = || format!("messages[{at}].content[{position}]");
    let mut url = String::new();
    if !media_url(media, path, &mut url)? {
        let why = "Oracle takes media as URLs and base64, and documents not as plain text";
        losses.whole_part(at, position, why);
        return Ok(());
    }
    if let Some(address) = media.media_type.split_once('/').filter(|_| {
        matches!(media.source, crate::exchange::Source::Url(_)) && !url.starts_with("data:")
    }) {
        // `ImageUrl.url`: "data:image/png;uri,<image uri>".
        url.insert_str(0, &format!("data:{}/{};uri,", address.0, address.1));
    }
    list.object(|block| {
        block.text("type", kind);
        block.object(member, |object| {
            object.text("url", &url);
            let detail = media.detail.as_deref();
            if let Some(detail) = detail.filter(|word| ["auto", "low", "high"].contains(word)) {
                object.text("detail", &detail.to_ascii_uppercase());
            }
        });
    });
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
            let all = request.tools.iter().all(|tool| names.contains(&tool.name));
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
