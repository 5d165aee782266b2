//! Continuous batching as vLLM's scheduler does it: each step first continues what runs, then
//! admits what waits, within a budget of tokens; a prompt may take several steps.

use std::collections::VecDeque;

use crate::{KvCache, Limits, Step, Watch, Work};

/// A sequence in the scheduler's hands.
#[derive(Debug)]
struct Sequence<W> {
    id: u64,
    work: W,
    generated: usize,
    /// Tokens whose keys and values are in blocks.
    computed: usize,
    /// Tokens of the step under way.
    scheduled: usize,
    /// Leading blocks of the chain that it holds by name.
    named: usize,
    /// Blocks that it holds without a name.
    private: usize,
    /// It ran before.
    admitted: bool,
    preemptions: usize,
}

impl<W: Work> Sequence<W> {
    /// Tokens that exist so far.
    fn len(&self) -> usize {
        self.work.prompt_len() + self.generated
    }

    fn release(&mut self, cache: &mut KvCache<W::Block>) {
        cache.release(&self.work.chain()[..self.named], self.private);
        self.named = 0;
        self.private = 0;
        self.computed = 0;
        self.scheduled = 0;
    }
}

/// The queues and the KV cache. It never waits: a step is begun, time passes elsewhere, it is ended.
#[derive(Debug)]
pub struct Scheduler<W: Work> {
    limits: Limits,
    waiting: VecDeque<Sequence<W>>,
    running: Vec<Sequence<W>>,
    cache: KvCache<W::Block>,
    next_id: u64,
}

impl<W: Work> Scheduler<W> {
    /// An idle engine with an empty cache.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            running: Vec::new(),
            cache: KvCache::new(limits.blocks),
            next_id: 0,
        }
    }

    /// Sequences that run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Sequences that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The cache.
    #[must_use]
    pub fn cache(&self) -> &KvCache<W::Block> {
        &self.cache
    }

    /// Empties the cache; false, and nothing forgotten, while sequences run.
    pub fn clear_cache(&mut self) -> bool {
        self.cache.clear()
    }

    /// Queues a sequence and gives the id that [`Self::abort`] takes.
    pub fn submit(&mut self, work: W) -> u64 {
        self.next_id += 1;
        self.waiting.push_back(Sequence {
            id: self.next_id,
            work,
            generated: 0,
            computed: 0,
            scheduled: 0,
            named: 0,
            private: 0,
            admitted: false,
            preemptions: 0,
        });
        self.next_id
    }

    /// Drops a sequence wherever it is; false if it is already done.
    pub fn abort(&mut self, id: u64) -> bool {
        if let Some(place) = self.running.iter().position(|sequence| sequence.id == id) {
            let mut sequence = self.running.remove(place);
            sequence.release(&mut self.cache);
            return true;
        }
        let before = self.waiting.len();
        self.waiting.retain(|sequence| sequence.id != id);
        self.waiting.len() < before
    }

    /// Decides what the next step computes; none if there is nothing to compute.
    pub fn begin_step(&mut self, watch: &mut impl Watch<W>) -> Option<Step> {
        let mut budget = self.limits.step_tokens;
        let preempted = self.continue_running(&mut budget, watch);
        if !preempted {
            self.admit_waiting(&mut budget, watch);
        }
        let mut step = Step {
            prefill_tokens: 0,
            decodes: 0,
        };
        for sequence in self.running.iter().filter(|one| one.scheduled > 0) {
            if sequence.generated > 0 && sequence.scheduled == 1 {
                step.decodes += 1;
            } else {
                step.prefill_tokens += sequence.scheduled;
            }
        }
        (step.tokens() > 0).then_some(step)
    }

    /// Gives each running sequence its tokens; true if one had to be put back to the queue.
    fn continue_running(&mut self, budget: &mut usize, watch: &mut impl Watch<W>) -> bool {
        let mut preempted = false;
        let mut place = 0;
        while place < self.running.len() {
            let sequence = &mut self.running[place];
            sequence.scheduled = 0;
            let tokens = (sequence.len() - sequence.computed).min(*budget);
            let blocks = (sequence.computed + tokens).div_ceil(self.limits.block_size);
            let missing = blocks.saturating_sub(sequence.named + sequence.private);
            if self.cache.take(missing, |block| watch.removed(block)) {
                sequence.private += missing;
                sequence.scheduled = tokens;
                *budget -= tokens;
                place += 1;
                continue;
            }
            // No room: the youngest gives up its blocks and starts again later.
            if let Some(mut youngest) = self.running.pop() {
                *budget += youngest.scheduled;
                youngest.release(&mut self.cache);
                youngest.preemptions += 1;
                self.waiting.push_front(youngest);
                preempted = true;
            }
        }
        preempted
    }

    fn admit_waiting(&mut self, budget: &mut usize, watch: &mut impl Watch<W>) {
        let block_size = self.limits.block_size;
        while *budget > 0 && self.running.len() < self.limits.sequences {
            let Some(mut sequence) = self.waiting.pop_front() else {
                return;
            };
            // At least one token is computed, or there would be nothing to sample from.
            let most_hits = (sequence.len() - 1) / block_size;
            let chain = sequence.work.chain();
            let known = &chain[..most_hits.min(chain.len())];
            let (hits, idle) = match self.limits.prefix_caching {
                true => self.cache.hits(known),
                false => (0, 0),
            };
            let computed = hits * block_size;
            let tokens = (sequence.len() - computed).min(*budget);
            let missing = (computed + tokens).div_ceil(block_size) - hits;
            if self.cache.available() < missing + idle {
                self.waiting.push_front(sequence);
                return;
            }
            self.cache.hold(&known[..hits]);
            self.cache.take(missing, |block| watch.removed(block));
            sequence.named = hits;
            sequence.private = missing;
            sequence.computed = computed;
            sequence.scheduled = tokens;
            let first = !std::mem::replace(&mut sequence.admitted, true);
            watch.started(&mut sequence.work, first.then_some(computed));
            *budget -= tokens;
            self.running.push(sequence);
        }
    }

    /// Takes in what the step computed: new blocks, new tokens, finished sequences.
    pub fn end_step(&mut self, watch: &mut impl Watch<W>) {
        let mut place = 0;
        while place < self.running.len() {
            let sequence = &mut self.running[place];
            let scheduled = std::mem::take(&mut sequence.scheduled);
            sequence.computed += scheduled;
            if self.limits.prefix_caching {
                name_full_blocks(sequence, &mut self.cache, self.limits.block_size, watch);
            }
            if scheduled > 0 && sequence.computed == sequence.len() {
                sequence.generated += 1;
                watch.token(&mut sequence.work, sequence.generated);
            }
            if sequence.generated >= sequence.work.output_len() {
                let mut done = self.running.swap_remove(place);
                done.release(&mut self.cache);
                watch.finished(done.work, done.preemptions);
                continue;
            }
            place += 1;
        }
    }
}

/// Names the blocks that the sequence has filled, and tells which are new to the cache.
fn name_full_blocks<W: Work>(
    sequence: &mut Sequence<W>,
    cache: &mut KvCache<W::Block>,
    block_size: usize,
    watch: &mut impl Watch<W>,
) {
    let full = sequence.computed / block_size;
    if full <= sequence.named {
        return;
    }
    if full > sequence.work.chain().len() {
        sequence.work.extend_chain(sequence.computed);
    }
    let chain = sequence.work.chain();
    let first = sequence.named;
    let mut stored_from = None;
    for (block, name) in chain.iter().enumerate().take(full).skip(first) {
        sequence.private = sequence.private.saturating_sub(1);
        sequence.named += 1;
        if cache.name(*name) && stored_from.is_none() {
            stored_from = Some(block);
        }
    }
    // A chain's blocks are present from its head on, so all after the first new one are new.
    if let Some(from) = stored_from {
        watch.stored(&sequence.work, from..sequence.named);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    struct Prompt {
        tokens: usize,
        output: usize,
        chain: Vec<u64>,
    }

    impl Work for Prompt {
        type Block = u64;

        fn prompt_len(&self) -> usize {
            self.tokens
        }

        fn output_len(&self) -> usize {
            self.output
        }

        fn chain(&self) -> &[u64] {
            &self.chain
        }

        fn extend_chain(&mut self, _: usize) {}
    }

    #[derive(Default)]
    struct Log(Vec<String>);

    impl Watch<Prompt> for Log {
        fn started(&mut self, _: &mut Prompt, cached: Option<usize>) {
            self.0.push(format!("started {cached:?}"));
        }

        fn token(&mut self, _: &mut Prompt, generated: usize) {
            self.0.push(format!("token {generated}"));
        }

        fn finished(&mut self, _: Prompt, preemptions: usize) {
            self.0.push(format!("finished {preemptions}"));
        }

        fn stored(&mut self, _: &Prompt, blocks: Range<usize>) {
            self.0.push(format!("stored {blocks:?}"));
        }

        fn removed(&mut self, block: u64) {
            self.0.push(format!("removed {block}"));
        }
    }

    fn scheduler(blocks: usize) -> Scheduler<Prompt> {
        Scheduler::new(Limits {
            block_size: 10,
            blocks,
            sequences: 8,
            step_tokens: 25,
            prefix_caching: true,
        })
    }

    fn prompt(first_block: u64, tokens: usize) -> Prompt {
        Prompt {
            tokens,
            output: 2,
            chain: (0..tokens as u64 / 10)
                .map(|block| first_block + block)
                .collect(),
        }
    }

    fn run(scheduler: &mut Scheduler<Prompt>) -> Vec<String> {
        let mut log = Log::default();
        while scheduler.begin_step(&mut log).is_some() {
            scheduler.end_step(&mut log);
        }
        log.0
    }

    #[test]
    fn a_long_prompt_takes_several_steps_and_its_prefix_is_found_again() {
        let mut scheduler = scheduler(10);
        scheduler.submit(prompt(100, 45));
        let log = run(&mut scheduler);
        let expected = [
            "started Some(0)",
            "stored 0..2",
            "stored 2..4",
            "token 1",
            "token 2",
            "finished 0",
        ];
        assert_eq!(log, expected);
        scheduler.submit(prompt(100, 45));
        assert_eq!(run(&mut scheduler)[0], "started Some(40)");
        // A prompt that is cached whole still computes its last block.
        scheduler.submit(prompt(100, 40));
        assert_eq!(run(&mut scheduler)[0], "started Some(30)");
    }

    #[test]
    fn prefill_and_decode_share_a_step() {
        let mut scheduler = scheduler(20);
        scheduler.submit(prompt(100, 20));
        scheduler.begin_step(&mut ());
        scheduler.end_step(&mut ());
        scheduler.submit(prompt(200, 40));
        let step = scheduler.begin_step(&mut ());
        assert_eq!(
            step,
            Some(Step {
                prefill_tokens: 24,
                decodes: 1
            })
        );
    }

    #[test]
    fn without_room_the_youngest_is_preempted_and_both_finish() {
        let mut scheduler = scheduler(6);
        for first in [100, 200] {
            scheduler.submit(Prompt {
                output: 15,
                ..prompt(first, 22)
            });
        }
        let log = run(&mut scheduler);
        assert!(log.contains(&"finished 0".to_owned()), "{log:?}");
        assert!(log.contains(&"finished 1".to_owned()), "{log:?}");
        assert_eq!(scheduler.running() + scheduler.waiting(), 0);
        assert!(scheduler.cache().usage().abs() < f64::EPSILON);
    }

    #[test]
    fn an_aborted_sequence_frees_its_room() {
        let mut scheduler = scheduler(10);
        let id = scheduler.submit(prompt(100, 45));
        scheduler.begin_step(&mut ());
        assert!(scheduler.abort(id));
        assert!(!scheduler.abort(id));
        assert_eq!(scheduler.cache().available(), 10);
    }
}
