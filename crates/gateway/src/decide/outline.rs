//! The request as a whole, as the guardrails see it.

use forebay_dialect::canonical::{Field, Message, Part, Prompt};

use crate::policy::Outline;

/// The request as a whole.
pub(crate) fn outline(prompt: &Prompt) -> Outline<'_> {
    let fields =
        |fields: &[Field]| -> usize { fields.iter().map(|f| f.name.len() + f.value.len()).sum() };
    let parts = |message: &Message| -> usize {
        message
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.len(),
                Part::ToolCall(call) => call.name.len() + call.arguments.len(),
                Part::Opaque(opaque) => opaque.json.len(),
            })
            .sum()
    };
    let (mut largest, mut all) = (0, fields(&prompt.extra));
    for message in &prompt.messages {
        let bytes = parts(message);
        largest = largest.max(bytes);
        all += bytes + fields(&message.extra);
    }
    all += prompt.tools.iter().map(String::len).sum::<usize>();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Outline {
        operation: prompt.operation.as_str(),
        model: &prompt.model,
        messages: count(prompt.messages.len()),
        tools: count(prompt.tools.len()),
        largest_message: largest as u64,
        bytes: all as u64,
    }
}
