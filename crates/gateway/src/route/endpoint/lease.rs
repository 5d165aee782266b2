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
    /// Its place among the prompts that wait there, and its tokens: until the answer begins.
    queued: Option<Queued>,
    /// Tokens of its prompt.
    prompt_tokens: u64,
    /// It is a stream that waits for its first byte.
    awaits: bool,
    /// Counts it among the requests that share its beginning.
    pub(in crate::route) underway: Option<Underway>,
    /// It counts no longer.
    ended: bool,
}

/// A prompt that waits at a replica.
#[derive(Debug, Clone, Copy)]
struct Queued {
    place: u64,
    /// Tokens that are computed before its answer begins, those ahead of it included.
    tokens: u64,
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
            queued: None,
            prompt_tokens: 0,
            awaits: false,
            underway: None,
            ended: false,
        }
    }

    /// The answer has come as a whole: the replica has one request less, whatever is still done
    /// with the answer here.
    pub(in crate::route) fn end(&mut self, now: Option<Instant>) {
        self.begun(now);
        if !std::mem::replace(&mut self.ended, true) {
            self.endpoint.in_flight.fetch_sub(1, Relaxed);
            let tokens = std::mem::take(&mut self.prompt_tokens);
            self.endpoint.active_tokens.fetch_sub(tokens, Relaxed);
            self.underway = None;
        }
    }

    /// The replica has to compute so many prompt tokens before the answer, perhaps a stream, begins.
    /// What has no prompt waits for none.
    pub(in crate::route) fn waits_for(&mut self, tokens: u64, streamed: bool, now: Instant) {
        self.begun(None);
        self.queued = (tokens > 0).then(|| {
            let (place, ahead) = self.endpoint.waits(tokens, streamed, now);
            let tokens = ahead.saturating_add(tokens);
            Queued { place, tokens }
        });
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

    /// The first token of the answer has come, of a request that was sent then.
    pub(in crate::route) fn first_token(&mut self, sent: Instant, now: impl FnOnce() -> Instant) {
        let Some(Queued { tokens, .. }) = self.queued else {
            return self.begun(None);
        };
        let now = now();
        let took = now.saturating_duration_since(sent);
        self.endpoint.prefill.note(tokens, took);
        self.begun(Some(now));
    }

    /// The answer has begun: its prompt is computed.
    pub(in crate::route) fn begun(&mut self, now: Option<Instant>) {
        if std::mem::take(&mut self.awaits) {
            self.endpoint.silence.waits_no_longer();
        }
        if let Some(Queued { place, .. }) = self.queued.take() {
            self.endpoint.waits_no_longer(place, now);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end(None);
        if self.on_trial {
            // A trial that ended without a result, since its client left, is no result: another may try.
            self.endpoint.record.end_trial(self.taken);
        }
    }
}
