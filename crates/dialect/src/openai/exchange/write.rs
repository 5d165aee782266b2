//! Writes a chat completion request in the way of its target.

use super::extras::{self, Fate};
use super::object::{Body, UNKNOWN};
use super::traits::{self, EffortForm};
use super::write_message;
use super::write_tools;
use crate::exchange::{ChatRequest, Effort, Inexpressible, Reasoning, WriteOptions, Written};
use crate::json::write;

pub(crate) fn write_request(
    request: &ChatRequest<'_>,
    options: &WriteOptions,
) -> Result<Written, Inexpressible> {
    let mut body = Body::new(options, traits::of(options.profile), request.size());
    body.text("model", Some(&options.model));
    write_message::messages(&request.messages, &mut body)?;
    write_tools::tools(request, &mut body);
    write_tools::output(request.output.as_ref(), &mut body);
    sampling(request, &mut body);
    reasoning(request, &mut body);
    identity(request, &mut body);
    if options.stream {
        body.raw("stream", Some("true"));
        let counted = options.include_usage && body.about.stream_options;
        if counted && body.is_free("stream_options") {
            write::object(&mut body.out, "stream_options", |out| {
                write::plain(out, "include_usage", true);
            });
        }
    }
    extra(request, &mut body);
    Ok(body.finish())
}

fn extra(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    for field in &request.extra {
        let name = field.name.as_str();
        let written = match name {
            // Beside what is asked of reasoning.
            "chat_template_kwargs" if body.about.effort == EffortForm::Engine => continue,
            // A second name for the same, which has been written.
            "user" => request.user.is_some() && body.about.user == Some(name),
            "response_format" => request.output.is_some(),
            _ => false,
        };
        match extras::of_request(name, body.about.bit) {
            Fate::Written if !written => body.raw(name, Some(&field.value)),
            Fate::Written => body.lose(name, "the request says the same in another way"),
            Fate::Lost => body.lose(name, UNKNOWN),
        }
    }
}

fn sampling(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let sampling = &request.sampling;
    let traits = body.about;
    body.plain(traits.max_tokens, sampling.max_tokens);
    body.plain("temperature", sampling.temperature);
    body.plain("top_p", sampling.top_p);
    if traits.top_k {
        body.plain("top_k", sampling.top_k);
    } else if sampling.top_k.is_some() {
        body.lose("top_k", "OpenAI's chat completions have no top_k");
    }
    if traits.min_p {
        body.plain("min_p", sampling.min_p);
    } else if sampling.min_p.is_some() {
        body.lose("min_p", "this target has no min_p");
    }
    body.plain("n", sampling.n);
    body.plain(traits.seed, sampling.seed);
    stops(request, body);
    body.plain("frequency_penalty", sampling.frequency_penalty);
    body.plain("presence_penalty", sampling.presence_penalty);
    body.raw("logprobs", sampling.logprobs.then_some("true"));
    body.plain("top_logprobs", sampling.top_logprobs);
    if traits.logit_bias {
        body.raw("logit_bias", sampling.logit_bias.as_deref());
    } else if sampling.logit_bias.is_some() {
        body.lose("logit_bias", "Mistral's chat has no logit_bias");
    }
}

fn stops(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let stops = &request.sampling.stop;
    let max = body.about.max_stops;
    for position in max..stops.len() {
        let param = format!("stop[{position}]");
        body.lose(param, "OpenAI takes up to 4 stop sequences");
    }
    body.texts("stop", &stops[..stops.len().min(max)]);
}

fn reasoning(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let kwargs = request
        .extra
        .iter()
        .find(|field| field.name == "chat_template_kwargs");
    let kwargs = kwargs.map(|field| field.value.as_str());
    if body.about.effort == EffortForm::Engine {
        let asked = request.reasoning.as_ref();
        let off = asked.is_some_and(|asked| effort(asked) == Some(Effort::None));
        if let Some(asked) = asked.filter(|_| !off) {
            let word = asked.effort.map(Effort::as_str);
            body.text("reasoning_effort", word);
            body.plain("thinking_token_budget", asked.budget);
        }
        template(asked.map(|_| !off), kwargs, body);
    } else if let Some(asked) = &request.reasoning {
        body.text("reasoning_effort", effort(asked).map(Effort::as_str));
    }
    let summary = request
        .reasoning
        .as_ref()
        .and_then(|asked| asked.summary.as_ref());
    if summary.is_some() {
        let why = "chat completions don't choose whether reasoning is shown";
        body.lose("reasoning.summary", why);
    }
}

/// The effort in words, also where it was asked for in tokens.
fn effort(asked: &Reasoning<'_>) -> Option<Effort> {
    asked.effort.or_else(|| asked.budget.map(Effort::of_budget))
}

/// `chat_template_kwargs`: the switch for reasoning beside what the client says of it.
fn template(switch: Option<bool>, kwargs: Option<&str>, body: &mut Body<'_>) {
    let inside = kwargs.and_then(|kwargs| kwargs.strip_prefix('{')?.strip_suffix('}'));
    // What the client says of the switch itself stands, whatever it means to the template.
    let said = inside.is_some_and(|inside| inside.contains("\"enable_thinking\":"));
    let switch = switch.filter(|_| !said);
    if switch.is_none() && inside.is_none() || !body.is_free("chat_template_kwargs") {
        return;
    }
    write::object(&mut body.out, "chat_template_kwargs", |out| {
        if let Some(on) = switch {
            write::plain(out, "enable_thinking", on);
        }
        if let Some(inside) = inside.filter(|inside| !inside.is_empty()) {
            write::value(out, inside);
        }
    });
}

/// Whose request it is, and how it is to be served.
fn identity(request: &ChatRequest<'_>, body: &mut Body<'_>) {
    let traits = body.about;
    match traits.user {
        Some(name) => body.text(name, request.user.as_deref()),
        None if request.user.is_some() => {
            body.lose("user", "Mistral's chat has no end user");
        }
        None => {}
    }
    if traits.prompt_cache_key {
        body.text("prompt_cache_key", request.prompt_cache_key.as_deref());
    } else if request.prompt_cache_key.is_some() {
        let why = "engines cache prefixes by themselves";
        body.lose("prompt_cache_key", why);
    }
    match request.service_tier.as_deref() {
        None | Some("auto") => {}
        // Anthropic's word for the tier that is not paid for ahead.
        Some("standard_only") if traits.service_tier => {
            body.text("service_tier", Some("default"));
        }
        Some(tier) if traits.service_tier => body.text("service_tier", Some(tier)),
        Some(_) => body.lose("service_tier", "this target has no tiers"),
    }
    if request.metadata.is_empty() {
    } else if !traits.metadata {
        body.lose("metadata", "engines keep no labels");
    } else if body.is_free("metadata") {
        write::object(&mut body.out, "metadata", |out| {
            for (name, label) in &request.metadata {
                write::text(out, name, label);
            }
        });
    }
}
