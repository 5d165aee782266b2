//! One request on its way through the engine: its answers, its sequences, and what may be sent.

use std::time::{SystemTime, UNIX_EPOCH};

use forebay_prefix::{Algorithm, ChainSpec};

use super::error::ApiError;
use super::request::Common;
use super::usage::Counts;
use crate::answer::{self, Answer, Piece};
use crate::config::{HashAlgorithm, SimConfig};
use crate::dice::Dice;
use crate::engine::sequence::SequenceSpec;
use crate::engine::{Engine, Running};

/// Who answers, and when: the head of every object sent.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
}

/// Choices of one request, over all its prompts.
const MAX_CHOICES: usize = 1_024;

/// Tokens of one request, its prompts counted once for each choice, and of the completions what
/// `ignore_eos` and `min_tokens` ask for. A completion is made up before it is sent, at about 100
/// bytes a token, so this keeps a request under 100 MB.
const MAX_TOKENS: usize = 1_000_000;

/// One choice of the answer.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) index: usize,
    pub(crate) answer: Answer,
    /// The place of its prompt among the request's prompts.
    pub(crate) prompt: usize,
    sent_pieces: usize,
    sent_tokens: usize,
    sent_chars: usize,
}

/// A piece that is ready to be sent.
pub(crate) struct Ready<'a> {
    pub(crate) choice: &'a Choice,
    pub(crate) piece: &'a Piece,
    /// Characters of the choice's text before it.
    pub(crate) offset: usize,
    pub(crate) last: bool,
}

/// A request under way. Dropping it gives its slots and blocks back at once.
pub(crate) struct Job {
    pub(crate) head: Head,
    pub(crate) choices: Vec<Choice>,
    pub(crate) prompts: Vec<Vec<u32>>,
    running: Running,
    block_size: usize,
    counts_created: bool,
}

/// Milliseconds matter to no field of the wire format.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Job {
    /// Decides the answers and queues the sequences. `kind` begins the id: `chatcmpl` or `cmpl`.
    pub(crate) fn start(
        engine: &Engine,
        config: &SimConfig,
        common: &Common,
        prompts: Vec<Vec<u32>>,
        kind: &str,
    ) -> Result<Self, ApiError> {
        let limit = config.context_limit();
        for prompt in &prompts {
            if prompt.len() >= limit {
                return Err(ApiError::prompt_too_long(limit));
            }
            let output = common.wish.max_tokens.unwrap_or(1);
            if prompt.len() + output > limit {
                return Err(ApiError::request_too_long(limit, prompt.len(), output));
            }
        }
        let count = prompts.len() * common.n;
        let planned = common.wish.planned().min(limit);
        let once: usize = prompts.iter().map(|prompt| prompt.len() + planned).sum();
        let tokens = once.saturating_mul(common.n);
        if count > MAX_CHOICES || tokens > MAX_TOKENS {
            let message = format!(
                "{count} choices with {tokens} tokens are over the simulation's limits of {MAX_CHOICES} choices and {MAX_TOKENS} tokens"
            );
            return Err(ApiError::bad_request(message, Some("n")));
        }
        let chain_spec = chain_spec(config, common);
        let mut choices = Vec::new();
        let mut specs = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            let chain = chain_spec.chain(prompt);
            for n in 0..common.n {
                let answer = answer::decide(&common.wish, prompt, n, limit - prompt.len());
                let mut tokens = prompt.clone();
                tokens.extend(answer.tokens());
                specs.push(SequenceSpec {
                    tokens,
                    prompt_len: prompt.len(),
                    chain_spec: chain_spec.clone(),
                    chain: chain.clone(),
                    max_tokens: common.wish.max_tokens,
                    n: common.n,
                    cut_by_length: answer.finish == answer::Finish::Length,
                });
                choices.push(Choice {
                    index: choices.len(),
                    answer,
                    prompt: place,
                    sent_pieces: 0,
                    sent_tokens: 0,
                    sent_chars: 0,
                });
            }
        }
        let running = engine
            .submit(specs)
            .map_err(|full| ApiError::overloaded(full.to_string()))?;
        let created = now();
        let first = prompts.first().map_or(&[][..], Vec::as_slice);
        let nonce = running.nonce() ^ (created << 20);
        Ok(Self {
            head: Head {
                id: format!("{kind}-{}", Dice::new(first, nonce as i64, 0).hex()),
                created,
                model: common.model.clone(),
            },
            choices,
            prompts,
            running,
            block_size: config.block_size,
            counts_created: kind == "chatcmpl",
        })
    }

    /// Waits until every sequence is done.
    pub(crate) async fn finished(&self) {
        while !self.running.progress.iter().all(|one| one.finished()) {
            self.running.moved.notified().await;
        }
    }

    /// Waits until at least one more piece may be sent, and hands out up to `most` of them; none
    /// once all are sent.
    pub(crate) async fn ready<R>(
        &mut self,
        most: usize,
        mut render: impl FnMut(Ready<'_>) -> R,
    ) -> Option<Vec<R>> {
        loop {
            let mut out = Vec::new();
            let mut open = false;
            for (choice, progress) in self.choices.iter_mut().zip(&self.running.progress) {
                let generated = progress.generated();
                while let Some(piece) = choice.answer.pieces.get(choice.sent_pieces) {
                    let tokens = choice.sent_tokens + piece.tokens.len();
                    if out.len() >= most || tokens > generated {
                        break;
                    }
                    out.push(render(Ready {
                        choice,
                        piece,
                        offset: choice.sent_chars,
                        last: choice.sent_pieces + 1 == choice.answer.pieces.len(),
                    }));
                    choice.sent_chars += piece.text.chars().count();
                    choice.sent_tokens = tokens;
                    choice.sent_pieces += 1;
                }
                open |= choice.sent_pieces < choice.answer.pieces.len();
            }
            if !out.is_empty() {
                return Some(out);
            }
            if !open {
                return None;
            }
            self.running.moved.notified().await;
        }
    }

    /// What it cost so far; prompts count once each, whatever `n` is.
    pub(crate) fn counts(&self) -> Counts {
        let prompt: usize = self.prompts.iter().map(Vec::len).sum();
        let progress = &self.running.progress;
        let per_prompt = self.choices.len() / self.prompts.len().max(1);
        let firsts = progress.iter().step_by(per_prompt.max(1));
        let cached: usize = firsts.map(|one| one.cached()).sum();
        let full: usize = self
            .prompts
            .iter()
            .map(|prompt| prompt.len() / self.block_size * self.block_size)
            .sum();
        Counts {
            prompt,
            completion: progress.iter().map(|one| one.generated()).sum(),
            cached,
            created: self.counts_created.then(|| full.saturating_sub(cached)),
        }
    }
}

fn chain_spec(config: &SimConfig, common: &Common) -> ChainSpec {
    ChainSpec {
        algorithm: match config.prefix_caching_hash_algo {
            HashAlgorithm::Sha256Cbor => Algorithm::Sha256Cbor,
            HashAlgorithm::XxhashCbor => Algorithm::XxhashCbor,
        },
        block_size: config.block_size,
        seed: config.hash_seed.clone(),
        cache_salt: common.cache_salt.clone(),
        public_blocks: common.shared_prefix_tokens / config.block_size.max(1),
        ..ChainSpec::default()
    }
}
