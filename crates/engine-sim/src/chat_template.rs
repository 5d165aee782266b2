//! ChatML: messages to tokens. Marks are set as tokens of their own, so that no text can forge one.

use serde_json::Value;

use crate::tokenizer::{self, IM_END, IM_START, IMAGE};

/// The tokens of a conversation; with `open` the assistant's turn is begun.
pub(crate) fn render(messages: &[Value], tools: Option<&[Value]>, open: bool) -> Vec<u32> {
    let mut tokens = Vec::new();
    if let Some(tools) = tools.filter(|tools| !tools.is_empty()) {
        tokens.push(IM_START);
        let list: Vec<String> = tools.iter().map(Value::to_string).collect();
        tokens.extend(tokenizer::encode(&format!(
            "system\n# Tools\n{}",
            list.join("\n")
        )));
        end(&mut tokens);
    }
    for message in messages {
        let role = message
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or("user");
        tokens.push(IM_START);
        tokens.extend(tokenizer::encode(&format!("{role}\n")));
        content(&mut tokens, message.get("content"));
        for key in ["tool_calls", "tool_call_id", "name"] {
            if let Some(value) = message.get(key).filter(|value| !value.is_null()) {
                tokens.extend(tokenizer::encode(&format!("\n{key}: {value}")));
            }
        }
        end(&mut tokens);
    }
    if open {
        tokens.push(IM_START);
        tokens.extend(tokenizer::encode("assistant\n"));
    }
    tokens
}

fn end(tokens: &mut Vec<u32>) {
    tokens.push(IM_END);
    tokens.extend(tokenizer::encode("\n"));
}

fn content(tokens: &mut Vec<u32>, content: Option<&Value>) {
    match content {
        Some(Value::String(text)) => tokens.extend(tokenizer::encode(text)),
        Some(Value::Array(parts)) => {
            for part in parts {
                match part.get("text").and_then(Value::as_str) {
                    Some(text) => tokens.extend(tokenizer::encode(text)),
                    // Other media count as one mark and their reference, so different ones differ.
                    None => {
                        tokens.push(IMAGE);
                        tokens.extend(tokenizer::encode(&part.to_string()));
                    }
                }
            }
        }
        _ => {}
    }
}

/// The text of the last message, if a user wrote it.
pub(crate) fn last_user_text(messages: &[Value]) -> Option<String> {
    let last = messages.last()?;
    if last.get("role").and_then(Value::as_str) != Some("user") {
        return None;
    }
    match last.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(
            parts
                .iter()
                .filter_map(|part| part.get("text").and_then(Value::as_str))
                .collect(),
        ),
        _ => None,
    }
}
