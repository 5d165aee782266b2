//! An answer as server-sent events, one JSON object each, `[DONE]` last.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Serialize;

use super::job::{Head, Job, Ready};

/// Events rendered ahead of the connection: a slow client holds this many and no more.
const AHEAD: usize = 64;

/// One event.
pub(crate) fn event(object: &impl Serialize) -> Bytes {
    let mut out = b"data: ".to_vec();
    if serde_json::to_writer(&mut out, object).is_err() {
        return Bytes::new();
    }
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

/// The event that ends a stream.
pub(crate) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// What an endpoint's stream consists of.
pub(crate) trait Events {
    /// Sent with the first token.
    fn opening(&self, job: &Job) -> Vec<Bytes>;
    /// Sent for one piece.
    fn piece(&self, head: &Head, ready: &Ready<'_>) -> Bytes;
    /// Sent before the end.
    fn closing(&self, job: &Job) -> Option<Bytes>;
}

/// A job and its events; dropping it cancels the job.
pub(crate) struct EventStream<E> {
    job: Job,
    events: E,
    queue: VecDeque<Bytes>,
    opened: bool,
    ended: bool,
}

impl<E: Events> EventStream<E> {
    pub(crate) fn new(job: Job, events: E) -> Self {
        Self {
            job,
            events,
            queue: VecDeque::new(),
            opened: false,
            ended: false,
        }
    }

    /// The next event; none after `[DONE]`.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        while self.queue.is_empty() {
            if self.ended {
                return None;
            }
            let head = self.job.head.clone();
            let events = &self.events;
            let ready = self
                .job
                .ready(AHEAD, |ready| events.piece(&head, &ready))
                .await;
            match ready {
                Some(pieces) => {
                    if !std::mem::replace(&mut self.opened, true) {
                        self.queue.extend(self.events.opening(&self.job));
                    }
                    self.queue.extend(pieces);
                }
                None => {
                    self.queue.extend(self.events.closing(&self.job));
                    self.queue.push_back(DONE);
                    self.ended = true;
                }
            }
        }
        self.queue.pop_front()
    }
}
