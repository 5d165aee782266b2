//! How events leave: server-sent events, named or not, AWS event-stream frames, or the elements of an array.

use bytes::{BufMut as _, Bytes, BytesMut};
use forebay_dialect::{Framing, Wire, event_stream, sse};
use http::HeaderValue;

/// How one client wants its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFrame {
    /// Server-sent events with nothing but data.
    Sse,
    /// Server-sent events named after their data's `type`.
    NamedSse,
    /// AWS event-stream frames.
    EventStream,
    /// AWS event-stream frames that carry the format's own events (InvokeModelWithResponseStream).
    Chunks,
    /// Lines of JSON.
    Lines,
    /// One JSON array, element by element: Google's form without `alt=sse`.
    Array,
}

impl EventFrame {
    /// The frame of a format; `array` where the client of Google's asked for no events.
    pub(crate) fn of(wire: Wire, array: bool) -> Self {
        match wire.framing() {
            Framing::Sse if array && wire == Wire::Gemini => EventFrame::Array,
            Framing::Sse => EventFrame::Sse,
            Framing::NamedSse => EventFrame::NamedSse,
            Framing::EventStream => EventFrame::EventStream,
        }
    }

    /// The body's media type.
    pub(crate) fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            EventFrame::Sse | EventFrame::NamedSse => "text/event-stream; charset=utf-8",
            EventFrame::EventStream | EventFrame::Chunks => "application/vnd.amazon.eventstream",
            EventFrame::Lines => "application/x-ndjson",
            EventFrame::Array => "application/json",
        })
    }

    /// What says that a silent stream is still alive: Anthropic's own event, else a comment, which
    /// every reader of event streams skips (HTML, section 9.2.6). None where the form has no such thing.
    pub(crate) fn sign_of_life(self, wire: Wire) -> Option<&'static [u8]> {
        match self {
            EventFrame::Sse | EventFrame::NamedSse if wire == Wire::Messages => {
                Some(b"event: ping\ndata: {\"type\": \"ping\"}\n\n")
            }
            EventFrame::Sse | EventFrame::NamedSse => Some(b": keep-alive\n\n"),
            EventFrame::EventStream
            | EventFrame::Chunks
            | EventFrame::Lines
            | EventFrame::Array => None,
        }
    }

    /// Appends one event. `first`: nothing has gone out yet.
    pub(crate) fn put(self, data: &Bytes, id: Option<&str>, first: bool, out: &mut BytesMut) {
        match self {
            EventFrame::Sse => sse::encode(data, id, out),
            EventFrame::NamedSse => sse::encode_named(kind_of(data), data, id, out),
            // What can't be framed is no event of the format: `Payload::parse` would have refused it.
            EventFrame::EventStream => {
                let _ = event_stream::encode_event(data, out);
            }
            EventFrame::Chunks => {
                let _ = event_stream::encode_chunk(data, out);
            }
            EventFrame::Lines => {
                out.put_slice(data);
                out.put_u8(b'\n');
            }
            EventFrame::Array => {
                out.put_slice(if first { b"[" } else { b",\r\n" });
                out.put_slice(data);
            }
        }
    }

    /// The frame, and the format, in which a stream in that format ends with an error.
    pub(crate) fn of_error(self, wire: Wire) -> (Self, Wire) {
        match self {
            // AWS's clients are told by AWS.
            EventFrame::Chunks => (EventFrame::EventStream, Wire::Converse),
            _ => (self, wire),
        }
    }

    /// Appends what ends a stream that `terminal` events don't end by themselves.
    pub(crate) fn end(self, wire: Wire, first: bool, out: &mut BytesMut) {
        match self {
            EventFrame::Sse if wire.terminal() == forebay_dialect::Terminal::Done => {
                sse::encode(b"[DONE]", None, out);
            }
            EventFrame::Array => out.put_slice(if first { b"[]" } else { b"]" }),
            _ => {}
        }
    }
}

/// The `type` of an event's data, where it stands first, as in every event that this project
/// writes and that the vendors send. Data without one has no name.
fn kind_of(data: &[u8]) -> &str {
    let rest = data.trim_ascii_start();
    let rest = rest
        .strip_prefix(b"{")
        .unwrap_or_default()
        .trim_ascii_start();
    let rest = rest.strip_prefix(b"\"type\"").unwrap_or_default();
    let rest = rest
        .trim_ascii_start()
        .strip_prefix(b":")
        .unwrap_or_default();
    let rest = rest
        .trim_ascii_start()
        .strip_prefix(b"\"")
        .unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'"').unwrap_or(0);
    let name = std::str::from_utf8(&rest[..end]).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if name.bytes().all(plain) { name } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_after_its_type() {
        assert_eq!(kind_of(br#"{"type":"ping"}"#), "ping");
        assert_eq!(
            kind_of(b"{ \"type\" : \"response.created\", \"a\":1}"),
            "response.created"
        );
        assert_eq!(kind_of(b"{\"type\":\"a\\nb\"}"), "");
        assert_eq!(kind_of(b"{\"a\":{\"type\":\"x\"}}"), "");
        assert_eq!(kind_of(b"[]"), "");
    }

    #[test]
    fn an_array_is_one_whatever_its_length() {
        let mut out = BytesMut::new();
        EventFrame::Array.put(&Bytes::from_static(b"{}"), None, true, &mut out);
        EventFrame::Array.put(&Bytes::from_static(b"{}"), None, false, &mut out);
        EventFrame::Array.end(Wire::Gemini, false, &mut out);
        assert_eq!(&out[..], b"[{},\r\n{}]");
        let mut empty = BytesMut::new();
        EventFrame::Array.end(Wire::Gemini, true, &mut empty);
        assert_eq!(&empty[..], b"[]");
    }
}
