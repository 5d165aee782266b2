//! Writes a request. Contents, tools and settings are written next door.

use super::write_contents::Contents;
use super::write_generation;
use super::write_tools::{tool_config, tools};
use crate::canonical::Field;
use crate::exchange::{ChatRequest, Inexpressible, Losses, WriteOptions, Written};
use crate::json::write;

/// Fields that only Google has, and that go back where they came from.
const OWN: [&str; 3] = ["cachedContent", "modelArmorConfig", "safetySettings"];

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut lost = Losses::default();
    let mut out = String::with_capacity(1024 + 2 * size_of_texts(request));
    let is_set = |field: &str| options.set.iter().any(|(set, _)| set == field);
    write::open(&mut out);
    let mut contents = Contents::new(&mut lost, &options.model);
    if !is_set("systemInstruction") {
        contents.instruction(request, &mut out);
    }
    if !is_set("contents") {
        contents.write(request, &mut out)?;
    }
    if !is_set("tools") {
        tools(request, &mut out, &mut lost);
    }
    if !is_set("toolConfig") {
        tool_config(request, &mut out, &mut lost);
    }
    if !is_set("generationConfig") {
        write_generation::write(request, &options.model, &mut out, &mut lost);
    }
    if !is_set("labels") {
        labels(request, &mut out, &mut lost);
    }
    about_the_client(request, is_set("serviceTier"), &mut out, &mut lost);
    for field in &request.extra {
        extra(field, is_set(&field.name), &mut out, &mut lost);
    }
    for (field, value) in &options.set {
        write::raw(&mut out, field, value);
    }
    write::close(&mut out);
    Ok(Written {
        body: out.into(),
        lost: lost.0,
        back: Default::default(),
    })
}

/// Bytes of text, for one allocation of the body.
fn size_of_texts(request: &ChatRequest<'_>) -> usize {
    use crate::exchange::{Content, Source};
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let texts = parts.map(|part| match &part.content {
        Content::Text { text, .. } | Content::Reasoning { text, .. } => text.len() / 2 + 32,
        Content::ToolCall(call) => call.arguments.len() / 2 + 64,
        Content::Image(media) | Content::Audio(media) => match &media.source {
            Source::Base64(data) | Source::Url(data) => data.len() / 2 + 64,
            _ => 64,
        },
        _ => 64,
    });
    let schemas = request
        .tools
        .iter()
        .filter_map(|tool| tool.parameters.as_ref());
    texts.sum::<usize>() + schemas.map(|schema| schema.len() / 2 + 64).sum::<usize>()
}

/// Google's labels have narrow rules (cloud.google.com/resource-manager/docs/labels-overview);
/// one that breaks them would have the whole request refused.
fn labels(request: &ChatRequest<'_>, out: &mut String, lost: &mut Losses) {
    let allowed = |text: &str| {
        let plain = |c: char| c.is_lowercase() || c.is_numeric() || matches!(c, '_' | '-');
        text.chars().count() <= 63 && text.chars().all(plain)
    };
    write::some_object(out, "labels", |out| {
        for (label, value) in &request.metadata {
            let begins = label.chars().next().is_some_and(char::is_lowercase);
            if begins && allowed(label) && allowed(value) {
                write::text(out, label, value);
            } else {
                let why = "Gemini's labels are at most 63 lower-case letters, digits, _ and -";
                lost.push(format!("metadata.{label}"), why);
            }
        }
    });
}

fn about_the_client(
    request: &ChatRequest<'_>,
    tier_is_set: bool,
    out: &mut String,
    lost: &mut Losses,
) {
    if request.user.is_some() {
        lost.push("user", "Gemini has no field for the end user");
    }
    if request.prompt_cache_key.is_some() {
        lost.push("prompt_cache_key", "Gemini caches prefixes by itself");
    }
    let tier = match request.service_tier.as_deref() {
        None | Some("auto") => return,
        Some("default") => "standard",
        Some(tier @ ("flex" | "priority")) => tier,
        Some(_) => {
            lost.push("service_tier", "Gemini has no such tier");
            return;
        }
    };
    if !tier_is_set {
        write::text(out, "serviceTier", tier);
    }
}

fn extra(field: &Field, is_set: bool, out: &mut String, lost: &mut Losses) {
    let own_part = ["generationConfig.", "toolConfig."];
    if own_part.iter().any(|part| field.name.starts_with(part)) {
        return;
    }
    if OWN.contains(&field.name.as_str()) {
        if !is_set {
            write::raw(out, &field.name, &field.value);
        }
        return;
    }
    lost.push(&field.name, "Gemini has no such field");
}
