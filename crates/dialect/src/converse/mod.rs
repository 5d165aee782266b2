//! AWS Bedrock's Converse and ConverseStream (service model `bedrock-runtime` 2023-09-30): the
//! model and whether a stream is wanted stand in the path; each event of a stream is known here
//! by its union form, `{"contentBlockDelta":{…}}`, which [`crate::event_stream`] frames.

mod answer;
mod cache;
mod cite;
mod error;
pub(crate) mod format;
mod grammar;
mod names;
pub(crate) mod payload;
pub(crate) mod prompt;
mod read;
mod read_blocks;
mod read_options;
mod stream_read;
mod stream_write;
mod usage;
mod write;
mod write_blocks;
mod write_checks;
mod write_media;
mod write_model;
mod write_options;
mod write_results;
mod write_tools;

#[cfg(test)]
mod tests;
