//! A model of one vLLM replica, for machines with neither GPU nor key.
//!
//! It speaks vLLM's API, batches continuously at the rates of a profile, keeps a prefix cache in
//! blocks, publishes KV events, and fails on demand. Its text is made up from the prompt's hash.
//! It says that it simulates: in its model's name, in the header `x-forebay-simulated: true` on
//! every response, and in its README.
//!
//! ```no_run
//! # async fn example() -> Result<(), forebay_engine_sim::SimError> {
//! use forebay_engine_sim::{SimConfig, spawn};
//!
//! let engine = spawn(SimConfig::instant()).await?;
//! println!("an OpenAI client may use {}/v1", engine.url());
//! engine.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod api;
mod args;
mod chat_template;
mod config;
mod connection;
mod dice;
mod engine;
mod fault;
mod metrics;
mod prose;
mod schema;
mod server;
mod stats;
mod tokenizer;

pub use answer::TOOL_TRIGGER;
pub use api::router::SIMULATED_HEADER;
pub use args::EngineSimArgs;
pub use config::{ConfigError, HashAlgorithm, PROFILES, SimConfig};
pub use engine::publisher::PublishError;
pub use fault::{FAULT_HEADER, Fault, FaultError};
pub use server::{SimError, SimHandle, serve, spawn, start};
pub use stats::SimStats;
