//! Oracle's Generative AI, `/20231130/actions/chat`, as its Python SDK's models have it
//! (`oci.generative_ai_inference`). Upstreams only.
//!
//! There are three forms of a request in one envelope: `GENERIC` for everybody's models,
//! `COHERE` for Cohere's older ones and `COHEREV2` for its newer ones. Answers and streams of
//! all three are read alike.

mod answer;
mod arguments;
mod first;
pub(crate) mod format;
mod generic;
mod message;
mod schema;
mod second;
mod stream;
#[cfg(test)]
mod tests;
mod time;
mod write;
