//! Token counts. Converse's `inputTokens` are those that came neither from the cache nor went
//! into it; the canonical count of the prompt holds all of them.

use crate::canonical::Usage;
use crate::json::{Value, write};
use crate::payload::{PayloadError, count};

pub(super) fn read(usage: Value<'_>) -> Result<Usage, PayloadError> {
    let cached_input = count(usage, "cacheReadInputTokens")?;
    let cache_write = count(usage, "cacheWriteInputTokens")?;
    let uncached = count(usage, "inputTokens")?;
    Ok(Usage {
        input: uncached
            .saturating_add(cached_input)
            .saturating_add(cache_write),
        output: count(usage, "outputTokens")?,
        cached_input,
        cache_write,
        reasoning: 0,
    })
}

/// Writes the member `usage`.
pub(super) fn write(usage: &Usage, out: &mut String) {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    write::object(out, "usage", |out| {
        write::number(out, "inputTokens", usage.input.saturating_sub(cached));
        write::number(out, "outputTokens", usage.output);
        let total = usage.input.saturating_add(usage.output);
        write::number(out, "totalTokens", total);
        write::number(out, "cacheReadInputTokens", usage.cached_input);
        write::number(out, "cacheWriteInputTokens", usage.cache_write);
    });
}
