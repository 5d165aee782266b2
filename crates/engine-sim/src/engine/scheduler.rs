//! The engine model with this replica's clock, metrics and KV events around it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use forebay_engine_model::{Limits, Rates, Scheduler as Model, Watch};
use forebay_prefix::BlockHash;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::kv_event::KvEvent;
use super::sequence::{Progress, Sequence, SequenceSpec};
use crate::config::SimConfig;
use crate::metrics::Metrics;

/// The queues and the KV cache. It never waits: a step is begun, time passes elsewhere, it is ended.
pub(crate) struct Scheduler {
    model: Model<Sequence>,
    rates: Rates,
    block_size: usize,
    prefix_caching: bool,
    events: Vec<KvEvent>,
    publish: bool,
}

impl Scheduler {
    pub(crate) fn new(config: &SimConfig, publish: bool) -> Self {
        Self {
            model: Model::new(Limits {
                block_size: config.block_size,
                blocks: config.num_gpu_blocks,
                sequences: config.max_num_seqs,
                step_tokens: config.max_num_batched_tokens,
                prefix_caching: config.enable_prefix_caching,
            }),
            rates: Rates {
                seconds_per_prefill_token: config.prefill_tokens_per_second.recip(),
                step_seconds: config.decode_step_base_us * 1e-6,
                seconds_per_sequence: config.decode_step_per_sequence_us * 1e-6,
            },
            block_size: config.block_size,
            prefix_caching: config.enable_prefix_caching,
            events: Vec::new(),
            publish,
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.model.running()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.model.waiting()
    }

    pub(crate) fn kv_cache_usage(&self) -> f64 {
        self.model.cache().usage()
    }

    pub(crate) fn clear_cache(&mut self) -> bool {
        let cleared = self.model.clear_cache();
        if cleared && self.publish {
            self.events.push(KvEvent::AllBlocksCleared);
        }
        cleared
    }

    pub(crate) fn drain_events(&mut self) -> Vec<KvEvent> {
        std::mem::take(&mut self.events)
    }

    /// Queues a sequence and gives the id that [`Self::abort`] takes.
    pub(crate) fn submit(
        &mut self,
        spec: SequenceSpec,
        progress: Arc<Progress>,
        moved: Arc<Notify>,
    ) -> u64 {
        self.model.submit(Sequence::new(spec, progress, moved))
    }

    /// Drops a sequence wherever it is; false if it is already done.
    pub(crate) fn abort(&mut self, id: u64) -> bool {
        self.model.abort(id)
    }

    /// Decides what the next step computes, and says how long it takes; none if there is nothing.
    pub(crate) fn begin_step(&mut self, metrics: &Metrics) -> Option<Duration> {
        let (model, mut watcher) = self.watched(metrics);
        let step = model.begin_step(&mut watcher)?;
        metrics.step(step.tokens());
        Some(Duration::from_secs_f64(self.rates.seconds(step)))
    }

    /// Takes in what the step computed: new blocks, new tokens, finished sequences.
    pub(crate) fn end_step(&mut self, metrics: &Metrics) {
        let (model, mut watcher) = self.watched(metrics);
        model.end_step(&mut watcher);
    }

    fn watched<'a>(&'a mut self, metrics: &'a Metrics) -> (&'a mut Model<Sequence>, Watcher<'a>) {
        let watcher = Watcher {
            metrics,
            events: self.publish.then_some(&mut self.events),
            now: Instant::now(),
            block_size: self.block_size,
            prefix_caching: self.prefix_caching,
        };
        (&mut self.model, watcher)
    }
}

/// Turns what the model does into metrics, progress and KV events.
struct Watcher<'a> {
    metrics: &'a Metrics,
    events: Option<&'a mut Vec<KvEvent>>,
    now: Instant,
    block_size: usize,
    prefix_caching: bool,
}

impl Watch<Sequence> for Watcher<'_> {
    fn started(&mut self, sequence: &mut Sequence, cached: Option<usize>) {
        sequence.started.get_or_insert(self.now);
        if let Some(cached) = cached {
            sequence.progress.set_cached(cached);
            let prompt = sequence.spec.prompt_len;
            self.metrics.admitted(prompt, cached, self.prefix_caching);
        }
    }

    fn token(&mut self, sequence: &mut Sequence, generated: usize) {
        sequence.generate(generated);
        self.metrics
            .token(sequence.submitted, sequence.last_token, self.now);
        sequence.first_token.get_or_insert(self.now);
        sequence.last_token = Some(self.now);
    }

    fn finished(&mut self, sequence: Sequence, preemptions: usize) {
        self.metrics
            .finished(&sequence.finish(self.now, preemptions));
    }

    fn stored(&mut self, sequence: &Sequence, blocks: Range<usize>) {
        let Some(events) = self.events.as_deref_mut() else {
            return;
        };
        let spec = &sequence.spec;
        let salted = spec.chain_spec.public_blocks;
        let salt = spec.chain_spec.cache_salt.clone();
        events.push(KvEvent::BlockStored {
            hashes: spec.chain[blocks.clone()].to_vec(),
            parent: blocks.start.checked_sub(1).map(|parent| spec.chain[parent]),
            tokens: spec.tokens[blocks.start * self.block_size..blocks.end * self.block_size]
                .to_vec(),
            block_size: self.block_size,
            salt: salt
                .filter(|_| blocks.contains(&salted))
                .map(|salt| (salted - blocks.start, salt)),
        });
    }

    fn removed(&mut self, block: BlockHash) {
        if let Some(events) = self.events.as_deref_mut() {
            events.push(KvEvent::BlockRemoved {
                hashes: vec![block],
            });
        }
    }
}
