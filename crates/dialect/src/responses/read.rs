//! Reads a request into the typed form that crosses to other dialects.

use std::borrow::Cow;

use super::grammar::DRAWN;
use super::{items, tools};
use crate::contract::failure::TranslateError;
use crate::exchange::{ChatRequest, Inexpressible, Message, OutputFormat, Part, Reasoning, Role};
use crate::fields::{
    array, boolean, by_name, field, invalid, list, missing, named, need_text, object, string,
};
use crate::grammar::asked::{effort, json_schema, labels};
use crate::json::Value;
use crate::request::RequestError;

pub(crate) fn read_request<'d>(root: Value<'d>) -> Result<ChatRequest<'d>, TranslateError> {
    object(root, "body")?;
    let mut request = ChatRequest::default();
    let mut input = None;
    let mut has_model = false;
    for (name, value) in named(root) {
        match name.as_ref() {
            "model" => {
                request.model = string(value, "model")?;
                has_model = true;
            }
            "input" => input = Some(value),
            "instructions" => {
                let text = string(value, "instructions")?;
                request.messages.insert(0, system(text));
            }
            name => member(&mut request, name, value)?,
        }
    }
    if !has_model {
        return Err(missing("model").into());
    }
    items::read(input.ok_or_else(|| missing("input"))?, &mut request)?;
    // None of the others is none at all.
    let sampling = &mut request.sampling;
    sampling.top_logprobs = sampling.top_logprobs.filter(|count| *count > 0);
    sampling.logprobs |= sampling.top_logprobs.is_some();
    by_name(&mut request.extra);
    Ok(request)
}

fn system(text: Cow<'_, str>) -> Message<'_> {
    Message::new(Role::System, vec![Part::text(text)])
}

/// Every member but the model and the conversation.
fn member<'d>(
    request: &mut ChatRequest<'d>,
    name: &str,
    value: Value<'d>,
) -> Result<(), TranslateError> {
    let text = |value: Value<'d>| string(value, name);
    match name {
        "previous_response_id" | "conversation" | "prompt" => return Err(stateful(name)),
        "background" => {
            if boolean(value, name)? {
                return Err(stateful(name));
            }
        }
        "store" => {
            if boolean(value, name)? {
                request.extra.push(field(name, value));
            }
        }
        "stream" => request.stream = boolean(value, name)?,
        "stream_options" => stream_options(request, value)?,
        "tools" => request.tools = list(value, || name.to_owned(), tools::read)?,
        "tool_choice" => match tools::read_choice(value)? {
            Some(choice) => request.tool_choice = Some(choice),
            None => request.extra.push(field(name, value)),
        },
        "parallel_tool_calls" => request.parallel_tool_calls = Some(boolean(value, name)?),
        "text" => text_config(request, value)?,
        "reasoning" => reasoning(request, value)?,
        "include" => include(request, value)?,
        "metadata" => request.metadata = labels(value, name)?,
        "user" => {
            let user = text(value)?;
            request.user.get_or_insert(user);
        }
        // The newer name wins, whichever comes first.
        "safety_identifier" => request.user = Some(text(value)?),
        "prompt_cache_key" => request.prompt_cache_key = Some(text(value)?),
        "service_tier" => request.service_tier = Some(text(value)?),
        "truncation" if value.is_str("disabled") => {}
        // vLLM's and kin's for all tokens.
        "top_k" if value.as_integer().is_none_or(|k| k < 0) => {
            request.extra.push(field(name, value));
        }
        _ if DRAWN.read(&mut request.sampling, name, value)? => {}
        _ => request.extra.push(field(name, value)),
    }
    Ok(())
}

fn stateful(param: &str) -> TranslateError {
    let why = match param {
        "background" => {
            "this upstream keeps no state, so an answer can't be fetched later; ask for it in the \
             foreground or as a stream"
        }
        _ => "this upstream keeps no state; send the whole conversation as 'input'",
    };
    Inexpressible::new(param.to_owned(), why.to_owned()).into()
}

/// `include_obfuscation` pads events against eavesdroppers and says nothing to the model.
fn stream_options<'d>(
    request: &mut ChatRequest<'d>,
    value: Value<'d>,
) -> Result<(), TranslateError> {
    object(value, "stream_options")?;
    for (name, value) in named(value) {
        if name != "include_obfuscation" && name != "include_usage" {
            let name = format!("stream_options.{name}");
            request.extra.push(field(&name, value));
        }
    }
    Ok(())
}

fn text_config<'d>(request: &mut ChatRequest<'d>, value: Value<'d>) -> Result<(), TranslateError> {
    object(value, "text")?;
    for (name, value) in named(value) {
        match name.as_ref() {
            "format" => request.output = Some(output(value)?),
            // Chat completions have it at the top, where writers look for it.
            "verbosity" if value.is_str("medium") => {}
            "verbosity" => request.extra.push(field("verbosity", value)),
            name => request.extra.push(field(&format!("text.{name}"), value)),
        }
    }
    Ok(())
}

fn output(value: Value<'_>) -> Result<OutputFormat<'_>, RequestError> {
    let path = || "text.format".to_owned();
    match need_text(value, "type", path)?.as_ref() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => json_schema(value, path),
        _ => {
            let reason = "must be text, json_object or json_schema";
            Err(invalid("text.format.type", reason))
        }
    }
}

fn reasoning<'d>(request: &mut ChatRequest<'d>, value: Value<'d>) -> Result<(), TranslateError> {
    object(value, "reasoning")?;
    let mut asked = Reasoning::default();
    for (name, value) in named(value) {
        match name.as_ref() {
            "effort" => asked.effort = Some(effort(value, "reasoning.effort")?),
            // The second is the old name of the first.
            "summary" | "generate_summary" => {
                let summary = string(value, "reasoning.summary")?;
                asked.summary = Some(summary);
            }
            name => request
                .extra
                .push(field(&format!("reasoning.{name}"), value)),
        }
    }
    if asked != Reasoning::default() {
        request.reasoning = Some(asked);
    }
    Ok(())
}

/// What to tell besides. Reasoning's encrypted form is always told where there is one.
fn include<'d>(request: &mut ChatRequest<'d>, value: Value<'d>) -> Result<(), TranslateError> {
    array(value, "include")?;
    let mut others = false;
    for (position, wanted) in value.items().enumerate() {
        match string(wanted, || format!("include[{position}]"))?.as_ref() {
            "message.output_text.logprobs" => request.sampling.logprobs = true,
            "reasoning.encrypted_content" => {}
            _ => others = true,
        }
    }
    if others {
        request.extra.push(field("include", value));
    }
    Ok(())
}
