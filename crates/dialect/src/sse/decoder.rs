//! Reads events from a stream of bytes that may be cut anywhere.

use bytes::{Buf, Bytes, BytesMut};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The `event` field, where this event has one.
    pub event: Option<String>,
    /// The `data` lines, joined with a newline.
    pub data: Bytes,
    /// The `id` field, where this event has one.
    pub id: Option<String>,
}

/// Why a stream of events can't be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// One event, or one line, is larger than is taken.
    #[error("an event of the stream is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit the decoder was made with.
        limit: usize,
    },
}

/// Takes bytes as they come and gives events as they are complete.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    buffer: BytesMut,
    /// How far `buffer` is known to have no line's end.
    scanned: usize,
    /// The last line ended with CR: a LF that follows belongs to it.
    after_cr: bool,
    /// No byte has been read: a byte order mark may come.
    at_start: bool,
    failed: bool,
    event: Option<String>,
    id: Option<String>,
    data: Data,
}

#[derive(Debug)]
enum Data {
    None,
    /// A slice of what came in.
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Data::None => 0,
            Data::One(line) => line.len(),
            Data::Many(lines) => lines.len(),
        }
    }

    fn push(&mut self, line: Bytes) {
        *self = match std::mem::replace(self, Data::None) {
            Data::None => Data::One(line),
            Data::One(first) => {
                let mut lines = BytesMut::with_capacity(first.len() + line.len() + 1);
                lines.extend_from_slice(&first);
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&line);
                Data::Many(lines)
            }
            Data::Many(mut lines) => {
                lines.extend_from_slice(b"\n");
                lines.extend_from_slice(&line);
                Data::Many(lines)
            }
        };
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Decoder {
    /// A decoder that takes events of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: BytesMut::new(),
            scanned: 0,
            after_cr: false,
            at_start: true,
            failed: false,
            event: None,
            id: None,
            data: Data::None,
        }
    }

    /// Takes the next bytes. Take out what they complete with `next` before more are pushed:
    /// the decoder keeps all that it has been given and not yet read.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed {
            return;
        }
        if self.buffer.is_empty() {
            // Bytes that nobody else holds are taken over without a copy.
            self.buffer = chunk
                .try_into_mut()
                .unwrap_or_else(|chunk| BytesMut::from(&*chunk));
        } else {
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// Whether an event has begun and not ended. At the end of the stream this tells that it
    /// was cut, and what has begun is not an event (HTML, section 9.2.6).
    pub fn is_mid_event(&self) -> bool {
        !self.buffer.is_empty()
            || self.event.is_some()
            || self.id.is_some()
            || !matches!(self.data, Data::None)
    }

    /// The next line without its end, once it is whole.
    fn line(&mut self) -> Option<Bytes> {
        if self.at_start {
            let head = &self.buffer[..self.buffer.len().min(BYTE_ORDER_MARK.len())];
            if head == BYTE_ORDER_MARK {
                self.buffer.advance(BYTE_ORDER_MARK.len());
            } else if BYTE_ORDER_MARK.starts_with(head) {
                return None;
            }
            self.at_start = false;
        }
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            if self.buffer.first() == Some(&b'\n') {
                self.buffer.advance(1);
            }
        }
        let Some(found) = memchr::memchr2(b'\r', b'\n', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + found;
        self.scanned = 0;
        self.after_cr = self.buffer[end] == b'\r';
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(1);
        Some(line)
    }

    fn field(&mut self, line: Bytes) {
        let colon = memchr::memchr(b':', &line).unwrap_or(line.len());
        let mut value = line.slice((colon + 1).min(line.len())..);
        if value.first() == Some(&b' ') {
            value.advance(1);
        }
        match &line[..colon] {
            b"data" => self.data.push(value),
            b"event" => self.event = Some(String::from_utf8_lossy(&value).into_owned()),
            b"id" if !value.contains(&0) => {
                self.id = Some(String::from_utf8_lossy(&value).into_owned());
            }
            // A comment (nothing before the colon), `retry`, or unknown.
            _ => {}
        }
    }

    /// What an empty line completes: nothing where there were no data.
    fn dispatch(&mut self) -> Option<Event> {
        let event = self.event.take();
        let id = self.id.take();
        let data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => return None,
            Data::One(line) => line,
            Data::Many(lines) => lines.freeze(),
        };
        Some(Event { event, data, id })
    }

    fn held(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.data.len() + text(&self.event) + text(&self.id)
    }
}

/// Gives the events that are complete. None means "push more", not the end of the stream.
/// After an error there is nothing more.
impl Iterator for Decoder {
    type Item = Result<Event, SseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        // Each turn takes a line out of the buffer.
        while let Some(line) = self.line() {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Some(Ok(event));
                }
                continue;
            }
            if self.held() + line.len() > self.limit {
                return self.fail();
            }
            self.field(line);
            // Bytes that are no UTF-8 grow when they are replaced.
            if self.held() > self.limit {
                return self.fail();
            }
        }
        if self.held() + self.buffer.len() > self.limit {
            self.fail()
        } else {
            None
        }
    }
}

impl Decoder {
    fn fail(&mut self) -> Option<Result<Event, SseError>> {
        self.failed = true;
        self.buffer = BytesMut::new();
        self.data = Data::None;
        Some(Err(SseError::TooLarge { limit: self.limit }))
    }
}
