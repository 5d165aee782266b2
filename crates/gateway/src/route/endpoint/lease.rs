//! A request's place at a replica: counted for as long as it lives.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Replica;
use crate::route::workers::Underway;

/// Counts a request in flight at a replica for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) endpoint: Arc<Replica>,
    on_trial: bool,
    /// When the place was taken.
    taken: Instant,
    /// Tokens that it counts as queued until the answer begins.
    queued_tokens: u64,
    /// Tokens of its prompt.
    prompt_tokens: u64,
    /// It is a stream that waits for its first byte.
    awaits: bool,
    /// Tokens that were queued before it.
    ahead: u64,
    /// Counts it among the requests that share its beginning.
    pub(in crate::route) underway: Option<Underway>,
    /// It counts no longer.
    ended: bool,
}

impl Lease {
    /// A place at a replica, which a caller of this key takes now.
    pub(in crate::route) fn new(endpoint: &Arc<Replica>, key: u64, now: Instant) -> Self {
        endpoint.in_flight.fetch_add(1, Relaxed);
        endpoint.record.used(key, now);
        Self {
            endpoint: endpoint.clone(),
            on_trial: endpoint.record.begin_trial(now),
            taken: now,
            queued_tokens: 0,
            prompt_tokens: 0,
            awaits: false,
            ahead: 0,
            underway: None,
            ended: false,
        }
    }

    /// The answer has come as a whole: the replica has one request less, whatever is still done
    /// with the answer here.
    pub(in crate::route) fn end(&mut self) {
        self.begun();
        if !std::mem::replace(&mut self.ended, true) {
            self.endpoint.in_flight.fetch_sub(1, Relaxed);
            let tokens = std::mem::take(&mut self.prompt_tokens);
            self.endpoint.active_tokens.fetch_sub(tokens, Relaxed);
            self.underway = None;
        }
    }

    /// The replica has to compute so many prompt tokens before the answer begins.
    pub(in crate::route) fn waits_for(&mut self, tokens: u64) {
        self.begun();
        self.ahead = self.endpoint.queued_tokens.fetch_add(tokens, Relaxed);
        self.queued_tokens = tokens;
    }

    /// Its prompt has so many tokens, cached ones included. Told once.
    pub(in crate::route) fn carries(&mut self, tokens: u64) {
        self.endpoint.active_tokens.fetch_add(tokens, Relaxed);
        self.prompt_tokens += tokens;
    }

    /// It is a stream, and may wait so long for its first byte.
    pub(in crate::route) fn awaits(&mut self, limit: Duration, now: Instant) {
        self.endpoint.silence.waits(limit, now);
        self.awaits = true;
    }

    /// The first token of the answer has come, so long after the request was sent.
    pub(in crate::route) fn first_token(&mut self, took: impl FnOnce() -> Duration) {
        if self.queued_tokens > 0 {
            let computed = self.ahead.saturating_add(self.queued_tokens);
            self.endpoint.prefill.note(computed, took());
        }
        self.begun();
    }

    /// The answer has begun: its prompt is computed.
    pub(in crate::route) fn begun(&mut self) {
        if std::mem::take(&mut self.awaits) {
            self.endpoint.silence.waits_no_longer();
        }
        let tokens = std::mem::take(&mut self.queued_tokens);
        self.endpoint.queued_tokens.fetch_sub(tokens, Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end();
        if self.on_trial {
            // A trial that ended without a result, since its client left, is no result: another may try.
            self.endpoint.record.end_trial(self.taken);
        }
    }
}
