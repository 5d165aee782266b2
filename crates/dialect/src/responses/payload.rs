//! Reads a payload of an answer by the format's table.
//!
//! Pieces belong to the stretch of their part (see [`super::stretch`]); what an event tells again
//! as a whole is a stretch of its own, complete at once.

use super::answer;
use super::error::read_error;
use super::grammar::{EVENT, RESPONSE};
pub(crate) use super::synthesise::synthesise;
use crate::fields::name_of;
use crate::grammar::payload::read as read_by;
use crate::json::{Kind, Value};
use crate::payload::{Payload, PayloadError};

/// Texts that one event can tell again, before their numbers meet those of the next.
const AGAIN: u32 = 64;

pub(crate) fn read(payload: &mut Payload, root: Value<'_>) -> Result<(), PayloadError> {
    payload.error = read_error(root);
    let is = |name: &str, wanted: &str| root.says(name, wanted);
    if is("type", "error") {
        payload.terminal = true;
        return Ok(());
    }
    let kind = root.get("type").filter(|kind| kind.kind() == Kind::String);
    let has_output = root.get("output").is_some_and(|o| o.kind() == Kind::Array);
    let is_whole = is("object", "response") || kind.is_none() && has_output;
    // What is told again is unlike what other events tell: it counts from the event's own number.
    let whole = index_of(root, "sequence_number").wrapping_mul(AGAIN);
    let table = if is_whole { &RESPONSE } else { &EVENT };
    read_by(payload, table, name_of, whole, root)?;
    let response = match is_whole {
        true => Some(root),
        false => root.get("response").filter(|r| r.kind() == Kind::Object),
    };
    // Its status and what it holds tell how a response ended.
    if let Some(response) = response.filter(|_| payload.error.is_none()) {
        let finish = answer::finish(response, payload.has_tool_calls);
        let finish = finish.map(|finish| (0, finish.plain()));
        payload.finished.extend(finish);
    }
    if is_whole {
        payload.closed = payload.texts.iter().map(|text| text.choice).collect();
        payload.closed.dedup();
    }
    Ok(())
}

/// A place or a number; 0 where it is absent.
pub(super) fn index_of(root: Value<'_>, name: &str) -> u32 {
    root.get(name).and_then(Value::whole).unwrap_or_default()
}
