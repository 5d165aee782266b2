//! What a test may ask of a replica without scraping it.

/// A snapshot of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SimStats {
    /// Sequences that run.
    pub running: usize,
    /// Sequences that wait.
    pub waiting: usize,
    /// Sequences that ended by themselves.
    pub finished: u64,
    /// Sequences whose client left.
    pub aborted: u64,
    /// Prompt tokens taken in, cached ones included.
    pub prompt_tokens: u64,
    /// Prompt tokens that came from the prefix cache.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generation_tokens: u64,
    /// Share of the KV blocks that running sequences hold, 0 to 1.
    pub kv_cache_usage: f64,
    /// Batches of KV events handed to the socket.
    pub kv_batches_published: u64,
}
