//! Tokens of conversations that were tokenised before: of a follow-up only the tail is new.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use crate::error::TokensError;
use crate::tokenizer::Tokenizer;

/// Texts shorter than this are tokenised anew: it takes less than a hundred microseconds.
const SHORT: usize = 2_048;

/// Beginnings of texts with their tokens, within a bound of tokens.
#[derive(Debug)]
pub struct Tails {
    limit: usize,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// By the SHA-256 of the text: what another tenant writes can't be taken for it.
    beginnings: LruCache<[u8; 32], Arc<[u32]>>,
    tokens: usize,
    /// Bytes of text that were tokenised, and that did not have to be.
    done: u64,
    spared: u64,
}

impl Tails {
    /// Remembers so many tokens; each takes four bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            known: Mutex::new(Known {
                beginnings: LruCache::unbounded(),
                tokens: 0,
                done: 0,
                spared: 0,
            }),
        }
    }

    /// The tokens of a text, without special ones around it: those of the longest beginning that
    /// is known, up to a seam of the tokenizer, and those of the rest.
    ///
    /// # Errors
    ///
    /// When the tokenizer can't say it.
    pub fn encode(&self, tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, TokensError> {
        if text.len() < SHORT {
            return tokenizer.encode(text, false);
        }
        let seams = beginnings(text, &tokenizer.seams().ends(text));
        let found = {
            let mut known = self.known();
            let longest = seams.iter().rev();
            longest
                .filter_map(|(end, name)| Some((*end, known.beginnings.get(name)?.clone())))
                .next()
        };
        let (from, mut tokens) = match found {
            Some((end, tokens)) => (end, tokens.to_vec()),
            None => (0, Vec::new()),
        };
        self.count(text.len() - from, from);
        let rest = text.get(from..).unwrap_or_default();
        // Cut again at the last seam, so that what comes before it is there for the next turn.
        let last = seams.last().filter(|(end, _)| *end > from);
        let Some((end, name)) = last else {
            tokens.extend(tokenizer.encode(rest, false)?);
            return Ok(tokens);
        };
        let (before, after) = rest.split_at_checked(end - from).unwrap_or((rest, ""));
        tokens.extend(tokenizer.encode(before, false)?);
        self.remember(*name, tokens.as_slice().into());
        tokens.extend(tokenizer.encode(after, false)?);
        Ok(tokens)
    }

    /// Bytes of text that were tokenised, and bytes that did not have to be.
    pub fn bytes(&self) -> (u64, u64) {
        let known = self.known();
        (known.done, known.spared)
    }

    fn count(&self, done: usize, spared: usize) {
        let mut known = self.known();
        known.done = known.done.saturating_add(done as u64);
        known.spared = known.spared.saturating_add(spared as u64);
    }

    fn remember(&self, name: [u8; 32], tokens: Arc<[u32]>) {
        if tokens.len() > self.limit {
            return;
        }
        let mut known = self.known();
        known.tokens += tokens.len();
        if let Some(old) = known.beginnings.put(name, tokens) {
            known.tokens -= old.len();
        }
        while known.tokens > self.limit {
            match known.beginnings.pop_lru() {
                Some((_, oldest)) => known.tokens -= oldest.len(),
                None => break,
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of a text's beginnings up to each of these places.
fn beginnings(text: &str, ends: &[usize]) -> Vec<(usize, [u8; 32])> {
    let mut hash = Sha256::new();
    let mut from = 0;
    let mut out = Vec::with_capacity(ends.len());
    for end in ends {
        hash.update(text.get(from..*end).unwrap_or_default());
        out.push((*end, hash.clone().finalize().into()));
        from = *end;
    }
    out
}
