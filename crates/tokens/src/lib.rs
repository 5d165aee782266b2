//! A prompt's tokens, as the engine counts them.
//!
//! The engine renders a conversation with the model's chat template and cuts the text with the
//! model's tokenizer. This crate does both from the same files, so that a gateway knows a prompt's
//! token ids before it chooses an engine: exact prefix blocks, exact counts.
//!
//! - [`Tokenizer`]: `tokenizer.json`, tiktoken and tekken files
//! - [`ChatTemplate`]: Jinja as Hugging Face runs it, within bounds of steps, output and depth
//! - [`Conversation`]: an OpenAI request's messages and tools, in the form in which vLLM hands
//!   them to the template
//! - [`Tails`]: a follow-up turn tokenises what is new and no more
//! - [`Model`]: all of it, from one folder
//!
//! Nothing here reads a clock or a socket; files are read when a model is loaded. A model whose
//! tokens differ from the engine's is found by asking the engine, which is the caller's part.

#![forbid(unsafe_code)]

mod content;
mod conversation;
mod error;
mod functions;
mod json;
mod model;
mod python;
mod seams;
mod strftime;
mod tails;
mod tekken;
mod template;
mod tiktoken;
mod tokenizer;

pub use content::Content;
pub use conversation::Conversation;
pub use error::TokensError;
pub use json::Json;
pub use model::{Model, ModelFiles};
pub use tails::Tails;
pub use template::{ChatTemplate, Rendering};
pub use tokenizer::{Tokenizer, TokenizerKind};
