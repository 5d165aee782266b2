//! Reads whole answers, and what they have in common with streams.

use std::borrow::Cow;

use crate::call_ids::MADE_UP;
use crate::canonical::Usage;
use crate::exchange::{ChatAnswer, Choice, Citation, Content, Finish, Part, ToolCall, logprobs_of};
use crate::json::write;
use crate::json::{Kind, Value};
use crate::openai;
use crate::payload::{PayloadError, UpstreamErrorBody, object_of, text_of};

pub(crate) fn read_answer(root: Value<'_>) -> Result<ChatAnswer<'_>, PayloadError> {
    let message = object_of(root.get("message"), "message")?;
    let mut parts = Vec::new();
    let mut indices = Vec::new();
    for (index, block) in (0_u64..).zip(message.each("content")) {
        if let Some(part) = content_part(block)? {
            indices.push(index);
            parts.push(part);
        }
    }
    for value in message.each("citations") {
        let wanted = value.get("content_index").and_then(Value::as_integer);
        let place = |part: &Part<'_>, index: u64| match wanted {
            Some(wanted) => i128::from(index) == wanted,
            None => matches!(part.content, Content::Text { .. }),
        };
        let cited = parts
            .iter_mut()
            .zip(&indices)
            .find(|(part, index)| place(part, **index));
        if let Some((part, _)) = cited
            && let Content::Text { citations, .. } = &mut part.content
        {
            citations.push(citation(value));
        }
    }
    let plan = text_of(message, "tool_plan", "message.tool_plan")?;
    if let Some(plan) = plan.filter(|plan| !plan.is_empty()) {
        parts.push(Part::thought(plan));
    }
    let calls = message.each("tool_calls");
    for (position, call) in calls.enumerate() {
        let (id, name, arguments) = call_of(call, position)?;
        let call = ToolCall::function(id, name, arguments.unwrap_or_default());
        parts.push(Part::new(Content::ToolCall(call)));
    }
    let reason = root.text("finish_reason");
    Ok(ChatAnswer {
        id: string(root, "id"),
        model: Cow::default(),
        created: None,
        choices: vec![Choice {
            parts,
            finish: reason.map(|reason| finish(&reason)),
            logprobs: root
                .get("logprobs")
                .filter(|items| items.kind() == Kind::Array)
                .map(|items| logprobs_of(&logprob_items(items.items(), "logprobs")).into()),
        }],
        usage: root.get("usage").and_then(usage),
    })
}

/// Refusals are `{"message": "..."}`, with an `id` at times; proxies before it have their own.
pub(crate) fn read_error(root: Value<'_>) -> Option<UpstreamErrorBody> {
    match root.text("message") {
        Some(message) => Some(UpstreamErrorBody {
            message: message.into_owned(),
            kind: None,
            param: None,
            code: None,
        }),
        None => openai::payload::error_of(root),
    }
}

fn content_part(block: Value<'_>) -> Result<Option<Part<'_>>, PayloadError> {
    if let Some(text) = text_of(block, "thinking", "message.content[].thinking")? {
        return Ok(Some(Part::thought(text)));
    }
    let text = text_of(block, "text", "message.content[].text")?;
    Ok(text.map(Part::text))
}

fn string<'d>(of: Value<'d>, name: &str) -> Cow<'d, str> {
    of.text(name).unwrap_or_default()
}

type Call<'d> = (Cow<'d, str>, Cow<'d, str>, Option<Cow<'d, str>>);

/// A call's id (made up from its position where it has none), name and arguments.
pub(super) fn call_of(call: Value<'_>, position: usize) -> Result<Call<'_>, PayloadError> {
    let id = string(call, "id");
    let id = if id.is_empty() {
        Cow::Owned(format!("{MADE_UP}{position}"))
    } else {
        id
    };
    let Some(function) = call.get("function") else {
        return Ok((id, Cow::default(), None));
    };
    let arguments = text_of(
        function,
        "arguments",
        "message.tool_calls[].function.arguments",
    )?;
    Ok((id, string(function, "name"), arguments))
}

pub(super) fn finish(reason: &str) -> Finish {
    match reason {
        "COMPLETE" => Finish::Stop,
        "STOP_SEQUENCE" => Finish::StopSequence(None),
        "MAX_TOKENS" => Finish::Length,
        "TOOL_CALL" => Finish::ToolCalls,
        "ERROR_TOXIC" => Finish::Refused,
        other => Finish::Other(other.to_owned()),
    }
}

/// Tokens. `billed_units` leaves out what Cohere adds to the prompt, so `tokens` counts.
pub(super) fn usage(usage: Value<'_>) -> Option<Usage> {
    let counted = usage.get("tokens").or_else(|| usage.get("billed_units"))?;
    Some(Usage {
        input: count(counted, "input_tokens"),
        output: count(counted, "output_tokens"),
        cached_input: count(usage, "cached_tokens"),
        ..Usage::default()
    })
}

/// Cohere's counts are doubles.
fn count(of: Value<'_>, name: &str) -> u64 {
    let count = of.get(name).and_then(Value::as_f64).unwrap_or_default();
    // Casts of floats saturate.
    count as u64
}

/// A citation: what it quotes, where in the text that stands, and its first source.
pub(crate) fn citation(value: Value<'_>) -> Citation<'_> {
    let number = |name: &str| value.get(name)?.whole();
    let source = value
        .get("sources")
        .and_then(|sources| sources.items().next());
    let told = |name: &str| {
        let source = source?;
        ["document", "tool_output"]
            .into_iter()
            .find_map(|of| source.get(of)?.get(name)?.as_str())
    };
    Citation {
        text: string(value, "text"),
        url: told("url"),
        title: told("title"),
        range: number("start").zip(number("end")),
        json: Cow::Borrowed(value.raw()),
    }
}

/// OpenAI's `logprobs.content` of Cohere's list of chunks, which has the numbers under that name.
/// Where a chunk has several tokens nobody says how its text is divided: it stands as one, with the
/// probability of all.
pub(crate) fn logprob_items<'v>(items: impl Iterator<Item = Value<'v>>, list: &str) -> String {
    let mut out = String::new();
    write::brackets(&mut out, |out| {
        for item in items {
            let numbers = item.each(list);
            let sum: f64 = numbers.filter_map(Value::as_f64).sum();
            write::braces(out, |out| {
                write::text(out, "token", &string(item, "text"));
                write::plain(out, "logprob", sum + 0.0);
                write::raw(out, "bytes", "null");
                write::list(out, "top_logprobs", |_| {});
            });
        }
    });
    out
}
