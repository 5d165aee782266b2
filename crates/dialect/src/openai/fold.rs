//! Makes one completion of a stream's chunks by the format's table.

use bytes::Bytes;

use super::convert::{ConvertError, is_error};
use super::grammar::{CHAT, COMPLETION};
use crate::canonical::Operation;
use crate::fields::name_of;
use crate::grammar::gather::{self, Gathered, Members};
use crate::payload::object;

/// Folds the data of a stream's events, `[DONE]` among them or not, into the body that the
/// same answer has without a stream: texts joined, tool calls put together by their index, log
/// probabilities in order, usage, and of every other field the last that says something.
///
/// # Errors
///
/// When an event is no payload or an error, or there is no choice in any, see
/// [`ConvertError`].
pub fn fold(operation: Operation, events: &[Bytes]) -> Result<Bytes, ConvertError> {
    let table = match operation {
        Operation::Chat => &CHAT,
        _ => &COMPLETION,
    };
    let mut whole = gather::fold(events, is_error, |whole, root| {
        whole.add(object(root, "payload")?, table, name_of);
        Ok(())
    })?;
    let choices = whole.list("choices").filter(|list| !list.is_empty());
    for choice in choices.ok_or(ConvertError::Empty)?.values_mut() {
        complete(choice, operation);
    }
    let object = match operation {
        Operation::Chat => "\"chat.completion\"",
        _ => "\"text_completion\"",
    };
    whole.set("object", Gathered::Json(object.to_owned()));
    Ok(whole.json().into())
}

/// Adds to a choice what every completion has.
fn complete(choice: &mut Members, operation: Operation) {
    if operation == Operation::Chat {
        if choice.get("message").is_none() {
            choice.set("message", Gathered::Object(Members::default()));
        }
        if let Some(Gathered::Object(message)) = choice.get("message") {
            message.or_insert("role", Gathered::Json("\"assistant\"".to_owned()));
            message.or_insert("content", Gathered::Null);
            let calls = ["tool_calls", "function_call"].map(|name| message.get(name).is_some());
            let silent =
                matches!(message.get("content"), Some(Gathered::Text(text)) if text.is_empty());
            // A role chunk says `"content": ""` where the whole completion says null.
            if silent && calls.contains(&true) {
                message.set("content", Gathered::Null);
            }
        }
    } else {
        choice.or_insert("text", Gathered::Text(String::new()));
    }
    choice.or_insert("logprobs", Gathered::Null);
    choice.or_insert("finish_reason", Gathered::Null);
}
