//! A request's ticket: from the moment it counts as in flight to its last byte out, or its client's leaving.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use forebay_dialect::Wire;
use forebay_dialect::canonical::{Operation, Usage};
use forebay_dialect::door::Door;

use crate::answer::flight::Head;
use crate::answer::models::is_listed;
use crate::enter::charge::Charge;
use crate::error::ErrorKind;
use crate::gateway::Gateway;
use crate::observe::{CacheResult, Observation, Stage, Summary};
use crate::platform::{Platform, system_clock, system_wall};
use crate::trail::Trail;

/// What a token of an answer has in bytes, where nobody counted: English has four, and so has
/// code; other scripts have fewer, and are estimated too low rather than too high.
const BYTES_PER_TOKEN: u64 = 4;

/// When and from where a request came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The client's address, where known.
    pub peer: Option<IpAddr>,
    /// When its head had come.
    pub started: Instant,
    /// The same by the wall clock.
    pub started_at: SystemTime,
}

impl Arrival {
    /// Now, from this peer.
    pub fn now(peer: Option<IpAddr>) -> Self {
        Self {
            peer,
            started: system_clock(),
            started_at: system_wall(),
        }
    }
}

/// Counts one request as in flight. Given out by [`Gateway::enter`].
pub struct Permit<P: Platform> {
    pub(crate) gateway: Arc<Gateway<P>>,
    pub(crate) arrival: Arrival,
    live: bool,
}

impl<P: Platform> Permit<P> {
    pub(crate) fn new(gateway: Arc<Gateway<P>>, arrival: Arrival) -> Self {
        Self {
            gateway,
            arrival,
            live: true,
        }
    }

    pub(crate) fn uncounted(gateway: Arc<Gateway<P>>, arrival: Arrival) -> Self {
        Self {
            gateway,
            arrival,
            live: false,
        }
    }
}

impl<P: Platform> Drop for Permit<P> {
    fn drop(&mut self) {
        if self.live {
            self.gateway.shared().in_flight.fetch_sub(1, Relaxed);
        }
    }
}

/// What becomes of a permit once the request is being handled: it gathers the summary and
/// hands it in when dropped.
pub(crate) struct Ticket<P: Platform> {
    pub(crate) gateway: Arc<Gateway<P>>,
    pub(crate) started: Instant,
    pub(crate) summary: Box<Summary>,
    /// The format in which the client is told of errors. OpenAI's, until its path is known.
    pub(crate) wire: Wire,
    /// The door that it came through, whose format errors are told in.
    pub(crate) door: Option<Door>,
    /// The flight's beginning, where the answer comes from one.
    pub(crate) head: Option<Head>,
    /// What it costs its key.
    pub(crate) charge: Charge<P>,
    /// The prompt's tokens, as estimated.
    pub(crate) input_tokens: u64,
    /// The client wants to know how its request was decided.
    pub(crate) explain: bool,
    /// What happens to it; of a request that joined a flight, what happened to that.
    pub(crate) trail: Arc<Trail>,
    /// Nothing was computed for it.
    free: bool,
    complete: bool,
    /// It counts as in flight.
    in_flight: bool,
}

impl<P: Platform> Ticket<P> {
    pub(crate) fn new(mut permit: Permit<P>, path: &str, request_id: String) -> Self {
        let counted = std::mem::take(&mut permit.live);
        let arrival = permit.arrival;
        // 64: enough to tell endpoints apart; the rest is the client's to fill.
        let cut = (0..=path.len().min(64))
            .rev()
            .find(|&i| path.is_char_boundary(i))
            .unwrap_or(0);
        let trail = Trail::new(&request_id, arrival.started);
        let summary = Box::new(Summary {
            request_id,
            path: path[..cut].to_owned(),
            started: arrival.started_at,
            ..Summary::default()
        });
        Self {
            gateway: permit.gateway.clone(),
            started: arrival.started,
            summary,
            charge: Charge::new(permit.gateway.platform().clone()),
            input_tokens: 0,
            explain: false,
            trail,
            free: false,
            wire: Wire::Chat,
            door: None,
            head: None,
            complete: false,
            in_flight: counted,
        }
    }

    /// An upstream has been asked: from now on the prompt is paid for, until it is known better.
    pub(crate) fn asked(&mut self) {
        self.charge.owe(self.input_tokens);
    }

    /// An upstream has begun to answer.
    pub(crate) fn answered_by(&mut self, head: &Head) {
        self.summary.upstream = Some(head.upstream.clone());
        self.summary.lost = head.lost_fields.clone();
    }

    /// The tokens of an answer, as counted. `free`: nothing was computed for this request.
    pub(crate) fn counted(&mut self, usage: Usage, free: bool) {
        self.summary.usage = Some(usage);
        self.free = free;
        let used = usage.input.saturating_add(usage.output);
        self.charge.owe(if free { 0 } else { used });
    }

    /// The tokens of an answer that nobody counted, by the bytes of text that it had.
    pub(crate) fn estimated(&mut self, text_bytes: u64, free: bool) {
        let usage = Usage {
            input: self.input_tokens,
            output: text_bytes.div_ceil(BYTES_PER_TOKEN),
            ..Usage::default()
        };
        self.summary.usage_estimated = true;
        self.counted(usage, free);
    }

    /// Nothing was computed that could be charged.
    pub(crate) fn nothing(&mut self) {
        self.charge.owe(0);
    }

    /// Since the request's head had come.
    pub(crate) fn elapsed(&self) -> Duration {
        let now = self.gateway.platform().now();
        now.saturating_duration_since(self.started)
    }

    /// A stage of this name ends now; it began where the one before it ended.
    pub(crate) fn passed(&mut self, name: &'static str) {
        let now = self.elapsed();
        let stages = &mut self.summary.way.stages;
        let start = stages
            .last()
            .map_or(Duration::ZERO, |last| last.start + last.took);
        let took = now.saturating_sub(start);
        stages.push(Stage { name, start, took });
    }

    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        self.summary.error = Some(kind);
        self.summary.denied |= matches!(kind, ErrorKind::PromptDenied | ErrorKind::OutputDenied);
    }

    /// The last byte went out.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    pub(crate) fn token_out(&mut self) {
        if self.summary.first_token.is_none() {
            self.summary.first_token = Some(self.elapsed());
        }
    }
}

impl<P: Platform> Ticket<P> {
    /// Adds what was noted since the decision, and the reply as the last stage.
    fn finish_way(&self, summary: &mut Summary) {
        let own = std::mem::take(&mut summary.way.stages);
        let mut way = self.trail.way();
        if *self.trail.request_id != *summary.request_id {
            way.led_by = Some(self.trail.request_id.clone());
            // The times of another request's stages are counted from its own beginning.
            way.stages.clear();
        }
        way.stages.splice(0..0, own);
        let ends = way.stages.iter().map(|stage| stage.start + stage.took);
        let start = ends.max().unwrap_or_default();
        way.stages.push(Stage {
            name: "reply",
            start,
            took: summary.duration.saturating_sub(start),
        });
        summary.way = way;
    }

    /// What the answer cost, or would have cost.
    fn price(&self, summary: &mut Summary) {
        let (Some(usage), Some(upstream)) = (summary.usage, &summary.upstream) else {
            return;
        };
        let upstream = self.gateway.upstream(upstream);
        let Some(price) = upstream.and_then(|upstream| upstream.price(&summary.model)) else {
            return;
        };
        let cost = price.of(usage);
        let stored = matches!(summary.cache, CacheResult::Hit | CacheResult::Stale);
        if self.free || stored {
            summary.saved_by_cache_micro_usd = cost;
        } else {
            summary.cost_micro_usd = cost;
            summary.saved_by_prefix_micro_usd = price.saved(usage);
        }
    }
}

impl<P: Platform> Drop for Ticket<P> {
    fn drop(&mut self) {
        self.summary.duration = self.elapsed();
        self.summary.client_gone = !self.complete;
        if self.in_flight {
            self.gateway.shared().in_flight.fetch_sub(1, Relaxed);
        }
        let mut summary = std::mem::take(&mut self.summary);
        self.finish_way(&mut summary);
        self.price(&mut summary);
        if let (101 | 200, Some(upstream)) = (summary.status, &summary.upstream) {
            summary.model_listed = is_listed(&self.gateway, upstream, &summary.model);
        }
        if let (Some(usage), Some(caller), Some(Operation::Chat | Operation::Completion)) =
            (summary.usage, &summary.caller, summary.operation)
        {
            let history = &self.gateway.shared().history;
            history.note(&caller.tenant, &summary.model, usage.output);
        }
        self.gateway
            .platform()
            .observe(Observation::Finished(summary));
    }
}
