//! Continuous batching as vLLM's scheduler does it: each step first continues what runs, then
//! admits what waits, within a budget of tokens; a prompt may take several steps.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::kv_cache::KvCache;
use super::kv_event::KvEvent;
use super::sequence::{Progress, Sequence, SequenceSpec};
use crate::config::SimConfig;
use crate::metrics::Metrics;

/// The queues and the KV cache. It never waits: a step is begun, time passes elsewhere, it is ended.
pub(crate) struct Scheduler {
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    cache: KvCache,
    next_id: u64,
    block_size: usize,
    prefix_caching: bool,
    max_num_seqs: usize,
    max_num_batched_tokens: usize,
    seconds_per_prefill_token: f64,
    decode_base_seconds: f64,
    decode_seconds_per_sequence: f64,
}

impl Scheduler {
    pub(crate) fn new(config: &SimConfig, publish: bool) -> Self {
        Self {
            waiting: VecDeque::new(),
            running: Vec::new(),
            cache: KvCache::new(config.num_gpu_blocks, publish),
            next_id: 0,
            block_size: config.block_size,
            prefix_caching: config.enable_prefix_caching,
            max_num_seqs: config.max_num_seqs,
            max_num_batched_tokens: config.max_num_batched_tokens,
            seconds_per_prefill_token: config.prefill_tokens_per_second.recip(),
            decode_base_seconds: config.decode_step_base_us * 1e-6,
            decode_seconds_per_sequence: config.decode_step_per_sequence_us * 1e-6,
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn kv_cache_usage(&self) -> f64 {
        self.cache.usage()
    }

    pub(crate) fn clear_cache(&mut self) -> bool {
        self.cache.clear()
    }

    pub(crate) fn drain_events(&mut self) -> Vec<KvEvent> {
        self.cache.drain_events()
    }

    /// Queues a sequence and gives the id that [`Self::abort`] takes.
    pub(crate) fn submit(
        &mut self,
        spec: SequenceSpec,
        progress: Arc<Progress>,
        moved: Arc<Notify>,
    ) -> u64 {
        self.next_id += 1;
        let sequence = Sequence::new(self.next_id, spec, progress, moved);
        self.waiting.push_back(sequence);
        self.next_id
    }

    /// Drops a sequence wherever it is; false if it is already done.
    pub(crate) fn abort(&mut self, id: u64) -> bool {
        if let Some(place) = self.running.iter().position(|sequence| sequence.id == id) {
            let mut sequence = self.running.remove(place);
            self.release(&mut sequence);
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|sequence| sequence.id != id);
        self.waiting.len() < before
    }

    /// Decides what the next step computes, and says how long it takes; none if there is nothing.
    pub(crate) fn begin_step(&mut self, metrics: &Metrics) -> Option<Duration> {
        let mut budget = self.max_num_batched_tokens;
        let preempted = self.continue_running(&mut budget);
        if !preempted {
            self.admit_waiting(&mut budget, metrics);
        }
        let (mut prefill, mut decodes) = (0, 0);
        for sequence in self.running.iter().filter(|one| one.scheduled > 0) {
            if sequence.generated > 0 && sequence.scheduled == 1 {
                decodes += 1;
            } else {
                prefill += sequence.scheduled;
            }
        }
        if prefill + decodes == 0 {
            return None;
        }
        metrics.step(prefill + decodes);
        let seconds = self.decode_base_seconds
            + decodes as f64 * self.decode_seconds_per_sequence
            + prefill as f64 * self.seconds_per_prefill_token;
        Some(Duration::from_secs_f64(seconds))
    }

    /// Gives each running sequence its tokens; true if one had to be put back to the queue.
    fn continue_running(&mut self, budget: &mut usize) -> bool {
        let mut preempted = false;
        let mut place = 0;
        while place < self.running.len() {
            let sequence = &mut self.running[place];
            sequence.scheduled = 0;
            let tokens = (sequence.len() - sequence.computed).min(*budget);
            let blocks = (sequence.computed + tokens).div_ceil(self.block_size);
            let missing = blocks.saturating_sub(sequence.named + sequence.private);
            if self.cache.take(missing) {
                sequence.private += missing;
                sequence.scheduled = tokens;
                *budget -= tokens;
                place += 1;
                continue;
            }
            // No room: the youngest gives up its blocks and starts again later.
            if let Some(mut youngest) = self.running.pop() {
                *budget += youngest.scheduled;
                self.release(&mut youngest);
                youngest.preemptions += 1;
                self.waiting.push_front(youngest);
                preempted = true;
            }
        }
        preempted
    }

    fn admit_waiting(&mut self, budget: &mut usize, metrics: &Metrics) {
        while *budget > 0 && self.running.len() < self.max_num_seqs {
            let Some(mut sequence) = self.waiting.pop_front() else {
                return;
            };
            // At least one token is computed, or there would be nothing to sample from.
            let most_hits = (sequence.len() - 1) / self.block_size;
            let known = &sequence.spec.chain[..most_hits.min(sequence.spec.chain.len())];
            let hits = if self.prefix_caching {
                self.cache.hits(known)
            } else {
                0
            };
            let held = &sequence.spec.chain[..hits];
            let computed = hits * self.block_size;
            let tokens = (sequence.len() - computed).min(*budget);
            let missing = (computed + tokens).div_ceil(self.block_size) - hits;
            if self.cache.available() < missing + self.cache.idle_hits(held) {
                self.waiting.push_front(sequence);
                return;
            }
            self.cache.hold(held);
            self.cache.take(missing);
            sequence.named = hits;
            sequence.private = missing;
            sequence.computed = computed;
            sequence.scheduled = tokens;
            sequence.started.get_or_insert_with(Instant::now);
            if sequence.cached.is_none() {
                sequence.cached = Some(computed);
                sequence.progress.set_cached(computed);
                metrics.admitted(sequence.spec.prompt_len, computed, self.prefix_caching);
            }
            *budget -= tokens;
            self.running.push(sequence);
        }
    }

    /// Takes in what the step computed: new blocks, new tokens, finished sequences.
    pub(crate) fn end_step(&mut self, metrics: &Metrics) {
        let now = Instant::now();
        let mut place = 0;
        while place < self.running.len() {
            let sequence = &mut self.running[place];
            let scheduled = std::mem::take(&mut sequence.scheduled);
            sequence.computed += scheduled;
            if self.prefix_caching {
                name_full_blocks(sequence, &mut self.cache, self.block_size);
            }
            if scheduled > 0 && sequence.computed == sequence.len() {
                sequence.generate();
                metrics.token(sequence.submitted, sequence.last_token, now);
                sequence.first_token.get_or_insert(now);
                sequence.last_token = Some(now);
            }
            if sequence.generated >= sequence.target() {
                let mut done = self.running.swap_remove(place);
                self.release(&mut done);
                metrics.finished(&done.finish(now));
                continue;
            }
            place += 1;
        }
    }

    fn release(&mut self, sequence: &mut Sequence) {
        self.cache
            .release(&sequence.spec.chain[..sequence.named], sequence.private);
        sequence.named = 0;
        sequence.private = 0;
        sequence.computed = 0;
        sequence.scheduled = 0;
    }
}

/// Names the blocks that the sequence has filled, and records those that are new to the cache.
fn name_full_blocks(sequence: &mut Sequence, cache: &mut KvCache, block_size: usize) {
    let full = sequence.computed / block_size;
    if full <= sequence.named {
        return;
    }
    let spec = &mut sequence.spec;
    if full > spec.chain.len() {
        let computed = &spec.tokens[..sequence.computed.min(spec.tokens.len())];
        spec.chain_spec.extend(&mut spec.chain, computed);
    }
    let first = sequence.named;
    let mut stored_from = None;
    for block in first..full.min(spec.chain.len()) {
        sequence.private = sequence.private.saturating_sub(1);
        sequence.named += 1;
        if cache.name(spec.chain[block]) && stored_from.is_none() {
            stored_from = Some(block);
        }
    }
    // A chain's blocks are present from its head on, so all after the first new one are new.
    if let Some(from) = stored_from {
        cache.record(KvEvent::BlockStored {
            hashes: spec.chain[from..sequence.named].to_vec(),
            parent: from.checked_sub(1).map(|parent| spec.chain[parent]),
            tokens: spec.tokens[from * block_size..sequence.named * block_size].to_vec(),
            block_size,
            salt: spec.chain_spec.cache_salt.clone().filter(|_| from == 0),
        });
    }
}
