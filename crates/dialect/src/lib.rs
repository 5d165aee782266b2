//! Wire formats of clients and providers, to and from one canonical request, response and
//! stream. No I/O: bytes in, bytes out.
//!
//! The rule of the house is *nothing unseen is lost*. A body is never built anew from what was
//! understood of it: the bytes that came are kept, what is read remembers where it stood, and
//! what changes is spliced in. So a field that nobody here knows reaches the other side as it
//! was written, in both directions.
//!
//! ```
//! use forebay_dialect::canonical::Operation;
//! use forebay_dialect::{BodyChange, Request};
//!
//! let body = r#"{"model": "fast", "messages": [{"role": "user", "content": "Hi"}], "top_k": 5}"#;
//! let request = Request::parse(Operation::Chat, body.into())?;
//! assert_eq!(request.prompt.extra[0].name, "top_k");
//!
//! let change = BodyChange { model: Some("llama-70b"), ..BodyChange::default() };
//! assert_eq!(request.upstream_body(&change), body.replace("fast", "llama-70b"));
//! # Ok::<(), forebay_dialect::RequestError>(())
//! ```
//!
//! - [`canonical`]: what every dialect is read into
//! - [`json`]: canonical JSON, byte ranges, splices
//! - [`sse`]: the framing of event streams
//! - [`event_stream`]: AWS's framing of them
//! - [`openai`], and beside it the other dialects' own rooms
//! - [`passing`]: bodies that no dialect is read from: they pass through as they are
//! - [`exchange`]: what crosses from one dialect to another, and `cross` that brings it over
//! - `contract`, what a format implements, and `formats`, the table of them: formats know what
//!   stands below them, never the table or `cross`
//! - [`error`]: errors in each dialect's shape

#![forbid(unsafe_code)]

mod anthropic;
mod body;
mod call_ids;
pub mod canonical;
mod cased;
pub mod clouds;
mod cohere;
mod contract;
mod converse;
mod cross;
mod data_url;
pub mod door;
mod edit;
pub mod error;
pub mod event_stream;
pub mod exchange;
mod fields;
mod fit;
mod formats;
mod gemini;
mod grammar;
pub mod json;
mod labels;
mod members;
mod naming;
mod oci;
pub mod ollama;
pub mod openai;
mod output_limit;
pub mod passing;
mod payload;
pub mod place;
mod prompt_cache;
mod request;
mod resign;
mod responses;
mod rewrite;
mod rfc3339;
pub mod shelf;
mod signed;
mod silent_calls;
mod spelled;
pub mod sse;
mod swap;
pub mod vocabulary;
mod wire;

pub use anthropic::count_tokens_body;
pub use body::BodyChange;
pub use contract::context::AnswerContext;
pub use contract::embedding::EmbeddingForm;
pub use contract::failure::TranslateError;
pub use cross::{StreamTranslation, fold, media_urls, translate_answer, translate_request, unfold};
pub use edit::{EditError, TextEdit};
pub use fit::{is_known_ending, unbilled};
pub use formats::{Mender, mend_answer};
pub use gemini::count_tokens_body as gemini_count_tokens_body;
pub use json::json_string;
pub use labels::{Label, LabelKind, Strings};
pub use members::{set_members, string_list};
pub use openai::embeddings::{translate_embeddings, translate_embeddings_answer};
pub use output_limit::clamp_output;
pub use payload::{
    Payload, PayloadError, StreamItem, TextDelta, UpstreamErrorBody, is_done_marker,
};
pub use prompt_cache::{
    CacheMark, CachePlace, MAX_CACHE_MARKS, Marked, cache_place, mark_prefixes,
};
pub use request::{Extent, Request, RequestError};
pub use resign::resign;
pub use responses::kept;
pub use swap::{Attached, Swap, SwapError, attached};
pub use wire::{Framing, Target, Terminal, Wire};
