//! One sequence: what is to be computed, how far it has come, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use forebay_engine_model::Work;
use forebay_prefix::{BlockHash, ChainSpec};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a sequence is to compute.
#[derive(Debug, Clone)]
pub(crate) struct SequenceSpec {
    /// The prompt's tokens and after them the completion's.
    pub(crate) tokens: Vec<u32>,
    /// How many of them are the prompt.
    pub(crate) prompt_len: usize,
    /// How blocks are named.
    pub(crate) chain_spec: ChainSpec,
    /// The prompt's full blocks.
    pub(crate) chain: Vec<BlockHash>,
    /// The request's `max_tokens`, if it gave one.
    pub(crate) max_tokens: Option<usize>,
    /// The request's `n`.
    pub(crate) n: usize,
    /// Whether it ends because it reached its limit.
    pub(crate) cut_by_length: bool,
}

/// What the API sees of a running sequence.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    generated: AtomicUsize,
    cached: AtomicUsize,
    finished: AtomicBool,
}

impl Progress {
    /// Tokens generated so far.
    pub(crate) fn generated(&self) -> usize {
        self.generated.load(Ordering::Acquire)
    }

    /// Prompt tokens that came from the prefix cache.
    pub(crate) fn cached(&self) -> usize {
        self.cached.load(Ordering::Acquire)
    }

    /// Whether the last token is there.
    pub(crate) fn finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    pub(super) fn set_cached(&self, tokens: usize) {
        self.cached.store(tokens, Ordering::Release);
    }
}

/// What a sequence was, once it ended by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    pub(crate) prompt_tokens: usize,
    pub(crate) generated: usize,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) n: usize,
    pub(crate) cut_by_length: bool,
    pub(crate) preemptions: usize,
    /// From submission to the first step.
    pub(crate) queued: Duration,
    /// From the first step to the first token.
    pub(crate) prefill: Duration,
    /// From the first token to the last.
    pub(crate) decode: Duration,
}

/// A sequence in the model's hands.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) spec: SequenceSpec,
    pub(super) progress: Arc<Progress>,
    pub(super) moved: Arc<Notify>,
    pub(super) submitted: Instant,
    pub(super) started: Option<Instant>,
    pub(super) first_token: Option<Instant>,
    pub(super) last_token: Option<Instant>,
}

impl Sequence {
    pub(super) fn new(spec: SequenceSpec, progress: Arc<Progress>, moved: Arc<Notify>) -> Self {
        Self {
            spec,
            progress,
            moved,
            submitted: Instant::now(),
            started: None,
            first_token: None,
            last_token: None,
        }
    }

    /// Tokens it will have generated in the end.
    fn target(&self) -> usize {
        self.spec.tokens.len() - self.spec.prompt_len
    }

    /// Sums it up.
    pub(super) fn finish(&self, now: Instant, preemptions: usize) -> Finished {
        let started = self.started.unwrap_or(now);
        let first_token = self.first_token.unwrap_or(now);
        Finished {
            prompt_tokens: self.spec.prompt_len,
            generated: self.progress.generated(),
            max_tokens: self.spec.max_tokens,
            n: self.spec.n,
            cut_by_length: self.spec.cut_by_length,
            preemptions,
            queued: started - self.submitted,
            prefill: first_token - started,
            decode: now - first_token,
        }
    }

    /// Takes in one more token and tells the API.
    pub(super) fn generate(&mut self, generated: usize) {
        self.progress.generated.store(generated, Ordering::Release);
        if generated >= self.target() {
            self.progress.finished.store(true, Ordering::Release);
        }
        self.moved.notify_one();
    }
}

impl Work for Sequence {
    type Block = BlockHash;

    fn prompt_len(&self) -> usize {
        self.spec.prompt_len
    }

    fn output_len(&self) -> usize {
        self.target()
    }

    fn chain(&self) -> &[BlockHash] {
        &self.spec.chain
    }

    fn extend_chain(&mut self, tokens: usize) {
        let spec = &mut self.spec;
        let computed = &spec.tokens[..tokens.min(spec.tokens.len())];
        spec.chain_spec.extend(&mut spec.chain, computed);
    }
}
