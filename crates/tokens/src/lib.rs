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
//! # Which library
//!
//! `tokenizers` is the reference: the engines use it, so its tokens are theirs by definition. The
//! libraries beside it (Python packages of Rust crates, November 2026) over the tokenizers of
//! Qwen3, Llama 3.1, gpt-oss, DeepSeek V3 and Gemma 3, 563 texts and 5,000 made-up ones, in MB of text
//! a second of one processor that others used too:
//!
//! | library | texts that differ, of 27,815 | first four, one long prompt | Gemma 3 |
//! | --- | ---: | ---: | ---: |
//! | tokenizers 0.23.3 | 0 | 1.1 to 1.9 | 2.5 |
//! | kitoken 0.11.1 | 0 | 12.6 to 17.5 | 3.5 |
//! | snaptokens 0.2.6 | 0 | 104 to 129 | 33 |
//! | fastokens 0.3.5 | 0 | 131 to 153 | 41 |
//! | gigatoken 0.10.0 | 0 | 132 to 156 | 74 |
//! | tokie 0.1.4 | 747 | 33 to 84 | 2.8 |
//!
//! Each library had seen the texts before, and some keep the tokens of words. tokie also takes 43 s
//! for 100,000 times one character with Llama 3.1. `bench/tokenizer_libraries.py` repeats it.
//! [`Tails`] makes up for most of the difference, since a follow-up turn tokenises only what is new.
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
