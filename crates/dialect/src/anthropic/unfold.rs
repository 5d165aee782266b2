//! A whole answer as the events that a stream of it would have. Members that nobody here knows,
//! and blocks that only Anthropic has, go out as they are.

use bytes::Bytes;

use super::error::read_error;
use super::stream_write::{CITATION, INPUT, SIGNATURE, TEXT, THINKING, block_event, block_stop};
use crate::contract::failure::ConvertError;
use crate::json::{Document, Kind, Value, write_json_string};
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
    let mut start = String::from("{\"type\":\"message_start\",\"message\":");
    write_with(message, &mut start, |name| match name {
        "content" => Some("[]"),
        name if AT_END.contains(&name) => Some("null"),
        _ => None,
    });
    start.push('}');
    let mut out = vec![start.into()];
    for (index, block) in (0..).zip(content.items()) {
        unfold_block(index, block, &mut out);
    }
    let mut end = String::from("{\"type\":\"message_delta\",\"delta\":{");
    for (position, name) in AT_END.into_iter().enumerate() {
        let value = message.get(name);
        // The first two are always there.
        if position > 1 && value.is_none() {
            continue;
        }
        if position > 0 {
            end.push(',');
        }
        write_json_string(name, &mut end);
        end.push(':');
        end.push_str(value.map_or("null", |value| value.raw()));
    }
    end.push_str("},\"usage\":");
    end.push_str(
        message
            .get("usage")
            .map_or("{\"output_tokens\":0}", |usage| usage.raw()),
    );
    end.push('}');
    out.push(end.into());
    out.push(Bytes::from_static(b"{\"type\":\"message_stop\"}"));
    Ok(out)
}

fn unfold_block(index: u32, block: Value<'_>, out: &mut Vec<Bytes>) {
    let kind = block
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // Each member that is sent apart: what the start has in its place, and its delta.
    let apart: &[(&str, &str, &str)] = match kind.as_ref() {
        "text" => &[("text", "\"\"", TEXT), ("citations", "[]", CITATION)],
        "thinking" => &[
            ("thinking", "\"\"", THINKING),
            ("signature", "\"\"", SIGNATURE),
        ],
        "tool_use" | "server_tool_use" => &[("input", "{}", INPUT)],
        _ => &[],
    };
    let present = |name: &str| block.get(name).filter(|value| !value.is_null());
    let mut start = block_event("content_block_start", index, "\"content_block\":");
    write_with(block, &mut start, |name| {
        let found = apart
            .iter()
            .find(|(of, ..)| *of == name && present(name).is_some());
        found.map(|(_, instead, _)| *instead)
    });
    start.push('}');
    out.push(start.into());
    for (name, _, begin) in apart {
        let Some(value) = present(name) else {
            continue;
        };
        let mut delta = |json: &dyn Fn(&mut String)| {
            let mut data = block_event("content_block_delta", index, begin);
            json(&mut data);
            data.push_str("}}");
            out.push(data.into());
        };
        match value.kind() {
            Kind::Array => {
                for item in value.items() {
                    delta(&|data| data.push_str(item.raw()));
                }
            }
            Kind::Object => delta(&|data| write_json_string(value.raw(), data)),
            _ if value.is_str("") => {}
            _ => delta(&|data| data.push_str(value.raw())),
        }
    }
    out.push(block_stop(index));
}

/// Appends an object with some of its values replaced.
fn write_with(object: Value<'_>, out: &mut String, instead: impl Fn(&str) -> Option<&'static str>) {
    out.push('{');
    for (position, (key, value)) in object.members().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(key.raw());
        out.push(':');
        let name = key.as_str().unwrap_or_default();
        out.push_str(instead(&name).unwrap_or(value.raw()));
    }
    out.push('}');
}
