//! Parts of a stream whose format names them itself, by their numbers or by what they are.

use super::answer::Finish;
use super::event::{Delta, PartKind, StreamEvent};
use crate::payload::UpstreamErrorBody;

/// Parts that may be open at once. Formats open a few; beyond this the first is closed.
const MAX_OPEN: usize = 256;

/// A part that goes on.
struct Block<K> {
    key: K,
    /// Its number; none for a block of a kind that is not told on.
    part: Option<u32>,
    /// A call of which no piece has come, and the arguments that it has then.
    unsaid: Option<String>,
}

/// A stream of one choice: its beginning, its open parts by the format's keys, its end.
pub(crate) struct Blocks<K> {
    started: bool,
    finished: bool,
    ended: bool,
    next: u32,
    open: Vec<Block<K>>,
}

impl<K> Default for Blocks<K> {
    fn default() -> Self {
        Self {
            started: false,
            finished: false,
            ended: false,
            next: 0,
            open: Vec::new(),
        }
    }
}

impl<K: Copy + PartialEq> Blocks<K> {
    /// The stream begins, once.
    pub(crate) fn start(&mut self, start: StreamEvent, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(start);
        }
    }

    /// A part begins; it has the arguments `unsaid` if no piece of it comes.
    pub(crate) fn begin(
        &mut self,
        key: K,
        kind: Option<PartKind>,
        unsaid: Option<String>,
        out: &mut Vec<StreamEvent>,
    ) {
        if self.open.len() >= MAX_OPEN {
            self.open.remove(0).close(out);
        }
        let part = kind.map(|kind| {
            self.next += 1;
            out.push(StreamEvent::begin(0, self.next - 1, kind));
            self.next - 1
        });
        self.open.push(Block { key, part, unsaid });
    }

    /// The first open part of which this is true.
    pub(crate) fn find(&self, is: impl Fn(K) -> bool) -> Option<K> {
        let mut keys = self.open.iter().map(|block| block.key);
        keys.find(|key| is(*key))
    }

    /// Whether the part is open, and of a kind that is told on.
    pub(crate) fn tells(&self, key: K) -> bool {
        let mut open = self.open.iter();
        open.any(|block| block.key == key && block.part.is_some())
    }

    /// A piece of a part. Nothing, where it is not open.
    pub(crate) fn say(&mut self, key: K, delta: Delta, out: &mut Vec<StreamEvent>) {
        let block = self.open.iter_mut().find(|block| block.key == key);
        if let Some(block) = block
            && let Some(part) = block.part
        {
            block.unsaid = None;
            out.push(StreamEvent::delta(0, part, delta));
        }
    }

    /// Parts end.
    pub(crate) fn close(&mut self, which: impl Fn(K) -> bool, out: &mut Vec<StreamEvent>) {
        let closing = self.open.extract_if(.., |block| which(block.key));
        closing.for_each(|block| block.close(out));
    }

    /// The choice ends, once, and its open parts before it.
    pub(crate) fn finish(&mut self, finish: Finish, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.finished, true) {
            self.close(|_| true, out);
            out.push(StreamEvent::Finish { choice: 0, finish });
        }
    }

    /// The stream ends, once; well, if the choice has ended.
    pub(crate) fn end(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.ended, true) {
            self.close(|_| true, out);
            if self.finished {
                out.push(StreamEvent::End);
            }
        }
    }

    /// The stream ends by an error, if it says which.
    pub(crate) fn fail(&mut self, error: Option<UpstreamErrorBody>, out: &mut Vec<StreamEvent>) {
        self.ended = true;
        out.extend(error.map(StreamEvent::Error));
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }
}

impl<K> Block<K> {
    fn close(self, out: &mut Vec<StreamEvent>) {
        if let Some(part) = self.part {
            let unsaid = self.unsaid.map(Delta::Text);
            out.extend(unsaid.map(|said| StreamEvent::delta(0, part, said)));
            out.push(StreamEvent::end(0, part));
        }
    }
}
