//! What can be wrong with a model's files and with a prompt for them.

use std::path::PathBuf;

/// Why a model can't be loaded, or a prompt can't be tokenised. No message repeats a prompt, but
/// for what a template itself says when it raises.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// A file can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than any tokenizer.
    #[error("{}: {bytes} bytes, over the limit of {limit} for a tokenizer or template", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A folder has no file that is a tokenizer.
    #[error("{}: no tokenizer.json, tekken.json or *.tiktoken in this folder", .0.display())]
    NoTokenizer(PathBuf),
    /// A tokenizer file does not parse.
    #[error("{}: not a tokenizer: {why}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A template does not compile.
    #[error("the chat template does not compile: {0}")]
    Template(String),
    /// There is no template for a conversation.
    #[error("the model has no chat template")]
    NoTemplate,
    /// The template raised: it does not take this conversation.
    #[error("the chat template does not accept this conversation: {0}")]
    Raised(String),
    /// The template failed or ran into a bound.
    #[error("the chat template failed: {0}")]
    Render(String),
    /// The rendered prompt is too long.
    #[error("the chat template wrote more than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The request has a form that this crate does not render as the engine does.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The tokenizer failed on a text.
    #[error("the tokenizer failed: {0}")]
    Encode(String),
}
