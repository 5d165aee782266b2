//! What passes through a door beside a request's body.

use bytes::Bytes;

/// A request that came through a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// The request in OpenAI's form.
    Request(Bytes),
    /// It asks nothing of a model: this answers it.
    Answer(Bytes),
}

/// What an answer says that no upstream knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The model, as the client named it.
    pub model: String,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// An id: letters and digits.
    pub id: String,
    /// The texts that are embedded, where the format repeats them.
    pub texts: Vec<String>,
}

/// What the last event of a stream says of media, which have no place in it.
pub(crate) const LEFT_OUT: &str = "x_forebay_lost";

/// A stream on its way out: each event of OpenAI's becomes no, one or several of the format's.
pub trait DoorStream: Send + Sync {
    /// An event.
    fn event(&mut self, data: &Bytes, out: &mut Vec<Bytes>);
    /// The answer has a medium that the format has no place for: its last event says so.
    fn leave_out(&mut self, _medium: &'static str) {}
    /// The stream has ended well.
    fn end(&mut self, out: &mut Vec<Bytes>);
}
