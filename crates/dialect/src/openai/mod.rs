//! OpenAI's dialect: chat completions and completions, as OpenAI documents them and as vLLM
//! and its kin extend them.

pub mod convert;
pub mod error;
pub mod models;

mod called;
pub(crate) mod embeddings;
pub(crate) mod exchange;
mod fold;
pub(crate) mod format;
mod grammar;
pub(crate) mod mend;
mod message;
pub(crate) mod payload;
pub(crate) mod prompt;
pub(crate) mod rewrite;
mod unfold;
