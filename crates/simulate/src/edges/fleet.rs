//! A fleet of edge locations over a store that is slow to agree, before hosts that share flights.
//!
//! Every answer may be cached, a store has room for all, and an engine is never busy: what is left
//! is how often a request finds an answer, and where.

use std::collections::HashMap;

use serde::Serialize;

use super::Delay;
use crate::chance::Chance;
use crate::profile::Profile;
use crate::trace::{Arrival, Trace};

/// A fleet, and who asks it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeOptions {
    /// Edge locations, at least 1.
    pub locations: usize,
    /// Seconds that an answer may be used, at the edge and at a host.
    pub ttl: f64,
    /// Until another location sees a write.
    pub store_delay: Delay,
    /// Forebay hosts between locations and engines; 0 for none.
    pub hosts: usize,
    /// Share of requests that ask a popular prompt.
    #[serde(skip)]
    pub repeats: f64,
    /// Popular prompts, at least 1.
    #[serde(skip)]
    pub prompts: usize,
    /// The exponent of their popularity.
    #[serde(skip)]
    pub skew: f64,
    /// How much faster requests arrive than recorded.
    #[serde(skip)]
    pub speed: f64,
    /// The seed of the random numbers.
    #[serde(skip)]
    pub seed: u64,
}

/// What became of a trace's requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeOutcome {
    /// The fleet.
    #[serde(flatten)]
    pub options: EdgeOptions,
    /// Requests.
    pub requests: usize,
    /// Answered by the location's view of the store.
    pub edge_hits: usize,
    /// Answered by a host's cache.
    pub host_hits: usize,
    /// Joined a flight at a host.
    pub joined: usize,
    /// Answered by an engine.
    pub engine_calls: usize,
    /// Not an edge hit, though another location's answer was there: the store's delay hid it.
    pub hidden: usize,
    /// Answers written to the store.
    pub store_writes: usize,
    /// Share of requests that no engine saw.
    pub offload: f64,
    /// Share of tokens, of prompts and answers, that no engine computed.
    pub token_offload: f64,
}

/// An answer in the store or at a host.
#[derive(Debug, Clone, Copy)]
struct Kept {
    place: usize,
    /// When it was whole: until then only a flight gives it.
    from: f64,
    until: f64,
}

/// Sends a trace through a fleet.
#[must_use]
pub fn simulate(trace: &Trace, profile: &Profile, options: &EdgeOptions) -> EdgeOutcome {
    let mut fleet = Fleet {
        options,
        profile,
        store: HashMap::new(),
        hosts: HashMap::new(),
        outcome: EdgeOutcome {
            options: options.clone(),
            requests: trace.requests.len(),
            edge_hits: 0,
            host_hits: 0,
            joined: 0,
            engine_calls: 0,
            hidden: 0,
            store_writes: 0,
            offload: 0.0,
            token_offload: 0.0,
        },
    };
    let popular = Popular::new(options);
    // Chance of its own for each purpose: the same requests are popular whatever the fleet is.
    let mut who = Chance::new(options.seed);
    let mut at = Chance::new(options.seed ^ 0x5bd1_e995);
    let (mut tokens, mut computed) = (0, 0);
    for own in &trace.requests {
        let (prompt, like) = popular.instead_of(own, trace, &mut who);
        let location = (at.next() % options.locations.max(1) as u64) as usize;
        let weight = (like.input + like.output) as u64;
        tokens += weight;
        if fleet.ask(prompt, like, own.at / options.speed, location) {
            computed += weight;
        }
    }
    let share = |part: u64, whole: u64| 1.0 - part as f64 / whole.max(1) as f64;
    let mut outcome = fleet.outcome;
    outcome.offload = share(outcome.engine_calls as u64, outcome.requests as u64);
    outcome.token_offload = share(computed, tokens);
    outcome
}

/// A prompt's name: popular ones are apart from those of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Prompt {
    Own(u64),
    Popular(usize),
}

struct Fleet<'a> {
    options: &'a EdgeOptions,
    profile: &'a Profile,
    /// Every location's writes; who sees which, the delay decides.
    store: HashMap<Prompt, Vec<Kept>>,
    hosts: HashMap<(Prompt, usize), Kept>,
    outcome: EdgeOutcome,
}

impl Fleet<'_> {
    /// Answers a request. Whether an engine had to.
    fn ask(&mut self, prompt: Prompt, like: &Arrival, now: f64, location: usize) -> bool {
        let kept = self.store.entry(prompt).or_default();
        kept.retain(|entry| now < entry.until);
        let delay = match self.options.store_delay {
            Delay::Seconds(seconds) => seconds,
            Delay::Never => f64::INFINITY,
        };
        let seen = |entry: &Kept| match entry.place == location {
            true => entry.from <= now,
            false => entry.from + delay <= now,
        };
        if kept.iter().any(seen) {
            self.outcome.edge_hits += 1;
            return false;
        }
        if kept.iter().any(|entry| entry.from <= now) {
            self.outcome.hidden += 1;
        }
        let (done, computed) = self.beyond(prompt, like, now, location);
        let kept = self.store.entry(prompt).or_default();
        // A location writes an answer again only when it did not see its own.
        kept.retain(|entry| entry.place != location);
        kept.push(Kept {
            place: location,
            from: done,
            until: done + self.options.ttl,
        });
        self.outcome.store_writes += 1;
        computed
    }

    /// Behind the edge: when the answer is whole, and whether an engine computed it.
    fn beyond(&mut self, prompt: Prompt, like: &Arrival, now: f64, location: usize) -> (f64, bool) {
        let host = location.checked_rem(self.options.hosts);
        let kept = host.and_then(|host| self.hosts.get(&(prompt, host)));
        if let Some(kept) = kept.filter(|kept| now < kept.until) {
            if kept.from <= now {
                self.outcome.host_hits += 1;
                return (now, false);
            }
            self.outcome.joined += 1;
            return (kept.from, false);
        }
        self.outcome.engine_calls += 1;
        let done = now + self.seconds(like);
        if let Some(host) = host {
            let kept = Kept {
                place: host,
                from: done,
                until: done + self.options.ttl,
            };
            self.hosts.insert((prompt, host), kept);
        }
        (done, true)
    }

    /// How long an idle engine takes for an answer.
    fn seconds(&self, like: &Arrival) -> f64 {
        let profile = self.profile;
        let step = (profile.decode_step_base_us + profile.decode_step_per_sequence_us) * 1e-6;
        like.input as f64 / profile.prefill_tokens_per_second + like.output as f64 * step
    }
}

/// Which requests ask a popular prompt, and which one.
struct Popular {
    share: f64,
    /// For each prompt, the share of it and all before it.
    up_to: Vec<f64>,
}

impl Popular {
    fn new(options: &EdgeOptions) -> Self {
        let mut sum = 0.0;
        let mut up_to: Vec<f64> = (1..=options.prompts.max(1))
            .map(|rank| {
                sum += (rank as f64).powf(-options.skew);
                sum
            })
            .collect();
        up_to.iter_mut().for_each(|share| *share /= sum);
        Self {
            share: options.repeats,
            up_to,
        }
    }

    /// The prompt that is asked, and the request whose lengths it has: a popular prompt has those
    /// of a request of the trace, always the same one.
    fn instead_of<'a>(
        &self,
        own: &'a Arrival,
        trace: &'a Trace,
        chance: &mut Chance,
    ) -> (Prompt, &'a Arrival) {
        // Both are drawn for every request, so that the share changes nothing about which prompt.
        let (popular, which) = (chance.share(), chance.share());
        if popular >= self.share {
            return (Prompt::Own(own.prompt), own);
        }
        let rank = self.up_to.partition_point(|share| *share <= which);
        let rank = rank.min(self.up_to.len() - 1);
        let like = Chance::new(rank as u64).next() % trace.requests.len() as u64;
        (Prompt::Popular(rank), &trace.requests[like as usize])
    }
}
