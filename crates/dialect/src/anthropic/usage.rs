//! Tokens as Anthropic counts them: `input_tokens` leaves out what was read from or written
//! into the cache.

use bytes::Bytes;

use crate::canonical::Usage;
use crate::json::{Value, write};
use crate::payload::{PayloadError, wrong_type};

/// The counts that came so far; a stream tells some at its start and some at its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    reasoning: u64,
}

/// What a `usage` tells.
pub(super) fn read(usage: Value<'_>) -> Result<Usage, PayloadError> {
    let mut counts = Counts::default();
    counts.take(usage)?;
    Ok(counts.usage())
}

impl Counts {
    /// Takes what a `usage` says and keeps the rest: its counts are cumulative.
    pub(super) fn take(&mut self, usage: Value<'_>) -> Result<(), PayloadError> {
        for (name, slot) in [
            ("input_tokens", &mut self.input),
            ("cache_read_input_tokens", &mut self.cache_read),
            ("cache_creation_input_tokens", &mut self.cache_write),
            ("output_tokens", &mut self.output),
        ] {
            count(usage, name, slot)?;
        }
        match usage.get("output_tokens_details") {
            Some(details) => count(details, "thinking_tokens", &mut self.reasoning),
            None => Ok(()),
        }
    }

    /// The same with cached tokens as a part of the input.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            input: self
                .input
                .saturating_add(self.cache_read)
                .saturating_add(self.cache_write),
            output: self.output,
            cached_input: self.cache_read,
            cache_write: self.cache_write,
            reasoning: self.reasoning,
        }
    }
}

fn count(of: Value<'_>, name: &str, slot: &mut u64) -> Result<(), PayloadError> {
    if let Some(value) = of.some(name) {
        let count = value.whole::<u64>();
        let count = count.ok_or_else(|| wrong_type(format!("usage.{name}"), "a count", value));
        // Servers that follow Anthropic end with zeros for what they told at the start.
        *slot = count?.max(*slot);
    }
    Ok(())
}

/// Writes the member `usage`.
pub(super) fn write_usage(usage: &Usage, out: &mut String) {
    let cached = usage.cached_input.saturating_add(usage.cache_write);
    write::object(out, "usage", |out| {
        write::number(out, "input_tokens", usage.input.saturating_sub(cached));
        write::number(out, "cache_creation_input_tokens", usage.cache_write);
        write::number(out, "cache_read_input_tokens", usage.cached_input);
        write::number(out, "output_tokens", usage.output);
        if usage.reasoning > 0 {
            write::object(out, "output_tokens_details", |out| {
                write::number(out, "thinking_tokens", usage.reasoning);
            });
        }
    });
}

/// The answer of `/v1/messages/count_tokens`: `{"input_tokens":N}`.
pub fn count_tokens_body(tokens: u64) -> Bytes {
    write::document(|out| write::number(out, "input_tokens", tokens)).into()
}
