//! Writes how tokens are drawn, whom the answer is for, and fields of Anthropic's own.

use super::body::Body;
use crate::clouds;
use crate::exchange::ChatRequest;
use crate::json::write;

/// Fields of Anthropic's that have no counterpart elsewhere.
const OWN_FIELDS: [&str; 8] = [
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "speed",
    "user_profile_id",
];
/// Writes how tokens are drawn.
pub(super) fn sampling(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let sampling = &request.sampling;
    if let Some(temperature) = sampling.temperature {
        if temperature > 1.0 {
            let why = "Anthropic's messages take at most 1, which was sent";
            body.lose("temperature", why);
        }
        body.plain("temperature", Some(temperature.min(1.0)));
    }
    body.plain("top_p", sampling.top_p);
    body.plain("top_k", sampling.top_k);
    let (blank, stop): (Vec<_>, Vec<_>) = sampling
        .stop
        .iter()
        .partition(|sequence| sequence.trim().is_empty());
    if !blank.is_empty() {
        let why = "Anthropic's messages take no stop sequence of nothing but white space";
        body.lose("stop", why);
    }
    body.texts("stop_sequences", &stop);
    let non_zero = |value: Option<f64>| value.is_some_and(|value| value != 0.0);
    for (name, lost) in [
        ("min_p", non_zero(sampling.min_p)),
        ("n", sampling.n.is_some_and(|n| n > 1)),
        ("seed", sampling.seed.is_some()),
        ("frequency_penalty", non_zero(sampling.frequency_penalty)),
        ("presence_penalty", non_zero(sampling.presence_penalty)),
        ("logprobs", sampling.logprobs),
        ("top_logprobs", sampling.top_logprobs.is_some_and(|n| n > 0)),
        ("logit_bias", sampling.logit_bias.is_some()),
    ] {
        if lost {
            body.lose(name, "Anthropic's messages have nothing like it");
        }
    }
}

/// Writes the rest: whom it is for, and fields of Anthropic's own.
pub(super) fn rest(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    if let Some(user) = &request.user
        && body.is_free("metadata")
    {
        write::object(&mut body.out, "metadata", |out| {
            write::text(out, "user_id", user)
        });
    }
    if !request.metadata.is_empty() {
        let why = "Anthropic's metadata are the user's id only";
        body.lose("metadata", why);
    }
    let in_cloud = body.options.profile.is_in_cloud();
    match request.service_tier.as_deref() {
        None => {}
        Some(_) if in_cloud => body.lose("service_tier", "the clouds sell their own tiers"),
        Some("auto") => body.text("service_tier", Some("auto")),
        Some("default" | "standard_only") => body.text("service_tier", Some("standard_only")),
        Some(_) => body.lose("service_tier", "Anthropic has no such tier"),
    }
    if request.prompt_cache_key.is_some() {
        let why = "Anthropic caches by markers, and apart for each customer";
        body.lose("prompt_cache_key", why);
    }
    for field in &request.extra {
        let name = field.name.as_str();
        let about_stream = matches!(name, "stream_options" | "prompt_cache_retention");
        let lacks = clouds::lacking(body.options.profile).contains(&name);
        if lacks && name != "service_tier" {
            body.lose(name, "only Anthropic's own API has it");
        } else if OWN_FIELDS.contains(&name) || (name == "thinking" && request.reasoning.is_none())
        {
            body.raw(name, Some(&field.value));
        } else if about_stream || (name == "store" && field.value == "false") {
            body.lose(
                name,
                "it is about how this is sent or kept, not what is answered",
            );
        } else if !name.starts_with("output_config.") {
            body.lose(name, "Anthropic's messages have no such field");
        }
    }
}
