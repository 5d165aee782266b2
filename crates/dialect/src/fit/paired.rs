//! Results where their calls are: right behind the message that made them, one for each call.
//! Clients let the user speak in between, tell a result twice, or make several calls first.

use std::collections::HashMap;

use super::{Aim, Fitted};
use crate::exchange::{ChatRequest, Content, Message, Part, Role, ToolResult};

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if super::unanswered::is_free(aim) || are_paired(&request.messages) {
        return;
    }
    let mut calls: HashMap<String, Call> = HashMap::new();
    // The results of each message's calls.
    let mut results: Vec<Message<'_>> = Vec::with_capacity(request.messages.len());
    for (at, message) in request.messages.iter_mut().enumerate() {
        results.push(Message::new(Role::Tool, Vec::new()));
        for call in message.parts.iter().filter_map(Part::call) {
            let result = None;
            calls.insert(call.id.clone().into_owned(), Call { at, result });
        }
        if message.role != Role::Tool {
            continue;
        }
        // What answers no call stays, and is refused by name.
        let mut stay = Vec::new();
        for part in message.parts.drain(..) {
            let call = part
                .result()
                .and_then(|result| calls.get_mut(result.call_id.as_ref()));
            match call.and_then(|call| Some((results.get_mut(call.at)?, &mut call.result))) {
                Some((home, at)) => {
                    home.extra.append(&mut message.extra);
                    join(&mut home.parts, at, part);
                }
                None => stay.push(part),
            }
        }
        message.parts = stay;
    }
    let messages = std::mem::take(&mut request.messages);
    let numbers = std::mem::take(&mut fitted.messages);
    for ((message, number), results) in messages.into_iter().zip(numbers).zip(results) {
        if message.role != Role::Tool || !message.parts.is_empty() {
            request.messages.push(message);
            fitted.messages.push(number);
        }
        if !results.parts.is_empty() {
            request.messages.push(results);
            fitted.messages.push(number);
        }
    }
}

/// A call, and its result among those of its message's calls.
struct Call {
    at: usize,
    result: Option<usize>,
}

/// Adds a result, or what more it says where its call has one.
fn join<'a>(results: &mut Vec<Part<'a>>, at: &mut Option<usize>, part: Part<'a>) {
    let known = at.and_then(|at| results.get_mut(at));
    match (known.map(|known| &mut known.content), part.content) {
        (Some(Content::ToolResult(known)), Content::ToolResult(again)) => {
            if known.parts != again.parts {
                known.parts.extend(again.parts);
            }
            known.is_error |= again.is_error;
        }
        (_, content) => {
            *at = Some(results.len());
            results.push(Part { content, ..part });
        }
    }
}

/// Whether each result stands behind the message with its call, and is its only one.
fn are_paired(messages: &[Message<'_>]) -> bool {
    // Servers give several calls one id.
    let mut open: HashMap<&str, usize> = HashMap::new();
    for message in messages {
        match message.role {
            Role::Tool => {
                let mut results = message.parts.iter().filter_map(Part::result);
                let is_open = |result: &ToolResult<'_>| {
                    let calls = open.get_mut(result.call_id.as_ref());
                    calls.is_some_and(|calls| calls.checked_sub(1).map(|n| *calls = n).is_some())
                };
                if !results.all(is_open) {
                    return false;
                }
            }
            Role::Assistant => {
                let calls = message.parts.iter().filter_map(Part::call);
                open.clear();
                calls.for_each(|call| *open.entry(call.id.as_ref()).or_default() += 1);
            }
            _ => open.clear(),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value as Json, json};

    use crate::Wire;
    use crate::exchange::Profile;
    use crate::fit::tests::{cross, read};

    fn calls(ids: &[&str]) -> Json {
        let call = |id: &&str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>()})
    }

    fn result(id: &str, text: &str) -> Json {
        json!({"role": "tool", "tool_call_id": id, "content": text})
    }

    /// For each assistant's message with calls, the ids of the results right behind it.
    fn behind_calls(sent: &Json) -> Vec<Vec<String>> {
        let messages = sent["messages"].as_array().unwrap();
        let id = |block: &Json| {
            let id = block["tool_use_id"].as_str();
            id.or(block["toolResult"]["toolUseId"].as_str())
                .map(str::to_owned)
        };
        let has_call = |message: &Json| {
            let blocks = message["content"].as_array().into_iter().flatten();
            message["role"] == "assistant"
                && blocks
                    .into_iter()
                    .any(|b| b["type"] == "tool_use" || b.get("toolUse").is_some())
        };
        let at = messages
            .iter()
            .enumerate()
            .filter(|(_, message)| has_call(message));
        at.map(|(at, _)| {
            let next = messages[at + 1]["content"].as_array().unwrap();
            next.iter().map_while(id).collect()
        })
        .collect()
    }

    #[test]
    fn results_stand_behind_their_calls_once_and_nothing_of_them_is_lost() {
        let user = |text: &str| json!({"role": "user", "content": text});
        let said = |text: &str| json!({"role": "assistant", "content": text});
        let system = json!({"role": "system", "content": "be careful"});
        type Case<'a> = (&'a str, Vec<Json>, &'a [&'a [&'a str]]);
        let cases: [Case<'_>; 6] = [
            (
                "the user speaks in between",
                vec![
                    calls(&["a", "b"]),
                    result("a", "one"),
                    user("wait"),
                    result("b", "two"),
                    user("go"),
                ],
                &[&["a", "b"]],
            ),
            (
                "a result comes twice",
                vec![
                    calls(&["a"]),
                    result("a", "one"),
                    result("a", "two"),
                    user("go"),
                ],
                &[&["a"]],
            ),
            (
                "an instruction in between",
                vec![calls(&["a"]), system, result("a", "one two"), user("go")],
                &[&["a"]],
            ),
            (
                "the model speaks in between",
                vec![
                    calls(&["a", "b"]),
                    result("a", "one"),
                    said("hm"),
                    result("b", "two"),
                    user("go"),
                ],
                &[&["a", "b"]],
            ),
            (
                "several calls first",
                vec![
                    calls(&["a"]),
                    calls(&["b"]),
                    result("a", "one"),
                    result("b", "two"),
                ],
                &[&["a"], &["b"]],
            ),
            (
                "as it should be",
                vec![
                    calls(&["a", "b"]),
                    result("b", "two"),
                    result("a", "one"),
                    calls(&["c"]),
                    result("c", "x"),
                ],
                &[&["b", "a"], &["c"]],
            ),
        ];
        let models = [
            (Wire::Messages, "claude-sonnet-4-5"),
            (Wire::Messages, "claude-opus-4-8"),
            (
                Wire::Converse,
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
            (Wire::Converse, "us.amazon.nova-pro-v1:0"),
        ];
        for (name, conversation, expected) in cases {
            let mut messages = vec![user("hello")];
            messages.extend(conversation);
            let body = json!({"model": "m", "messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]});
            for (wire, model) in models {
                let written = cross(Wire::Chat, &body, (wire, Profile::Standard, model));
                let sent = read(&written.body);
                assert_eq!(behind_calls(&sent), expected, "{name} to {model}: {sent}");
                let text = sent.to_string();
                assert!(
                    text.contains("one") && text.contains("two"),
                    "{name} to {model}: {sent}"
                );
            }
        }
    }
}
