//! Events of the same stream that carry text that was held back.

use bytes::Bytes;

use super::payload::index_of;
use super::stretch::Stretch;
use crate::canonical::Channel;
use crate::json::write::{self, number};
use crate::json::{Document, Value};
use crate::payload::Payload;

/// One event for each text. What belongs to a text that was told again as a whole has no event
/// of its own: it can only stand where it was told.
pub(crate) fn synthesise(payload: &Payload, texts: &[(u32, Channel, String)]) -> Vec<Bytes> {
    let document = Document::parse(&payload.raw).ok();
    let root = document.as_ref().map(Document::root);
    let mut out: Vec<Bytes> = Vec::with_capacity(texts.len());
    for (choice, channel, text) in texts {
        if let Some(stretch) = Stretch::of_id(*choice).filter(|_| !channel.is_label()) {
            out.push(event(root, stretch, *channel, text));
        }
    }
    out
}

fn event(root: Option<Value<'_>>, stretch: Stretch, channel: Channel, text: &str) -> Bytes {
    let (kind, part) = match channel {
        Channel::Refusal => ("response.refusal.delta", Some("content_index")),
        Channel::Reasoning if stretch.summary => (
            "response.reasoning_summary_text.delta",
            Some("summary_index"),
        ),
        Channel::Reasoning => ("response.reasoning_text.delta", Some("content_index")),
        Channel::ToolArguments(_) if stretch.custom => {
            ("response.custom_tool_call_input.delta", None)
        }
        Channel::ToolArguments(_) => ("response.function_call_arguments.delta", None),
        _ => ("response.output_text.delta", Some("content_index")),
    };
    let mut out = String::with_capacity(192 + text.len());
    // The number of the event that it goes out with: a client sees the order by the stream.
    let sequence = root.map_or(0, |root| index_of(root, "sequence_number"));
    let id = root.and_then(|root| item_id(root, stretch.item));
    write::typed(&mut out, kind, |out| {
        number(out, "sequence_number", sequence.into());
        write::text(out, "item_id", &id.unwrap_or_default());
        number(out, "output_index", stretch.item.into());
        if let Some(part) = part {
            number(out, part, stretch.part.into());
        }
        write::text(out, "delta", text);
        if channel == Channel::Content {
            write::list(out, "logprobs", |_| {});
        }
    });
    out.into()
}

/// The id of an item as far as the mould tells it.
fn item_id(root: Value<'_>, item: u32) -> Option<String> {
    let id = |of: Value<'_>| of.text("id").map(|id| id.into_owned());
    if let Some(output) = root.get("response").and_then(|r| r.get("output")) {
        return output.items().nth(item as usize).and_then(id);
    }
    if index_of(root, "output_index") != item {
        return None;
    }
    match root.get("item") {
        Some(item) => id(item),
        None => root.text("item_id").map(|id| id.into_owned()),
    }
}
