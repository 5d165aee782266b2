//! Who speaks, in which order, and whether anything is said: blank texts, system messages within
//! the conversation, an assistant that speaks first.

use std::borrow::Cow;

use super::aim::{Aim, Fitted};
use super::family::takes_system_messages;
use crate::exchange::{ChatRequest, Content, Message, Part, Profile, Role};

pub(super) fn fit(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if aim.ways.refuses_blanks {
        blank(request, aim, fitted);
    }
    system(request, aim, fitted);
    if aim.is(aim.ways.one_text) {
        for message in &mut request.messages {
            as_one_text(message);
        }
    }
    if aim.ways.strict_turns {
        begins_with_user(request, fitted);
    }
    if aim.ways.text_with_files {
        text_with_files(&mut request.messages);
    }
}

/// Bedrock refuses what the user says where it is a file and no text.
fn text_with_files(messages: &mut [Message<'_>]) {
    const FILE: &str = "(The file is attached.)";
    let is_users = |message: &Message<'_>| matches!(message.role, Role::User | Role::Tool);
    for turn in messages.chunk_by_mut(|one, next| is_users(one) && is_users(next)) {
        let has = |is: fn(&Part<'_>) -> bool| turn.iter().any(|m| m.parts.iter().any(is));
        let has_file = has(|part| matches!(part.content, Content::File(_)));
        if !has_file || has(|part| part.said().is_some()) {
            continue;
        }
        if let Some(last) = turn.last_mut() {
            let mut text = Part::text(FILE);
            text.cache = last.parts.last_mut().and_then(|part| part.cache.take());
            last.parts.push(text);
        }
    }
}

pub(super) fn is_operator(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

/// Begins the line with which Claude Code tells of itself in a system prompt. It says nothing to a
/// model, and AWS refuses it.
pub(crate) const BILLING: &str = "x-anthropic-billing-header:";

/// A system prompt's text without the line with which Claude Code tells of itself.
#[must_use]
pub fn unbilled(text: &str) -> &str {
    match text.starts_with(BILLING) {
        true => text.split_once('\n').map_or("", |(_, rest)| rest),
        false => text,
    }
}

/// Leaves out the line with which Claude Code tells of itself. It differs with each request, so that
/// no cache would know the prompt again; only Anthropic's own API reads it.
pub(super) fn without_billing(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    if aim.ways.own_parts && aim.profile == Profile::Standard {
        return;
    }
    for message in request.messages.iter_mut().filter(|m| is_operator(m)) {
        for part in &mut message.parts {
            if let Content::Text { text, .. } = &mut part.content
                && text.starts_with(BILLING)
            {
                *text = Cow::Owned(unbilled(text).to_owned());
            }
        }
        let says = |part: &Part<'_>| part.said().is_none_or(|text| !text.is_empty());
        message.parts.retain(says);
    }
    let silent = |message: &Message<'_>| is_operator(message) && message.parts.is_empty();
    leave_out(request, fitted, silent);
}

/// Leaves out messages that say nothing, and names what stood beside it.
fn leave_out(
    request: &mut ChatRequest<'_>,
    fitted: &mut Fitted,
    silent: impl Fn(&Message<'_>) -> bool,
) {
    for (at, message) in request.messages.iter().enumerate() {
        for field in message.extra.iter().filter(|_| silent(message)) {
            let param = format!("messages[{}].{}", fitted.message(at), field.name);
            fitted.lose(param, "the message has no other content and was left out");
        }
    }
    let mut said = request.messages.iter().map(|message| !silent(message));
    fitted.messages.retain(|_| said.next().unwrap_or(true));
    request.messages.retain(|message| !silent(message));
}

/// A text of nothing but white space: Anthropic and Bedrock refuse it.
fn is_blank(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Text { text, .. } | Content::Refusal(text) => text.trim().is_empty(),
        _ => false,
    }
}

fn blank(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    for message in &mut request.messages {
        without_blanks(&mut message.parts);
        for part in &mut message.parts {
            if let Content::ToolResult(result) = &mut part.content {
                without_blanks(&mut result.parts);
            }
        }
    }
    // What an answer is to begin with must not end in white space.
    let begun = request.messages.last_mut();
    if let Some(Content::Text { text, .. }) = begun
        .filter(|message| message.role == Role::Assistant)
        .and_then(|message| message.parts.last_mut())
        .map(|part| &mut part.content)
        && text.ends_with(char::is_whitespace)
    {
        *text = Cow::Owned(text.trim_end().to_owned());
    }
    let silent = |m: &Message<'_>| m.parts.is_empty() && m.role == Role::Assistant;
    if aim.ways.refuses_silence {
        leave_out(request, fitted, silent);
    }
}

fn without_blanks(parts: &mut Vec<Part<'_>>) {
    if !parts.iter().any(is_blank) {
        return;
    }
    let mut kept: Vec<Part<'_>> = Vec::with_capacity(parts.len());
    for part in parts.drain(..) {
        if !is_blank(&part) {
            kept.push(part);
        } else if let (Some(cache), Some(before)) = (part.cache, kept.last_mut()) {
            // Its cache marker stays where it stood.
            before.cache.get_or_insert(cache);
        }
    }
    *parts = kept;
}

const MOVED: &str =
    "this target takes instructions ahead of the conversation only: they were moved there";
const SAID: &str =
    "this target takes one system message at the beginning: later ones are the user's";

/// System messages where the target allows them.
fn system(request: &mut ChatRequest<'_>, aim: &Aim<'_>, fitted: &mut Fitted) {
    let leading = request
        .messages
        .iter()
        .take_while(|m| is_operator(m))
        .count();
    if leading == request.messages.len() && aim.ways.strict_turns {
        alone(request, fitted);
        return;
    }
    let late = request.messages.iter().skip(leading).any(is_operator);
    if aim.ways.system_first && late && !takes_system_messages(aim.model) {
        hoist(request, leading, fitted);
    } else if aim.ways.templates && aim.profile == Profile::Engine {
        engine(request, leading, fitted);
    }
}

/// Nothing but instructions: the last of them is what the model is asked.
fn alone(request: &mut ChatRequest<'_>, fitted: &mut Fitted) {
    let Some(at) = request.messages.len().checked_sub(1) else {
        return;
    };
    let was = fitted.message(at);
    if let Some(last) = request.messages.get_mut(at) {
        last.role = Role::User;
        let why =
            "this target wants a message besides instructions: the last one is sent as the user's";
        fitted.lose(format!("messages[{was}].role"), why);
    }
}

/// Late system messages join the leading ones, in their order.
fn hoist(request: &mut ChatRequest<'_>, leading: usize, fitted: &mut Fitted) {
    let messages = std::mem::take(&mut request.messages);
    let numbers = std::mem::take(&mut fitted.messages);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (at, (message, number)) in messages.into_iter().zip(numbers).enumerate() {
        if is_operator(&message) {
            if at >= leading {
                fitted.lose(format!("messages[{number}].role"), MOVED);
            }
            first.push((message, number));
        } else {
            rest.push((message, number));
        }
    }
    for (message, number) in first.into_iter().chain(rest) {
        request.messages.push(message);
        fitted.messages.push(number);
    }
}

/// Templates of open models take one system message at the beginning, and many raise an error
/// for a second one: the leading ones are joined, later ones are said by the user, in place.
fn engine(request: &mut ChatRequest<'_>, leading: usize, fitted: &mut Fitted) {
    if leading > 1 {
        let rest = request.messages.split_off(leading);
        let mut joined = std::mem::take(&mut request.messages).into_iter();
        if let Some(mut first) = joined.next() {
            first.role = Role::System;
            for message in joined {
                first.parts.extend(message.parts);
                first.extra.extend(message.extra);
            }
            request.messages.push(first);
            request.messages.extend(rest);
            fitted.messages.drain(1..leading);
        }
    }
    let from = leading.min(1);
    for (at, message) in request.messages.iter_mut().enumerate().skip(from) {
        if is_operator(message) {
            message.role = Role::User;
            let was = fitted.messages.get(at).copied().unwrap_or(at);
            fitted.lose(format!("messages[{was}].role"), SAID);
        }
    }
}

/// Several texts and nothing else are one text: many servers take only that.
fn as_one_text(message: &mut Message<'_>) {
    if message.role == Role::Tool || message.parts.len() < 2 {
        return;
    }
    let in_the_way = |part: &Part<'_>| {
        matches!(
            part.content,
            Content::Image(_) | Content::Audio(_) | Content::Video(_) | Content::File(_)
        )
    };
    if message.parts.iter().any(in_the_way) {
        return;
    }
    let plain = |part: &Part<'_>| match &part.content {
        Content::Text { citations, .. } => part.extra.is_empty() && citations.is_empty(),
        _ => false,
    };
    let texts = message.parts.iter().filter(|part| plain(part)).count();
    if texts < 2 {
        return;
    }
    let mut kept: Vec<Part<'_>> = Vec::with_capacity(message.parts.len());
    for part in message.parts.drain(..) {
        let joins = plain(&part) && kept.last().is_some_and(plain);
        match (joins, kept.last_mut()) {
            (true, Some(before)) => {
                if let (Content::Text { text, .. }, Content::Text { text: more, .. }) =
                    (&mut before.content, &part.content)
                {
                    let text = text.to_mut();
                    text.push('\n');
                    text.push_str(more);
                }
                before.cache = part.cache.or(before.cache.take());
            }
            _ => kept.push(part),
        }
    }
    message.parts = kept;
}

/// A conversation that the assistant begins.
fn begins_with_user(request: &mut ChatRequest<'_>, fitted: &mut Fitted) {
    let Some(at) = request.messages.iter().position(|m| !is_operator(m)) else {
        return;
    };
    let first = request.messages.get(at);
    if first.is_none_or(|first| first.role != Role::Assistant) {
        return;
    }
    fitted.messages.insert(at, at);
    let begins = Part::text("(The conversation begins.)");
    request
        .messages
        .insert(at, Message::new(Role::User, vec![begins]));
}
