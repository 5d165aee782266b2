//! Token counts. Converse's `inputTokens` are those that came neither from the cache nor went
//! into it; the canonical count of the prompt holds all of them.

use crate::canonical::Usage;
use crate::json::write;
use crate::json::{Kind, Value};
use crate::payload::{PayloadError, wrong_type};

pub(super) fn read(usage: Value<'_>) -> Result<Usage, PayloadError> {
    if usage.kind() != Kind::Object {
        return Err(wrong_type("usage", "an object", usage));
    }
    let count = |name: &str| match usage.get(name).filter(|count| !count.is_null()) {
        None => Ok(0),
        Some(count) => count
            .as_integer()
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| wrong_type(format!("usage.{name}"), "a count", count)),
    };
    let cached_input = count("cacheReadInputTokens")?;
    let cache_write = count("cacheWriteInputTokens")?;
    let uncached = count("inputTokens")?;
    Ok(Usage {
        input: uncached
            .saturating_add(cached_input)
            .saturating_add(cache_write),
        output: count("outputTokens")?,
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
