//! From an event's union form to its frame, and back.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};

use super::{EventStreamError, Frame, header};
use crate::json::{Document, Kind, write};

/// What every frame around a payload has at most, beside its type's name.
const FRAME_BYTES: usize = 128;

/// Appends the frame of an event in union form, `{"contentBlockDelta":{…}}`. The payload is the
/// inner object, byte for byte. A type that ends in `Exception` makes an exception's frame.
///
/// # Errors
///
/// When this is not a JSON object with one member that is an object, or no frame can hold it;
/// nothing has been appended then.
pub fn encode_event(union_json: &Bytes, out: &mut BytesMut) -> Result<(), EventStreamError> {
    let document = Document::parse(union_json).map_err(|_| EventStreamError::NotAUnion)?;
    let mut members = document.root().members();
    let (Some((key, value)), None) = (members.next(), members.next()) else {
        return Err(EventStreamError::NotAUnion);
    };
    if value.kind() != Kind::Object {
        return Err(EventStreamError::NotAUnion);
    }
    let name = key.as_str().unwrap_or_default();
    let (type_header, message_type) = if name.ends_with("Exception") {
        (header::EXCEPTION_TYPE, "exception")
    } else {
        (header::EVENT_TYPE, "event")
    };
    let string = |text: &'static str| HeaderValue::String(text.into());
    let headers = vec![
        Header::new(type_header, HeaderValue::String(name.into_owned().into())),
        Header::new(header::CONTENT_TYPE, string("application/json")),
        Header::new(header::MESSAGE_TYPE, string(message_type)),
    ];
    let payload = union_json.slice(value.span().range());
    out.reserve(payload.len() + FRAME_BYTES);
    let message = Message::new_from_parts(headers, payload);
    write_message_to(&message, out).map_err(|error| EventStreamError::Unwritable {
        reason: error.to_string(),
    })
}

/// Appends the `chunk` frame that carries an event of the model's own (InvokeModelWithResponseStream):
/// `{"bytes":"<base64>"}`.
///
/// # Errors
///
/// When no frame can hold it; nothing has been appended then.
pub fn encode_chunk(event: &[u8], out: &mut BytesMut) -> Result<(), EventStreamError> {
    let mut union = String::new();
    write::union(&mut union, "chunk", |out| {
        write::text(out, "bytes", &STANDARD.encode(event));
    });
    encode_event(&union.into(), out)
}

/// The union form of a frame: `{"type":payload}`, the payload as it came. An empty payload is
/// an empty object. Whether the payload is JSON is for the reader of the event to see.
pub fn union_json(frame: &Frame) -> Bytes {
    let name = frame.event_type.as_deref().or(frame.exception.as_deref());
    let mut head = String::new();
    write::open(&mut head);
    write::name(&mut head, name.unwrap_or_default());
    let payload: &[u8] = match frame.payload.is_empty() {
        true => b"{}",
        false => &frame.payload,
    };
    let mut out = BytesMut::with_capacity(head.len() + payload.len() + 1);
    out.put_slice(head.as_bytes());
    out.put_slice(payload);
    out.put_slice(b"}");
    out.freeze()
}
