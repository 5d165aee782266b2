//! A whole answer as the events that a stream of it would have. Members that nobody here knows,
//! and blocks that only Anthropic has, go out as they are.

use bytes::Bytes;

use super::error::read_error;
use super::grammar::{BEGUN_BLOCK, DELTA};
use super::stream_write::{block_delta, block_start, block_stop, message_stop};
use crate::contract::failure::ConvertError;
use crate::fields::name_of;
use crate::grammar::scatter;
use crate::json::{Document, Kind, Value, write};
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
        write::object(out, "message", |out| {
            for (key, value) in message.members() {
                let name = name_of(key);
                let begun = match name.as_ref() {
                    "content" => "[]",
                    name if AT_END.contains(&name) => "null",
                    _ => value.raw(),
                };
                write::kept(out, key, begun);
            }
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
    let apart = scatter::apart(block, &BEGUN_BLOCK, &DELTA);
    out.push(block_start(index, |out| {
        write::braces(out, |out| {
            scatter::begin(block, &apart, |apart| Some(apart.nothing()), out);
        });
    }));
    for apart in &apart {
        for piece in apart.pieces() {
            out.push(block_delta(index, apart.piece, piece.len(), |out| {
                write::value(out, &piece)
            }));
        }
    }
    out.push(block_stop(index));
}
