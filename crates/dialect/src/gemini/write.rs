//! Writes a request. Contents, tools and settings are written next door.

use super::write_contents::Contents;
use super::write_generation;
use super::write_tools::{tool_config, tools};
use crate::canonical::Field;
use crate::exchange::{ChatRequest, Draft, Inexpressible, Losses, WriteOptions, Written};
use crate::json::write;

/// Fields that only Google has, and that go back where they came from.
const OWN: [&str; 3] = ["cachedContent", "modelArmorConfig", "safetySettings"];

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut body = Draft::new(options, (), request.size());
    let mut contents = Contents::new(&mut body.lost, &options.model);
    let is_free = |field: &str| !options.set.iter().any(|(set, _)| set == field);
    if is_free("systemInstruction") {
        contents.instruction(request, &mut body.out);
    }
    if is_free("contents") {
        contents.write(request, &mut body.out)?;
    }
    let (out, lost) = (&mut body.out, &mut body.lost);
    if is_free("tools") {
        tools(request, &options.model, out, lost);
    }
    if is_free("toolConfig") {
        tool_config(request, out, lost);
    }
    if is_free("generationConfig") {
        write_generation::write(request, &options.model, out, lost);
    }
    if is_free("labels") {
        labels(request, out, lost);
    }
    about_the_client(request, &mut body);
    for field in &request.extra {
        extra(field, &mut body);
    }
    Ok(body.finish())
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

fn about_the_client(request: &ChatRequest<'_>, body: &mut Draft<'_>) {
    if request.user.is_some() {
        body.lose("user", "Gemini has no field for the end user");
    }
    if request.prompt_cache_key.is_some() {
        body.lose("prompt_cache_key", "Gemini caches prefixes by itself");
    }
    match request.service_tier.as_deref() {
        None | Some("auto") => {}
        Some("default") => body.text("serviceTier", Some("standard")),
        Some(tier @ ("flex" | "priority")) => body.text("serviceTier", Some(tier)),
        Some(_) => body.lose("service_tier", "Gemini has no such tier"),
    }
}

fn extra(field: &Field, body: &mut Draft<'_>) {
    let own_part = ["generationConfig.", "toolConfig."];
    if own_part.iter().any(|part| field.name.starts_with(part)) {
        return;
    }
    match OWN.contains(&field.name.as_str()) {
        true => body.raw(&field.name, Some(&field.value)),
        false => body.lose(&field.name, "Gemini has no such field"),
    }
}
