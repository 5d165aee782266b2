//! One simulated gateway: what it believes about the workers, and the rule that it routes by.

use std::time::Duration;

use forebay_engine_model::Rates;
use forebay_prefix_index::{Batch, InFlight, Index, Naming, TooManyWorkers, WorkerId};
use forebay_routing::{PrefillQueue, Request, Rule, Worker, queue_seconds};

use crate::chance::Chance;
use crate::engine::Engine;
use crate::trace::Arrival;

/// The weight of one more request in a mean: the last fifty count most.
const RECENT: f64 = 0.02;

/// What a gateway has sent to one worker and not got back.
#[derive(Debug, Default)]
struct Load {
    in_flight: u32,
    queue: PrefillQueue,
    active_tokens: u64,
    /// Tokens of all prompts sent there: the size of an approximate tree.
    sent_tokens: u64,
    /// What other gateways have there, from the worker's metrics.
    others_in_flight: u32,
    others_queued_tokens: u64,
    cache_usage: f64,
}

/// Where a request went, and what was believed then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routed {
    pub(crate) worker: usize,
    /// Tokens that it was believed to hold.
    pub(crate) held: usize,
    /// Its place in the queue there.
    place: u64,
}

pub(crate) struct Gateway {
    index: Index,
    /// Its own requests in flight.
    in_flight: InFlight,
    ids: Vec<WorkerId>,
    rule: Box<dyn Rule>,
    loads: Vec<Load>,
    chance: Chance,
    /// The rates that it believes in.
    rates: Rates,
    block_size: usize,
    /// Mean uncached tokens of its own requests: what it assumes of others'.
    mean_uncached: f64,
    /// Mean tokens of the answers so far: what it expects of the next.
    mean_output: f64,
    scraped: f64,
    scrape_interval: f64,
    alone: bool,
    views: Vec<Worker>,
    held: Vec<u32>,
}

/// What a gateway knows from its configuration.
pub(crate) struct Setup {
    pub(crate) workers: usize,
    pub(crate) blocks_per_worker: usize,
    pub(crate) block_size: usize,
    pub(crate) rates: Rates,
    pub(crate) events: bool,
    pub(crate) scrape_interval: f64,
    pub(crate) alone: bool,
    pub(crate) seed: u64,
}

impl Gateway {
    pub(crate) fn new(setup: &Setup, rule: Box<dyn Rule>) -> Result<Self, TooManyWorkers> {
        let spec = forebay_prefix::ChainSpec {
            block_size: setup.block_size,
            ..forebay_prefix::ChainSpec::default()
        };
        let mut index = Index::new(Naming::Engine(spec));
        let mut ids = Vec::with_capacity(setup.workers);
        for _ in 0..setup.workers {
            let id = index.add_worker(Some(setup.blocks_per_worker))?;
            if setup.events {
                index.begins(id);
            }
            ids.push(id);
        }
        Ok(Self {
            index,
            in_flight: InFlight::default(),
            ids,
            rule,
            loads: (0..setup.workers).map(|_| Load::default()).collect(),
            chance: Chance::new(setup.seed),
            rates: setup.rates,
            block_size: setup.block_size,
            mean_uncached: 0.0,
            mean_output: 0.0,
            scraped: f64::NEG_INFINITY,
            scrape_interval: setup.scrape_interval,
            alone: setup.alone,
            views: Vec::new(),
            held: Vec::new(),
        })
    }

    /// Chooses a worker for a request that arrives now, in seconds.
    pub(crate) fn route(
        &mut self,
        now: f64,
        arrival: &Arrival,
        engines: &[Engine<'_>],
    ) -> Option<Routed> {
        self.scrape(now, engines);
        // At least one token is computed, so the last block is never a hit in full.
        let usable = ((arrival.input - 1) / self.block_size).min(arrival.chain.len());
        let clock = Duration::try_from_secs_f64(now).unwrap_or_default();
        self.index
            .lookup(&arrival.chain[..usable], clock, &mut self.held);
        self.views.clear();
        let workers = (0..).zip(self.loads.iter_mut().zip(&self.held));
        let rate = self.rates.seconds_per_prefill_token.recip();
        self.views.extend(workers.map(|(id, (load, held))| {
            let in_flight = load.in_flight + load.others_in_flight;
            let step =
                self.rates.step_seconds + f64::from(in_flight) * self.rates.seconds_per_sequence;
            Worker {
                id,
                healthy: true,
                in_flight,
                queued_tokens: load.queue.left(now, rate) + load.others_queued_tokens,
                recent_tokens: load.queue.lately(now),
                active_tokens: load.active_tokens,
                prefill_rate: rate,
                decode_rate: step.recip(),
                held_tokens: (*held as usize * self.block_size) as u64,
                cached_tokens: load.sent_tokens,
                cache_usage: load.cache_usage,
                has_affinity: false,
            }
        }));
        let longest = self.held.iter().copied().max().unwrap_or(0);
        let first_blocks = arrival.chain.get(..2).unwrap_or(&arrival.chain);
        let request = Request {
            tokens: arrival.input as u64,
            key: first_blocks
                .iter()
                .fold(0, |key, block| Chance::new(key ^ block).next()),
            output_tokens: self.mean_output as u64,
            sharing: self.in_flight.sharing(&arrival.chain, longest as usize),
            block_size: self.block_size as u64,
            random: self.chance.next(),
        };
        let worker = self.rule.pick(&request, &self.views)?;
        let uncached = request.uncached(&self.views[worker]);
        let load = &mut self.loads[worker];
        load.in_flight += 1;
        let place = load.queue.sent(uncached, true, now, rate);
        load.active_tokens += arrival.input as u64;
        load.sent_tokens += uncached;
        self.mean_uncached += RECENT * (uncached as f64 - self.mean_uncached);
        self.in_flight.sent(&arrival.chain);
        let waits = self.views.iter().map(queue_seconds);
        let wait = waits.max_by(f64::total_cmp).unwrap_or(0.0);
        self.index
            .set_wait(Duration::try_from_secs_f64(wait).unwrap_or_default());
        self.index.predict(self.ids[worker], &arrival.chain, clock);
        Some(Routed {
            worker,
            held: self.held[worker] as usize * self.block_size,
            place,
        })
    }

    /// Reads the workers' metrics if the interval is over: `vllm:num_requests_running`, `_waiting`
    /// and `vllm:kv_cache_usage_perc`.
    fn scrape(&mut self, now: f64, engines: &[Engine<'_>]) {
        if now - self.scraped < self.scrape_interval {
            return;
        }
        self.scraped = now;
        for (load, engine) in self.loads.iter_mut().zip(engines) {
            load.cache_usage = engine.scheduler.cache().usage();
            if self.alone {
                continue;
            }
            let (running, waiting) = (engine.scheduler.running(), engine.scheduler.waiting());
            let all = (running + waiting) as f64;
            let others = (all - f64::from(load.in_flight)).max(0.0);
            load.others_in_flight = others as u32;
            // Of those that wait, others' share waits for others.
            let waiting = waiting as f64 * others / all.max(1.0);
            load.others_queued_tokens = (waiting * self.mean_uncached) as u64;
        }
    }

    /// A request's first token has come: its prompt is computed, and its blocks are in the cache.
    pub(crate) fn first_token(&mut self, now: f64, routed: &Routed, arrival: &Arrival) {
        let rate = self.rates.seconds_per_prefill_token.recip();
        let queue = &mut self.loads[routed.worker].queue;
        queue.gone(routed.place, Some(now), rate);
        self.index.computed(self.ids[routed.worker], &arrival.chain);
    }

    pub(crate) fn finished(&mut self, routed: &Routed, arrival: &Arrival) {
        self.in_flight.ended(&arrival.chain);
        let load = &mut self.loads[routed.worker];
        load.in_flight -= 1;
        load.active_tokens -= arrival.input as u64;
        self.mean_output += RECENT * (arrival.output as f64 - self.mean_output);
    }

    pub(crate) fn events(&mut self, worker: usize, batch: &Batch) {
        self.index.apply(self.ids[worker], batch);
    }
}
