//! Reading and writing a stream, event by event.

use bytes::Bytes;

use crate::exchange::answer::ChatAnswer;
use crate::exchange::collect::Collector;
use crate::exchange::event::StreamEvent;
use crate::json::Value;
use crate::payload::PayloadError;

/// Reads a stream of one format. `root` is an event's data, `event` its name where it has one.
pub(crate) trait ReadStream: Send + Sync {
    fn read(
        &mut self,
        event: Option<&str>,
        root: Value<'_>,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), PayloadError>;

    /// The body has ended, or the event came that says so: what is still open is closed and
    /// [`StreamEvent::End`] said, if the format's own end has been seen.
    fn end(&mut self, out: &mut Vec<StreamEvent>);

    /// The body has ended without the format's own end. Where all choices have said why they
    /// ended, nothing is missing but that end, and [`StreamEvent::End`] is said; else nothing.
    fn end_of_body(&mut self, _out: &mut Vec<StreamEvent>) {}

    /// A whole answer, of a format in which that is what a stream's only event would be.
    fn whole(&mut self, root: Value<'_>) -> Result<ChatAnswer<'static>, PayloadError> {
        let mut steps = Vec::new();
        self.read(None, root, &mut steps)?;
        let mut answer = Collector::default();
        steps.iter().for_each(|step| answer.push(step));
        Ok(answer.finish())
    }
}

/// Writes a stream of one format: each step becomes no, one or several events' data.
pub(crate) trait WriteStream: Send + Sync {
    fn write(&mut self, event: &StreamEvent, out: &mut Vec<Bytes>);
}
