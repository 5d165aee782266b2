//! The gateway on a platform for tests. One program: what they share is compiled once.

mod answers;
mod chaos;
mod charges;
mod doors;
mod embeddings;
mod failures;
mod flights;
mod guests;
mod kept;
mod losses;
mod progress;
mod prompt_cache;
mod public_prompts;
mod replicas;
mod reported;
mod support;
mod tokens;
