//! A whole answer as the events that a stream of it would have. Members that nobody here knows,
//! and blocks that only Anthropic has, go out as they are.

use bytes::Bytes;

use super::error::read_error;
use super::stream_write::{
    CITATION, INPUT, Piece, SIGNATURE, TEXT, THINKING, block_delta, block_start, block_stop,
    message_stop,
};
use crate::contract::failure::ConvertError;
use crate::json::{Document, Kind, Value, json_string, write};
use crate::payload::PayloadError;

/// What the end of a stream tells, and not its start.
const AT_END: [&str; 3] = ["stop_reason", "stop_sequence", "stop_details"];

/// Unfolds a message into its events.
///
/// # Errors
///
/// When the body is no JSON or an error, or has no content.
pub(crate) fn unfold(body: &Bytes) -> Result<Vec<Bytes>, ConvertError> {
    let document = Document::parse(body).map_err(PayloadError::from)?;
    let message = document.root();
    let Some(content) = message.get("content").filter(|c| c.kind() == Kind::Array) else {
        let failed = read_error(message).is_some();
        return Err(if failed {
            ConvertError::Upstream
        } else {
            ConvertError::Empty
        });
    };
    let mut start = String::new();
    write::typed(&mut start, "message_start", |out| {
        write::name(out, "message");
        write_with(message, out, |name| match name {
            "content" => Some("[]"),
            name if AT_END.contains(&name) => Some("null"),
            _ => None,
        });
    });
    let mut out = vec![start.into()];
    for (index, block) in (0..).zip(content.items()) {
        unfold_block(index, block, &mut out);
    }
    let mut end = String::new();
    write::typed(&mut end, "message_delta", |out| {
        write::object(out, "delta", |out| {
            for (position, name) in AT_END.into_iter().enumerate() {
                // The first two are always there.
                let value = message.get(name).map(|value| value.raw());
                if let Some(value) = value.or((position < 2).then_some("null")) {
                    write::raw(out, name, value);
                }
            }
        });
        let usage = message.get("usage").map(|usage| usage.raw());
        write::raw(out, "usage", usage.unwrap_or(r#"{"output_tokens":0}"#));
    });
    out.push(end.into());
    out.push(message_stop());
    Ok(out)
}

fn unfold_block(index: u32, block: Value<'_>, out: &mut Vec<Bytes>) {
    let kind = block.text("type").unwrap_or_default();
    // Each member that is sent apart: what the start has in its place, and its delta.
    let apart: &[(&str, &str, Piece)] = match kind.as_ref() {
        "text" => &[("text", "\"\"", TEXT), ("citations", "[]", CITATION)],
        "thinking" => &[
            ("thinking", "\"\"", THINKING),
            ("signature", "\"\"", SIGNATURE),
        ],
        "tool_use" | "server_tool_use" => &[("input", "{}", INPUT)],
        _ => &[],
    };
    let present = |name: &str| block.some(name);
    out.push(block_start(index, |out| {
        write_with(block, out, |name| {
            let found = apart
                .iter()
                .find(|(of, ..)| *of == name && present(name).is_some());
            found.map(|(_, instead, _)| *instead)
        });
    }));
    for (name, _, piece) in apart {
        let Some(value) = present(name) else {
            continue;
        };
        let mut delta = |json: &str| {
            out.push(block_delta(index, *piece, json.len(), |out| {
                write::value(out, json)
            }));
        };
        match value.kind() {
            Kind::Array => value.items().for_each(|item| delta(item.raw())),
            Kind::Object => delta(&json_string(value.raw())),
            _ if value.is_str("") => {}
            _ => delta(value.raw()),
        }
    }
    out.push(block_stop(index));
}

/// Writes an object with some of its values replaced as the next value.
fn write_with(object: Value<'_>, out: &mut String, instead: impl Fn(&str) -> Option<&'static str>) {
    write::braces(out, |out| {
        for (key, value) in object.members() {
            let name = key.as_str().unwrap_or_default();
            write::kept(out, key, instead(&name).unwrap_or(value.raw()));
        }
    });
}
