//! How well an engine's cache is known.

use std::fmt;

/// How well an engine's cache is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Every event since the engine's cache was empty has been applied.
    Exact,
    /// Events arrive, but some were missed: what is known may be incomplete or stale.
    Degraded,
    /// No usable events: the engine's cache is guessed from what was routed to it.
    Fallback,
}

impl State {
    /// `exact`, `degraded` or `fallback`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Degraded => "degraded",
            Self::Fallback => "fallback",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an engine's cache is not known exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// No events have arrived yet.
    #[error("no KV events yet")]
    NoEvents,
    /// Events can't be received now; until then every one was applied.
    #[error("the socket of KV events is not reachable")]
    Unreachable,
    /// The subscription began after the engine had cached blocks.
    #[error("joined at batch {first}: blocks stored before are unknown")]
    LateJoin {
        /// The first batch seen.
        first: u64,
    },
    /// Batches were lost and could not be replayed.
    #[error("{batches} batches of KV events were lost")]
    Lost {
        /// How many.
        batches: u64,
    },
    /// Batches or events did not decode.
    #[error("{count} batches of KV events did not decode")]
    Malformed {
        /// How many.
        count: u64,
    },
    /// Blocks follow blocks that were never seen.
    #[error("{blocks} stored blocks follow unknown blocks")]
    Orphans {
        /// How many.
        blocks: u64,
    },
    /// The engine cuts blocks otherwise.
    #[error("the engine's blocks have {engine} tokens, {configured} are configured")]
    BlockSize {
        /// The engine's.
        engine: usize,
        /// The configured one.
        configured: usize,
    },
    /// The engine names blocks otherwise.
    #[error(
        "the engine's block hashes are not the configured ones: compare the hash algorithm and PYTHONHASHSEED"
    )]
    Hashes,
}
