//! The discrete-event loop: arrivals, steps of engines, deliveries of events.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use forebay_engine_model::Scheduler;
use forebay_prefix_index::{Batch, MAX_WORKERS, TooManyWorkers};
use forebay_routing::Rule;
use serde::Serialize;

use crate::chance::Chance;
use crate::engine::{Engine, Job};
use crate::gateway::{Gateway, Routed, Setup};
use crate::profile::Profile;
use crate::report::{Outcome, Recorder};
use crate::trace::Trace;

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// Engines.
    pub workers: usize,
    /// Tokens of cache of all engines together.
    pub cache_tokens: usize,
    /// How much faster than recorded requests arrive.
    pub speed: f64,
    /// Gateways; each request goes to one of them by chance.
    pub gateways: usize,
    /// Share of event batches that never reach a gateway.
    pub event_loss: f64,
    /// Seconds from a step's end until its events reach a gateway.
    pub event_delay: f64,
    /// Whether engines send events at all.
    pub events: bool,
    /// What gateways believe the prefill rate to be, as a multiple of the real one.
    pub rate_factor: f64,
    /// Seconds between two readings of the engines' metrics.
    pub scrape_interval: f64,
    /// The seed of all chance.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: 8,
            cache_tokens: 8_190_000,
            speed: 1.0,
            gateways: 1,
            event_loss: 0.0,
            // A hop in a data centre, and the engine's publisher thread.
            event_delay: 0.005,
            events: true,
            rate_factor: 1.0,
            scrape_interval: 1.0,
            seed: 1,
        }
    }
}

impl Options {
    /// The first option that is out of range, and its bound.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let above_zero = |value: f64| value.is_finite() && value > 0.0;
        let workers = format!("1 to {MAX_WORKERS}");
        let checks = [
            (
                "workers",
                (1..=MAX_WORKERS).contains(&self.workers),
                workers,
            ),
            // More gateways than requests would each see one.
            (
                "gateways",
                (1..=1_000).contains(&self.gateways),
                "1 to 1000".into(),
            ),
            ("cache-tokens", self.cache_tokens > 0, "at least 1".into()),
            ("speed", above_zero(self.speed), "above 0".into()),
            ("event-loss", share(self.event_loss), "0 to 1".into()),
            (
                "event-delay",
                self.event_delay.is_finite() && self.event_delay >= 0.0,
                "at least 0".into(),
            ),
            (
                "rate-factor",
                above_zero(self.rate_factor),
                "above 0".into(),
            ),
            (
                "scrape-interval",
                above_zero(self.scrape_interval),
                "above 0".into(),
            ),
        ];
        checks
            .into_iter()
            .find(|(_, good, _)| !good)
            .map(|(name, _, bound)| (name, bound))
    }
}

/// What happens at a moment.
enum What {
    Arrival(usize),
    StepEnds(usize),
    Events {
        gateway: usize,
        worker: usize,
        batch: Rc<Batch>,
    },
}

struct Moment {
    at: f64,
    /// Decides between what happens at the same time: first planned, first done.
    order: u64,
    what: What,
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    /// The heap gives the greatest first: the earliest moment is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .at
            .total_cmp(&self.at)
            .then(other.order.cmp(&self.order))
    }
}

struct World<'t> {
    trace: &'t Trace,
    options: &'t Options,
    engines: Vec<Engine<'t>>,
    gateways: Vec<Gateway>,
    heap: BinaryHeap<Moment>,
    planned: u64,
    /// Where each request went: its gateway, and what that decided.
    routed: Vec<Option<(usize, Routed)>>,
    chance: Chance,
    recorder: Recorder,
}

/// Runs a trace through one rule; `rule` makes it, once for each gateway. `done` counts finished
/// requests, for a progress bar.
///
/// # Errors
/// [`TooManyWorkers`] if there are more than an index takes.
pub fn run(
    trace: &Trace,
    profile: &Profile,
    options: &Options,
    rule: impl Fn() -> Box<dyn Rule>,
    done: &AtomicUsize,
) -> Result<Outcome, TooManyWorkers> {
    let block_size = trace.block_size;
    let blocks = (options.cache_tokens / options.workers / block_size).max(1);
    // A prompt that no engine could ever hold would wait forever: give each the room it needs.
    let largest = trace.requests.iter().map(|one| one.input + one.output);
    let needed = largest.max().unwrap_or(1).div_ceil(block_size) + 1;
    let rates = profile.rates();
    let mut believed = rates;
    believed.seconds_per_prefill_token /= options.rate_factor;
    let mut gateways = Vec::with_capacity(options.gateways);
    for gateway in 0..options.gateways {
        let setup = Setup {
            workers: options.workers,
            blocks_per_worker: blocks,
            block_size,
            rates: believed,
            events: options.events,
            scrape_interval: options.scrape_interval,
            alone: options.gateways == 1,
            seed: Chance::new(options.seed ^ gateway as u64).next(),
        };
        gateways.push(Gateway::new(&setup, rule())?);
    }
    let engine = || {
        let limits = profile.limits(block_size, blocks.max(needed));
        Engine::new(Scheduler::new(limits), rates, block_size)
    };
    let mut world = World {
        trace,
        options,
        engines: (0..options.workers).map(|_| engine()).collect(),
        gateways,
        heap: BinaryHeap::new(),
        planned: 0,
        routed: vec![None; trace.requests.len()],
        chance: Chance::new(options.seed ^ 0x5eed),
        recorder: Recorder::new(trace, options),
    };
    world.plan_arrival(0);
    while let Some(moment) = world.heap.pop() {
        world.happen(moment.at, moment.what, done);
    }
    let name = rule().name().to_owned();
    let World {
        recorder, engines, ..
    } = world;
    Ok(recorder.outcome(name, &engines))
}

impl World<'_> {
    fn plan(&mut self, at: f64, what: What) {
        self.planned += 1;
        self.heap.push(Moment {
            at,
            order: self.planned,
            what,
        });
    }

    /// One arrival at a time is in the heap.
    fn plan_arrival(&mut self, request: usize) {
        if let Some(arrival) = self.trace.requests.get(request) {
            let at = arrival.at / self.options.speed;
            self.plan(at, What::Arrival(request));
        }
    }

    fn happen(&mut self, now: f64, what: What, done: &AtomicUsize) {
        match what {
            What::Arrival(request) => self.arrive(now, request),
            What::StepEnds(worker) => self.step_ends(now, worker, done),
            What::Events {
                gateway,
                worker,
                batch,
            } => self.gateways[gateway].events(worker, &batch),
        }
    }

    fn arrive(&mut self, now: f64, request: usize) {
        self.plan_arrival(request + 1);
        let arrival = &self.trace.requests[request];
        let gateway = (self.chance.next() % self.gateways.len() as u64) as usize;
        let Some(routed) = self.gateways[gateway].route(now, arrival, &self.engines) else {
            return;
        };
        self.routed[request] = Some((gateway, routed));
        self.recorder.routed(now, arrival, routed.worker);
        let engine = &mut self.engines[routed.worker];
        engine.scheduler.submit(Job {
            id: request,
            arrival,
        });
        self.begin(now, routed.worker);
    }

    fn begin(&mut self, now: f64, worker: usize) {
        let Some(seconds) = self.engines[worker].begin() else {
            return;
        };
        for (request, cached) in std::mem::take(&mut self.engines[worker].happened.started) {
            if let Some((_, routed)) = &self.routed[request] {
                self.recorder.started(routed.held, cached);
            }
        }
        self.plan(now + seconds, What::StepEnds(worker));
    }

    fn step_ends(&mut self, now: f64, worker: usize, done: &AtomicUsize) {
        self.engines[worker].end();
        let happened = &mut self.engines[worker].happened;
        let first_tokens = std::mem::take(&mut happened.first_tokens);
        let finished = std::mem::take(&mut happened.finished);
        let events = std::mem::take(&mut happened.events);
        if !events.is_empty() && self.options.events {
            let batch = Rc::new(Batch {
                timestamp: now,
                events,
                rank: 0,
            });
            for gateway in 0..self.gateways.len() {
                if self.chance.share() >= self.options.event_loss {
                    let what = What::Events {
                        gateway,
                        worker,
                        batch: Rc::clone(&batch),
                    };
                    self.plan(now + self.options.event_delay, what);
                }
            }
        }
        for request in first_tokens {
            if let Some((gateway, routed)) = &self.routed[request] {
                let arrival = &self.trace.requests[request];
                let waited = now - arrival.at / self.options.speed;
                self.recorder.first_token(waited);
                self.gateways[*gateway].first_token(now, routed, arrival);
            }
        }
        for request in finished {
            if let Some((gateway, routed)) = &self.routed[request] {
                let arrival = &self.trace.requests[request];
                let took = now - arrival.at / self.options.speed;
                self.recorder.finished(took);
                self.gateways[*gateway].finished(routed, arrival);
                done.fetch_add(1, Relaxed);
            }
        }
        self.begin(now, worker);
    }
}
