//! What the prefix cache is asked and answers.

use forebay_dialect::canonical::{Field, Usage};
use serde::{Deserialize, Serialize};

use super::Reason;

/// Who may share an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All keys of the tenant.
    Tenant,
    /// Only the API key that asked.
    Key,
}

/// How long an entry lives, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// Until it is stale.
    pub ttl: u32,
    /// Since it was last read; 0 is without limit.
    pub idle: u32,
    /// Past `ttl`, when the upstream fails.
    pub stale_if_error: u32,
}

/// A block of the prompt's text: a hint for routing, not an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// XXH64 of this block and of all before it.
    pub hash: u64,
    /// Where it ends, in bytes of the rendered text.
    pub end: u32,
}

/// A place of a prompt behind which a provider's prompt cache can be told to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Behind the tools.
    Tools,
    /// Behind a part of a message.
    Part {
        /// Index of the message.
        message: u32,
        /// Index of the part within it.
        part: u32,
    },
}

/// Where a provider's prompt cache should keep what comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breakpoint {
    /// The place.
    pub after: Anchor,
    /// Hash of everything before the place.
    pub prefix: u64,
    /// Bytes of text before the place.
    pub bytes: u32,
    /// How often the prefix must have been seen before it is marked; 0 is at once.
    pub after_uses: u32,
    /// The time to live to ask for, in seconds; 0 leaves it to the provider.
    pub ttl: u32,
}

/// What the cache means to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePlan {
    /// SHA-256 over every field that can change the answer.
    pub digest: [u8; 32],
    /// Who may share the entry.
    pub scope: Scope,
    /// Whether an entry may answer this request.
    pub lookup: bool,
    /// Whether the answer may become an entry.
    pub store: bool,
    /// Why not.
    pub why: Option<Reason>,
    /// How long the entry would live.
    pub freshness: Freshness,
    /// The prefix chain.
    pub chain: Vec<Block>,
    /// Fields to add for the provider's own prompt cache.
    pub hints: Vec<Field>,
    /// SHA-256 of each input of an embeddings request, in order; empty otherwise.
    pub inputs: Vec<[u8; 32]>,
    /// Where to mark the prompt for a provider's prompt cache.
    pub breakpoints: Vec<Breakpoint>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// With a finish reason and, in a stream, its terminal event.
    Complete,
    /// Cut at a token limit.
    Length,
    /// The connection ended early.
    Truncated,
    /// An error.
    Error,
    /// Refused by the model or a filter.
    Refused,
}

/// What is known when an answer has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The upstream's status code.
    pub status: u16,
    /// The size of the recording, in bytes.
    pub bytes: u64,
    /// Whether a tool was called.
    pub tool_calls: bool,
    /// Tokens, where the upstream counted them.
    pub usage: Option<Usage>,
}

/// Whether an answer becomes an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Store it.
    pub store: bool,
    /// How long it lives.
    pub freshness: Freshness,
    /// Labels under which it can be purged.
    pub tags: Vec<String>,
    /// Why it is not stored.
    pub why: Option<Reason>,
}
