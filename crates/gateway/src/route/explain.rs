//! One upstream's part of an explanation: how a prompt is cut there, who holds it, the cost on each
//! replica by Forebay's own rule, and the replica that the upstream's rule would choose.

use forebay_routing::{ExpectedCost, Fleet, Request, Worker};
use serde::Serialize;

use super::{Upstream, View};
use crate::policy::IndexState;

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
    /// The rule that chooses.
    pub rule: &'static str,
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
    /// The rule would choose it. No replica where the rule takes turns or throws dice.
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
        let replicas = self.seen(view);
        let workers: Vec<Worker> = replicas.iter().map(|(_, seen)| seen.worker).collect();
        let held = workers.iter().map(|worker| worker.held_tokens).max();
        let request = Request {
            sharing: self.sharing(view, held.unwrap_or(0)),
            ..self.request(view)
        };
        let rule = self.config.routing.unwrap_or_default();
        let chosen = match rule.is_foreseeable() {
            true => rule.make().pick(&request, &workers),
            false => None,
        };
        let (cost, fleet) = (ExpectedCost::default(), Fleet::of(&workers));
        let explained = replicas.iter().enumerate();
        let explained = explained.map(|(place, (replica, seen))| {
            let worker = &seen.worker;
            let parts = cost.parts(&request, worker, &fleet);
            ExplainedWorker {
                url: replica.base.to_string(),
                healthy: worker.healthy,
                state: match seen.index {
                    IndexState::Exact => "exact",
                    IndexState::Degraded => "degraded",
                    IndexState::Fallback => "fallback",
                },
                held_tokens: worker.held_tokens,
                uncached_tokens: request.uncached(worker),
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
            rule: rule.name(),
            workers: explained.collect(),
        }
    }
}
