//! Reads whole answers of all three forms, and what they have in common with streams.

use std::borrow::Cow;

use super::stream::StreamReader;
use crate::canonical::Usage;
use crate::cohere;
use crate::contract::stream::ReadStream;
use crate::exchange::{ChatAnswer, Choice, Citation, Finish};
use crate::json::write;
use crate::json::{Kind, Value};
use crate::openai;
use crate::payload::{self, PayloadError, UpstreamErrorBody, object_of};
use crate::rfc3339;

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'static>, PayloadError> {
    let response = object_of(root.get("chatResponse"), "chatResponse")?;
    let mut answer = StreamReader::default().whole(response)?;
    answer.model = string(root, "modelId").into_owned().into();
    answer.created = rfc3339::seconds(&string(response, "timeCreated"));
    let mut choices = response.each("choices");
    let first = || choices.find_map(|c| usage(c.get("usage")?));
    answer.usage = answer.usage.or_else(first);
    if response.get("choices").is_none() {
        // Cohere's forms are one choice, which has ended even by an error.
        if answer.choices.is_empty() {
            answer.choices.push(Choice::default());
        }
        let reason = response.text("finishReason");
        let choice = &mut answer.choices[0];
        choice.finish = choice
            .finish
            .take()
            .or(reason.map(|reason| finish(&reason, false)));
    }
    Ok(answer)
}

/// Refusals are `{"code": "...", "message": "..."}`.
pub(crate) fn read_error(root: Value<'_>) -> Option<UpstreamErrorBody> {
    let Some(message) = root.text("message") else {
        return openai::payload::error_of(root);
    };
    let code = root.some("code");
    Some(UpstreamErrorBody {
        message: message.into_owned(),
        kind: None,
        param: None,
        code: code.map(|code| match code.as_str() {
            Some(code) => code.into_owned(),
            None => code.raw().to_owned(),
        }),
    })
}

/// `citations` of Cohere's forms and `annotations` of the common one.
pub(super) fn citations_of(message: Value<'_>) -> impl Iterator<Item = Citation<'_>> {
    let cohere = message.each("citations");
    let common = message.each("annotations");
    cohere.map(cohere::citation).chain(common.map(|annotation| {
        let told = |name: &str| annotation.get("urlCitation")?.get(name);
        let number = |name: &str| told(name)?.whole();
        Citation {
            text: Cow::default(),
            url: told("url").and_then(Value::as_str),
            title: told("title").and_then(Value::as_str),
            range: number("startIndex").zip(number("endIndex")),
            json: Cow::Borrowed(annotation.raw()),
        }
    }))
}

/// A member that is a string and not empty, where it is there.
pub(super) fn text_of<'d>(
    of: Value<'d>,
    name: &'static str,
) -> Result<Option<Cow<'d, str>>, PayloadError> {
    let text = payload::text_of(of, name, name)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn string<'d>(of: Value<'d>, name: &str) -> Cow<'d, str> {
    of.text(name).unwrap_or_default()
}

/// A call or a fragment of one; what is absent or empty is none.
pub(super) struct Call<'d> {
    pub(super) id: Option<Cow<'d, str>>,
    pub(super) name: Option<Cow<'d, str>>,
    pub(super) arguments: Option<Cow<'d, str>>,
}

/// Reads a call: the common form has `name` and `arguments`, Cohere's first one `name` and
/// `parameters` (an object), its second one both in `function`.
pub(super) fn call_of(call: Value<'_>) -> Result<Call<'_>, PayloadError> {
    let function = call.get("function").unwrap_or(call);
    let parameters = function
        .get("parameters")
        .filter(|p| p.kind() == Kind::Object);
    let arguments = match (parameters, function.get("arguments")) {
        (Some(parameters), _) => Some(Cow::Borrowed(parameters.raw())),
        (None, Some(object)) if object.kind() == Kind::Object => Some(Cow::Borrowed(object.raw())),
        (None, _) => text_of(function, "arguments")?,
    };
    Ok(Call {
        id: text_of(call, "id")?,
        name: text_of(function, "name")?,
        arguments,
    })
}

/// The common form speaks as the model's maker does, Cohere's forms in capitals. Not all makers
/// say that it was for calls that they stopped.
pub(super) fn finish(reason: &str, calls: bool) -> Finish {
    match reason.to_ascii_lowercase().as_str() {
        "stop" | "complete" if calls => Finish::ToolCalls,
        "stop" | "complete" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(None),
        "length" | "max_tokens" | "error_limit" => Finish::Length,
        "tool_calls" | "tool_call" => Finish::ToolCalls,
        "content_filter" | "error_toxic" | "safety" => Finish::Refused,
        _ => Finish::Other(reason.to_owned()),
    }
}

pub(super) fn usage(usage: Value<'_>) -> Option<Usage> {
    let count = |of: Option<Value<'_>>, name: &str| {
        let count = of.and_then(|of| of.get(name)?.whole());
        count.unwrap_or_default()
    };
    (usage.kind() == Kind::Object).then(|| Usage {
        input: count(Some(usage), "promptTokens"),
        output: count(Some(usage), "completionTokens"),
        cached_input: count(usage.get("promptTokensDetails"), "cachedTokens"),
        cache_write: 0,
        reasoning: count(usage.get("completionTokensDetails"), "reasoningTokens"),
    })
}

/// OpenAI's `logprobs.content`: of the common form's parallel lists (`Logprobs`) or of Cohere's
/// list of chunks (`LogProbability`).
pub(super) fn logprob_items(value: Value<'_>) -> Option<String> {
    if value.kind() == Kind::Array {
        return Some(cohere::logprob_items(value.items(), "logProbabilities"));
    }
    let mut out = String::new();
    let (tokens, numbers) = (value.get("tokens")?, value.get("tokenLogprobs")?);
    let mut tops = value.each("topLogprobs");
    write::brackets(&mut out, |out| {
        for (token, number) in tokens.items().zip(numbers.items()) {
            write::braces(out, |out| {
                token_item(token, number, out);
                write::list(out, "top_logprobs", |out| {
                    let top = tops.next();
                    for (token, number) in top.into_iter().flat_map(Value::members) {
                        write::braces(out, |out| token_item(token, number, out));
                    }
                });
            });
        }
    });
    Some(out)
}

/// The members of a token and its probability; OpenAI's -9999 stands for none.
fn token_item(token: Value<'_>, number: Value<'_>, out: &mut String) {
    write::text(out, "token", &token.as_str().unwrap_or_default());
    let text = number.as_str();
    let number = number
        .as_f64()
        .or_else(|| text?.parse().ok())
        .filter(|n: &f64| n.is_finite());
    write::plain(out, "logprob", number.unwrap_or(-9999.0));
    write::raw(out, "bytes", "null");
}
