//! Calls of tools in a history: arguments that are no object, ids that occur twice, tools that
//! are no longer declared.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use serde::de::IgnoredAny;

use super::aim::{Aim, Fitted};
use super::free_text::in_object;
use crate::exchange::{ChatRequest, Content, Message, Part, Tool, ToolChoice};

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if !request.parts().any(|part| part.call().is_some()) {
        return;
    }
    arguments(request, aim, fitted);
    if aim.ways.strict_turns {
        repeated_ids(&mut request.messages);
    }
    if request.tools.is_empty() && aim.ways.calls_need_tools {
        declare(request, fitted);
    }
}

/// An answer that was cut short leaves a call whose arguments are half an object. It is kept, as
/// text in an object.
fn arguments(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    // OpenAI takes them as they are.
    let reads = aim.is(aim.ways.reads_arguments);
    for (at, message) in request.messages.iter_mut().enumerate() {
        for (position, part) in message.parts.iter_mut().enumerate() {
            let Content::ToolCall(call) = &mut part.content else {
                continue;
            };
            if call.custom {
                continue;
            }
            let said = call.arguments.trim();
            if said.is_empty() {
                call.arguments = Cow::Borrowed("{}");
            } else if reads
                && !(said.starts_with('{') && serde_json::from_str::<IgnoredAny>(said).is_ok())
            {
                call.arguments = Cow::Owned(in_object(&call.arguments));
                let at = fitted.message(at);
                let param = format!("messages[{at}].tool_calls[{position}].arguments");
                let why = "they are not a JSON object, so they were sent as a string inside one";
                fitted.lose(param, why);
            }
        }
    }
}

/// Some servers number their calls anew in each answer, or give all calls of one the same id;
/// Anthropic wants each id once. A result belongs to the first call of that id in the last turn
/// that has none yet.
fn repeated_ids<'a>(messages: &mut [Message<'a>]) {
    let mut ids = HashSet::new();
    let parts = messages.iter().flat_map(|message| &message.parts);
    if parts
        .filter_map(Part::call)
        .all(|call| ids.insert(&call.id))
    {
        return;
    }
    let mut seen: HashSet<Cow<'a, str>> = HashSet::new();
    // For each id that came again, its calls.
    let mut renamed: HashMap<String, Calls> = HashMap::new();
    for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
        match &mut part.content {
            Content::ToolCall(call) => {
                let was = call.id.clone();
                if !seen.insert(was.clone()) {
                    // Numbers go up, so this ends after as many tries as there are calls.
                    let mut fresh = format!("{was}_{}", seen.len());
                    while !seen.insert(Cow::Owned(fresh.clone())) {
                        fresh.push('x');
                    }
                    call.id = Cow::Owned(fresh);
                }
                let calls = renamed.entry(was.into_owned()).or_default();
                // Those of an earlier turn have their results.
                if calls.answered == calls.ids.len() {
                    *calls = Calls::default();
                }
                calls.ids.push(call.id.clone().into_owned());
            }
            Content::ToolResult(result) => {
                let Some(calls) = renamed.get_mut(result.call_id.as_ref()) else {
                    continue;
                };
                let last = calls.ids.len().saturating_sub(1);
                if let Some(id) = calls.ids.get(calls.answered.min(last)) {
                    calls.answered = (calls.answered + 1).min(last + 1);
                    if result.call_id != id.as_str() {
                        result.call_id = Cow::Owned(id.clone());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The calls of one id in the last turn, in their order.
#[derive(Default)]
struct Calls {
    /// What they are called now.
    ids: Vec<String>,
    /// How many have a result: the first ones.
    answered: usize,
}

/// A history with calls needs tools (Anthropic's and Bedrock's validation). They are declared by
/// name, and none of them may be called.
fn declare<'a>(request: &mut ChatRequest<'a>, fitted: &mut Fitted) {
    let calls = request.parts().filter_map(Part::call);
    let names: BTreeSet<Cow<'a, str>> = calls.map(|call| call.name.clone()).collect();
    for name in names {
        fitted.tools.push(usize::MAX);
        request.tools.push(Tool {
            name,
            parameters: Some(Cow::Borrowed(r#"{"type":"object"}"#)),
            ..Tool::default()
        });
    }
    request.tool_choice = Some(ToolChoice::None);
}
