//! A pure decision is memoised: the verdict and the plan of a byte-identical repeat.
//!
//! It keeps spans, verdicts and keys, never values of prompts. A request that a guardrail
//! edited is not remembered: its masks need the prompt anyway.

use std::sync::Arc;

use forebay_dialect::Target;
use forebay_dialect::canonical::Needs;
use sha2::{Digest as _, Sha256};

use crate::policy::{CachePlan, Directives, Hit, Reason};
use crate::store::CacheKey;

/// What was decided about a request, and the facts of it that later steps need without its body.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The model as the client named it.
    pub model: Arc<str>,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// Whether it asked for usage in the stream.
    pub include_usage: bool,
    /// What it needs of an upstream.
    pub needs: Needs,
    /// Estimated tokens of the prompt.
    pub input_tokens: u64,
    /// The cap on output tokens, where sent.
    pub max_tokens: Option<u64>,
    /// How many choices it asked for.
    pub n: u32,
    /// Rules that matched.
    pub hits: Vec<Hit>,
    /// Set when it was denied.
    pub denied: Option<Reason>,
    /// Whether rules for the output apply.
    pub guard_output: bool,
    /// The plan; none when denied.
    pub plan: Option<Arc<CachePlan>>,
    /// The entry's name; none when denied.
    pub cache_key: Option<CacheKey>,
}

/// Names what is remembered and under which key; a change of either is a new version.
const VERSION: &[u8] = b"forebay memo 2";

/// The memo's key: SHA-256 of tenant, key, dialect, what the path and the dialect's own headers say, directives, policy digest and body.
pub fn memo_id(
    tenant: &str,
    key: &str,
    target: &Target,
    headers: &str,
    directives: &Directives,
    policy: &[u8; 32],
    body: &[u8],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(VERSION);
    for part in [
        tenant.as_bytes(),
        key.as_bytes(),
        target.wire.as_str().as_bytes(),
        target.model.as_deref().unwrap_or_default().as_bytes(),
        headers.as_bytes(),
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let flags = [
        u8::from(target.stream == Some(true)),
        u8::from(directives.no_cache),
        u8::from(directives.no_store),
        u8::from(directives.only_if_cached),
        u8::from(directives.cache_sampled),
        u8::from(directives.max_age.is_some()),
        u8::from(directives.stale_if_error.is_some()),
    ];
    hash.update(flags);
    hash.update(directives.max_age.unwrap_or_default().to_be_bytes());
    hash.update(directives.stale_if_error.unwrap_or_default().to_be_bytes());
    hash.update(policy);
    hash.update(body);
    hash.finalize().into()
}
