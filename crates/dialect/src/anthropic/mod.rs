//! Anthropic's messages, as its SDKs type them (anthropic 2.14 for Python, November 2026), at
//! Anthropic itself, at AWS and Google, and at engines that speak it too.

pub(crate) mod format;
pub(crate) mod payload;
pub(crate) mod prompt;

mod answer;
mod blocks;
mod body;
mod cache;
mod error;
mod fold;
mod grammar;
mod media;
mod mend;
mod names;
mod read;
mod read_options;
mod read_parts;
mod stream_read;
mod stream_write;
#[cfg(test)]
mod tests;
mod unfold;
mod usage;
mod write;
mod write_messages;
mod write_options;
mod write_parts;
mod write_thinking;
mod write_tools;

pub use usage::count_tokens_body;

pub(crate) use names::thinks_by_budget;
