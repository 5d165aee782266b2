//! One upstream's part of an explanation: how a prompt is cut there, who holds it, and the cost on
//! each replica by the rule that the cloud-selector uses by default.

use forebay_routing::{ExpectedCost, Fleet, Rule as _, Worker as Seen};
use serde::Serialize;

use super::{Upstream, View};
use crate::policy::{IndexState, Worker};

/// A prompt at one upstream.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedUpstream {
    /// Its name.
    pub upstream: String,
    /// `tokens` where the prompt's tokens are known and the engines' caches are followed, else `text`.
    pub compared_in: &'static str,
    /// Tokens of the prompt: counted for `tokens`, else estimated.
    pub prompt_tokens: u64,
    /// Whole blocks of the prompt.
    pub blocks: usize,
    /// Its replicas.
    pub workers: Vec<ExplainedWorker>,
}

/// A prompt at one replica.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedWorker {
    /// Its base URL.
    pub url: String,
    /// Whether it may get requests now.
    pub healthy: bool,
    /// How well it is known what it holds: `exact`, `degraded` or `fallback`.
    pub state: &'static str,
    /// Leading tokens of the prompt that it holds.
    pub held_tokens: u64,
    /// Tokens that it would compute.
    pub uncached_tokens: u64,
    /// Tokens of other prompts that wait there.
    pub queued_tokens: u64,
    /// Tokens of prompt a second that it computes, as learned; 0 is unknown.
    pub prefill_rate: f64,
    /// What it is expected to cost, in seconds.
    pub seconds: ExplainedSeconds,
    /// The rule would choose it.
    pub chosen: bool,
}

/// The parts of a cost, in seconds: see `docs/routing.md`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ExplainedSeconds {
    /// Prefill that is ahead of the request.
    pub queue: f64,
    /// The request's own prefill.
    pub prefill: f64,
    /// What a second copy of the prefix costs later.
    pub copy: f64,
    /// The answer's steps.
    pub decode: f64,
    /// The sum.
    pub total: f64,
}

impl Upstream {
    /// What a prompt is to its replicas now.
    pub(crate) fn explain(&self, view: View<'_>) -> ExplainedUpstream {
        let chain = view.prefix.chain(&self.name);
        let workers = self.workers(view);
        let seen: Vec<Seen> = workers.iter().map(seen).collect();
        let request = self.request(view.prefix);
        let mut rule = ExpectedCost::default();
        let fleet = Fleet::of(&seen);
        let chosen = rule.pick(&request, &seen);
        let explained = workers.iter().zip(&seen).enumerate();
        let explained = explained.map(|(place, (worker, seen))| {
            let parts = rule.parts(&request, seen, &fleet);
            ExplainedWorker {
                url: worker.id.clone(),
                healthy: worker.healthy,
                state: match worker.index {
                    IndexState::Exact => "exact",
                    IndexState::Degraded => "degraded",
                    IndexState::Fallback => "fallback",
                },
                held_tokens: worker.held_tokens,
                uncached_tokens: request.uncached(seen),
                queued_tokens: worker.queued_tokens,
                prefill_rate: worker.prefill_rate,
                seconds: ExplainedSeconds {
                    queue: parts.queue,
                    prefill: parts.prefill,
                    copy: parts.copy,
                    decode: parts.decode,
                    total: parts.total(),
                },
                chosen: chosen == Some(place),
            }
        });
        ExplainedUpstream {
            upstream: self.config.name.clone(),
            compared_in: if chain.is_some() { "tokens" } else { "text" },
            prompt_tokens: request.tokens,
            blocks: chain.map_or(view.prefix.keys.len(), |chain| chain.keys.len()),
            workers: explained.collect(),
        }
    }
}

fn seen(worker: &Worker) -> Seen {
    Seen {
        healthy: worker.healthy,
        in_flight: worker.in_flight,
        queued_tokens: worker.queued_tokens,
        prefill_rate: worker.prefill_rate,
        decode_rate: worker.decode_rate,
        held_tokens: worker.held_tokens,
        has_affinity: worker.has_affinity,
        ..Seen::default()
    }
}
