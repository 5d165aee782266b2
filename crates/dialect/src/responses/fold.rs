//! A stream's events as the response they amount to: its last event has all of it.

use bytes::Bytes;

use crate::contract::failure::ConvertError;
use crate::json::{Document, Kind};
use crate::payload::PayloadError;

/// Events whose `response` is whole.
const LAST: [&str; 2] = ["response.completed", "response.incomplete"];

/// The response of a stream that has ended; none where its last event does not carry one.
///
/// # Errors
///
/// When the last event is not JSON.
pub(crate) fn fold(events: &[Bytes]) -> Result<Option<Bytes>, ConvertError> {
    let Some(last) = events.last() else {
        return Ok(None);
    };
    let document = Document::parse(last).map_err(PayloadError::from)?;
    let root = document.root();
    let kind = root.text("type");
    let ends = kind.is_some_and(|kind| LAST.contains(&&*kind));
    let response = root
        .get("response")
        .filter(|response| ends && response.kind() == Kind::Object)
        // A writer that leaves the output to the events before says so with an empty list.
        .filter(|response| {
            let output = response.get("output");
            output.is_some_and(|output| output.items().next().is_some())
        });
    Ok(response.map(|response| Bytes::copy_from_slice(response.raw().as_bytes())))
}
