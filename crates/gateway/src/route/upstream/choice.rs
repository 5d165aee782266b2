//! An upstream as the choice sees it: what may be asked, and which of its replicas.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_dialect::canonical::Needs;
use forebay_routing::queue_seconds;

use super::super::endpoint::{Replica, Standing};
use super::super::prefix::Prefix;
use super::super::workers::{Scene, Seen, Underway};
use super::{IDLE, USUAL_TOKENS_PER_SECOND, USUAL_TTFT_MS, Upstream};
use crate::config::Capabilities;
use crate::policy::{Block, Candidate, Worker};

/// A replica, picked for a prompt.
#[derive(Debug, Clone)]
pub(crate) struct Picked {
    pub(crate) endpoint: Arc<Replica>,
    /// Tokens of the prompt that it probably has to compute.
    pub(crate) uncached_tokens: u64,
}

/// What a replica is picked for.
pub(crate) struct Need<'a> {
    /// The model, as the client named it.
    pub(crate) model: &'a str,
    /// Who was asked already.
    pub(crate) tried: &'a [Arc<Replica>],
    pub(crate) prefix: &'a Prefix,
    /// Whom the selector chose, when it looked.
    pub(crate) advised: Option<&'a Arc<Replica>>,
    pub(crate) random: u64,
    pub(crate) now: Instant,
}

/// How a selector sees an upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The model, as the client named it.
    pub(crate) model: &'a str,
    /// The prompt's blocks.
    pub(crate) chain: &'a [Block],
    /// Separates the tenants' prefixes.
    pub(crate) tenant: u64,
    /// The prompt, as the choice of a replica sees it.
    pub(crate) prefix: &'a Prefix,
    /// What is ejected counts as healthy: nobody else is left.
    pub(crate) last_resort: bool,
    /// An upstream that was not measured for a while is shown as it is expected to be.
    pub(crate) explore: bool,
    /// Replicas are listed from another one on for each request: a policy has no randomness of its
    /// own with which to spread what costs the same.
    pub(crate) random: u64,
    /// When.
    pub(crate) now: Instant,
}

impl From<Capabilities> for Needs {
    fn from(c: Capabilities) -> Self {
        Self {
            streaming: c.streaming,
            tools: c.tools,
            json_schema: c.json_schema,
            vision: c.vision,
            audio: c.audio,
            logprobs: c.logprobs,
            multiple_choices: c.multiple_choices,
            token_ids: c.token_ids,
        }
    }
}

impl Upstream {
    /// What the selector sees of it now, in this place of the order.
    pub(crate) fn candidate(&self, view: View<'_>, order: u32) -> Candidate {
        let config = &self.config;
        let offer = self.offers.get(view.model);
        let speed = &self.measured.speed;
        let ttft_ms = config
            .expected_ttft
            .map(|t| t.0.as_secs_f64() * 1e3)
            .or_else(|| offer.and_then(|offer| offer.ttft_ms))
            .unwrap_or(USUAL_TTFT_MS);
        let tokens_per_second = config
            .expected_tokens_per_second
            .or_else(|| offer.and_then(|offer| offer.tokens_per_second))
            .unwrap_or(USUAL_TOKENS_PER_SECOND);
        let workers = self.workers(view);
        let held = workers.iter().map(|worker| worker.held_tokens).max();
        let explored = view.explore && speed.idle(view.now).is_some_and(|idle| idle >= IDLE);
        Candidate {
            name: config.name.clone(),
            region: config.region.clone(),
            jurisdiction: config.jurisdiction.clone(),
            healthy: self.may_be_asked(view.model, view.last_resort, view.now),
            capabilities: self.capabilities(view.model),
            context_tokens: self.context_tokens(view.model).unwrap_or_default(),
            price: self.price(view.model),
            ttft_ms: if explored {
                ttft_ms.min(speed.ttft_ms(ttft_ms, view.now))
            } else {
                speed.ttft_ms(ttft_ms, view.now)
            },
            tokens_per_second: if explored {
                tokens_per_second.max(speed.tokens_per_second(tokens_per_second, view.now))
            } else {
                speed.tokens_per_second(tokens_per_second, view.now)
            },
            in_flight: self.in_flight(),
            capacity: config.capacity,
            warm_tokens: match held.filter(|_| view.prefix.chain(&self.name).is_some()) {
                Some(held) => held,
                None => self.measured.warmth.tokens(view.chain, view.tenant),
            },
            sharing: self.sharing(view, held.unwrap_or(0)),
            order,
            workers,
        }
    }

    /// Whether a replica may be asked for a model; as a last resort one that is ejected too.
    fn may_be_asked(&self, model: &str, last_resort: bool, now: Instant) -> bool {
        self.endpoints
            .iter()
            .any(|endpoint| match endpoint.standing(model, now) {
                Standing::Good | Standing::Trial => true,
                Standing::Shy(_) | Standing::Ejected(_) | Standing::Ill => last_resort,
                Standing::Resting(_) | Standing::Down => false,
            })
    }

    /// When the first replica that rests for this model may be asked again, where none that is up
    /// does anything but rest.
    pub(crate) fn rests_until(&self, model: &str, now: Instant) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for endpoint in &self.endpoints {
            match endpoint.standing(model, now) {
                Standing::Resting(until) => {
                    first = Some(first.map_or(until, |known| known.min(until)));
                }
                Standing::Ill | Standing::Down => {}
                _ => return None,
            }
        }
        first
    }

    /// Its replicas as they are for a prompt, in the configured order.
    pub(in crate::route) fn seen(&self, view: View<'_>) -> Vec<(&Arc<Replica>, Seen)> {
        let endpoints: Vec<&Arc<Replica>> = self.endpoints.iter().collect();
        let scene = self.scene(view.prefix, view.now);
        let mut seen = self.measured.workers.seen(&endpoints, &scene);
        for (seen, endpoint) in seen.iter_mut().zip(&endpoints) {
            let standing = endpoint.standing(view.model, view.now);
            seen.worker.healthy = matches!(standing, Standing::Good | Standing::Trial);
        }
        endpoints.into_iter().zip(seen).collect()
    }

    /// Requests in flight that begin with so many tokens of a prompt.
    pub(in crate::route) fn sharing(&self, view: View<'_>, tokens: u64) -> u32 {
        self.measured.workers.sharing(view.prefix, tokens)
    }

    /// Its replicas as the selector sees them.
    pub(in crate::route) fn workers(&self, view: View<'_>) -> Vec<Worker> {
        let worker = |(endpoint, seen): (&Arc<Replica>, Seen)| Worker {
            id: endpoint.base.to_string(),
            healthy: seen.worker.healthy,
            in_flight: seen.worker.in_flight,
            queued_tokens: seen.worker.queued_tokens,
            prefill_rate: seen.worker.prefill_rate,
            decode_rate: seen.worker.decode_rate,
            held_tokens: seen.worker.held_tokens,
            index: seen.index,
            has_affinity: seen.worker.has_affinity,
        };
        let mut seen = self.seen(view);
        let places = seen.len().max(1) as u64;
        seen.rotate_left((view.random % places) as usize);
        // Whichever is first, any other is second: two neighbours would always go together.
        if places > 2 {
            let second = 1 + (view.random >> 32) % (places - 1);
            seen.swap(1, second as usize);
        }
        // Of the two, the one that was sent less lately: a policy takes the first where both cost
        // the same.
        if let [(_, first), (_, second), ..] = seen.as_mut_slice()
            && second.worker.recent_tokens < first.worker.recent_tokens
        {
            seen.swap(0, 1);
        }
        seen.into_iter().map(worker).collect()
    }

    /// Picks a replica for a model that was not tried yet: one that may have recovered first, so
    /// that it comes back into use, else the one where the prompt is expected to cost least. `last_resort`:
    /// else one that is ejected, and else one whose health page says that it is not well.
    pub(crate) fn pick(&self, need: &Need<'_>, last_resort: bool) -> Option<Picked> {
        let Need { prefix, now, .. } = *need;
        let plain = |endpoint: &Arc<Replica>| Picked {
            endpoint: endpoint.clone(),
            uncached_tokens: self.prompt_tokens(prefix),
        };
        let mut may = vec![false; self.endpoints.len()];
        let mut rest: Option<(Instant, &Arc<Replica>)> = None;
        let mut ill = None;
        for (endpoint, may) in self.endpoints.iter().zip(&mut may) {
            if need.tried.iter().any(|t| Arc::ptr_eq(t, endpoint)) {
                continue;
            }
            match endpoint.standing(need.model, now) {
                Standing::Good => *may = true,
                Standing::Trial => return Some(plain(endpoint)),
                Standing::Shy(until) | Standing::Ejected(until)
                    if last_resort && rest.is_none_or(|(first, _)| until < first) =>
                {
                    rest = Some((until, endpoint));
                }
                Standing::Ill if last_resort => ill = ill.or(Some(endpoint)),
                _ => {}
            }
        }
        let places = || (0..).zip(&may).filter(|(_, may)| **may);
        let (Some((first, _)), others) = (places().next(), places().count()) else {
            return rest.map(|(_, endpoint)| endpoint).or(ill).map(plain);
        };
        if others == 1 {
            return Some(plain(&self.endpoints[first]));
        }
        let (place, uncached_tokens) = self.choose(need, &may)?;
        Some(Picked {
            endpoint: self.endpoints[place].clone(),
            uncached_tokens,
        })
    }

    /// The place of the replica that gets a prompt, of those that may, and the tokens that it has to
    /// compute: the one that the selector chose, unless a rule is configured here.
    fn choose(&self, need: &Need<'_>, may: &[bool]) -> Option<(usize, u64)> {
        let workers = &self.measured.workers;
        let scene = self.scene(need.prefix, need.now);
        let advised = need.advised.filter(|_| self.config.routing.is_none());
        let advised = advised.and_then(|advised| {
            let mut replicas = (0..).zip(self.endpoints.iter().zip(may));
            replicas.find(|(_, (one, may))| **may && Arc::ptr_eq(one, advised))
        });
        if let Some((place, (replica, _))) = advised {
            return Some((place, workers.uncached(replica, &scene)));
        }
        let replicas: Vec<&Arc<Replica>> = self.endpoints.iter().collect();
        let rule = self.config.routing.unwrap_or_default();
        workers.pick(&replicas, may, &scene, (rule, need.random))
    }

    /// A prompt goes to one of its replicas. Gives what counts it as in flight.
    pub(in crate::route) fn sent(
        &self,
        endpoint: &Replica,
        prefix: &Prefix,
        now: Instant,
    ) -> Option<Underway> {
        // One replica is no choice: nothing is to be remembered.
        if self.endpoints.len() < 2 {
            return None;
        }
        let workers = &self.measured.workers;
        Some(workers.sent(endpoint, &self.scene(prefix, now)))
    }

    /// What the choice of a replica for a prompt goes by.
    fn scene<'a>(&'a self, prefix: &'a Prefix, now: Instant) -> Scene<'a> {
        let speed = &self.measured.speed;
        Scene {
            upstream: &self.name,
            prefix,
            tokens: self.tokens.as_deref(),
            tokens_per_second: speed.tokens_per_second(USUAL_TOKENS_PER_SECOND, now),
            wait: self.longest_wait(now),
            now,
        }
    }

    /// How long prompts wait at the replica with the most work.
    fn longest_wait(&self, now: Instant) -> Duration {
        let waits = self.endpoints.iter().map(|replica| {
            queue_seconds(&forebay_routing::Worker {
                queued_tokens: replica.queued_tokens(now),
                prefill_rate: replica.prefill.get(),
                ..forebay_routing::Worker::default()
            })
        });
        let longest = waits.max_by(f64::total_cmp).unwrap_or(0.0);
        Duration::try_from_secs_f64(longest).unwrap_or_default()
    }

    /// A prompt as the rule for replicas sees it.
    pub(in crate::route) fn request(&self, view: View<'_>) -> forebay_routing::Request {
        self.scene(view.prefix, view.now).request(view.random)
    }

    /// Tokens of a prompt: counted where its tokens are known here, else estimated.
    pub(in crate::route) fn prompt_tokens(&self, prefix: &Prefix) -> u64 {
        prefix.tokens(prefix.chain(&self.name))
    }
}
