//! Writes events.

use bytes::{BufMut, BytesMut};

/// Appends one event. Data with line breaks becomes several `data` lines, which a reader joins
/// with a newline. An id that has a line break or a null can't be written and is left out.
pub fn encode(data: &[u8], id: Option<&str>, out: &mut BytesMut) {
    let id = id.filter(|id| !id.contains(['\r', '\n', '\0']));
    out.reserve(data.len() + id.map_or(0, |id| id.len() + 5) + 8);
    if let Some(id) = id {
        out.put_slice(b"id: ");
        out.put_slice(id.as_bytes());
        out.put_slice(b"\n");
    }
    let mut rest = data;
    loop {
        out.put_slice(b"data: ");
        let Some(end) = memchr::memchr2(b'\r', b'\n', rest) else {
            out.put_slice(rest);
            break;
        };
        out.put_slice(&rest[..end]);
        out.put_slice(b"\n");
        let step = if rest[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[end + step..];
    }
    out.put_slice(b"\n\n");
}

/// As [`encode`], with an event's name. An empty name is none.
pub fn encode_named(name: &str, data: &[u8], id: Option<&str>, out: &mut BytesMut) {
    if !name.is_empty() && !name.contains(['\r', '\n']) {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_slice(b"\n");
    }
    encode(data, id, out);
}
