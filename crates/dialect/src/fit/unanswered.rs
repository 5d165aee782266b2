//! Calls that have no result, as an agent leaves them that was interrupted. Anthropic, Bedrock,
//! Google, Mistral and OpenAI refuse a conversation that goes on without one.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Aim, Fitted};
use crate::exchange::{ChatRequest, Content, Message, Part, Profile, Role, ToolResult};

/// So many parts are compared one by one.
const FEW: usize = 8;
const SAID: &str = "The tool gave no result: the call was interrupted.";
const WHY: &str = "this call has no result and the target requires one; it was sent as interrupted";

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if is_free(aim) {
        return;
    }
    let mut added = Vec::new();
    let mut at = 0;
    while at < request.messages.len() {
        let missing = missing(&request.messages, at);
        at += 1;
        // What ends with a call waits for its result elsewhere.
        if missing.is_empty() || at == request.messages.len() {
            continue;
        }
        // Behind the results that are there.
        let there = request.messages.iter().skip(at);
        at += there.take_while(|m| m.role == Role::Tool).count();
        let was = fitted.message(at.saturating_sub(1));
        fitted.lose(format!("messages[{was}].tool_calls"), WHY);
        added.push((at, Message::new(Role::Tool, missing)));
    }
    fitted.add(&mut request.messages, added);
}

/// Whether the target takes calls without results, and results wherever they are.
pub(super) fn is_free(aim: &Aim<'_>) -> bool {
    let others = matches!(aim.profile, Profile::Engine | Profile::Standard);
    aim.ways.open_calls && others
}

/// Results for the calls of a message that have none before the assistant speaks again.
fn missing<'a>(messages: &[Message<'a>], at: usize) -> Vec<Part<'a>> {
    let Some(message) = messages.get(at).filter(|m| m.role == Role::Assistant) else {
        return Vec::new();
    };
    let mut calls = message.parts.iter().filter_map(Part::call).peekable();
    if calls.peek().is_none() {
        return Vec::new();
    }
    let results = || {
        let after = messages.iter().skip(at + 1);
        after
            .take_while(|message| message.role != Role::Assistant)
            .flat_map(|message| &message.parts)
            .filter_map(Part::result)
            .map(|result| result.call_id.as_ref())
    };
    // A set costs memory, and most turns have a call or two.
    let many = message.parts.len() > FEW;
    let known: HashSet<&str> = results().filter(|_| many).collect();
    let answered = |id: &str| match many {
        true => known.contains(id),
        false => results().any(|result| result == id),
    };
    let open = calls.filter(|call| !answered(&call.id));
    let result = |call: &crate::exchange::ToolCall<'a>| {
        Part::new(Content::ToolResult(ToolResult {
            call_id: call.id.clone(),
            name: Some(call.name.clone()),
            parts: vec![Part::text(Cow::Borrowed(SAID))],
            is_error: true,
        }))
    };
    open.map(result).collect()
}
