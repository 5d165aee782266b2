//! One simulated worker: the engine model, what it just did, and what it did in all.

use std::ops::Range;

use forebay_engine_model::{Rates, Scheduler, Step, Watch, Work};
use forebay_prefix_index::{Event, Stored};

use crate::trace::Arrival;

/// A request in an engine.
#[derive(Debug)]
pub(crate) struct Job<'t> {
    pub(crate) id: usize,
    pub(crate) arrival: &'t Arrival,
}

impl Work for Job<'_> {
    type Block = u64;

    fn prompt_len(&self) -> usize {
        self.arrival.input
    }

    fn output_len(&self) -> usize {
        self.arrival.output
    }

    fn chain(&self) -> &[u64] {
        &self.arrival.chain
    }

    /// A trace doesn't name the blocks of answers.
    fn extend_chain(&mut self, _: usize) {}
}

/// What one step did.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    /// Requests that were admitted, and the tokens of their prompts found in the cache.
    pub(crate) started: Vec<(usize, usize)>,
    pub(crate) first_tokens: Vec<usize>,
    pub(crate) finished: Vec<usize>,
    pub(crate) preemptions: usize,
    /// KV events, in order.
    pub(crate) events: Vec<Event>,
    block_size: usize,
}

impl<'t> Watch<Job<'t>> for Happened {
    fn started(&mut self, job: &mut Job<'t>, cached: Option<usize>) {
        if let Some(cached) = cached {
            self.started.push((job.id, cached));
        }
    }

    fn token(&mut self, job: &mut Job<'t>, generated: usize) {
        if generated == 1 {
            self.first_tokens.push(job.id);
        }
    }

    fn finished(&mut self, job: Job<'t>, preemptions: usize) {
        self.finished.push(job.id);
        self.preemptions += preemptions;
    }

    fn stored(&mut self, job: &Job<'t>, blocks: Range<usize>) {
        let chain = &job.arrival.chain;
        self.events.push(Event::Stored(Stored {
            parent: blocks.start.checked_sub(1).map(|parent| chain[parent]),
            blocks: chain[blocks].to_vec(),
            block_size: self.block_size,
            ..Stored::default()
        }));
    }

    fn removed(&mut self, block: u64) {
        if let Some(Event::Removed { blocks, .. }) = self.events.last_mut() {
            return blocks.push(block);
        }
        self.events.push(Event::Removed {
            blocks: vec![block],
            medium: String::new(),
            group: None,
        });
    }
}

/// One worker.
pub(crate) struct Engine<'t> {
    pub(crate) scheduler: Scheduler<Job<'t>>,
    rates: Rates,
    pub(crate) happened: Happened,
    /// A step is under way.
    pub(crate) busy: bool,
    /// Prompt tokens computed so far.
    pub(crate) computed_tokens: u64,
    /// Seconds of work so far: prefill, and each sequence's share of decode steps.
    pub(crate) work_seconds: f64,
}

impl<'t> Engine<'t> {
    pub(crate) fn new(scheduler: Scheduler<Job<'t>>, rates: Rates, block_size: usize) -> Self {
        Self {
            scheduler,
            rates,
            happened: Happened {
                block_size,
                ..Happened::default()
            },
            busy: false,
            computed_tokens: 0,
            work_seconds: 0.0,
        }
    }

    /// Begins a step if none is under way and there is work; gives its duration.
    pub(crate) fn begin(&mut self) -> Option<f64> {
        if self.busy {
            return None;
        }
        let step: Step = self.scheduler.begin_step(&mut self.happened)?;
        self.busy = true;
        self.computed_tokens += step.prefill_tokens as u64;
        self.work_seconds += step.prefill_tokens as f64 * self.rates.seconds_per_prefill_token
            + step.decodes as f64 * self.rates.seconds_per_sequence;
        Some(self.rates.seconds(step))
    }

    /// Ends the step under way.
    pub(crate) fn end(&mut self) {
        self.busy = false;
        self.scheduler.end_step(&mut self.happened);
    }
}
